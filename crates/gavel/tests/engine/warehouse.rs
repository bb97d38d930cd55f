//! The schema and its rows on the real engine: migrated in steps, written twice, read once.

use serde_json::Value;
use warehouse::{
    Address, AuctionRow, Batch, Class, ConversionRow, CreditRow, DeadLetterRow, EventRow, Events,
    InDoubt, LeadRow, Money, PingRow, PostRow, PostbackRow, PostbackState, RefusalRow,
    SCHEMA_VERSION, Table, Time, Warehouse, WarehouseError,
};

use crate::server::Server;

const DATABASE: &str = "gavel";
const T0: i64 = 1_800_000_000_000_000;
const DAY: i64 = 86_400_000_000;

fn connect(server: &Server) -> Warehouse {
    Warehouse::connect(Address::new(
        &format!("http://{}", server.address),
        DATABASE,
    ))
    .unwrap()
}

fn one_event(version: u64) -> Events {
    let mut events = Events::default();
    let row = EventRow {
        event_id: "ev_1".into(),
        ts: Time(T0),
        amount: Some(Money(19_900_000)),
        sub: vec![("s1".into(), "fb".into())],
        flags: vec!["prefetch".into()],
        version,
        ..EventRow::default()
    };
    events.push(&row);
    events
}

/// One row for every table, in this version.
fn batch(version: u64) -> Batch {
    let text = |text: &str| text.to_owned();
    let map = vec![(text("s1"), text("fb"))];
    Batch {
        name: None,
        events: one_event(version),
        leads: vec![
            LeadRow {
                lead_id: text("ld_1"),
                revenue: Money(12_500_000),
                fields: map.clone(),
                received_at: Time(T0),
                ended_at: Some(Time(T0 + 1)),
                version,
                ..LeadRow::default()
            },
            // In the table, and in no report.
            LeadRow {
                lead_id: text("ld_2"),
                test: true,
                version,
                ..LeadRow::default()
            },
        ],
        posts: vec![PostRow {
            sale_id: text("sl_1"),
            leg: 1,
            version,
            ..PostRow::default()
        }],
        auctions: vec![AuctionRow {
            auction_id: text("au_1"),
            contract: vec![text("a"), text("b")],
            buyer: vec![text("x"), text("y")],
            ping_reason: vec![text("no_bid"), text("")],
            post_reason: vec![text(""), text("won")],
            price: vec![Money(0), Money(-1)],
            excluded: vec![(text("paused"), 3)],
            version,
            ..AuctionRow::default()
        }],
        pings: vec![PingRow {
            auction_id: text("au_1"),
            version,
            ..PingRow::default()
        }],
        conversions: vec![ConversionRow {
            conversion_id: text("cv_1"),
            // Each version in another month: rows are replaced across partitions as well.
            ts: Time(T0 + i64::try_from(version).unwrap() * 40 * DAY),
            restated: 2,
            said_by: vec![text("ev_2"), text("ev_3")],
            said_at: vec![Time(T0), Time(T0 + 1)],
            said_from: vec![text("pixel"), text("postback")],
            said_status: vec![text("pending"), text("approved")],
            said_amount: vec![Money(1), Money(2_500_000)],
            version,
            ..ConversionRow::default()
        }],
        credits: vec![
            CreditRow {
                conversion_id: text("cv_1"),
                model: text("last_click"),
                touch: vec![text("ck_1"), text("ck_2")],
                publisher: vec![text("p"), text("q")],
                link: vec![text("l"), text("m")],
                share: vec![1_000_000_000 - version, version],
                value: vec![Money(5), Money(-5)],
                version,
                ..CreditRow::default()
            },
            CreditRow {
                conversion_id: text("cv_2"),
                version,
                ..CreditRow::default()
            },
        ],
        refusals: vec![RefusalRow {
            request_id: text("rq_1"),
            pointer: vec![text("/lead/zip"), text("/*")],
            issue: vec![text("invalid"), text("unknown")],
            issue_count: 2,
            version,
            ..RefusalRow::default()
        }],
        postbacks: vec![waiting("cv_1", 1, u32::try_from(version).unwrap())],
        dead_letters: vec![DeadLetterRow {
            topic: text("leads"),
            ..DeadLetterRow::default()
        }],
    }
}

/// A notice that waits, with all that its publisher is told.
fn waiting(conversion: &str, notices: u32, attempts: u32) -> PostbackRow {
    let row = PostbackRow {
        conversion_id: conversion.to_owned(),
        publisher: "pub".to_owned(),
        notices,
        attempts,
        payout: Money(12_500_000),
        sub: vec![("s1".to_owned(), "it's {x:String}".to_owned())],
        state: PostbackState::Waiting.as_str().to_owned(),
        next_at: Time(T0 - i64::from(attempts)),
        told_at: Some(Time(T0)),
        ..PostbackRow::default()
    };
    row.versioned()
}

#[tokio::test]
async fn notices_wait_in_order_until_a_later_row_says_otherwise() {
    let dir = tempfile::tempdir().unwrap();
    let Some(server) = Server::start(dir.path()) else {
        return;
    };
    let warehouse = connect(&server);
    warehouse.migrate().await.unwrap();
    let told = |row: PostbackRow| PostbackRow {
        state: PostbackState::Told.as_str().to_owned(),
        ..row
    };
    let (first, second, third) = (
        waiting("cv_1", 1, 0),
        waiting("cv_2", 1, 5),
        told(waiting("cv_3", 2, 1)),
    );
    let other = PostbackRow {
        publisher: "other".to_owned(),
        ..first.clone()
    };
    let rows = [first.clone(), waiting("cv_2", 1, 3), waiting("cv_3", 2, 0)];
    warehouse.write_postbacks(&rows).await.unwrap();
    let rows = [
        third.clone(),
        second.clone(),
        other.clone(),
        waiting("cv_3", 1, 9),
    ];
    warehouse.write_postbacks(&rows).await.unwrap();

    let waiting = warehouse.postbacks_waiting("pub", 9).await.unwrap();
    assert_eq!(waiting, [second.clone(), first.clone()]);
    assert_eq!(
        warehouse.postbacks_waiting("pub", 1).await.unwrap(),
        [second]
    );
    let mut of = warehouse
        .postbacks_of(&["cv_1", "cv_3", "cv_4"])
        .await
        .unwrap();
    of.sort_by(|a, b| (&a.conversion_id, &b.publisher).cmp(&(&b.conversion_id, &a.publisher)));
    assert_eq!(of, [first, other, third]);
    server.terminate();
}

#[tokio::test]
async fn rows_written_again_are_there_once_in_their_last_version() {
    let dir = tempfile::tempdir().unwrap();
    let Some(server) = Server::start(dir.path()) else {
        return;
    };
    let warehouse = connect(&server);
    warehouse.migrate().await.unwrap();
    for version in [1, 3, 2, 3] {
        warehouse.insert(&batch(version)).await.unwrap();
    }
    for (table, rows) in warehouse.row_counts().await.unwrap() {
        // The view of credits has a row per touch, and none for a conversion without.
        assert_eq!(
            rows,
            if table == Table::Credits { 2 } else { 1 },
            "{}",
            table.view()
        );
    }
    let versions =
        "SELECT assumeNotNull((SELECT version FROM v_events) + (SELECT version FROM v_leads)
        + (SELECT version FROM v_conversions) + (SELECT max(version) FROM v_credits))";
    assert_eq!(warehouse.count(versions).await.unwrap(), 12);
    let credits = "SELECT conversion_id, touch, publisher, link, share, value FROM v_credits
        ORDER BY touch";
    let credits: Vec<Value> = warehouse.rows(credits).await.unwrap();
    let expected = serde_json::json!([
        {"conversion_id": "cv_1", "touch": "ck_1", "publisher": "p", "link": "l",
         "share": 999_999_997, "value": "0.000005"},
        {"conversion_id": "cv_1", "touch": "ck_2", "publisher": "q", "link": "m",
         "share": 3, "value": "-0.000005"},
    ]);
    assert_eq!(Value::Array(credits), expected);
    // The first of three versions is not kept any more.
    let history =
        "SELECT number, numbers, event_id, source, status, amount, toUnixTimestamp64Micro(ts) AS ts
        FROM v_conversion_history ORDER BY number";
    let history: Vec<Value> = warehouse.rows(history).await.unwrap();
    let expected = serde_json::json!([
        {"number": 2, "numbers": 3, "event_id": "ev_2", "source": "pixel",
         "status": "pending", "amount": "0.000001", "ts": T0},
        {"number": 3, "numbers": 3, "event_id": "ev_3", "source": "postback",
         "status": "approved", "amount": "2.5", "ts": T0 + 1},
    ]);
    assert_eq!(Value::Array(history), expected);
    let contracts = "SELECT contracts.contract AS contract, contracts.price AS price
        FROM v_auctions ARRAY JOIN contracts WHERE contracts.post_reason = 'won'";
    let contracts: Vec<Value> = warehouse.rows(contracts).await.unwrap();
    let expected = serde_json::json!([{"contract": "b", "price": "-0.000001"}]);
    assert_eq!(Value::Array(contracts), expected);
    server.terminate();
}

/// A lead that its publisher calls [`NAME`], received so many seconds after the first.
fn named(id: &str, publisher: &str, after: i64, status: &str, version: u64) -> LeadRow {
    LeadRow {
        lead_id: id.to_owned(),
        publisher: publisher.to_owned(),
        publisher_lead_id: NAME.to_owned(),
        status: status.to_owned(),
        payout: Money(i64::try_from(version).unwrap()),
        received_at: Time(T0 + after * 1_000_000),
        version,
        ..LeadRow::default()
    }
}

const NAME: &str = "O'Neill \\ \"7\" {x:String}\t%";

#[tokio::test]
async fn leads_are_found_by_their_publishers_name_as_they_stand_and_the_newest_first() {
    let dir = tempfile::tempdir().unwrap();
    let Some(server) = Server::start(dir.path()) else {
        return;
    };
    let warehouse = connect(&server);
    warehouse.migrate().await.unwrap();
    for row in [
        named("ld_1", "acme", 0, "sold", 9),
        named("ld_1", "acme", 0, "pending", 2),
        named("ld_2", "acme", 5, "unsold", 3),
        named("ld_3", "bolt", 7, "sold", 1),
        named("ld_4", "acme", 3, "rejected", 1),
    ] {
        let leads = vec![row];
        let batch = Batch {
            leads,
            ..Batch::default()
        };
        warehouse.insert(&batch).await.unwrap();
    }
    let found = async |publisher, name, most| {
        let found = warehouse.leads_named(publisher, name, most, 3).await;
        let rows = found.unwrap().into_iter();
        rows.map(|row| (row.lead_id, row.status, row.payout.0))
            .collect::<Vec<_>>()
    };
    let row = |id: &str, status: &str, payout| (id.to_owned(), status.to_owned(), payout);
    let all = [
        row("ld_2", "unsold", 3),
        row("ld_4", "rejected", 1),
        row("ld_1", "sold", 9),
    ];
    assert_eq!(found("acme", NAME, 20).await, all);
    assert_eq!(found("acme", NAME, 2).await, all[..2]);
    assert_eq!(found("acme", "' OR 1 = 1 --", 20).await, []);
    assert_eq!(found("acme", "", 20).await, []);
    server.terminate();
}

#[tokio::test]
async fn a_leg_is_in_doubt_until_a_later_row_settles_it() {
    let dir = tempfile::tempdir().unwrap();
    let Some(server) = Server::start(dir.path()) else {
        return;
    };
    let warehouse = connect(&server);
    warehouse.migrate().await.unwrap();
    let none = InDoubt {
        legs: 0,
        oldest: None,
    };
    assert_eq!(warehouse.in_doubt(Time(T0)).await.unwrap(), none);
    let post = |sale: &str, state: &str, at: i64, version| PostRow {
        sale_id: sale.to_owned(),
        state: state.to_owned(),
        received_at: Time(T0 + at),
        started_at: Time(T0 + at + 1),
        version,
        ..PostRow::default()
    };
    for row in [
        post("sl_settled", "accepted", 0, 2),
        post("sl_settled", "in_doubt", 0, 1),
        post("sl_older", "in_doubt", -1, 1),
        post("sl_old", "posting", 7, 1),
        post("sl_old", "in_doubt", 7, 2),
        post("sl_new", "in_doubt", 9, 1),
        post("sl_sold", "accepted", 9, 1),
        PostRow {
            test: true,
            ..post("sl_test", "in_doubt", 9, 1)
        },
    ] {
        let posts = vec![row];
        let batch = Batch {
            posts,
            ..Batch::default()
        };
        warehouse.insert(&batch).await.unwrap();
    }
    let two = InDoubt {
        legs: 2,
        oldest: Some(Time(T0 + 8)),
    };
    assert_eq!(warehouse.in_doubt(Time(T0)).await.unwrap(), two);
    server.terminate();
}

#[tokio::test]
async fn migrations_go_on_where_a_crash_left_them_and_refuse_a_newer_schema() {
    let dir = tempfile::tempdir().unwrap();
    let Some(server) = Server::start(dir.path()) else {
        return;
    };
    let warehouse = connect(&server);
    assert_eq!(warehouse.migrate().await.unwrap(), 2);
    assert_eq!(warehouse.migrate().await.unwrap(), 0);
    warehouse.insert(&batch(1)).await.unwrap();
    // As if it had died in the middle of the first: some tables made, nothing noted.
    warehouse.execute("DROP VIEW v_leads").await.unwrap();
    warehouse.execute("DROP TABLE pings").await.unwrap();
    warehouse
        .execute("TRUNCATE TABLE schema_migrations")
        .await
        .unwrap();
    server.kill();

    let server = Server::start(dir.path()).unwrap();
    let warehouse = connect(&server);
    assert_eq!(warehouse.migrate().await.unwrap(), 2);
    let rows: Vec<(Table, u64)> = warehouse.row_counts().await.unwrap();
    assert!(
        rows.contains(&(Table::Leads, 1)) && rows.contains(&(Table::Pings, 0)),
        "{rows:?}"
    );

    let newer = SCHEMA_VERSION + 1;
    let note = format!("INSERT INTO schema_migrations (version, name) VALUES ({newer}, 'later')");
    warehouse.execute(&note).await.unwrap();
    let refused = warehouse.migrate().await.unwrap_err();
    assert!(matches!(refused, WarehouseError::TooNew { found, .. } if found == newer));
    server.kill();
    let gone = warehouse.insert(&batch(1)).await.unwrap_err();
    assert_eq!(gone.class(), Class::Transient, "{gone}");
}
