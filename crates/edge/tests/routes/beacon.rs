//! `POST /v1/beacon` and `GET /t.js`.

use domain::VisitorId;
use proto::{EventBody, Visit};
use store::Ack;

use crate::lab::{Answer, KEY, Lab};
use crate::log::Appended;

const SITE: &str = "origin: https://quotes.example";
const TEXT: &str = "content-type: text/plain;charset=UTF-8";
const VISIT: &str = r#"[{"type":"visit","campaign":"auto-us","visitor":"0123","page":"https://quotes.example/auto?email=jane@x.example","utm":{"source":"news"}}]"#;

impl Lab {
    async fn beacon(&self, headers: &[&str], body: &str) -> Answer {
        self.ask("POST", "/v1/beacon", headers, body).await
    }
}

fn visit(appended: &Appended) -> Visit {
    match appended.event().body {
        Some(EventBody::Visit(visit)) => visit,
        other => panic!("not a visit: {other:?}"),
    }
}

#[tokio::test]
async fn a_page_tells_of_its_visit() {
    let lab = Lab::start();
    let iphone = "user-agent: Mozilla/5.0 (iPhone) Mobile";
    let answer = lab
        .beacon(&[SITE, TEXT, iphone, "x-forwarded-for: 203.0.113.9"], VISIT)
        .await;
    assert_eq!((answer.status, &*answer.body), (204, ""));
    let allowed = answer.header("access-control-allow-origin");
    assert_eq!(allowed, Some("https://quotes.example"));
    assert_eq!(
        answer.header("access-control-allow-credentials"),
        Some("true")
    );
    assert_eq!(answer.header("vary"), Some("origin"));
    let [appended] = &lab.store.take()[..] else {
        panic!("not one record")
    };
    assert_eq!(appended.ack, Ack::Kernel);
    let said = visit(appended);
    let expected = Visit {
        campaign: "auto-us".into(),
        page: "quotes.example/auto".into(),
        utm: [("source".into(), "news".into())].into(),
        ip_prefix: "203.0.113.0/24".into(),
        ip_hash: said.ip_hash.clone(),
        device: "mobile".into(),
        os: "ios".into(),
        source: "tag".into(),
        ..Visit::default()
    };
    assert_eq!(said, expected);

    // The cookie is the page's visitor, and a click with it is of the same one.
    let cookie = answer.cookie().to_owned();
    let visitor = VisitorId::parse(cookie.strip_prefix("gvid=").unwrap(), &KEY).unwrap();
    assert_eq!(appended.event().visitor_id(), Ok(Some(visitor)));
    let cookie = format!("cookie: {cookie}");
    lab.get("/c/alpha-search", &[&cookie]).await;
    // A cookie is better than what the page says.
    lab.beacon(&[SITE, TEXT, &cookie], &VISIT.replace("0123", "4567"))
        .await;
    for appended in lab.store.take() {
        assert_eq!(appended.event().visitor_id(), Ok(Some(visitor)));
    }
}

#[tokio::test]
async fn a_beacon_is_taken_from_the_campaigns_sites_alone() {
    let lab = Lab::start();
    let robot = "user-agent: Googlebot/2.1";
    for (headers, body, status, recorded) in [
        (&[TEXT][..], VISIT, 403, None),
        (&["origin: https://evil.example", TEXT], VISIT, 403, None),
        (&["origin: null", TEXT], VISIT, 403, None),
        (&["origin: http://quotes.example", TEXT], VISIT, 403, None),
        (&[SITE], VISIT, 415, None),
        (&[SITE, TEXT], "", 400, None),
        (&[SITE, TEXT], "{}", 400, None),
        // Nobody reads the answer: what is wrong with an event is counted.
        (&[SITE, TEXT], r#"[{"type":"visit"}]"#, 204, None),
        (
            &[SITE, TEXT],
            r#"[{"type":"conversion","campaign":"auto-us","goal":"policy_bound"}]"#,
            204,
            None,
        ),
        // A campaign that does not know the site.
        (
            &[SITE, TEXT],
            &VISIT.replace("auto-us", "guarded"),
            204,
            None,
        ),
        (
            &[SITE, TEXT],
            &VISIT.replace("\"campaign\":\"auto-us\",", ""),
            204,
            Some(""),
        ),
        (
            &[SITE, "content-type: application/json"],
            VISIT,
            204,
            Some(""),
        ),
        (&[SITE, TEXT, robot], VISIT, 204, Some("bot")),
        (
            &[SITE, TEXT],
            &VISIT.replace("\"page\"", "\"click_id\":\"ck_somebodys\",\"page\""),
            204,
            Some(""),
        ),
    ] {
        let answer = lab.beacon(headers, body).await;
        assert_eq!(answer.status, status, "{headers:?} {body}: {answer:?}");
        let flags = lab.store.take().pop().map(|one| visit(&one).flags.concat());
        assert_eq!(flags.as_deref(), recorded, "{headers:?} {body}");
        // A page that may not send may not read either.
        let allowed = answer.header("access-control-allow-origin").is_some();
        assert_eq!(allowed, status != 403, "{headers:?}");
    }
    let counted = |result| lab.metrics.counted(telemetry::EDGE_EVENTS, ["tag", result]);
    assert_eq!((counted("invalid_event"), counted("forbidden")), (1, 2));
}

#[tokio::test]
async fn a_browser_may_ask_first() {
    let lab = Lab::start();
    let asks = "access-control-request-method: POST";
    let answer = lab.ask("OPTIONS", "/v1/beacon", &[SITE, asks], "").await;
    assert_eq!(answer.status, 204);
    for (name, value) in [
        ("access-control-allow-origin", "https://quotes.example"),
        ("access-control-allow-methods", "POST"),
        ("access-control-allow-headers", "content-type"),
        ("access-control-allow-credentials", "true"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{name}");
    }
    let other = "origin: https://evil.example";
    let answer = lab.ask("OPTIONS", "/v1/beacon", &[other, asks], "").await;
    assert_eq!(answer.status, 403);
    assert_eq!(answer.header("access-control-allow-origin"), None);
}

#[tokio::test]
async fn the_tag_is_cached_by_its_version() {
    let lab = Lab::start();
    let answer = lab.get("/t.js", &[]).await;
    assert_eq!(answer.status, 200);
    let content_type = answer.header("content-type");
    assert_eq!(content_type, Some("text/javascript; charset=utf-8"));
    assert_eq!(answer.header("cache-control"), Some("public, max-age=3600"));
    assert!(answer.body.contains("sendBeacon") && answer.body.len() < 4096);
    let version = format!("if-none-match: {}", answer.header("etag").unwrap());
    let answer = lab.get("/t.js", &[&version]).await;
    assert_eq!((answer.status, &*answer.body), (304, ""));
}
