//! `GET /c/{link}`.

use domain::{ClickId, VisitorId};
use proto::{Click, EventBody};
use store::{Ack, LogError};

use crate::lab::{KEY, Lab, NOW};
use crate::log::{Appended, Mood};

fn click(appended: &Appended) -> Click {
    match appended.event().body {
        Some(EventBody::Click(click)) => click,
        other => panic!("not a click: {other:?}"),
    }
}

#[tokio::test]
async fn a_click_is_recorded_and_redirected() {
    let lab = Lab::start();
    let answer = lab
        .get(
            "/c/every-macro?s1=fb&s2=&s10=a/b%20c&any=1%262&gclid=G1&fbc=F&cost=0.35&secret=no",
            &[
                "user-agent: Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Mobile/15E148",
                "x-forwarded-for: 203.0.113.77",
                "x-forwarded-proto: https",
                "cf-ipcountry: US",
                "referer: https://News.Example:8443/story/1?q=private#x",
            ],
        )
        .await;
    assert_eq!(answer.status, 302);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let cookie = answer.header("set-cookie").unwrap();
    let (id, rules) = cookie
        .strip_prefix("gvid=")
        .unwrap()
        .split_once("; ")
        .unwrap();
    assert_eq!(
        rules,
        "Max-Age=34560000; Path=/; HttpOnly; SameSite=Lax; Secure"
    );
    let visitor = VisitorId::parse(id, &KEY).unwrap();
    let id = ClickId::parse(answer.sent("c"), &KEY).unwrap();
    assert_eq!(id.shard(), visitor.shard());

    let [appended] = &lab.store.take()[..] else {
        panic!("not one record")
    };
    assert_eq!(
        (appended.key, appended.ack),
        (u64::from(visitor.shard()), Ack::Kernel)
    );
    let event = appended.event();
    assert_eq!(event.id, &id.as_bytes()[..16]);
    assert_eq!((event.ts(), event.received_us), (NOW, NOW.as_micros()));
    assert_eq!(event.visitor_id(), Ok(Some(visitor)));
    assert_eq!(event.click(), Ok(Some(id)));
    let click = click(appended);
    let map = |pairs: &[(&str, &str)]| {
        pairs
            .iter()
            .map(|(n, v)| (n.to_string(), v.to_string()))
            .collect()
    };
    let expected = Click {
        source: "redirect".into(),
        link: "every-macro".into(),
        publisher: "alpha-media".into(),
        offer: "auto-quotes".into(),
        campaign: "auto-us".into(),
        sub: map(&[("s1", "fb"), ("s10", "a/b c")]),
        ad_ids: map(&[("gclid", "G1"), ("fbc", "F")]),
        landing: "https://quotes.example/auto/{}/x".into(),
        referrer: "news.example:8443/story/1".into(),
        ip_prefix: "203.0.113.0/24".into(),
        ip_hash: click.ip_hash.clone(),
        device: "mobile".into(),
        os: "ios".into(),
        flags: vec![],
    };
    assert_eq!(click, expected);
    assert_eq!(click.ip_hash.len(), 16);

    let hash: String = click
        .ip_hash
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let rand = answer.sent("r");
    assert!(rand.parse::<u64>().is_ok(), "{rand}");
    assert_eq!(
        answer.location(),
        format!(
            "https://quotes.example/auto/a%2Fb%20c/x?c={id}&p=alpha-media&k=auto-us&s1=fb&i={hash}\
             &t=1795316645678&r={rand}&co=US&d=mobile&o=ios&cost=0.35&any=1%262#f"
        )
    );
    assert_eq!(lab.metrics.counted(telemetry::EDGE_CLICKS, ["logged"]), 1);
}

#[tokio::test]
async fn no_value_leaves_its_place_in_the_destination() {
    let lab = Lab::start();
    for (value, place) in [
        ("%2F%2Fevil.example%2F", "%2F%2Fevil.example%2F"),
        ("%40evil.example", "%40evil.example"),
        ("..", ""),
        ("%2e%2e", ""),
        ("..%2F..", "..%2F.."),
        ("%0d%0aset-cookie:%20a=b", "%0D%0Aset-cookie%3A%20a%3Db"),
        ("%3Fc=ck_other%26", "%3Fc%3Dck_other%26"),
        ("%23", "%23"),
        ("%252e", "%252e"),
        ("%ff", "%EF%BF%BD"),
        ("a+b", "a%20b"),
        ("{click_id}", "%7Bclick_id%7D"),
        ("%00", "%00"),
    ] {
        let answer = lab.get(&format!("/c/every-macro?s10={value}"), &[]).await;
        let start = format!("https://quotes.example/auto/{place}/x?c=ck_");
        assert!(
            answer.location().starts_with(&start),
            "{value}: {}",
            answer.location()
        );
    }
}

#[tokio::test]
async fn a_cookie_of_ours_knows_the_visitor_again_and_another_does_not() {
    let lab = Lab::start();
    let first = lab.get("/c/alpha-search", &[]).await;
    let cookie = format!("cookie: a=b; gvid=vs_forged; {}", first.cookie());
    let again = lab.get("/c/alpha-social", &[&cookie]).await;
    assert_eq!(first.cookie(), again.cookie());
    let forged = first.cookie().replace("gvid=vs_", "gvid=vs_A");
    for cookie in ["gvid=", "gvid=vs_", "xgvid=1", &forged] {
        let other = lab
            .get("/c/alpha-search", &[&format!("cookie: {cookie}")])
            .await;
        assert_ne!(other.cookie(), first.cookie(), "{cookie}");
        assert!(
            VisitorId::parse(&other.cookie()[5..], &KEY).is_ok(),
            "{cookie}"
        );
    }
    let records = lab.store.take();
    let visitor = |at: usize| records[at].event().visitor;
    assert_eq!(visitor(0), visitor(1));
    assert_eq!(records[0].key, records[1].key);
    assert_ne!(visitor(0), visitor(2));
    assert_ne!(records[0].event().id, records[1].event().id);
}

#[tokio::test]
async fn machines_that_look_are_answered_alike_and_flagged() {
    let lab = Lab::start();
    for (method, header, flags) in [
        ("GET", "x: y", &[][..]),
        ("HEAD", "x: y", &["head"]),
        ("GET", "sec-purpose: prefetch;prerender", &["prefetch"]),
        ("GET", "purpose: prefetch", &["prefetch"]),
        (
            "GET",
            "user-agent: Mozilla/5.0 (compatible; bingbot/2.0)",
            &["bot"],
        ),
        ("HEAD", "user-agent: Twitterbot/1.0", &["head", "bot"]),
    ] {
        let answer = lab.ask(method, "/c/alpha-search", &[header], "").await;
        assert_eq!(answer.status, 302, "{header}");
        assert!(ClickId::parse(answer.sent("cid"), &KEY).is_ok(), "{header}");
        assert_eq!(answer.body, "");
        assert_eq!(
            click(&lab.store.take()[0]).flags,
            flags,
            "{method} {header}"
        );
    }
    assert_eq!(lab.metrics.counted(telemetry::EDGE_CLICKS, ["logged"]), 1);
    assert_eq!(lab.metrics.counted(telemetry::EDGE_CLICKS, ["flagged"]), 5);
}

#[tokio::test]
async fn a_log_that_refuses_costs_the_click_its_id_and_nothing_else() {
    let lab = Lab::start();
    let moods = [
        Mood::Refuses(LogError::Full),
        Mood::Refuses(LogError::NoSpace),
        Mood::Refuses(LogError::Unavailable("gone".into())),
        Mood::NeverAnswers,
    ];
    for mood in moods.clone() {
        lab.store.set(mood);
        let answer = lab.get("/c/alpha-search?s1=a", &[]).await;
        assert_eq!(answer.status, 302);
        assert_eq!(
            answer.location(),
            "https://quotes.example/auto?cid=&pub=alpha-media&kw=a&ad=&gclid="
        );
    }
    let unlogged = lab.metrics.counted(telemetry::EDGE_CLICKS, ["unlogged"]);
    assert_eq!(usize::try_from(unlogged).unwrap(), moods.len());
    assert!(lab.store.take().is_empty());
}

#[tokio::test]
async fn a_link_without_a_destination_falls_back_or_shows_a_page() {
    let lab = Lab::start();
    let bare = Lab::start_with(None);
    for (lab, path, to, reason, target) in [
        (
            &lab,
            "/c/cresta-spring",
            Some("https://quotes.example/ended"),
            "paused",
            "link",
        ),
        (
            &lab,
            "/c/paused-plain",
            Some("https://quotes.example/"),
            "paused",
            "campaign",
        ),
        (
            &lab,
            "/c/nobody",
            Some("https://service.example/lost?a=b"),
            "unknown",
            "service",
        ),
        (
            &lab,
            "/c/",
            Some("https://service.example/lost?a=b"),
            "unknown",
            "service",
        ),
        (&bare, "/c/%61lpha-search", None, "unknown", "page"),
    ] {
        let counted = || {
            lab.metrics
                .counted(telemetry::EDGE_FALLBACKS, [reason, target])
        };
        let before = counted();
        let answer = lab.get(path, &[]).await;
        assert_eq!(answer.header("location"), to, "{path}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
        assert_eq!(answer.header("set-cookie"), None, "{path}");
        assert_eq!(counted(), before + 1, "{path}");
        assert!(lab.store.take().is_empty(), "{path}");
        if to.is_none() {
            assert_eq!(answer.status, 404);
            assert!(
                answer.body.starts_with("<!doctype html>"),
                "{}",
                answer.body
            );
        }
    }
}

#[tokio::test]
async fn a_person_never_sees_json() {
    let lab = Lab::start();
    let answer = lab.ask("POST", "/c/alpha-search", &[], "a=b").await;
    assert_eq!(answer.status, 405);
    assert_eq!(answer.header("allow"), Some("GET, HEAD"));
    assert_eq!(
        answer.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    assert!(lab.store.take().is_empty());
}

#[test]
fn the_edge_claims_its_paths_and_no_others() {
    for (path, ours) in [
        ("/c/x", true),
        ("/c/", true),
        ("/postback", true),
        ("/i/x", true),
        ("/p.gif", true),
        ("/p.gif/", true),
        ("/v1/events", true),
        ("/v1/beacon", true),
        ("/t.js", true),
        ("/v1/events/1", false),
        ("/i", false),
        ("/c", false),
        ("/c/x/y", true),
        ("/postback/", false),
        ("/v1/leads/ld_1", false),
        ("/", false),
    ] {
        assert_eq!(edge::claims(path), ours, "{path}");
    }
}
