//! `GET /p.gif`.

use domain::VisitorId;
use proto::{Conversion, EventBody};
use store::{Ack, LogError};

use crate::impression::assert_picture;
use crate::lab::{KEY, Lab};
use crate::log::{Appended, Mood};

fn conversion(appended: &Appended) -> Conversion {
    match appended.event().body {
        Some(EventBody::Conversion(conversion)) => conversion,
        other => panic!("not a conversion: {other:?}"),
    }
}

impl Lab {
    fn pixels(&self, result: &'static str) -> u64 {
        self.metrics.counted(telemetry::EDGE_PIXELS, [result])
    }
}

#[tokio::test]
async fn a_pixel_reports_the_conversion_of_its_visitor() {
    let lab = Lab::start();
    let click = lab.get("/c/alpha-search", &[]).await;
    let cookie = format!("cookie: {}", click.cookie());
    let visitor = VisitorId::parse(click.cookie().strip_prefix("gvid=").unwrap(), &KEY).unwrap();
    lab.store.take();
    let answer = lab
        .get(
            "/p.gif?campaign=auto-us&goal=policy_bound&order=o-1&amount=12.5&visitor=me",
            &[&cookie],
        )
        .await;
    assert_picture(&answer, "a conversion");
    let [appended] = &lab.store.take()[..] else {
        panic!("not one record")
    };
    assert_eq!(
        (appended.key, appended.ack),
        (store::key::event(&appended.event()).unwrap(), Ack::Kernel)
    );
    assert_eq!(appended.event().visitor_id(), Ok(Some(visitor)));
    let expected = Conversion {
        campaign: "auto-us".into(),
        goal: "policy_bound".into(),
        txid: "o-1".into(),
        amount_micros: Some(12_500_000),
        currency: "USD".into(),
        status: "pending".into(),
        source: "pixel".into(),
        flags: vec!["unverified".into()],
        ..Conversion::default()
    };
    assert_eq!(conversion(appended), expected);
}

/// What anybody can load says nothing of the status, unless the goal trusts it.
#[tokio::test]
async fn a_pixel_is_believed_as_far_as_its_goal_says() {
    let lab = Lab::start();
    let bot = "user-agent: Googlebot/2.1";
    for (query, headers, status, flags) in [
        (
            "goal=policy_bound&status=approved",
            &[][..],
            "pending",
            "unverified",
        ),
        (
            "goal=policy_bound&status=reversed",
            &[],
            "pending",
            "unverified",
        ),
        ("goal=appointment_set&status=approved", &[], "approved", ""),
        ("goal=appointment_set", &[], "pending", ""),
        ("goal=appointment_set", &[bot], "pending", "bot"),
        (
            "goal=appointment_set&click_id={cid}",
            &[],
            "pending",
            "invalid_macro",
        ),
    ] {
        let path = format!("/p.gif?campaign=auto-us&txid=o-1&{query}");
        assert_picture(&lab.get(&path, headers).await, &path);
        let said = conversion(&lab.store.take()[0]);
        assert_eq!(
            (said.status.as_str(), &*said.flags.concat()),
            (status, flags),
            "{path}"
        );
    }
}

#[tokio::test]
async fn the_picture_comes_whatever_is_wrong() {
    let lab = Lab::start();
    for (query, result) in [
        ("", "unknown"),
        ("?campaign=nobody&goal=policy_bound", "unknown"),
        ("?campaign=auto-us", "invalid"),
        ("?campaign=auto-us&goal=lead_sold", "invalid"),
        ("?campaign=auto-us&goal=policy_bound&amount=x", "invalid"),
        ("?campaign=auto-us&goal=policy_bound&txid=%ff", "invalid"),
    ] {
        let before = lab.pixels(result);
        assert_picture(&lab.get(&format!("/p.gif{query}"), &[]).await, query);
        assert_eq!(lab.pixels(result), before + 1, "{query}");
    }
    assert!(lab.store.take().is_empty());
    let good = "/p.gif?campaign=auto-us&goal=policy_bound&txid=o-1";
    for result in ["accepted", "duplicate"] {
        lab.get(good, &[]).await;
        assert_eq!(lab.pixels(result), 1, "{result}");
    }
    for mood in [Mood::Refuses(LogError::Full), Mood::NeverAnswers] {
        lab.store.set(mood);
        assert_picture(&lab.get(good, &[]).await, "a log that refuses");
    }
    assert_eq!(lab.pixels("unlogged"), 2);
}
