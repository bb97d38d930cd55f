//! `POST /v1/events`.

use std::io::Write as _;
use std::time::Duration;

use domain::{ClickId, Timestamp};
use proto::{Click, Conversion, EventBody, Identify, Visit};
use store::{Ack, LogError};

use crate::lab::{Answer, KEY, Lab, NOW};
use crate::log::{Appended, Mood};

const PUBLISHER: &str = "authorization: Bearer demo-publisher-alpha-media";
const ADVERTISER: &str = "authorization: Bearer demo-postback-token-auto-us";
const OPERATOR: &str = "authorization: Bearer an-operators-own-key";
const JSON: &str = "content-type: application/json";

impl Lab {
    async fn events(&self, key: &str, body: &str) -> Answer {
        self.ask("POST", "/v1/events", &[key, JSON], body).await
    }
}

/// What was told of each event: its code and the issues' pointers and codes.
fn told(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, 200, "{answer:?}");
    let results = answer.body.split_once("\"results\":[").unwrap().1;
    let one = |text: &str| {
        let value = |rest: &str| rest.split('"').next().unwrap().to_owned();
        let mut out: Vec<String> = text
            .match_indices("\"pointer\":\"")
            .map(|(at, name)| {
                let rest = &text[at + name.len()..];
                let code = rest.split_once("\"code\":\"").unwrap().1;
                format!("{} {}", value(rest), value(code))
            })
            .collect();
        out.insert(0, value(text.split_once("\"code\":\"").unwrap().1));
        out.join(", ")
    };
    results.split("{\"index\":").skip(1).map(one).collect()
}

/// Batches are counted before they are read; another publisher's are its own, and an advertiser has no limit.
#[tokio::test]
async fn a_publisher_sends_as_many_batches_a_second_as_agreed() {
    let lab = Lab::start();
    let hasty = "authorization: Bearer a-key-of-the-hasty";
    for body in ["[]", "this is no batch"] {
        let answer = lab.events(hasty, body).await;
        assert_ne!(answer.status, 429, "{answer:?}");
    }
    let refused = lab.events(hasty, r#"[{"type":"identify"}]"#).await;
    assert_eq!(refused.status, 429);
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert!(
        refused.body.contains("\"code\":\"rate_limited\""),
        "{}",
        refused.body
    );
    for key in [PUBLISHER, ADVERTISER, OPERATOR] {
        for _ in 0..4 {
            assert_ne!(lab.events(key, "[]").await.status, 429, "{key}");
        }
    }
    lab.clock.advance(Duration::from_millis(499));
    assert_eq!(lab.events(hasty, "[]").await.status, 429);
    lab.clock.advance(Duration::from_millis(1));
    assert_ne!(lab.events(hasty, "[]").await.status, 429);
}

#[tokio::test]
async fn one_bad_event_keeps_no_other_from_the_log() {
    let lab = Lab::start();
    let answer = lab
        .events(
            ADVERTISER,
            r#"[{"type":"conversion","goal":"policy_bound","txid":"o-1","amount":"10"},
                7,
                {"type":"conversion","goal":"nothing","amount":5,"tixd":"o","status":"won"},
                {"type":"conversion","goal":"policy_bound","txid":"o-1","amount":"10.00"},
                {"type":"click","link":"alpha-search"},
                {"type":"reversal","goal":"policy_bound","txid":"o-1"},
                {"type":"conversion","type":"conversion"},
                {"type":"sale"}, {}]"#,
        )
        .await;
    assert_eq!(
        told(&answer),
        [
            "accepted",
            "malformed",
            "invalid_event, /amount wrong_type, /tixd unknown_member, /goal unknown, /status unknown",
            "duplicate",
            "forbidden,  forbidden",
            "updated",
            "malformed",
            "invalid_event, /type unknown",
            "invalid_event, /type required",
        ]
    );
    assert!(
        answer.body.starts_with("{\"accepted\":3,\"refused\":6,"),
        "{}",
        answer.body
    );
    assert!(!answer.body.contains("\"retryable\":true"));
    let records = lab.store.take();
    let statuses: Vec<String> = records
        .iter()
        .map(|one| {
            assert_eq!(one.ack, Ack::Durable);
            match one.event().body {
                Some(EventBody::Conversion(conversion)) => {
                    assert_eq!(
                        (&*conversion.source, &*conversion.campaign),
                        ("api", "auto-us")
                    );
                    conversion.status
                }
                other => panic!("not a conversion: {other:?}"),
            }
        })
        .collect();
    assert_eq!(statuses, ["approved", "approved", "reversed"]);
    assert_eq!(records[0].event().id, records[1].event().id);
    let counted = lab
        .metrics
        .counted(telemetry::EDGE_EVENTS, ["api", "invalid_event"]);
    assert_eq!(counted, 3);
}

#[tokio::test]
async fn a_publishers_server_tells_of_clicks() {
    let lab = Lab::start();
    let click = r#"{"type":"click","id":"c-1","ts":"2026-11-22T03:00:00Z","sent_at":"2026-11-22T03:04:05Z","visitor":"user 7","link":"alpha-search","s1":"fb","sub":{"s2":"x"},"gclid":"G","ip":"203.0.113.9","user_agent":"Mozilla/5.0 (iPhone) Mobile","referrer":"https://news.example/a?b"}"#;
    let batch = format!(
        r#"[{click},{click},{},{}]"#,
        r#"{"type":"impression","visitor":"user 7","link":"alpha-search"}"#,
        r#"{"type":"click","link":"alpha-search"}"#
    );
    let answer = lab.events(PUBLISHER, &batch).await;
    assert_eq!(
        told(&answer),
        ["accepted", "duplicate", "accepted", "accepted"]
    );
    let events: Vec<_> = lab.store.take().iter().map(Appended::event).collect();
    let [first, again, view, other] = &events[..] else {
        panic!("not four records")
    };
    assert_eq!(first, again);
    assert_eq!(first.visitor, view.visitor);
    assert_ne!(first.visitor, other.visitor);
    assert!(view.click_id.is_empty() && first.named && !view.named);
    assert_eq!(
        first.ts(),
        Timestamp::parse("2026-11-22T03:00:00Z").unwrap()
    );
    assert_eq!(
        (first.received_us, first.skew_us),
        (NOW.as_micros(), Some(678_000))
    );
    // The click id is one of ours, on its visitor's shard, and told to the sender.
    let id = first.click().unwrap().unwrap();
    assert_eq!(ClickId::parse(&id.to_string(), &KEY), Ok(id));
    assert_eq!(id.shard(), first.visitor_id().unwrap().unwrap().shard());
    assert!(answer.body.contains(&format!("\"click_id\":\"{id}\"")));
    let Some(EventBody::Click(said)) = &first.body else {
        panic!("not a click")
    };
    let expected = Click {
        link: "alpha-search".into(),
        publisher: "alpha-media".into(),
        offer: "auto-quotes".into(),
        campaign: "auto-us".into(),
        sub: [("s1".into(), "fb".into()), ("s2".into(), "x".into())].into(),
        ad_ids: [("gclid".into(), "G".into())].into(),
        referrer: "news.example/a".into(),
        ip_prefix: "203.0.113.0/24".into(),
        ip_hash: said.ip_hash.clone(),
        device: "mobile".into(),
        os: "ios".into(),
        source: "api".into(),
        ..Click::default()
    };
    assert_eq!(*said, expected);
    assert!(matches!(view.body, Some(EventBody::Impression(_))));
}

#[tokio::test]
async fn visits_and_persons_are_recorded() {
    let lab = Lab::start();
    let answer = lab
        .events(
            ADVERTISER,
            r#"[{"type":"visit","visitor":"v-1","page":"https://quotes.example/a?x=1#y","referrer":"https://search.example/","utm":{"source":"news","medium":"mail"},"msclkid":"M"},
                {"type":"identify","visitor":"v-1","email":"Jane@Mail.example","phone":"512-555-0199"}]"#,
        )
        .await;
    assert_eq!(told(&answer), ["accepted", "accepted"]);
    let events: Vec<_> = lab.store.take().iter().map(Appended::event).collect();
    assert_eq!(events[0].visitor, events[1].visitor);
    assert_eq!((events[0].person.len(), events[1].person.len()), (0, 2));
    let visit = Visit {
        campaign: "auto-us".into(),
        page: "quotes.example/a".into(),
        referrer: "search.example".into(),
        utm: [
            ("medium".into(), "mail".into()),
            ("source".into(), "news".into()),
        ]
        .into(),
        ad_ids: [("msclkid".into(), "M".into())].into(),
        source: "api".into(),
        ..Visit::default()
    };
    assert_eq!(events[0].body, Some(EventBody::Visit(visit)));
    let identify = Identify {
        campaign: "auto-us".into(),
        source: "api".into(),
    };
    assert_eq!(events[1].body, Some(EventBody::Identify(identify)));
    // The hash is that of a postback about the same person.
    lab.get(
        "/postback?token=demo-postback-token-auto-us&goal=policy_bound&txid=1&email=jane@mail.example",
        &[],
    )
    .await;
    let person = lab.store.take()[0].event().person;
    assert!(events[1].person.contains(&person[0]));
}

/// All issues of each event, and who may send what.
#[tokio::test]
async fn every_issue_of_every_event_is_told() {
    let lab = Lab::start();
    for (key, event, expected) in [
        (
            PUBLISHER,
            r#"{"type":"click"}"#,
            "invalid_event, /link required",
        ),
        (
            PUBLISHER,
            r#"{"type":"click","link":"nobody","id":"1","ip":"x","click_id":"ck_1"}"#,
            "invalid_event, /click_id unknown_member, /ts missing_ts, /link unknown, /ip not_an_address",
        ),
        (
            PUBLISHER,
            r#"{"type":"click","link":"bluebird-email"}"#,
            "forbidden,  forbidden",
        ),
        (
            PUBLISHER,
            r#"{"type":"impression","link":"alpha-search","ts":"2020-01-01T00:00:00Z"}"#,
            "invalid_event, /ts too_old",
        ),
        (
            PUBLISHER,
            r#"{"type":"conversion","goal":"policy_bound"}"#,
            "forbidden,  forbidden",
        ),
        (
            PUBLISHER,
            r#"{"type":"visit","visitor":"v","page":"https://a.example/"}"#,
            "forbidden,  forbidden",
        ),
        (
            ADVERTISER,
            r#"{"type":"impression","link":"alpha-search"}"#,
            "forbidden,  forbidden",
        ),
        (
            ADVERTISER,
            r#"{"type":"conversion","campaign":"auto-us-targeted","goal":"policy_bound"}"#,
            "forbidden,  forbidden",
        ),
        (
            ADVERTISER,
            r#"{"type":"visit","utm":{"sauce":"x"}}"#,
            "invalid_event, /utm/sauce unknown_member, /visitor required, /page required",
        ),
        (
            ADVERTISER,
            r#"{"type":"visit","page":"https://a.example/","click_id":"ck_forged"}"#,
            "invalid_event, /click_id unknown",
        ),
        (
            ADVERTISER,
            r#"{"type":"identify"}"#,
            "invalid_event, /visitor required, /email required",
        ),
        (
            ADVERTISER,
            r#"{"type":"identify","visitor":"v","email":"x","phone":"911"}"#,
            "invalid_event, /email not_an_email, /phone not_a_phone, /email required",
        ),
        (
            ADVERTISER,
            r#"{"type":"reversal","goal":"policy_bound","txid":"1","status":"approved"}"#,
            "invalid_event, /status contradiction",
        ),
        (
            OPERATOR,
            r#"{"type":"conversion","goal":"policy_bound","txid":"1"}"#,
            "invalid_event, /campaign required",
        ),
        (
            OPERATOR,
            r#"{"type":"conversion","campaign":"nobody","goal":"policy_bound"}"#,
            "invalid_event, /campaign unknown",
        ),
        (
            OPERATOR,
            r#"{"type":"conversion","campaign":"auto-us","goal":"policy_bound"}"#,
            "accepted",
        ),
        (
            OPERATOR,
            r#"{"type":"click","link":"cresta-spring"}"#,
            "invalid_event, /link paused",
        ),
        (
            OPERATOR,
            r#"{"type":"click","link":"bluebird-email"}"#,
            "accepted",
        ),
        (
            OPERATOR,
            r#"{"type":"visit","visitor":"v","page":"https://a.example/"}"#,
            "accepted",
        ),
    ] {
        let answer = lab.events(key, &format!("[{event}]")).await;
        assert_eq!(told(&answer), [expected], "{event}");
    }
    let unkeyed = lab.store.take();
    let Some(EventBody::Conversion(Conversion { flags, .. })) = unkeyed[0].event().body else {
        panic!("not a conversion")
    };
    assert_eq!(flags, ["unkeyed"]);
}

#[tokio::test]
async fn what_is_wrong_with_the_batch_refuses_it() {
    let lab = Lab::start();
    let many = format!("[{}]", vec!["{}"; 1_001].join(","));
    let large = format!("[\"{}\"]", "x".repeat(1 << 20));
    let buyer = "x-api-key: demo-buyer-01-key";
    let nothing = "accept: */*";
    for (headers, body, status, code) in [
        (&[JSON][..], "[]", 401, "unauthorized"),
        (&[JSON, "x-api-key: nobodys"], "[]", 401, "unauthorized"),
        (&[JSON, buyer], "[]", 403, "forbidden"),
        (&[ADVERTISER, nothing], "[]", 415, "unsupported_media_type"),
        (
            &[ADVERTISER, "content-type: text/csv"],
            "[]",
            415,
            "unsupported_media_type",
        ),
        (
            &[ADVERTISER, JSON, "content-encoding: deflate"],
            "[]",
            415,
            "unsupported_media_type",
        ),
        (
            &[ADVERTISER, JSON, "content-encoding: gzip"],
            "[]",
            400,
            "malformed",
        ),
        (&[ADVERTISER, JSON], "", 400, "malformed"),
        (&[ADVERTISER, JSON], "{}", 400, "malformed"),
        (&[ADVERTISER, JSON], "[{}", 400, "malformed"),
        (&[ADVERTISER, JSON], &many, 413, "body_too_large"),
        (&[ADVERTISER, JSON], &large, 413, "body_too_large"),
    ] {
        let answer = lab.ask("POST", "/v1/events", headers, body).await;
        assert_eq!(answer.status, status, "{headers:?}: {answer:?}");
        assert!(
            answer.body.contains(&format!("\"code\":\"{code}\"")),
            "{answer:?}"
        );
    }
    let answer = lab.get("/v1/events", &[ADVERTISER]).await;
    assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")));
    assert!(lab.store.take().is_empty());
}

#[tokio::test]
async fn a_batch_may_be_packed_and_have_an_event_a_line() {
    let lab = Lab::start();
    let line = r#"{"type":"conversion","goal":"policy_bound","txid":"o-1"}"#;
    let text = format!("{line}\n\nrubbish\r\n{line}\n");
    let gzip = {
        let level = flate2::Compression::default();
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let level = ruzstd::encoding::CompressionLevel::Fastest;
    let zstd = ruzstd::encoding::compress_to_vec(text.as_bytes(), level);
    for (encoding, body) in [
        ("identity", text.clone().into_bytes()),
        ("gzip", gzip.clone()),
        ("zstd", zstd),
    ] {
        let headers = [
            ADVERTISER,
            "content-type: application/x-ndjson",
            &format!("content-encoding: {encoding}"),
        ];
        let answer = lab.ask("POST", "/v1/events", &headers, body).await;
        let told = told(&answer);
        assert_eq!(told.len(), 3, "{encoding}");
        assert_eq!(
            (&*told[1], &*told[2]),
            ("malformed", "duplicate"),
            "{encoding}"
        );
        assert_eq!(lab.store.take().len(), 2, "{encoding}");
    }
    let bomb = {
        let level = flate2::Compression::best();
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
        encoder.write_all(&vec![b' '; 32 << 20]).unwrap();
        encoder.finish().unwrap()
    };
    let headers = [ADVERTISER, JSON, "content-encoding: gzip"];
    let answer = lab.ask("POST", "/v1/events", &headers, bomb).await;
    assert_eq!(answer.status, 413);
}

#[tokio::test]
async fn a_log_that_refuses_is_told_event_by_event() {
    let lab = Lab::start();
    lab.store.set(Mood::Refuses(LogError::Full));
    let answer = lab
        .events(
            ADVERTISER,
            r#"[{"type":"conversion","goal":"policy_bound"},{}]"#,
        )
        .await;
    assert_eq!(
        told(&answer),
        ["unavailable", "invalid_event, /type required"]
    );
    assert_eq!(answer.body.matches("\"retryable\":true").count(), 1);
    // What was not recorded is not known either.
    lab.store.set(Mood::Takes);
    let event = r#"[{"type":"conversion","goal":"policy_bound","txid":"o-1"}]"#;
    assert_eq!(told(&lab.events(ADVERTISER, event).await), ["accepted"]);
}
