//! `GET /i/{link}`.

use domain::VisitorId;
use proto::{Click, EventBody};
use store::{Ack, LogError};

use crate::lab::{Answer, KEY, Lab, NOW};
use crate::log::Mood;

/// Whatever was asked, a picture was answered.
pub(crate) fn assert_picture(answer: &Answer, about: &str) {
    assert_eq!(answer.status, 200, "{about}");
    assert_eq!(answer.header("content-type"), Some("image/gif"), "{about}");
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{about}");
    assert_eq!(answer.header("content-length"), Some("43"), "{about}");
}

fn view(body: Option<EventBody>) -> Click {
    match body {
        Some(EventBody::Impression(view)) => view,
        other => panic!("not an impression: {other:?}"),
    }
}

#[tokio::test]
async fn an_impression_is_recorded_and_answered_with_a_picture() {
    let lab = Lab::start();
    let answer = lab
        .get(
            "/i/alpha-search?s1=fb&gclid=G&any=1",
            &[
                "x-forwarded-for: 203.0.113.9",
                "referer: https://news.example/a?b=c",
            ],
        )
        .await;
    assert_picture(&answer, "a view");
    let cookie = answer.cookie().strip_prefix("gvid=").unwrap().to_owned();
    let visitor = VisitorId::parse(&cookie, &KEY).unwrap();
    let [appended] = &lab.store.take()[..] else {
        panic!("not one record")
    };
    assert_eq!(
        (appended.key, appended.ack),
        (u64::from(visitor.shard()), Ack::Kernel)
    );
    let event = appended.event();
    assert_eq!((event.ts(), event.visitor_id()), (NOW, Ok(Some(visitor))));
    assert_eq!((event.click(), event.named), (Ok(None), false));
    let seen = view(event.body);
    let expected = Click {
        link: "alpha-search".into(),
        publisher: "alpha-media".into(),
        offer: "auto-quotes".into(),
        campaign: "auto-us".into(),
        sub: [("s1".into(), "fb".into())].into(),
        ad_ids: [("gclid".into(), "G".into())].into(),
        referrer: "news.example/a".into(),
        ip_prefix: "203.0.113.0/24".into(),
        ip_hash: seen.ip_hash.clone(),
        device: "other".into(),
        os: "other".into(),
        source: "pixel".into(),
        ..Click::default()
    };
    assert_eq!(seen, expected);

    // The same browser again, and a click of it: one visitor.
    let cookie = format!("cookie: gvid={cookie}");
    lab.get("/i/alpha-search", &[&cookie]).await;
    lab.get("/c/alpha-search", &[&cookie]).await;
    for appended in lab.store.take() {
        assert_eq!(appended.event().visitor_id(), Ok(Some(visitor)));
    }
}

#[tokio::test]
async fn the_picture_comes_whatever_happens() {
    let lab = Lab::start();
    let bot = "user-agent: Googlebot/2.1";
    for (path, headers, result, flags) in [
        ("/i/nobody", &[][..], "unknown", None),
        ("/i/", &[], "unknown", None),
        ("/i/cresta-spring", &[], "paused", None),
        ("/i/alpha-search", &[bot], "flagged", Some("bot")),
        (
            "/i/alpha-search",
            &["sec-purpose: prefetch"],
            "flagged",
            Some("prefetch"),
        ),
        ("/i/alpha-search", &[], "logged", Some("")),
    ] {
        let answer = lab.get(path, headers).await;
        assert_picture(&answer, path);
        let counted = lab.metrics.counted(telemetry::EDGE_IMPRESSIONS, [result]);
        assert!(counted > 0, "{path}");
        let told = lab
            .store
            .take()
            .pop()
            .map(|one| view(one.event().body).flags.concat());
        assert_eq!(told.as_deref(), flags, "{path}");
    }
    lab.store.set(Mood::Refuses(LogError::Full));
    assert_picture(&lab.get("/i/alpha-search", &[]).await, "a full log");
    assert_eq!(
        lab.metrics
            .counted(telemetry::EDGE_IMPRESSIONS, ["unlogged"]),
        1
    );

    let answer = lab.ask("POST", "/i/alpha-search", &[], "a=b").await;
    assert_eq!(
        (answer.status, answer.header("allow")),
        (405, Some("GET, HEAD"))
    );
    assert_eq!(
        answer.header("content-type"),
        Some("text/html; charset=utf-8")
    );
}
