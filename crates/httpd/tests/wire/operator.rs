//! The operator port.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use domain::Timestamp;
use httpd::{Host, Operator, Readiness, Server, Standing};
use telemetry::Metrics;
use tokio_util::sync::CancellationToken;

use crate::client::ask;
use crate::lab::{LIMITS, Still};

#[tokio::test]
async fn readiness_follows_its_checks_and_ends_with_the_drain() {
    let (readiness, metrics) = (Readiness::default(), Metrics::new());
    let up = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&up);
    readiness.register("log", move || match asked.load(Ordering::Relaxed) {
        true => Standing::Ok,
        false => Standing::missing("still repairing"),
    });
    // Told, and no reason to send traffic elsewhere.
    readiness.register("tables", || Standing::Away {
        what: "connection refused".to_owned(),
        since: Timestamp::from_micros(1_800_000_000_000_000),
    });
    let host = Host {
        clock: Arc::new(Still::default()),
        entropy: Arc::new(Still::default()),
        metrics: metrics.clone(),
    };
    let server = Server::bind("operator", ([127, 0, 0, 1], 0).into(), LIMITS, host).unwrap();
    let address = server.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let operator = Operator::new(metrics, readiness.clone());
    let served = tokio::runtime::Handle::current().spawn(server.serve(operator, shutdown.clone()));

    let get = async |path: &str| {
        let (status, _, body) = ask(address, &format!("GET {path} HTTP/1.1\r\n\r\n")).await;
        (status, body)
    };
    let ok = r#"{"status":"ok"}"#;
    let missing = |what: &str| format!(r#"{{"status":"missing","what":"{what}"}}"#);
    let away =
        r#"{"status":"away","what":"connection refused","since":"2027-01-15T08:00:00.000Z"}"#;
    let report = |ready: bool, log: &str, serving: &str| {
        format!(
            r#"{{"ready":{ready},"checks":{{"log":{log},"serving":{serving},"tables":{away}}}}}"#
        )
    };
    assert_eq!(
        get("/readyz").await,
        (503, report(false, &missing("still repairing"), ok))
    );
    up.store(true, Ordering::Relaxed);
    assert_eq!(get("/readyz").await, (200, report(true, ok, ok)));
    readiness.drain();
    assert_eq!(
        get("/readyz").await,
        (503, report(false, ok, &missing("draining")))
    );
    assert_eq!(get("/healthz").await, (200, "ok\n".to_owned()));
    let (status, text) = get("/metrics").await;
    assert_eq!(status, 200);
    assert!(
        text.contains("gavel_http_requests_total{listener=\"operator\",status=\"5xx\"} 2\n"),
        "{text}"
    );
    for (part, status, is) in [
        ("tables", "away", 1),
        ("tables", "ok", 0),
        ("log", "ok", 1),
        ("log", "missing", 0),
        ("serving", "missing", 1),
    ] {
        let line = format!("gavel_node_part{{part=\"{part}\",status=\"{status}\"}} {is}\n");
        assert!(text.contains(&line), "{line}{text}");
    }
    assert_eq!(ask(address, "POST /metrics HTTP/1.1\r\n\r\n").await.0, 405);
    assert_eq!(get("/").await.0, 404);
    shutdown.cancel();
    served.await.unwrap();
}
