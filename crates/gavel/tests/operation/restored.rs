//! Tables that are lost and come back from a backup of before: the service goes on from it, and reads the rest from its
//! log.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::library;
use crate::running::{Running, request, serve_at, until};

const PATH: &str = "/v1/campaigns/auto-us/post";

fn sell(running: &Running, person: u32) {
    let lead = json!({ "tmax_ms": 30_000, "lead": {
        "zip": "78701", "age": 34, "first_name": "Ada", "last_name": "Example",
        "phone": format!("512-555-01{person:02}"), "email": format!("ada-{person}@example.com"),
    } });
    let head = format!(
        "POST {PATH} HTTP/1.1\r\nauthorization: Bearer demo-publisher-alpha-media\r\ncontent-type: application/json"
    );
    let answer = request(running.address("public"), &head, &lead.to_string());
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let answer: Value = serde_json::from_str(body).unwrap();
    assert_eq!(answer["status"], "sold", "{answer}");
}

/// How many leads the tables have, with all that comes of each.
fn has(running: &Running, leads: u32) {
    for view in ["v_leads", "v_posts", "v_auctions", "v_conversions"] {
        let sql = format!("SELECT toUInt8(uniqExact(lead_id) = {leads}) FROM {view}");
        until(&format!("{leads} leads in {view}"), || running.holds(&sql));
    }
}

fn engine(arguments: &[&str], data: &Path, backup: &Path) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gavel"));
    command.arg("engine").args(arguments);
    let [of_data, of_backup] = [
        "--data",
        if arguments == ["backup"] {
            "--to"
        } else {
            "--from"
        },
    ];
    command.arg(of_data).arg(data).arg(of_backup).arg(backup);
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{stderr}");
}

/// Ends the service in order, so that it has committed what it read.
fn stop(running: &mut Running) {
    drop(running.serve.child.stdin.take());
    assert!(running.serve.child.wait().unwrap().success());
}

fn start(running: &mut Running) {
    running.serve = serve_at(&running.outside, &running.home, "info");
    running.until_ready();
}

fn log(running: &Running) -> String {
    fs::read_to_string(running.home.path().join("stderr")).unwrap()
}

#[test]
fn a_service_goes_on_from_restored_tables_and_reads_the_rest_from_its_log() {
    if library::library().is_none() {
        return;
    }
    let again = "the log is read again";
    let mut running = Running::start("", "post_timeout = \"25s\"\n", "", "info");
    running.until_ready();
    // Beside the service anybody on the machine reads, and does nothing else.
    for sql in [
        "DROP TABLE leads",
        "INSERT INTO leads SELECT * FROM leads",
        "SET readonly = 0",
    ] {
        let (good, said) = running.ask(sql);
        assert!(!good && said.contains("Code: 164. "), "{sql}: {said}");
    }
    (0..3).for_each(|person| sell(&running, person));
    has(&running, 3);
    let data = running.home.path().join("data/clickhouse");
    let backup = running.outside.path().join("backup");
    engine(&["backup"], &data, &backup);
    (3..5).for_each(|person| sell(&running, person));
    has(&running, 5);
    stop(&mut running);

    fs::rename(&data, running.outside.path().join("lost")).unwrap();
    engine(&["restore"], &data, &backup);
    assert!(data.join("gavel.restored").exists());
    start(&mut running);
    assert!(log(&running).contains(again));
    has(&running, 5);
    sell(&running, 5);
    has(&running, 6);
    let twice = "SELECT toUInt8(count() = uniqExact(lead_id)) FROM v_leads";
    assert!(running.holds(twice));
    // Once is enough.
    stop(&mut running);
    start(&mut running);
    assert!(!log(&running).contains(again));
    has(&running, 6);
    running.end();
}
