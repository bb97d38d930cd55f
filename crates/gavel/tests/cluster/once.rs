//! Rows are in the tables once, whatever happens on the way there: answers are lost, workers die between any two
//! steps or come back when nobody expects them, and the log is read again from its beginning.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustix::process::{Pid, Signal, kill_process};

use crate::load::{Nodes, Told, agree, all, settle};
use crate::node::Node;
use crate::proxy::{Proxy, Way};
use crate::town::Town;

const FRONT: &[&str] = &["edge", "router"];
const WORKER: &[&str] = &["worker"];
const GROUPS: [&str; 3] = ["worker-leads", "worker-tables", "worker-audit"];
/// Leads at a time.
const LEADS: u32 = 40;
/// Leads of one test: a wait for a worker that never inserts has an end.
const MOST: u32 = 4000;

/// All that analysts are told, by table, without how often it was written and how far a postback is.
async fn reports(town: &Town) -> BTreeMap<&'static str, Vec<String>> {
    let mut reports = BTreeMap::new();
    for (view, but) in [
        ("v_events", "version"),
        ("v_leads", "version"),
        ("v_posts", "version"),
        ("v_auctions", "version"),
        ("v_pings", "version"),
        ("v_conversions", "version"),
        ("v_conversion_history", "version"),
        ("v_payables", "version"),
        ("v_credits", "version"),
        ("v_refusals", "version"),
        (
            "v_postbacks",
            "version, state, attempts, next_at, http_status, error, told_at",
        ),
        ("v_dead_letters", "error"),
    ] {
        let sql =
            format!("SELECT toString(tuple(* EXCEPT ({but}))) AS row FROM {view} ORDER BY row");
        reports.insert(view, town.column(&sql).await);
    }
    reports
}

async fn id(node: &Node) -> Pid {
    Pid::from_raw(node.id().await.cast_signed()).unwrap()
}

/// Some more leads, each of a person of its own.
async fn some(nodes: &Nodes, told: &mut Told) {
    let known = u32::try_from(told.len()).unwrap();
    assert!(known < MOST, "what is waited for does not come");
    told.extend(all(nodes, "auto-us", known..known + LEADS, |_| {}).await);
}

/// Reads the log again from the beginning, with this worker, and waits until all of it is there and compared.
async fn again(town: &Town, worker: &Node, groups: &[&str]) {
    worker.end_in_order().await;
    town.forget_groups(groups).await;
    worker.start().await;
    for group in ["worker-tables", "worker-audit"] {
        town.until_read(group).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_are_there_once_though_answers_are_lost_and_workers_die_and_all_is_read_again() {
    let Some(town) = Town::found("") else {
        return;
    };
    let ways = [
        Proxy::before(town.clickhouse()).await,
        Proxy::before(town.clickhouse()).await,
    ];
    let worker = town.node_by(ways[0].address, "worker", WORKER).await;
    let second = town.node_by(ways[1].address, "second", WORKER).await;
    let nodes = Arc::new([
        town.node("one", FRONT).await,
        town.node("other", FRONT).await,
    ]);

    // Done, and the worker does not hear of it.
    let mut told = Told::new();
    for way in &ways {
        way.set(Way::Deaf);
    }
    while ways.iter().any(|way| way.unheard() == 0) {
        some(&nodes, &mut told).await;
    }
    // Journeys of one know of records whose rows are nowhere, and rows of the other are there whose records
    // it has not committed. Then both are no more.
    ways[0].set(Way::HeldBefore);
    ways[1].set(Way::HeldAfter);
    while ways.iter().any(|way| way.held() == 0) {
        some(&nodes, &mut told).await;
    }
    for node in [&worker, &second] {
        node.kill().await;
    }
    for way in &ways {
        way.set(Way::Open);
    }
    worker.start().await;
    some(&nodes, &mut told).await;
    settle(&town, &nodes[0], told.len()).await;
    agree(&town, &told).await;
    town.until_read("worker-audit").await;
    let before = reports(&town).await;

    // The auditor finds what somebody took away, and nothing else.
    let lead = town.column("SELECT min(lead_id) FROM v_leads").await;
    let event = town
        .column("SELECT max(event_id) FROM v_events WHERE kind = 'click'")
        .await;
    for (table, key, id) in [
        ("leads", "lead_id", &lead[0]),
        ("events", "event_id", &event[0]),
    ] {
        let sql =
            format!("ALTER TABLE {table} DELETE WHERE {key} = '{id}' SETTINGS mutations_sync = 1");
        town.column(&sql).await;
    }
    again(&town, &worker, &["worker-audit"]).await;
    for table in [
        "leads",
        "events",
        "posts",
        "auctions",
        "pings",
        "conversions",
        "credits",
    ] {
        let found = format!("gavel_worker_audit_difference_rows{{table=\"{table}\"}}");
        let missing = u64::from(matches!(table, "leads" | "events"));
        assert_eq!(worker.metric(&found).await, Some(missing), "{table}");
    }

    // All is read again: what was taken away is back, and nothing else has changed.
    again(&town, &worker, &GROUPS).await;
    let after = reports(&town).await;
    for (view, rows) in &before {
        assert_eq!(after.get(view), Some(rows), "{view}");
    }
    agree(&town, &told).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_comes_back_when_another_has_its_partitions_changes_nothing() {
    let Some(town) = Town::found("") else {
        return;
    };
    let way = Proxy::before(town.clickhouse()).await;
    let nodes = Arc::new([town.node("one", &[]).await, town.node("other", FRONT).await]);
    let sleeper = town.node_by(way.address, "sleeper", WORKER).await;

    let mut told = Told::new();
    way.set(Way::HeldBefore);
    while way.held() == 0 {
        some(&nodes, &mut told).await;
    }
    kill_process(id(&sleeper).await, Signal::STOP).unwrap();
    some(&nodes, &mut told).await;
    // Its rows are written by the other, which has its partitions by then.
    settle(&town, &nodes[0], told.len()).await;
    agree(&town, &told).await;
    let before = reports(&town).await;

    // What it was about to write is written now, and it does not know yet that it is no longer its to do.
    let written = way.written();
    way.set(Way::Open);
    kill_process(id(&sleeper).await, Signal::CONT).unwrap();
    way.writes_more_than(written).await;
    assert_eq!(reports(&town).await, before);
    some(&nodes, &mut told).await;
    settle(&town, &nodes[0], told.len()).await;
    agree(&town, &told).await;
}
