//! The catalog of one node, changed while it works: by its API, by its file, and what a restart makes of it.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use serde_json::{Value, json};

use crate::library;
use crate::running::{Running, request, serve_at, until};

const ADMIN: &str = "key-of-the-operator-in-tests";
const PUBLISHER: &str = "demo-publisher-alpha-media";
const POST: &str = "/v1/campaigns/auto-us/post";
const APPLY: &str = "/v1/admin/catalog:apply";

/// An answer: its status, its `ETag`, its body.
struct Answer(u16, String, String);

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.2).unwrap()
    }
}

fn call(running: &Running, head: &str, key: &str, more: &str, body: &str) -> Answer {
    let head = format!("{head} HTTP/1.1\r\nauthorization: Bearer {key}{more}");
    let answer = request(running.address("public"), &head, body);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let tag = head.lines().find_map(|line| line.strip_prefix("etag: "));
    Answer(status, tag.unwrap_or_default().to_owned(), body.to_owned())
}

fn put(running: &Running, more: &str, catalog: &str) -> Answer {
    let more = format!("\r\ncontent-type: application/toml{more}");
    call(running, &format!("POST {APPLY}"), ADMIN, &more, catalog)
}

/// The catalog that is obeyed.
fn shown(running: &Running) -> Answer {
    let shown = call(running, "GET /v1/admin/catalog", ADMIN, "", "");
    assert_eq!(shown.0, 200, "{}", shown.2);
    shown
}

/// Puts a new catalog into force; its tag. A log that is slow has it first.
fn put_into_force(running: &Running, catalog: &str) -> String {
    let put = put(running, "", catalog);
    let said = (put.0, put.json()["status"].clone());
    if said == (202, json!("waiting")) {
        until("what was put is in force", || shown(running).1 == put.1);
    } else {
        assert_eq!(said, (200, json!("applied")), "{}", put.2);
    }
    put.1
}

fn lead(person: u32) -> String {
    let lead = json!({ "tmax_ms": 30_000, "lead": {
        "zip": "78701", "age": 34, "first_name": "Ada", "last_name": "Example",
        "phone": format!("512-{}-{:04}", 200 + person / 10_000, person % 10_000),
        "email": format!("ada-{person}@example.com"),
    } });
    lead.to_string()
}

/// The lead sold, and for how much, as its record has it.
fn sold(running: &Running, person: u32) -> (String, String) {
    let answer = call(
        running,
        &format!("POST {POST}"),
        PUBLISHER,
        "",
        &lead(person),
    );
    let answer = answer.json();
    assert_eq!(answer["status"], "sold", "{answer}");
    let lead = answer["lead_id"].as_str().unwrap().to_owned();
    let mut price = String::new();
    until("the lead is folded", || {
        let seen = call(
            running,
            &format!("GET /v1/admin/leads/{lead}"),
            ADMIN,
            "",
            "",
        );
        price = seen.json()["legs"][0]["price"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        !price.is_empty()
    });
    (lead, price)
}

/// The shipped catalog with one buyer for the first campaign, at this price.
fn priced(shipped: &str, price: &str) -> String {
    let only = shipped.replace(
        "price = { fixed = \"9.00\" }",
        &format!("price = {{ fixed = \"{price}\" }}"),
    );
    only.replace(
        "price = { min = \"1.00\", max = \"100.00\" }\n",
        "price = { min = \"1.00\", max = \"100.00\" }\non = false\n",
    )
}

/// The file of the service's catalog.
fn file(running: &Running) -> PathBuf {
    running.outside.path().join("catalog.toml")
}

/// Has the service read its file again.
fn hang_up(running: &Running) {
    let id = running.serve.child.id().to_string();
    let sent = Command::new("kill").args(["-HUP", &id]).status();
    assert!(sent.unwrap().success());
}

/// Ends the service in order and starts it again.
fn restart(mut running: Running) -> Running {
    drop(running.serve.child.stdin.take());
    assert!(running.serve.child.wait().unwrap().success());
    running.serve = serve_at(&running.outside, &running.home, "info");
    running
}

#[test]
fn a_catalog_that_is_changed_under_load_is_obeyed_at_once_and_fails_no_request() {
    if library::library().is_none() {
        return;
    }
    let config = format!("[admin]\nkeys = [\"{ADMIN}\"]\n");
    let running = Running::start(&config, "post_timeout = \"25s\"\n", "", "info");
    running.until_ready();
    let shipped = fs::read_to_string(file(&running)).unwrap();
    let first = shown(&running);
    let (old_lead, _) = sold(&running, 1);

    // Publishers ping and post all the while.
    let (stop, person) = (AtomicBool::new(false), AtomicU32::new(1_000));
    let failed = std::thread::scope(|scope| {
        let work = || {
            let mut failed = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let person = person.fetch_add(1, Ordering::Relaxed);
                let post = format!("POST {POST}");
                let answer = call(&running, &post, PUBLISHER, "", &lead(person));
                if answer.0 != 200 || answer.json()["status"] != "sold" {
                    failed.push(answer.2);
                }
            }
            failed
        };
        let workers = [scope.spawn(work), scope.spawn(work)];
        for (round, price) in (2..).zip(["21.00", "22.00", "23.00"]) {
            let applied = put_into_force(&running, &priced(&shipped, price));
            assert_ne!(applied, first.1);
            // Whoever was told `applied` is obeyed from the next request on.
            assert_eq!(sold(&running, round).1, price);
        }
        stop.store(true, Ordering::Relaxed);
        let failed = workers.map(|worker| worker.join().unwrap());
        failed.concat()
    });
    assert_eq!(failed, [""; 0]);
    assert!(
        person.load(Ordering::Relaxed) > 1_010,
        "there was hardly any load"
    );

    // A bad one changes nothing and has all that is wrong with it.
    let bad = priced(&shipped, "24.00")
        .replace("currency = \"USD\"", "currency = \"dollars\"\nno_such = 1");
    let refused = put(&running, "", &bad);
    assert_eq!(
        (refused.0, &refused.json()["code"]),
        (422, &json!("invalid_catalog"))
    );
    assert!(
        refused.json()["errors"].as_array().unwrap().len() > 1,
        "{}",
        refused.2
    );
    assert_eq!(put(&running, "", "").0, 422);
    let current = shown(&running);
    let ready = request(running.address("operator"), "GET /readyz HTTP/1.1", "");
    assert!(
        ready.contains(&format!("\"catalog_generation\":{}", current.1)),
        "{ready}"
    );
    // One that was made from an older one, too.
    let more = format!("\r\nif-match: {}", first.1);
    let late = put(&running, &more, &priced(&shipped, "25.00"));
    assert_eq!(
        (late.0, &late.json()["code"]),
        (412, &json!("catalog_changed"))
    );
    let again = put(
        &running,
        &format!("\r\nif-match: {}", current.1),
        &current.2,
    );
    assert_eq!(
        (again.0, &again.json()["status"]),
        (200, &json!("unchanged"))
    );
    assert_eq!(sold(&running, 10).1, "23.00");
    // The lead of before is explained by what was in force then.
    let path = format!("GET /v1/admin/leads/{old_lead}?explain=buyer-10-open");
    let explained = call(&running, &path, ADMIN, "", "").json();
    assert_ne!(explained["explained"]["result"], "unknown", "{explained}");

    // The file is read again when that is asked for; a bad one is not taken.
    let log = |running: &Running| fs::read_to_string(running.home.path().join("stderr")).unwrap();
    fs::write(file(&running), priced(&shipped, "26.00")).unwrap();
    hang_up(&running);
    until("the file is obeyed", || shown(&running).1 != current.1);
    until("that is said", || {
        let said = ["was put into force", "in the log and not in force yet"];
        said.iter().any(|said| log(&running).contains(said))
    });
    assert_eq!(sold(&running, 11).1, "26.00");
    fs::write(file(&running), bad).unwrap();
    hang_up(&running);
    until("the file is refused", || {
        log(&running).contains("nothing was changed")
    });
    assert!(log(&running).contains("no_such"), "{}", log(&running));
    assert_eq!(sold(&running, 12).1, "26.00");

    // What was put by the API outlives a restart with the file of before.
    fs::write(file(&running), priced(&shipped, "26.00")).unwrap();
    put_into_force(&running, &priced(&shipped, "27.00"));
    let running = restart(running);
    running.until_ready();
    assert_eq!(sold(&running, 13).1, "27.00");
    assert!(log(&running).contains("older than what is in force"));
    // And a file that was edited does not wait for a signal.
    fs::write(file(&running), priced(&shipped, "28.00")).unwrap();
    let running = restart(running);
    running.until_ready();
    assert_eq!(sold(&running, 14).1, "28.00");
    restated(&running, &priced(&shipped, "28.00"));
    running.end();
}

/// What converted before has the payout of now, though nothing happens to it.
fn restated(running: &Running, catalog: &str) {
    let browser =
        "user-agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
    let head = format!("GET /c/alpha-search HTTP/1.1\r\n{browser}");
    let answer = request(running.address("public"), &head, "");
    let (_, click) = answer.split_once("ck_").unwrap();
    let click = click.split('&').next().unwrap();
    let event = json!([{ "type": "conversion", "goal": "policy_bound", "txid": "restated",
        "click_id": format!("ck_{click}"), "amount": "100.00", "currency": "USD" }]);
    let json = "\r\ncontent-type: application/json";
    let token = "demo-postback-token-auto-us";
    let mut said = Value::Null;
    // While the disk is slow it is to be sent again.
    until("the conversion is taken", || {
        said = call(running, "POST /v1/events", token, json, &event.to_string()).json();
        said["results"][0]["status"] != 503
    });
    assert_eq!(said["accepted"], 1, "{said}");
    let pays = |payout: &str| {
        let sql = format!(
            "SELECT count() = 1 FROM v_conversions WHERE txid = 'restated' AND payee = 'alpha-media' \
             AND payout = {payout} AND restated = 0"
        );
        until("the payout is there", || running.holds(&sql));
    };
    pays("20");
    let goal = "policy_bound = { payout = \"20.00\"";
    assert!(catalog.contains(goal));
    let dearer = catalog.replace(goal, "policy_bound = { payout = \"23.50\"");
    put_into_force(running, &dearer);
    pays("23.5");
}
