//! Personal data planted in leads, URLs, headers and postbacks is found nowhere afterwards: not in
//! the log, the state, the vault, the engine's files or tables, the metrics, or what was printed.
//!
//! Files are searched as they are: journals and snapshots are not compressed. The engine's are, so
//! every String column of every table is searched by SQL. That the search finds what is there is
//! shown on a field of class `open`, which analysts may see; that sealing is what keeps the rest
//! away is shown by `mutants/`, which switch it off.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test of processes, which fails by panicking"
)]

mod library;
mod running;

use std::fs;
use std::path::Path;

use serde_json::json;

use running::{Running, request, until};

/// Nobody's data, and in nobody's code.
const SECRETS: [&str; 9] = [
    "Zebulonia",
    "Quetzalberg",
    "zebulonia.q@marker-mail.example",
    "5125550173",
    "512-555-0173",
    "77 Xylographers Row",
    "+15125550173",
    "marker-token-in-a-url",
    "198.51.100.77",
];
/// Of class `open`: this one has to be found.
const SEEN: &str = "Quuxmobile";

/// All files under a folder, however deep.
fn files(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.is_file() {
            found.push(path);
        }
    }
}

#[test]
fn planted_personal_data_is_found_nowhere() {
    if library::library().is_none() {
        return;
    }
    let running = Running::start("", "", "", "debug");
    let ask = |sql: &str| running.ask(sql);
    plant(running.address("public"));
    running.until_ready();
    let held = |sql: &str| running.holds(sql);
    // One sold by ping and post, one directly, and the postback's and the pixel's conversions beside theirs.
    until("leads arrive", || {
        held("SELECT toUInt8(count() = 2) FROM v_leads")
    });
    until("conversions arrive", || {
        held("SELECT toUInt8(count() = 4) FROM v_conversions")
    });
    until("refusals arrive", || {
        held("SELECT toUInt8(count() = 3) FROM v_refusals")
    });
    until("visits and persons arrive", || {
        held(
            "SELECT toUInt8(countIf(kind = 'visit') = 2 AND countIf(kind = 'identify') = 1) FROM v_events",
        )
    });

    let metrics = request(running.address("operator"), "GET /metrics HTTP/1.1", "");
    let mut places = vec![("metrics".to_owned(), metrics)];
    let columns = "SELECT database || '.' || table, name FROM system.columns \
        WHERE database = 'default' AND type LIKE '%String%' FORMAT TSV";
    let (_, columns) = ask(columns);
    let columns: Vec<_> = columns
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .collect();
    assert!(columns.len() > 50, "only {} String columns", columns.len());
    for (table, column) in columns {
        let (good, values) = ask(&format!(
            "SELECT DISTINCT toString(`{column}`) FROM {table} FORMAT TSVRaw"
        ));
        assert!(good, "{table}.{column}: {values}");
        places.push((format!("{table}.{column}"), values));
    }
    let home = running.end();

    let mut found = Vec::new();
    files(home.path(), &mut found);
    for file in found {
        let text = String::from_utf8_lossy(&fs::read(&file).unwrap()).into_owned();
        places.push((file.display().to_string(), text));
    }
    let leaks: Vec<_> = places
        .iter()
        .flat_map(|(place, text)| {
            let lower = text.to_lowercase();
            SECRETS
                .iter()
                .filter(move |secret| lower.contains(&secret.to_lowercase()))
                .map(move |secret| format!("{secret} in {place}"))
        })
        .collect();
    assert!(leaks.is_empty(), "{leaks:#?}");
    let seen: Vec<_> = places
        .iter()
        .filter(|(_, text)| text.contains(SEEN))
        .map(|(place, _)| place)
        .collect();
    assert!(
        seen.iter().any(|place| place.starts_with("default.")),
        "the search finds nothing in tables"
    );
    assert!(
        seen.iter().any(|place| place.contains("/store/leads/")),
        "the search finds nothing in the log"
    );
}

/// Clicks, pings, posts and postbacks, with secrets wherever a client can put any.
fn plant(public: &str) {
    let key = "authorization: Bearer demo-publisher-alpha-media\r\ncontent-type: application/json";
    let click = request(
        public,
        "GET /c/alpha-search?s1=zebulonia.q%40marker-mail.example&email=zebulonia.q%40marker-mail.example&phone=5125550173&t=marker-token-in-a-url HTTP/1.1\r\nreferer: https://forms.example/thanks?name=Zebulonia&t=marker-token-in-a-url\r\nuser-agent: Zebulonia/1.0\r\nx-forwarded-for: 198.51.100.77",
        "",
    );
    let at = click.find("ck_").unwrap();
    let click_id = &click[at..at + "ck_".len() + 32];
    let ping = json!({
        "click_id": click_id, "sub": {"s1": "search"},
        "lead": {"zip": "78701", "age": 34, "vehicle_make": SEEN, "ip_address": "198.51.100.77",
            "landing_page": "https://forms.example/auto?email=zebulonia.q@marker-mail.example&t=marker-token-in-a-url"},
    });
    let head = |path: &str| format!("POST {path} HTTP/1.1\r\n{key}");
    let answer = request(
        public,
        &head("/v1/campaigns/auto-us/ping"),
        &ping.to_string(),
    );
    let at = answer.find("pq_").unwrap_or_else(|| panic!("{answer}"));
    let ping_id = answer[at..].split('"').next().unwrap();
    let mut post = ping.clone();
    for (name, value) in [
        ("first_name", "Zebulonia"),
        ("last_name", "Quetzalberg"),
        ("email", "Zebulonia.Q@marker-mail.example"),
        ("phone", "512-555-0173"),
        ("address", "77 Xylographers Row"),
    ] {
        post["lead"][name] = value.into();
    }
    let direct = post.clone();
    post["ping_id"] = ping_id.into();
    for post in [&post, &direct] {
        let answer = request(
            public,
            &head("/v1/campaigns/auto-us/post"),
            &post.to_string(),
        );
        assert!(answer.contains("\"sold\""), "{answer}");
    }
    // Refused, and so perhaps printed: contact data in a ping, and a body that is no JSON.
    let refused = request(
        public,
        &head("/v1/campaigns/auto-us/ping"),
        &direct.to_string(),
    );
    assert!(refused.contains("422"), "{refused}");
    let refused = request(
        public,
        &head("/v1/campaigns/auto-us/post"),
        "{\"lead\": {\"email\": \"zebulonia.q@marker-mail.example\"",
    );
    assert!(refused.contains("400"), "{refused}");
    let mut named = ping.clone();
    named["zebulonia.q@marker-mail.example"] = 1.into();
    named["sub"]["5125550173"] = "x".into();
    let refused = request(
        public,
        &head("/v1/campaigns/auto-us/ping"),
        &named.to_string(),
    );
    assert!(refused.contains("422"), "{refused}");
    let postback = format!(
        "GET /postback?token=demo-postback-token-auto-us&click_id={click_id}&goal=policy_bound&txid=zebulonia.q%40marker-mail.example&amount=10.00&currency=USD&email=zebulonia.q%40marker-mail.example&t=marker-token-in-a-url HTTP/1.1"
    );
    let mut answer = String::new();
    // While the disk is slow it is to be sent again.
    until("the postback is taken", || {
        answer = request(public, &postback, "");
        !answer.starts_with("HTTP/1.1 503")
    });
    assert!(answer.contains("200 OK"), "{answer}");
    for path in [
        "/i/alpha-search?s1=zebulonia.q%40marker-mail.example&t=marker-token-in-a-url",
        "/p.gif?campaign=auto-us&goal=policy_bound&txid=512-555-0173&phone=5125550173",
    ] {
        let head = format!(
            "GET {path} HTTP/1.1\r\nuser-agent: Zebulonia/1.0\r\nreferer: https://forms.example/zebulonia.q@marker-mail.example?t=marker-token-in-a-url"
        );
        let answer = request(public, &head, "");
        assert!(answer.contains("image/gif"), "{answer}");
    }
    let visit = json!({
        "type": "visit", "visitor": "zebulonia.q@marker-mail.example", "campaign": "auto-us",
        "page": "https://quotes.example/zebulonia.q@marker-mail.example?t=marker-token-in-a-url",
        "utm": {"source": "512-555-0173"},
    });
    let identify = json!({
        "type": "identify", "visitor": "Zebulonia", "email": "zebulonia.q@marker-mail.example",
        "phone": "512-555-0173",
    });
    let beacon =
        "POST /v1/beacon HTTP/1.1\r\ncontent-type: text/plain\r\norigin: https://quotes.example";
    let answer = request(public, beacon, &json!([visit]).to_string());
    assert!(answer.contains("204 No Content"), "{answer}");
    let events = "POST /v1/events HTTP/1.1\r\ncontent-type: application/json\r\nauthorization: Bearer demo-postback-token-auto-us";
    let mut batch = [visit, identify];
    // With ids of their own they stay the same when they are sent again.
    let now = std::time::UNIX_EPOCH
        .elapsed()
        .unwrap()
        .as_secs()
        .to_string();
    for (event, id) in batch.iter_mut().zip(["e-1", "e-2"]) {
        event["id"] = id.into();
        event["ts"] = now.as_str().into();
    }
    let mut answer = String::new();
    until("the batch is taken", || {
        answer = request(public, events, &json!(batch).to_string());
        !answer.contains("\"status\":503")
    });
    assert!(answer.contains("\"accepted\":2"), "{answer}");
}
