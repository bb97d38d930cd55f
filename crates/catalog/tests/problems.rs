//! Every problem of a catalog: its line, its path, its sentence; and many at once.

mod support;

use expect_test::{Expect, expect};
use support::{GOOD, problems_of};

/// Replaces one piece of the good catalog and shows what is then wrong.
fn change(from: &str, to: &str, expect: Expect) {
    assert_eq!(GOOD.matches(from).count(), 1, "{from}");
    expect.assert_eq(&problems_of(&GOOD.replace(from, to)));
}

#[test]
fn the_good_one_is_good_and_so_is_an_empty_one() {
    assert_eq!(problems_of(GOOD), "good");
    assert_eq!(problems_of(""), "good");
}

#[test]
fn grammar_and_members() {
    change(
        "[schemas.s]",
        "[schemas.s",
        expect!["c:2: unclosed table, expected `]`"],
    );
    change(
        "[offers.off]",
        "[offer.off]",
        expect![[r#"
        c:30: offer: unknown member: did you mean `offers`?
        c:36: links.lin.offer: there is no offer `off`"#]],
    );
    change(
        "schema = \"s\"",
        "schema = \"s\"\nunknown_fields = \"drop\"\nconsent = \"gdpr\"",
        expect![[r#"
            c:17: campaigns.camp.unknown_fields: expected one of ignore, keep, refuse, found `drop`
            c:18: campaigns.camp.consent: expected one of none, tcpa, found `gdpr`"#]],
    );
    change(
        "schema = \"s\"",
        "schema = \"s\"\nshema = \"s\"",
        expect!["c:17: campaigns.camp.shema: unknown member: did you mean `schema`?"],
    );
    change(
        "schema = \"s\"",
        "",
        expect!["c:15: campaigns.camp: `schema` is missing"],
    );
    change(
        "schema = \"s\"",
        "schema = 1.5",
        expect!["c:16: campaigns.camp.schema: expected text, found a float"],
    );
    change(
        "[publishers.pub]",
        "[publishers.Pub]",
        expect![[r#"
        c:9: publishers.Pub: a name is 1 to 64 characters of a-z, 0-9, '_', '-' and '.', beginning with a letter or digit
        c:18: campaigns.camp.publishers.pub: there is no publisher `pub`
        c:35: links.lin.publisher: there is no publisher `pub`: did you mean `Pub`?"#]],
    );
    change(
        "keys = [\"a-publisher-key-1\"]",
        "keys = \"a-publisher-key-1\"",
        expect!["c:10: publishers.pub.keys: expected a list, found text"],
    );
    change(
        "keys = [\"a-publisher-key-1\"]",
        "on = \"yes\"",
        expect!["c:10: publishers.pub.on: expected true or false, found text"],
    );
}

#[test]
fn postbacks_to_publishers() {
    let with = |members: &str| {
        let line = format!("keys = [\"a-publisher-key-1\"]\npostback = {{ {members} }}");
        problems_of(&GOOD.replace("keys = [\"a-publisher-key-1\"]", &line))
    };
    assert_eq!(with(r#"url = "https://pub.example/?c={s1}""#), "good");
    expect![[r#"
        c:11: publishers.pub.postback.connections: expected a number from 1 to 64, found 0
        c:11: publishers.pub.postback.method: expected one of get, post, found `put`
        c:11: publishers.pub.postback.on[1]: expected one of pending, approved, held, rejected, reversed, found `sold`
        c:11: publishers.pub.postback.retry: unknown member
        c:11: publishers.pub.postback.secret: a secret has at least 16 characters
        c:11: publishers.pub.postback.timeout: expected a time up to 30s
        c:11: publishers.pub.postback.url: `{clickid}` is no macro of a postback: did you mean `{click_id}`?"#]]
    .assert_eq(&with(
        r#"url = "https://pub.example/?c={clickid}", method = "put", secret = "short", on = ["approved", "sold"], connections = 0, timeout = "31s", retry = true"#,
    ));
    expect!["c:11: publishers.pub.postback: `url` is missing"].assert_eq(&with("method = \"get\""));
}

#[test]
fn references() {
    change(
        "schema = \"s\"",
        "schema = \"t\"",
        expect!["c:16: campaigns.camp.schema: there is no schema `t`: did you mean `s`?"],
    );
    change(
        "publishers = { pub",
        "publishers = { puc",
        expect!["c:18: campaigns.camp.publishers.puc: there is no publisher `puc`"],
    );
    change(
        "buyer = \"buy\"",
        "buyer = \"bux\"",
        expect!["c:23: contracts.con.buyer: there is no buyer `bux`: did you mean `buy`?"],
    );
    change(
        "[campaigns.camp]",
        "[campaigns.camq]",
        expect![[r#"
        c:22: contracts.con.campaign: there is no campaign `camp`: did you mean `camq`?
        c:31: offers.off.campaign: there is no campaign `camp`: did you mean `camq`?"#]],
    );
    change(
        "offer = \"off\"",
        "offer = \"of\"",
        expect!["c:36: links.lin.offer: there is no offer `of`: did you mean `off`?"],
    );
    change(
        "publisher = \"pub\"",
        "publisher = \"nobody\"",
        expect!["c:35: links.lin.publisher: there is no publisher `nobody`"],
    );
}

#[test]
fn fields() {
    change(
        "\"zip\", ping",
        "\"zap\", ping",
        expect![
            "c:3: schemas.s.zip.type: expected one of text, int, bool, enum, zip, state, date, phone, email, url, page, ip, phone_hash, email_hash, phone_npa, phone_last4, email_domain, trustedform_url, jornaya_leadid, found `zap`: did you mean `zip`?"
        ],
    );
    change(
        "ping = \"required\"",
        "ping = \"maybe\"",
        expect!["c:3: schemas.s.zip.ping: expected one of required, optional, no, found `maybe`"],
    );
    change(
        "type = \"int\", min = 16",
        "type = \"int\", min = 16, max = 15",
        expect!["c:4: schemas.s.age: `min` is greater than `max`"],
    );
    change(
        "type = \"int\", min = 16",
        "type = \"text\", min = 16",
        expect!["c:4: schemas.s.age.min: only numbers and dates have a least and a greatest value"],
    );
    change(
        "type = \"int\", min = 16",
        "type = \"phone_hash\", class = \"open\", alg = \"md4\", from = \"fone\"",
        expect![
            "c:4: schemas.s.age.alg: expected one of md5, sha1, sha256, found `md4`: did you mean `md5`?"
        ],
    );
    change(
        "type = \"int\", min = 16",
        "type = \"phone_hash\", class = \"open\"",
        expect![[r#"
            c:4: schemas.s.age: this field tells who the consumer is and so cannot be of class `open`
            c:26: contracts.con.filter: at `age >= 18`: `>=` does not apply to `age`, which holds text"#]],
    );
    change(
        "type = \"int\", min = 16",
        "type = \"email_domain\", alg = \"md5\", of = \"e164\"",
        expect![[r#"
            c:4: schemas.s.age: this field follows from a field of type `email` that the schema has not: see `from`
            c:4: schemas.s.age.alg: only hashes have this
            c:4: schemas.s.age.of: only fields of type `phone_hash` have this
            c:26: contracts.con.filter: at `age >= 18`: `>=` does not apply to `age`, which holds text"#]],
    );
    change(
        "type = \"int\", min = 16",
        "type = \"text\", from = \"phone\"",
        expect![[r#"
            c:4: schemas.s.age.from: only fields that follow from another one have this
            c:26: contracts.con.filter: at `age >= 18`: `>=` does not apply to `age`, which holds text"#]],
    );
    change(
        "type = \"int\", min = 16",
        "type = \"text\", pattern = \"(\"",
        expect!["c:4: schemas.s.age.pattern: is no pattern: unclosed group"],
    );
    change(
        "type = \"int\", min = 16",
        "type = \"text\", values = [\"a\"]",
        expect![[r#"
            c:4: schemas.s.age.values: only fields of type `enum` have this
            c:26: contracts.con.filter: at `age >= 18`: `>=` does not apply to `age`, which holds text"#]],
    );
    change(
        "values = [\"full\", \"basic\"]",
        "values = []",
        expect!["c:5: schemas.s.cover.values: an enum has at least one value"],
    );
    change(
        "full = [\"complete\"]",
        "fool = [\"complete\"]",
        expect!["c:5: schemas.s.cover.aliases.fool: `fool` is not one of `values`"],
    );
    change(
        "full = [\"complete\"]",
        "full = [\"Basic\"]",
        expect!["c:5: schemas.s.cover.values: `basic` stands for both `full` and `basic`"],
    );
    change(
        "class = \"contact\",",
        "class = \"contact\", ping = \"optional\",",
        expect![[
            r#"c:7: schemas.s.phone: this field is contact data and so must have `ping = "no"`"#
        ]],
    );
    change(
        "class = \"contact\",",
        "class = \"contact\", country = \"Texas\",",
        expect![[r#"c:7: schemas.s.phone.country: expected a country code like "US""#]],
    );
    change(
        "type = \"date\",",
        "type = \"date\", ping = \"no\", post = \"no\",",
        expect!["c:6: schemas.s.born: this field is carried neither by a ping nor by a post"],
    );
}

#[test]
fn contracts() {
    change(
        "ping = \"bid\"",
        "ping = \"none\"",
        expect![[r#"
            c:25: contracts.con.price: a contract that does not bid has a price of the form { fixed = .. } or { rules = [..], else = .. }
            c:27: contracts.con.ping_url: a contract without pings has no ping URL"#]],
    );
    change(
        "price = { min = \"1.00\", max = \"9.00\" }",
        "price = { fixed = \"1.00\" }",
        expect![
            "c:25: contracts.con.price: a contract that bids has a price of the form { min = .., max = .. }"
        ],
    );
    change(
        "min = \"1.00\"",
        "min = \"10.00\"",
        expect!["c:25: contracts.con.price: `min` is greater than `max`"],
    );
    change(
        "min = \"1.00\"",
        "min = 1.0",
        expect!["c:25: contracts.con.price.min: expected text, found a float"],
    );
    change(
        "min = \"1.00\"",
        "min = \"0.00\"",
        expect![[
            r#"c:25: contracts.con.price.min: expected an amount above zero, as text: "12.50""#
        ]],
    );
    change(
        "age >= 18",
        "age >= 18 and (zap = 1 or cover = half)",
        expect![[r#"
            c:26: contracts.con.filter: at `half)`: expected one of basic, full
            c:26: contracts.con.filter: at `zap = 1 or cover = h`: the campaign has no field `zap`"#]],
    );
    change(
        "age >= 18",
        "age >=",
        expect!["c:26: contracts.con.filter: at its end: expected a value"],
    );
    change(
        "ping_url = \"http://127.0.0.1:1/ping\"",
        "",
        expect!["c:21: contracts.con: `ping_url` is missing"],
    );
    change(
        "http://127.0.0.1:1/post",
        "ftp://127.0.0.1:1/post",
        expect!["c:28: contracts.con.post_url: expected an http or https URL"],
    );
    change(
        "http://127.0.0.1:1/post",
        "http://me:pw@127.0.0.1:1/post",
        expect!["c:28: contracts.con.post_url: a URL must not hold a user or a password"],
    );
    change(
        "buyer = \"buy\"",
        "buyer = \"buy\"\ncaps = { day = 60 }",
        expect!["c:24: contracts.con.caps: expected a list, found a table"],
    );
    change(
        "buyer = \"buy\"",
        "buyer = \"buy\"\ncaps = [{ window = \"fortnight\", leads = 0 }, { window = \"day\" }, { window = \"day\", leads = 5, money = \"5\" }, { windows = \"day\", money = \"-5\", counts = \"send\" }]",
        expect![[r#"
            c:24: contracts.con.caps[0].leads: expected a number from 1 to 9223372036854775807, found 0
            c:24: contracts.con.caps[0].window: expected one of hour, day, week, month, total, found `fortnight`
            c:24: contracts.con.caps[1]: expected either `leads` or `money`
            c:24: contracts.con.caps[2]: expected either `leads` or `money`
            c:24: contracts.con.caps[3]: `window` is missing
            c:24: contracts.con.caps[3].counts: expected one of sold, sent, found `send`: did you mean `sent`?
            c:24: contracts.con.caps[3].money: expected an amount as text: "12.50"
            c:24: contracts.con.caps[3].windows: unknown member: did you mean `window`?"#]],
    );
    change(
        "buyer = \"buy\"",
        "buyer = \"buy\"\npublisher_caps = [{ window = \"day\", leads = 5 }, { window = \"day\", leads = 6 }, { window = \"day\", leads = 6, counts = \"sent\" }]",
        expect!["c:24: contracts.con.publisher_caps[1]: there is another cap like this one above"],
    );
    change(
        "buyer = \"buy\"",
        "buyer = \"buy\"\nzone = \"Texas/Austin\"",
        expect![[r#"c:24: contracts.con.zone: unknown time zone "Texas/Austin""#]],
    );
    change(
        "buyer = \"buy\"",
        "buyer = \"buy\"\npost_timeout = \"5 s\"",
        expect![[
            r#"c:24: contracts.con.post_timeout: expected a time span like "150ms", "2s", "5m", "24h" or "30d""#
        ]],
    );
    change(
        "buyer = \"buy\"",
        "buyer = \"buy\"\nnot_taken = [200, 503]",
        expect!["c:24: contracts.con.not_taken[0]: expected a number from 300 to 599, found 200"],
    );
    change(
        "buyer = \"buy\"",
        "buyer = \"buy\"\nsensitive = [\"born\", \"age\", \"x\"]",
        expect![[r#"
            c:24: contracts.con.sensitive[1]: `age` is not of class `sensitive`
            c:24: contracts.con.sensitive[2]: the campaign has no field `x`"#]],
    );
    change(
        "buyer = \"buy\"",
        "buyer = \"buy\"\nheaders = { Host = \"x\", \"a b\" = \"y\", z = \"\\u0000\" }",
        expect![[r#"
            c:24: contracts.con.headers.Host: this header is set by the service
            c:24: contracts.con.headers.a b: is no name of a header
            c:24: contracts.con.headers.z: is no value of a header"#]],
    );
    change(
        "buyer = \"buy\"",
        "buyer = \"buy\"\nsources = { only = [\"pub\", \"nope\"] }",
        expect!["c:24: contracts.con.sources.only[1]: there is no publisher `nope`"],
    );
    change(
        "buyer = \"buy\"",
        "buyer = \"buy\"\nsources = { only = [], except = [] }",
        expect![[r#"
            c:24: contracts.con.sources.except: expected a list of at least one source
            c:24: contracts.con.sources.only: expected a list of at least one source"#]],
    );
}

#[test]
fn campaigns_and_keys() {
    change(
        "margin = \"20%\"",
        "margin = \"120%\"",
        expect![[
            r#"c:18: campaigns.camp.publishers.pub.margin: expected a percentage like "20%" or "12.5%", from 0% to 100%"#
        ]],
    );
    change(
        "margin = \"20%\"",
        "margin = \"20%\", payout = \"5.00\"",
        expect!["c:18: campaigns.camp.publishers.pub: expected either `margin` or `payout`"],
    );
    change(
        "margin = \"20%\"",
        "margin = \"20%\", payee = \"me\"",
        expect![
            "c:18: campaigns.camp.publishers.pub.payee: expected one of poster, click_owner, found `me`"
        ],
    );
    change(
        "lead_sold = {}",
        "lead_sold = { revenue = \"5.00\" }",
        expect![
            "c:19: campaigns.camp.goals.lead_sold: `lead_sold` is worth what the lead was sold for"
        ],
    );
    change(
        "payout = \"1.00\"",
        "payout = \"-1.00\"",
        expect![[
            r#"c:19: campaigns.camp.goals.bound.payout: expected an amount as text: "12.50""#
        ]],
    );
    change(
        "lead_sold = {}",
        "lead_sold = { approval = \"manual\", trust_pixel = true }",
        expect![
            "c:19: campaigns.camp.goals.lead_sold: `lead_sold` is reported by the service itself: how others are approved and told apart does not concern it"
        ],
    );
    change(
        "bound = { payout = \"1.00\" }",
        "bound = { payout = \"101%\", revenue = 3, approval = \"hold 0d\", repeat = 1, txid_scope = \"clik\", milestone = \"lead\", trust_pixel = \"yes\", windows = \"3d\" }",
        expect![[r#"
            c:19: campaigns.camp.goals.bound.approval: expected `auto`, `manual`, or `hold 14d` with 1 to 365 days, found `hold 0d`
            c:19: campaigns.camp.goals.bound.milestone: expected one of lead_created, opportunity_created, found `lead`
            c:19: campaigns.camp.goals.bound.payout: expected a percentage like "20%" or "12.5%", from 0% to 100%
            c:19: campaigns.camp.goals.bound.repeat: expected true or false, found a number
            c:19: campaigns.camp.goals.bound.revenue: expected text, found a number
            c:19: campaigns.camp.goals.bound.trust_pixel: expected true or false, found text
            c:19: campaigns.camp.goals.bound.txid_scope: expected one of click, campaign, found `clik`: did you mean `click`?
            c:19: campaigns.camp.goals.bound.windows: unknown member: did you mean `window`?"#]],
    );
    change(
        "bound = { payout = \"1.00\" }",
        "bound = { window = \"91d\", view_window = \"1\", minimum_age = -1, views = \"yes\" }, sold = { minimum_age = \"30d\" }, held = { window = \"2h\", minimum_age = \"2h\" }",
        expect![[r#"
            c:19: campaigns.camp.goals.bound.minimum_age: expected text, found a number
            c:19: campaigns.camp.goals.bound.view_window: expected a time span like "150ms", "2s", "5m", "24h" or "30d"
            c:19: campaigns.camp.goals.bound.views: expected one of exclude, include, found `yes`
            c:19: campaigns.camp.goals.bound.window: a window is at most 90d: older clicks and views are not taken
            c:19: campaigns.camp.goals.held: no click is old enough for `minimum_age` and young enough for `window`
            c:19: campaigns.camp.goals.sold: no click is old enough for `minimum_age` and young enough for `window`"#]],
    );
    change(
        "schema = \"s\"",
        "schema = \"s\"\nclick_window = \"91d\"\nview_window = \"1y\"\nviews = \"includes\"",
        expect![[r#"
            c:17: campaigns.camp.click_window: a window is at most 90d: older clicks and views are not taken
            c:18: campaigns.camp.view_window: expected a time span like "150ms", "2s", "5m", "24h" or "30d"
            c:19: campaigns.camp.views: expected one of exclude, include, found `includes`: did you mean `include`?"#]],
    );
    change(
        "schema = \"s\"",
        "schema = \"s\"\norigins = [\"https://a.example/x\", \"a.example\", \"https://b.example\"]\npostback = { aliases = { txid = \"goal\", token = \"txid\", order = \"txd\", oid = \"txid\" }, statuses = { ok = \"aproved\", NO = \"rejected\", no = \"held\" }, networks = [\"192.0.2.0/33\", \"::1\"], secret = \"short\", alias = {} }",
        expect![[r#"
            c:17: campaigns.camp.origins[0]: an origin has no path: expected "https://a.example"
            c:17: campaigns.camp.origins[1]: expected a URL: relative URL without a base
            c:18: campaigns.camp.postback.alias: unknown member: did you mean `aliases`?
            c:18: campaigns.camp.postback.aliases.order: there is no parameter `txd`: did you mean `txid`?
            c:18: campaigns.camp.postback.aliases.token: `token` is a parameter of its own
            c:18: campaigns.camp.postback.aliases.txid: `txid` is a parameter of its own
            c:18: campaigns.camp.postback.networks[0]: expected an address or a network like "192.0.2.7" or "192.0.2.0/24"
            c:18: campaigns.camp.postback.secret: a secret has at least 16 characters
            c:18: campaigns.camp.postback.statuses.no: this word is there in another case: case makes no difference
            c:18: campaigns.camp.postback.statuses.ok: expected one of pending, approved, held, rejected, reversed, found `aproved`: did you mean `approved`?"#]],
    );
    change(
        "offer = \"off\"",
        "offer = \"off\"\npayouts = { bund = \"1.00\", lead_sold = \"1.00\", bound = \"x\" }",
        expect![[r#"
            c:37: links.lin.payouts.bound: expected an amount as text: "12.50"
            c:37: links.lin.payouts.bund: the campaign has no goal `bund`: did you mean `bound`?
            c:37: links.lin.payouts.lead_sold: what a lead's publisher gets is in `campaigns.*.publishers`"#]],
    );
    change(
        "schema = \"s\"",
        "schema = \"s\"\ntmax = \"31s\"\ndisclosure = \"ful\"\ncurrency = \"usd\"",
        expect![[r#"
            c:15: campaigns.camp: `tmax` is longer than `tmax_ceiling`
            c:18: campaigns.camp.disclosure: expected one of none, code, full, found `ful`: did you mean `full`?
            c:19: campaigns.camp.currency: expected a currency code like "USD""#]],
    );
    change(
        "a-buyer-key-00001",
        "a-publisher-key-1",
        expect!["c:13: buyers.buy.keys[0]: this key is listed twice: a key has one owner"],
    );
    change(
        "a-buyer-key-00001",
        "short",
        expect!["c:13: buyers.buy.keys[0]: a key has at least 16 characters"],
    );
    change(
        "a-buyer-key-00001",
        "sha256:XY",
        expect!["c:13: buyers.buy.keys[0]: expected 64 lower-case hex digits after `sha256:`"],
    );
}

#[test]
fn links() {
    change(
        "https://land.example/a?c={click_id}",
        "https://evil.example/a",
        expect![
            "c:37: links.lin.destination: does not lead to a landing page of its offer (same origin, same path or below)"
        ],
    );
    change(
        "c={click_id}",
        "c={click_id",
        expect!["c:37: links.lin.destination: `{click_id` does not end with `}`"],
    );
    change(
        "c={click_id}",
        "c={click id}",
        expect!["c:37: links.lin.destination: `{click id}` is no macro"],
    );
    change(
        "[\"https://land.example/a\"]",
        "[]",
        expect!["c:32: offers.off.landing_pages: an offer has at least one landing page"],
    );
    change(
        "[\"https://land.example/a\"]",
        "[\"/a\"]",
        expect!["c:32: offers.off.landing_pages[0]: expected a URL: relative URL without a base"],
    );
    change(
        "offer = \"off\"",
        "offer = \"off\"\nstatus = \"pausd\"",
        expect![
            "c:37: links.lin.status: expected one of active, paused, found `pausd`: did you mean `paused`?"
        ],
    );
}

#[test]
fn variables() {
    change(
        "http://127.0.0.1:1/post",
        "${host}/post",
        expect![[r#"
        c:28: contracts.con.post_url: expected a URL: relative URL without a base
        c:28: contracts.con.post_url: variable `host` has no value (`catalog.vars.host`)"#]],
    );
    change(
        "http://127.0.0.1:1/post",
        "${host:-http://127.0.0.1:1}/post",
        expect!["good"],
    );
    change(
        "http://127.0.0.1:1/post",
        "${host",
        expect![[r#"
        c:28: contracts.con.post_url: `${host` does not end with `}`
        c:28: contracts.con.post_url: expected a URL: relative URL without a base"#]],
    );
}

#[test]
fn all_at_once() {
    let text = GOOD
        .replace("margin = \"20%\"", "margin = \"200%\"")
        .replace("age >= 18", "agee >= 18")
        .replace("offer = \"off\"", "offer = \"of\"")
        .replace("type = \"int\"", "type = \"integer\"")
        .replace("buyer = \"buy\"", "buyer = \"buyy\"\npriorty = 1");
    expect![[r#"
        c:4: schemas.s.age.type: expected one of text, int, bool, enum, zip, state, date, phone, email, url, page, ip, phone_hash, email_hash, phone_npa, phone_last4, email_domain, trustedform_url, jornaya_leadid, found `integer`
        c:18: campaigns.camp.publishers.pub.margin: expected a percentage like "20%" or "12.5%", from 0% to 100%
        c:23: contracts.con.buyer: there is no buyer `buyy`: did you mean `buy`?
        c:24: contracts.con.priorty: unknown member: did you mean `priority`?
        c:27: contracts.con.filter: at `agee >= 18`: the campaign has no field `agee`
        c:37: links.lin.offer: there is no offer `of`: did you mean `off`?"#]].assert_eq(&problems_of(&text));
}
