//! The operator port.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use httpd::{Host, Operator, Readiness, Server};
use telemetry::Metrics;
use tokio_util::sync::CancellationToken;

use crate::client::ask;
use crate::lab::{LIMITS, Still};

#[tokio::test]
async fn readiness_follows_its_checks_and_ends_with_the_drain() {
    let (readiness, metrics) = (Readiness::default(), Metrics::new());
    let up = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&up);
    readiness.register("log", move || {
        asked
            .load(Ordering::Relaxed)
            .then_some(())
            .ok_or("still repairing".to_owned())
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
    let report = |ready: bool, log: &str, serving: &str| {
        format!("{{\"ready\":{ready},\"checks\":{{\"log\":\"{log}\",\"serving\":\"{serving}\"}}}}")
    };
    assert_eq!(
        get("/readyz").await,
        (503, report(false, "still repairing", "ok"))
    );
    up.store(true, Ordering::Relaxed);
    assert_eq!(get("/readyz").await, (200, report(true, "ok", "ok")));
    readiness.drain();
    assert_eq!(get("/readyz").await, (503, report(false, "ok", "draining")));
    assert_eq!(get("/healthz").await, (200, "ok\n".to_owned()));
    let (status, text) = get("/metrics").await;
    assert_eq!(status, 200);
    assert!(
        text.contains("gavel_http_requests_total{listener=\"operator\",status=\"5xx\"} 2\n"),
        "{text}"
    );
    assert_eq!(ask(address, "POST /metrics HTTP/1.1\r\n\r\n").await.0, 405);
    assert_eq!(get("/").await.0, 404);
    shutdown.cancel();
    served.await.unwrap();
}
