//! What an operator sees of a day's work: every metric of the catalogue, and no line of the log that
//! comes with each lead.

use std::fs;

use serde_json::{Value, json};
use telemetry::Metric;

use crate::library;
use crate::running::{Running, request, until};

/// What no healthy run shows, and what would.
const NEEDS_A_CAUSE: &[(&str, &str)] = &[
    (
        "gavel_http_connections_refused_total",
        "more connections than allowed",
    ),
    ("gavel_http_panics_total", "a mistake of ours"),
    (
        "gavel_auction_odd_sales_total",
        "a buyer that names another price, or accepts too late",
    ),
    ("gavel_auction_breakers_open", "a buyer that fails"),
    ("gavel_auction_breaker_changes_total", "a buyer that fails"),
    ("gavel_router_refusals_unlogged_total", "a full disk"),
    ("gavel_worker_failures_total", "a ClickHouse that is away"),
    ("gavel_worker_dead_letters_total", "a damaged record"),
    (
        "gavel_worker_anew_journeys_total",
        "rules that have changed",
    ),
    ("gavel_notifier_failures_total", "a ClickHouse that is away"),
    ("gavel_kafka_brokers_up", "a cluster"),
    ("gavel_kafka_queue_records", "a cluster"),
    ("gavel_kafka_ack_seconds", "a cluster"),
    ("gavel_kafka_failures_total", "a cluster"),
    ("gavel_kafka_lag_records", "a cluster"),
    ("gavel_kafka_away", "a cluster"),
    ("gavel_journal_backlog_records", "a cluster"),
    ("gavel_journal_backlog_bytes", "a cluster"),
];

const LEADS: usize = 12;

fn get(running: &Running, path: &str) -> String {
    request(
        running.address("public"),
        &format!("GET {path} HTTP/1.1"),
        "",
    )
}

fn post(running: &Running, path: &str, key: &str, body: &Value) -> String {
    let head = format!(
        "POST {path} HTTP/1.1\r\nauthorization: Bearer {key}\r\ncontent-type: application/json"
    );
    request(running.address("public"), &head, &body.to_string())
}

fn lead(person: usize) -> Value {
    json!({ "tmax_ms": 30_000, "lead": {
        "zip": "78701", "age": 34, "first_name": "Ada", "last_name": "Example",
        "phone": format!("512-555-01{person:02}"), "email": format!("ada-{person}@example.com"),
    } })
}

fn infos(running: &Running) -> Vec<String> {
    let log = fs::read_to_string(running.home.path().join("stderr")).unwrap();
    let info = |line: &&str| {
        let line: Value = serde_json::from_str(line).unwrap();
        line["level"] == "INFO"
    };
    log.lines().filter(info).map(str::to_owned).collect()
}

#[test]
fn every_metric_shows_after_a_days_work_and_no_line_comes_with_a_lead() {
    if library::library().is_none() {
        return;
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let secret = "a-secret-of-alpha-media";
    let endpoint = runtime.block_on(traffic::Endpoint::start(secret)).unwrap();
    let postback = format!(
        "[publishers.alpha-media.postback]\nurl = \"{}\"\nsecret = \"{secret}\"\n",
        endpoint.url()
    );
    let running = Running::start("", "post_timeout = \"25s\"\n", &postback, "info");
    running.until_ready();
    let (publisher, advertiser) = ("demo-publisher-alpha-media", "demo-postback-token-auto-us");
    let arrived = |leads: usize| {
        until("leads arrive", || {
            running.holds(&format!(
                "SELECT toUInt8(count() = {leads}) FROM v_leads WHERE status = 'sold'"
            ))
        });
    };
    let sell = |person: usize| {
        let path = "/v1/campaigns/auto-us/post";
        let sold = post(&running, path, publisher, &lead(person));
        assert!(sold.contains("\"sold\""), "{sold}");
    };
    // The start is over once rows arrive: until then there is something to say.
    sell(0);
    arrived(1);
    let before = infos(&running);

    let click = get(&running, "/c/alpha-search?s1=a");
    let at = click.find("ck_").unwrap();
    let click = &click[at..at + "ck_".len() + 32];
    get(&running, "/c/no-such-link");
    get(&running, "/i/alpha-search");
    get(
        &running,
        "/p.gif?campaign=auto-us&goal=policy_bound&txid=o-2",
    );
    get(
        &running,
        &format!(
            "/postback?token={advertiser}&click_id={click}&goal=policy_bound&txid=o-1&amount=9.00&currency=USD"
        ),
    );
    let visit = json!([{ "type": "visit", "visitor": "v-1", "campaign": "auto-us", "page": "https://quotes.example/" }]);
    post(&running, "/v1/events", advertiser, &visit);
    let campaign = "/v1/campaigns/auto-us";
    let pinged = post(
        &running,
        &format!("{campaign}/ping"),
        publisher,
        &json!({ "lead": { "zip": "78701", "age": 34 } }),
    );
    assert!(pinged.contains("\"quoted\""), "{pinged}");
    let refused = post(
        &running,
        &format!("{campaign}/ping"),
        publisher,
        &json!({ "lead": { "zip": "7" } }),
    );
    assert!(refused.contains("422"), "{refused}");
    for person in 1..LEADS {
        sell(person);
    }
    arrived(LEADS);

    let metrics = || request(running.address("operator"), "GET /metrics HTTP/1.1", "");
    let absent = || -> Vec<&str> {
        let text = metrics();
        let names = Metric::ALL.iter().map(|metric| metric.name());
        let shown = |name: &str| text.contains(&format!("\n# TYPE {name} "));
        names.filter(|name| !shown(name)).collect()
    };
    let causes: Vec<&str> = NEEDS_A_CAUSE.iter().map(|(name, _)| *name).collect();
    // Some are of a look every few seconds: what is late is waited for by its name.
    let lacking = || -> Vec<&str> {
        let absent = absent().into_iter();
        absent.filter(|name| !causes.contains(name)).collect()
    };
    for late in lacking() {
        until(&format!("{late} shows"), || !lacking().contains(&late));
    }
    assert_eq!(lacking(), [""; 0]);
    let gone = NEEDS_A_CAUSE
        .iter()
        .filter(|(name, _)| !Metric::ALL.iter().any(|metric| metric.name() == *name));
    assert_eq!(gone.count(), 0, "a cause for no metric");
    assert_eq!(infos(&running), before, "lines that come with the work");
    running.end();
}
