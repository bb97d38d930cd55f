//! Personal data planted wherever a client can put it, looked for in every byte that is recorded
//! and in every metric.

use crate::lab::Lab;

const MARKERS: [&str; 8] = [
    "jane.marker",
    "5550199",
    "555-0199",
    "203.0.113.77",
    "SecretAgent",
    "plantedparam",
    "plantedcookie",
    "demo-postback-token",
];

#[tokio::test]
async fn nothing_personal_is_recorded() {
    let lab = Lab::start();
    let click = lab
        .get(
            "/c/every-macro?s1=jane.marker%40mail.example&s2=%2B15125550199&s3=512-555-0199\
             &gclid=jane.marker@mail.example&email=jane.marker@mail.example&name=plantedparam\
             &any=plantedparam",
            &[
                "user-agent: SecretAgent/1.0 (Windows NT 10.0)",
                "x-forwarded-for: 203.0.113.77",
                "referer: https://jane.marker@mail.example/u/jane.marker%40mail.example/512-555-0199?e=plantedparam",
                "cookie: other=plantedcookie",
            ],
        )
        .await;
    // What was not recorded still reaches the landing page.
    assert_eq!(click.sent("s1"), "jane.marker%40mail.example");
    assert_eq!(click.sent("any"), "plantedparam");
    let id = click.sent("c");
    for query in [
        format!(
            "click_id={id}&goal=policy_bound&txid=jane.marker@mail.example&email=jane.marker@mail.example&phone=512-555-0199"
        ),
        "click_id=jane.marker@mail.example&goal=policy_bound&txid=o-9".to_owned(),
        format!("click_id={id}&goal=policy_bound&txid=(512) 555-0199").replace(' ', "%20"),
    ] {
        let path = format!("/postback?token=demo-postback-token-auto-us&{query}");
        assert_eq!(lab.get(&path, &[]).await.status, 200, "{path}");
    }
    let browser = [
        "user-agent: SecretAgent/1.0 (Windows NT 10.0)",
        "x-forwarded-for: 203.0.113.77",
        "referer: https://mail.example/u/jane.marker%40mail.example?e=plantedparam",
    ];
    for path in [
        "/i/alpha-search?s1=jane.marker%40mail.example&any=plantedparam",
        "/p.gif?campaign=auto-us&goal=policy_bound&txid=jane.marker%40mail.example&phone=%2B15125550199&any=plantedparam",
    ] {
        assert_eq!(lab.get(path, &browser).await.status, 200, "{path}");
    }
    let json = "content-type: application/json";
    let events = r#"[{"type":"visit","id":"jane.marker@mail.example","ts":"2026-11-22T03:00:00Z","visitor":"jane.marker@mail.example","page":"https://mail.example/jane.marker@mail.example?e=plantedparam","referrer":"https://mail.example/u/512-555-0199","utm":{"source":"jane.marker@mail.example"},"ip":"203.0.113.77","user_agent":"SecretAgent/1.0"},
        {"type":"identify","visitor":"jane.marker@mail.example","email":"jane.marker@mail.example","phone":"+15125550199"},
        {"type":"conversion","goal":"policy_bound","txid":"jane.marker@mail.example","parent":"+15125550199"}]"#;
    let key = "authorization: Bearer demo-postback-token-auto-us";
    let answer = lab.ask("POST", "/v1/events", &[key, json], events).await;
    assert!(answer.body.contains("\"accepted\":3"), "{answer:?}");
    let site = "origin: https://quotes.example";
    let visit = r#"[{"type":"visit","campaign":"auto-us","visitor":"jane.marker@mail.example","page":"https://quotes.example/512-555-0199?e=plantedparam","gclid":"jane.marker@mail.example"}]"#;
    let headers = [site, "content-type: text/plain", browser[0], browser[1]];
    let answer = lab.ask("POST", "/v1/beacon", &headers, visit).await;
    assert_eq!(answer.status, 204);
    let records = lab.store.take();
    assert_eq!(records.len(), 10);
    let metrics = lab.metrics.encode();
    for marker in MARKERS {
        for record in &records {
            let found = record
                .bytes
                .windows(marker.len())
                .any(|bytes| bytes == marker.as_bytes());
            assert!(!found, "{marker} is in {:?}", record.event());
        }
        assert!(!metrics.contains(marker), "{marker} is in the metrics");
    }
}
