//! `GET|POST /postback`.

use domain::ClickId;
use proto::{Conversion, EventBody, EventRecord};
use store::{Ack, LogError};

use crate::lab::{Answer, KEY, Lab, NOW};
use crate::log::{Appended, Mood};

const TOKEN: &str = "token=demo-postback-token-auto-us";

pub(crate) fn conversion(appended: &Appended) -> (EventRecord, Conversion) {
    let event = appended.event();
    match event.body.clone() {
        Some(EventBody::Conversion(conversion)) => (event, conversion),
        other => panic!("not a conversion: {other:?}"),
    }
}

impl Lab {
    pub(crate) async fn click(&self) -> ClickId {
        let answer = self.get("/c/alpha-search", &[]).await;
        self.store.take();
        ClickId::parse(answer.sent("cid"), &KEY).unwrap()
    }

    pub(crate) async fn postback(&self, query: &str) -> Answer {
        self.get(&format!("/postback?{TOKEN}&{query}"), &[]).await
    }
}

/// A member of a flat JSON object, as text.
pub(crate) fn member<'a>(body: &'a str, name: &str) -> Option<&'a str> {
    let rest = body.split_once(&format!("\"{name}\":"))?.1;
    let end = match rest.strip_prefix('[') {
        Some(list) => list.find(']')? + 2,
        None => rest.find([',', '}'])?,
    };
    rest.get(..end)
}

#[tokio::test]
async fn a_conversion_is_durable_before_it_is_accepted() {
    let lab = Lab::start();
    let click = lab.click().await;
    let answer = lab
        .postback(&format!(
            "click_id={click}&goal=policy_bound&txid=o-1&amount=120.5&currency=usd"
        ))
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(member(&answer.body, "result"), Some("\"accepted\""));
    assert_eq!(member(&answer.body, "matched"), Some("true"));
    let request_id = member(&answer.body, "request_id")
        .unwrap()
        .trim_matches('"');
    assert_eq!(answer.header("x-request-id"), Some(request_id));

    let [appended] = &lab.store.take()[..] else {
        panic!("not one record")
    };
    assert_eq!(
        (appended.key, appended.ack),
        (u64::from(click.shard()), Ack::Durable)
    );
    let (event, conversion) = conversion(appended);
    assert_eq!(event.click(), Ok(Some(click)));
    assert_eq!((event.ts(), event.visitor_id()), (NOW, Ok(None)));
    assert_eq!(
        conversion,
        Conversion {
            campaign: "auto-us".into(),
            goal: "policy_bound".into(),
            txid: "o-1".into(),
            amount_micros: Some(120_500_000),
            currency: "USD".into(),
            status: "approved".into(),
            source: "postback".into(),
            ..Conversion::default()
        }
    );
    assert_eq!(
        member(&answer.body, "event_id").unwrap().trim_matches('"'),
        event.event_id().unwrap().to_string()
    );
}

/// Each line is a request about one order after those before it.
#[tokio::test]
async fn a_retry_is_the_same_event_and_a_change_is_another() {
    let lab = Lab::start();
    let click = lab.click().await;
    let mut ids = Vec::new();
    for (rest, result) in [
        ("txid=o-1&amount=10", "accepted"),
        ("txid=o-1&amount=10", "duplicate"),
        ("amount=10.00&txid=o-1&own=param", "duplicate"),
        ("txid=o-1&amount=10&status=REJECTED", "updated"),
        ("txid=o-1&amount=10&status=rejected", "duplicate"),
        ("txid=o-1&amount=11", "updated"),
        ("txid=o-2&amount=10", "accepted"),
        ("amount=10", "accepted"),
        ("amount=10", "duplicate"),
    ] {
        let answer = lab
            .postback(&format!("click_id={click}&goal=policy_bound&{rest}"))
            .await;
        assert_eq!(
            member(&answer.body, "result"),
            Some(&*format!("\"{result}\"")),
            "{rest}"
        );
        let [appended] = &lab.store.take()[..] else {
            panic!("always appended: {rest}")
        };
        ids.push(appended.event().id);
    }
    let same = |a: usize, b: usize| ids[a] == ids[b];
    assert!(same(0, 1) && same(0, 2) && same(3, 4) && same(7, 8));
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 5);
    // Another process, the same keys: the same event.
    let other = Lab::start();
    other
        .postback(&format!(
            "click_id={click}&goal=policy_bound&txid=o-1&amount=10"
        ))
        .await;
    assert!(ids.contains(&other.store.take()[0].event().id));
}

/// What is odd is kept, says so, and is matched to nothing; only wrong values are refused.
#[tokio::test]
async fn odd_conversions_are_kept_and_flagged() {
    let lab = Lab::start();
    let click = lab.click().await;
    let forged = format!("{}A", &click.to_string()[..34]);
    for (query, flags, txid) in [
        (
            format!("click_id={forged}&txid=o-1"),
            &["invalid_click"][..],
            "o-1",
        ),
        (
            "click_id=clk123&txid=o-1".to_owned(),
            &["invalid_click"],
            "o-1",
        ),
        ("txid=o-1".to_owned(), &[], "o-1"),
        (
            "click_id={click_id}&txid=o-1".to_owned(),
            &["invalid_macro"],
            "o-1",
        ),
        (
            "click_id=%7Bclick_id%7D&txid=o-1".to_owned(),
            &["invalid_macro"],
            "o-1",
        ),
        (
            "click_id=%257Bsub1%257D&txid=o-1".to_owned(),
            &["invalid_macro"],
            "o-1",
        ),
        (
            format!("click_id={click}&txid={{order}}"),
            &["invalid_macro"],
            "{order}",
        ),
        (
            format!("click_id={click}&txid=o-1&amount={{payout}}"),
            &["invalid_macro"],
            "o-1",
        ),
        (
            format!("click_id={click}&txid=o-1&status={{status}}"),
            &["invalid_macro"],
            "o-1",
        ),
        ("amount=1".to_owned(), &["unkeyed"], ""),
        (
            "click_id={click_id}".to_owned(),
            &["invalid_macro", "unkeyed"],
            "",
        ),
    ] {
        let answer = lab.postback(&format!("goal=policy_bound&{query}")).await;
        assert_eq!(answer.status, 200, "{query}: {answer:?}");
        assert_eq!(member(&answer.body, "matched"), Some("false"), "{query}");
        let [appended] = &lab.store.take()[..] else {
            panic!("not kept: {query}")
        };
        let (event, conversion) = conversion(appended);
        assert_eq!(event.click(), Ok(None), "{query}");
        assert_eq!(conversion.flags, flags, "{query}");
        assert_eq!(conversion.txid, txid, "{query}");
        let told: Vec<String> = flags.iter().map(|flag| format!("\"{flag}\"")).collect();
        let told = (!told.is_empty()).then(|| format!("[{}]", told.join(",")));
        assert_eq!(member(&answer.body, "flags"), told.as_deref(), "{query}");
    }
}

#[tokio::test]
async fn reports_of_one_order_share_a_partition_and_unkeyed_ones_are_never_the_same() {
    let lab = Lab::start();
    for query in [
        "txid=o-1",
        "txid=o-1&status=rejected",
        "txid=o-2",
        "amount=1",
        "amount=1",
    ] {
        let answer = lab.postback(&format!("goal=policy_bound&{query}")).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.body.contains("updated"), query.contains("rejected"));
        assert!(!answer.body.contains("duplicate"), "{query}");
    }
    let records = lab.store.take();
    assert_eq!(records[0].key, records[1].key);
    assert_ne!(records[0].key, records[2].key);
    assert_ne!(records[3].event().id, records[4].event().id);
}

#[tokio::test]
async fn every_issue_is_told_at_once() {
    let lab = Lab::start();
    let long = "x".repeat(257);
    for (query, issues) in [
        ("", &[("goal", "required")][..]),
        (
            "goal=&txid=%ff",
            &[("goal", "required"), ("txid", "not_utf8")],
        ),
        ("goal=nothing", &[("goal", "unknown")]),
        ("goal={goal}", &[("goal", "unknown")]),
        ("goal=lead_sold", &[("goal", "reserved")]),
        ("goal=policy_bound&amount=-1", &[("amount", "negative")]),
        (
            "goal=policy_bound&amount=1&amount=2",
            &[("amount", "repeated")],
        ),
        (
            &format!("goal=x&txid={long}&amount=1e3&currency=EUR&status=won"),
            &[
                ("goal", "unknown"),
                ("txid", "too_long"),
                ("amount", "not_an_amount"),
                ("currency", "wrong_currency"),
                ("status", "unknown"),
            ],
        ),
    ] {
        let answer = lab.postback(query).await;
        assert_eq!(answer.status, 422, "{query}");
        assert_eq!(
            answer.header("content-type"),
            Some("application/problem+json")
        );
        assert_eq!(member(&answer.body, "code"), Some("\"invalid_postback\""));
        let told = answer.body.matches("\"pointer\"").count();
        assert_eq!(told, issues.len(), "{query}: {}", answer.body);
        for (name, code) in issues {
            let issue = format!("{{\"pointer\":\"/{name}\",\"code\":\"{code}\"");
            assert!(
                answer.body.contains(&issue),
                "{issue} is not in {}",
                answer.body
            );
        }
    }
    assert!(lab.store.take().is_empty());
}

#[tokio::test]
async fn only_the_campaigns_token_opens_it() {
    let lab = Lab::start();
    let good = "demo-postback-token-auto-us";
    for (path, headers, status, code) in [
        (
            "/postback?goal=policy_bound&txid=1",
            &[][..],
            401,
            "unauthorized",
        ),
        (
            "/postback?goal=policy_bound&txid=1&token=",
            &[],
            401,
            "unauthorized",
        ),
        (
            "/postback?goal=policy_bound&txid=1&token=nope",
            &[],
            401,
            "unauthorized",
        ),
        // The first campaign's goal with the second campaign's token.
        (
            "/postback?goal=policy_bound_x&txid=1&token=demo-postback-token-targeted",
            &[],
            422,
            "invalid_postback",
        ),
        (
            "/postback?goal=policy_bound&txid=1",
            &[&*format!("authorization: Bearer {good}")],
            200,
            "",
        ),
        (
            "/postback?goal=policy_bound&txid=1",
            &[&*format!("x-api-key: {good}")],
            200,
            "",
        ),
        (
            &format!("/postback?goal=policy_bound&txid=1&token={good}"),
            &[],
            200,
            "",
        ),
    ] {
        let answer = lab.get(path, headers).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
        assert!(
            status == 200 || answer.body.contains(&format!("\"code\":\"{code}\"")),
            "{path}"
        );
        assert!(
            !answer.body.contains("demo-"),
            "{path}: a token is not repeated"
        );
    }
}

#[tokio::test]
async fn a_form_says_the_same_as_a_query() {
    let lab = Lab::start();
    let form = "content-type: application/x-www-form-urlencoded; charset=utf-8";
    let fields = format!("{TOKEN}&goal=policy_bound&txid=o+1&amount=1");
    for (method, query, headers, body, status) in [
        ("GET", &*fields, &[][..], "", 200),
        ("POST", "", &[form], &*fields, 200),
        (
            "POST",
            "goal=policy_bound&txid=o%201",
            &[form],
            &format!("{TOKEN}&amount=1"),
            200,
        ),
        ("POST", &*fields, &[], "", 200),
        ("POST", "txid=other", &[form], &*fields, 422),
        ("POST", "", &["content-type: application/json"], "{}", 415),
        ("POST", "", &[], &*fields, 415),
        ("POST", "", &[form], &"x".repeat(5000), 413),
        ("PUT", &*fields, &[], "", 405),
        ("HEAD", &*fields, &[], "", 405),
    ] {
        let answer = lab
            .ask(method, &format!("/postback?{query}"), headers, body)
            .await;
        assert_eq!(
            answer.status, status,
            "{method} {query} {body}: {}",
            answer.body
        );
    }
    let mut ids: Vec<_> = lab
        .store
        .take()
        .iter()
        .map(|appended| appended.event().id)
        .collect();
    assert_eq!(ids.len(), 4);
    ids.dedup();
    assert_eq!(ids.len(), 1);
}

#[tokio::test]
async fn what_the_log_did_not_take_was_not_accepted() {
    let lab = Lab::start();
    let query = "goal=policy_bound&txid=o-1";
    lab.store.set(Mood::Refuses(LogError::NoSpace));
    let answer = lab.postback(query).await;
    assert_eq!(
        (answer.status, answer.header("retry-after")),
        (503, Some("1"))
    );
    lab.store.set(Mood::Takes);
    let answer = lab.postback(query).await;
    assert_eq!(
        member(&answer.body, "result"),
        Some("\"accepted\""),
        "nothing was remembered"
    );
}

/// The demo campaign's own names and words, and how its goals begin.
#[tokio::test]
async fn a_campaign_has_its_own_names_words_and_beginnings() {
    let lab = Lab::start();
    let click = lab.click().await;
    for (query, status) in [
        ("goal=policy_bound&order=o-1", "approved"),
        ("goal=policy_bound&order=o-1&payout_status=0", "rejected"),
        ("goal=policy_bound&order=o-1&payout_status=1", "approved"),
        ("goal=policy_bound&order=o-1&status=Held", "held"),
        ("goal=policy_renewed&order=o-1", "held"),
        ("goal=appointment_set&order=o-1", "pending"),
        ("goal=appointment_set&order=o-1&status=approved", "approved"),
        ("goal=appointment_set&order=o-1&status=reversed", "reversed"),
    ] {
        let answer = lab.postback(&format!("clickid={click}&{query}")).await;
        assert_eq!(answer.status, 200, "{query}: {answer:?}");
        assert_eq!(member(&answer.body, "matched"), Some("true"), "{query}");
        let (event, conversion) = conversion(&lab.store.take()[0]);
        assert_eq!(event.click(), Ok(Some(click)), "{query}");
        assert_eq!(
            (conversion.txid.as_str(), conversion.status.as_str()),
            ("o-1", status),
            "{query}"
        );
    }
    let answer = lab.postback("goal=policy_bound&payout_status=2").await;
    assert_eq!(answer.status, 422);
    assert!(
        answer
            .body
            .contains("{\"pointer\":\"/status\",\"code\":\"unknown\"")
    );
}

#[tokio::test]
async fn whom_it_is_about_is_hashed_and_known_by_every_spelling() {
    let lab = Lab::start();
    let mut persons = Vec::new();
    for query in [
        "email=Jane@Mail.example&phone=(512)%20555-0199",
        "phone=%2B1-512-555-0199&email=%20jane@mail.EXAMPLE",
        "email=jane@mail.example",
    ] {
        let answer = lab
            .postback(&format!("goal=policy_bound&txid=o-1&{query}"))
            .await;
        assert_eq!(answer.status, 200, "{query}: {answer:?}");
        persons.push(lab.store.take()[0].event().person);
    }
    assert_eq!(persons[0], persons[1]);
    assert_eq!(persons[0].len(), 2);
    assert!(persons[0].is_sorted() && persons[0].contains(&persons[2][0]));
    // An unexpanded macro names nobody, and nothing.
    lab.postback("goal=policy_bound&txid=o-1&email={email}&phone=5125550199")
        .await;
    let (event, conversion) = conversion(&lab.store.take()[0]);
    assert!(event.person.is_empty());
    assert_eq!(conversion.flags, ["invalid_macro"]);
}

#[tokio::test]
async fn an_event_with_an_id_of_its_own_is_known_by_it() {
    let lab = Lab::start();
    let mut ids = Vec::new();
    for (query, ts) in [
        (
            "id=e-1&ts=2026-11-22T03:00:00Z&txid=o-1",
            "2026-11-22T03:00:00Z",
        ),
        ("id=e-1&ts=1795316400&txid=o-2", "2026-11-22T03:00:00Z"),
        ("id=e-1&ts=1795316400000", "2026-11-22T03:00:00Z"),
        ("id=e-1&ts=2026-11-22T03:00:01Z", "2026-11-22T03:00:01Z"),
        ("id=e-2&ts=2026-11-22T03:00:00Z", "2026-11-22T03:00:00Z"),
    ] {
        let answer = lab.postback(&format!("goal=policy_bound&{query}")).await;
        assert_eq!(answer.status, 200, "{query}: {answer:?}");
        let (event, conversion) = conversion(&lab.store.take()[0]);
        assert!(event.named && conversion.flags.is_empty(), "{query}");
        assert_eq!(event.ts(), domain::Timestamp::parse(ts).unwrap(), "{query}");
        assert_eq!(event.received_us, NOW.as_micros());
        ids.push(event.id);
    }
    assert!(ids[0] == ids[1] && ids[0] == ids[2]);
    assert!(ids[0] != ids[3] && ids[0] != ids[4]);
    for (query, name, code) in [
        ("id=e-1", "ts", "missing_ts"),
        ("ts=2026-08-24T03:04:05Z", "ts", "too_old"),
        ("ts=2026-11-22T03:09:06Z", "ts", "in_future"),
        ("ts=yesterday", "ts", "not_a_time"),
        ("ts=99", "ts", "not_a_time"),
        ("sent_at=99", "sent_at", "not_a_time"),
        ("email=jane", "email", "not_an_email"),
        ("phone=911", "phone", "not_a_phone"),
    ] {
        let answer = lab.postback(&format!("goal=policy_bound&{query}")).await;
        assert_eq!(answer.status, 422, "{query}");
        assert_eq!(answer.body.matches("\"pointer\"").count(), 1, "{query}");
        let issue = format!("{{\"pointer\":\"/{name}\",\"code\":\"{code}\"");
        assert!(answer.body.contains(&issue), "{query}: {}", answer.body);
    }
    for inside in [
        "ts=2026-08-24T03:04:06Z",
        "ts=2026-11-22T03:09:05Z&sent_at=2026-11-22T03:04:00Z",
    ] {
        let answer = lab.postback(&format!("goal=policy_bound&{inside}")).await;
        assert_eq!(answer.status, 200, "{inside}");
    }
    let skews: Vec<_> = lab
        .store
        .take()
        .iter()
        .map(|one| one.event().skew_us)
        .collect();
    assert_eq!(skews, [None, Some(5_678_000)]);
}

#[tokio::test]
async fn a_token_may_be_bound_to_networks() {
    let lab = Lab::start();
    for (address, status) in [
        ("203.0.113.9", 200),
        ("2001:db8::7", 200),
        ("::ffff:203.0.113.9", 200),
        ("203.0.114.9", 403),
        ("2001:db8::8", 403),
    ] {
        let answer = lab
            .get(
                "/postback?token=a-token-of-the-guarded&goal=sold&txid=1",
                &[&format!("x-forwarded-for: {address}")],
            )
            .await;
        assert_eq!(answer.status, status, "{address}: {answer:?}");
    }
    // A key in a header shows in no log of a proxy: it holds everywhere.
    let key = "authorization: Bearer a-token-of-the-guarded";
    let answer = lab.get("/postback?goal=sold&txid=1", &[key]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn a_signature_opens_it_without_a_token() {
    // HMAC-SHA-256 by OpenSSL: printf %s QUERY | openssl dgst -sha256 -hmac a-secret-of-the-guarded
    const QUERY: &str = "campaign=guarded&goal=sold&txid=o-1";
    const SIG: &str = "518fa7e04591b6947b8d4f93d007d0c3e77b3822cf3f8be47461411c18354c5b";
    let lab = Lab::start();
    for (query, status) in [
        (format!("{QUERY}&sig={SIG}"), 200),
        (format!("{QUERY}&sig={}", SIG.replace('a', "b")), 401),
        (format!("{QUERY}2&sig={SIG}"), 401),
        (format!("{QUERY}&sig={SIG}&amount=1"), 401),
        (QUERY.to_owned(), 401),
        // A campaign without a secret takes no signatures.
        (format!("campaign=auto-us&goal=policy_bound&sig={SIG}"), 401),
        (format!("campaign=nobody&sig={SIG}"), 401),
    ] {
        let answer = lab.get(&format!("/postback?{query}"), &[]).await;
        assert_eq!(answer.status, status, "{query}: {answer:?}");
    }
}

/// Two clicks with one order id are two conversions, or with `txid_scope = "campaign"` one.
#[tokio::test]
async fn an_order_id_is_one_of_a_kind_as_the_goal_has_it() {
    let lab = Lab::start();
    let clicks = [lab.click().await, lab.click().await];
    let key = "authorization: Bearer a-token-of-the-guarded";
    let expected = [
        ("sold", ["accepted", "duplicate", "accepted", "duplicate"]),
        ("bound", ["accepted", "duplicate", "duplicate", "duplicate"]),
    ];
    for (goal, results) in expected {
        let twice = clicks.iter().flat_map(|click| [click, click]);
        for (click, result) in twice.zip(results) {
            let path = format!("/postback?goal={goal}&click_id={click}&txid=o-1");
            let answer = lab.get(&path, &[key]).await;
            let told = member(&answer.body, "result");
            assert_eq!(told, Some(&*format!("\"{result}\"")), "{path}");
        }
    }
    for one in lab.store.take() {
        if let Some(EventBody::Conversion(said)) = one.event().body {
            let counted = (said.once, said.campaign_txid);
            assert_eq!(counted, (said.goal == "sold", said.goal == "bound"));
        }
    }
}
