//! The worker's laws, on the embedded store: for any order of arrival, duplication, split into
//! batches, failure, crash and replay, the tables hold what one calm run over the same records gives.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test's helpers")]

mod abreast;
mod identity;
mod restored;
mod rules;
mod telling;
mod world;

use std::collections::BTreeSet;

use domain::{LeadReason, LeadStatus, LegState, Timestamp};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use proto::{
    Click, Conversion, Counter, EventBody, EventRecord, LeadBody, LeadRecord, LegReply, Outcome,
    PingRow, Posting, Quoted, Received, Refused, Settled, Waterfall,
};
use store::{Backend as _, Caps as _, Claims as _, Topic};
use telemetry::{WORKER_AUDIT_DIFFERENCE, WORKER_AUDITED, WORKER_LAG};
use warehouse::Table;
use world::{Fate, T0, World, alike, runtime, start};

const MINUTE: i64 = 60_000_000;

/// An id on one of 256 shards.
fn track(kind: u8, n: u8, shard: u8) -> Vec<u8> {
    let mut id = vec![kind; 24];
    id[15] = n;
    id[16] = 0;
    id[17] = shard;
    id
}

fn event_id(kind: u8, n: u16) -> Vec<u8> {
    let mut id = vec![kind; 16];
    id[14..].copy_from_slice(&n.to_be_bytes());
    id
}

/// Click `n` of visitor `n % 5`.
fn click(n: u8) -> EventRecord {
    EventRecord {
        id: event_id(1, n.into()),
        ts_us: T0 + i64::from(n) * MINUTE,
        received_us: T0 + i64::from(n) * MINUTE,
        visitor: track(2, n % 5, n % 5),
        click_id: track(1, n, n % 5),
        body: Some(EventBody::Click(Click {
            link: format!("l{}", n % 3),
            publisher: format!("p{}", n % 2),
            campaign: "auto-us".into(),
            flags: if n % 7 == 6 {
                vec!["prefetch".into()]
            } else {
                vec![]
            },
            ..Click::default()
        })),
        ..EventRecord::default()
    }
}

/// Report `n` of a conversion; it may name a click that never came.
fn conversion(n: u16, of: u8, order: u8, status: &str, at: i64) -> EventRecord {
    EventRecord {
        id: event_id(3, n),
        ts_us: T0 + at * MINUTE,
        received_us: T0 + at * MINUTE,
        visitor: vec![],
        click_id: if of < 30 {
            track(1, of, of % 5)
        } else {
            vec![]
        },
        body: Some(EventBody::Conversion(Conversion {
            campaign: "auto-us".into(),
            goal: "bound".into(),
            txid: if order == 0 {
                String::new()
            } else {
                format!("o{order}")
            },
            amount_micros: (order != 1).then(|| i64::from(order) * 1_000_001),
            currency: "USD".into(),
            status: status.into(),
            source: "postback".into(),
            ..Conversion::default()
        })),
        ..EventRecord::default()
    }
}

fn record(lead: u8, n: u32, body: LeadBody) -> LeadRecord {
    let mut subject = vec![9; 16];
    subject[15] = lead;
    LeadRecord {
        subject,
        n,
        at_us: T0 + i64::from(n),
        instance: 77,
        body: Some(body),
    }
}

fn received(of: u8) -> LeadBody {
    LeadBody::Received(Received {
        campaign: "auto-us".into(),
        publisher: "p1".into(),
        click_id: track(1, of, of % 5),
        ..Received::default()
    })
}

fn posting(leg: u32, replies: Vec<LegReply>) -> LeadBody {
    LeadBody::Posting(Posting {
        leg,
        contract: format!("ct{leg}"),
        buyer: format!("by{leg}"),
        price_micros: 10_000_000 + i64::from(leg),
        payout_micros: 8_000_000,
        currency: "USD".into(),
        counters: vec![Counter {
            counter: format!("c:by{leg}/ct{leg}/total"),
            amount: 1,
            limit: 1000,
        }],
        reply_by_us: T0 + 10 * MINUTE,
        started_at_us: T0,
        replies,
    })
}

fn reply(leg: u32, state: LegState) -> LegReply {
    LegReply {
        leg,
        state: state.number().into(),
        reason: state.as_str().into(),
        ..LegReply::default()
    }
}

fn outcome(status: LeadStatus, reason: Option<LeadReason>, replies: Vec<LegReply>) -> LeadBody {
    LeadBody::Outcome(Outcome {
        status: status.number().into(),
        reason: reason.map_or(0, |reason| reason.number().into()),
        replies,
        waterfall: Some(Waterfall::default()),
        ..Outcome::default()
    })
}

/// The records of a lead: sold on its second leg, or in doubt and then settled.
fn lead(n: u8, clear: bool, accepted: bool) -> Vec<LeadRecord> {
    if clear {
        let sold = outcome(LeadStatus::Sold, None, vec![reply(2, LegState::Accepted)]);
        return vec![
            record(n, 0, received(n)),
            record(n, 1, posting(1, vec![])),
            record(n, 2, posting(2, vec![reply(1, LegState::Rejected)])),
            record(n, 3, sold),
        ];
    }
    let unclear = vec![reply(1, LegState::InDoubt)];
    let settled = Settled {
        leg: 1,
        accepted,
        by: "buyer".into(),
        ..Settled::default()
    };
    vec![
        record(n, 0, received(n)),
        record(n, 1, posting(1, vec![])),
        record(
            n,
            2,
            outcome(LeadStatus::Pending, Some(LeadReason::InDoubt), unclear),
        ),
        record(n, 3, LeadBody::Settled(settled.clone())),
        record(
            n,
            4,
            LeadBody::Settled(Settled {
                accepted: !accepted,
                ..settled
            }),
        ),
    ]
}

/// What happened, and one way in which it may reach the log.
#[derive(Debug, Clone)]
struct History {
    events: Vec<EventRecord>,
    leads: Vec<Vec<LeadRecord>>,
    arrivals: Vec<EventRecord>,
    /// How many arrivals come before each death, how, and whether the power was cut.
    deaths: Vec<(usize, Vec<Fate>, bool)>,
    max_records: usize,
}

fn history() -> impl Strategy<Value = History> {
    let clicks = prop::collection::btree_set(0_u8..24, 0..14);
    let status = prop::sample::select(vec!["pending", "approved", "rejected"]);
    let report = (0_u8..32, 0_u8..4, status, 0_i64..40);
    let reports = prop::collection::vec(report, 0..10);
    let leads = prop::collection::vec((any::<bool>(), any::<bool>()), 0..4);
    let fate = prop::sample::select(vec![
        Fate::Succeed,
        Fate::Refuse,
        Fate::LoseAnswer,
        Fate::Die,
        Fate::DieHalfway,
        Fate::DieUnsettled,
    ]);
    let fates = prop::collection::vec(fate, 1..4);
    let death = (0_usize..12, fates, any::<bool>());
    let deaths = prop::collection::vec(death, 0..4);
    (clicks, reports, leads, deaths, 1_usize..20).prop_flat_map(
        |(clicks, reports, leads, deaths, max_records)| {
            let mut events: Vec<_> = clicks.into_iter().map(click).collect();
            for (n, (of, order, status, at)) in (0..).zip(reports) {
                events.push(conversion(n, of, order, status, at));
            }
            let leads: Vec<_> = (0..)
                .zip(leads)
                .map(|(n, (clear, accepted))| lead(n, clear, accepted))
                .collect();
            let twice: Vec<_> = events.iter().chain(&events).cloned().collect();
            Just(twice)
                .prop_shuffle()
                .prop_map(move |arrivals| History {
                    events: events.clone(),
                    leads: leads.clone(),
                    arrivals,
                    deaths: deaths.clone(),
                    max_records,
                })
        },
    )
}

/// One calm run over everything, in order, each record once.
async fn calm(history: &History) -> World {
    let world = World::new(start(), 100_000);
    for event in &history.events {
        world.event(event).await;
    }
    for record in history.leads.iter().flatten() {
        world.lead(record).await;
    }
    world.catch_up().await;
    world
}

/// The same records shuffled and doubled, in small batches, through failures and deaths.
async fn rough(history: &History) -> World {
    let mut world = World::new(start(), history.max_records);
    let mut arrivals = history.arrivals.iter();
    let longest = history.leads.iter().map(Vec::len).max().unwrap_or(0);
    // Leads interleave; a lead's own records keep their order.
    let mut records =
        (0..longest).flat_map(|nth| history.leads.iter().filter_map(move |lead| lead.get(nth)));
    for (some, fates, power) in &history.deaths {
        let (events, records) = (arrivals.by_ref(), records.by_ref());
        world.write(events.take(*some), records.take(*some)).await;
        world.tables.plan(fates.iter().copied());
        world.catch_up().await;
        if *power {
            world.tables.cut_power();
        }
        world = world.restart();
    }
    world.write(arrivals, records).await;
    world.tables.plan([]);
    world.catch_up().await;
    world
}

#[test]
fn any_order_duplication_split_failure_and_crash_give_the_same_tables() {
    let runtime = runtime();
    let mut runner = TestRunner::new(Config {
        cases: 32,
        ..Config::default()
    });
    let result = runner.run(&history(), |history| {
        runtime.block_on(async {
            let (calm, rough) = (calm(&history).await, rough(&history).await);
            let (expected, got) = (calm.tables.all(), rough.tables.all());
            alike(&expected, &got)?;
            let counters = ["c:by1/ct1/total", "c:by2/ct2/total"].map(|name| name.parse().unwrap());
            let used = rough.local.caps().used(&counters).await.unwrap();
            let sold = |contract: &str| {
                let posts = rough.tables.of("posts").into_iter();
                let won = |post: &serde_json::Value| {
                    post["contract"] == contract && post["state"] == "accepted"
                };
                i64::try_from(posts.filter(won).count()).unwrap()
            };
            prop_assert_eq!(used, vec![sold("ct1"), sold("ct2")]);
            rough.audit().await;
            for topic in ["events", "leads"] {
                let differ = rough.metrics.counted(WORKER_AUDITED, [topic, "different"]);
                prop_assert_eq!(differ, 0, "the auditor finds all of {}", topic);
            }
            Ok(())
        })
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
}

#[tokio::test]
async fn a_conversion_that_comes_before_its_click_is_credited_when_the_click_comes() {
    let world = World::new(start(), 100);
    world.event(&conversion(0, 3, 2, "approved", 10)).await;
    world.catch_up().await;
    let before = world.tables.of("conversions");
    assert_eq!(
        (&before[0]["touches"], &before[0]["visitor"]),
        (&0.into(), &"".into())
    );
    assert_eq!(
        world.tables.of("credits")[0]["touch"],
        serde_json::json!([])
    );

    let world = world.restart();
    world.event(&click(3)).await;
    world.catch_up().await;
    let after = world.tables.of("conversions");
    assert_eq!(after.len(), 1);
    assert_eq!(after[0]["conversion_id"], before[0]["conversion_id"]);
    assert_eq!(after[0]["touches"], 1);
    assert_ne!(after[0]["visitor"], "");
    let credits = world.tables.of("credits");
    assert_eq!(credits[0]["share"], serde_json::json!([1_000_000_000]));
    assert_eq!(credits[0]["value"], serde_json::json!([2_000_002]));
}

#[tokio::test]
async fn a_sold_lead_is_a_conversion_of_its_click() {
    let world = World::new(start(), 100);
    world.event(&click(1)).await;
    for record in lead(1, true, true) {
        world.lead(&record).await;
    }
    world.catch_up().await;
    let conversions = world.tables.of("conversions");
    // The click is a minute after the sale's first leg: it is nobody's touch, but its visitor's.
    assert_eq!(conversions.len(), 1);
    assert_eq!(conversions[0]["goal"], "lead_sold");
    assert_eq!(conversions[0]["amount"], 10_000_002);
    assert_eq!(conversions[0]["payout"], 8_000_000);
    assert_eq!(conversions[0]["payee"], "p1");
    assert_ne!(conversions[0]["visitor"], "");
}

/// Fifty days after its lead, and before the lead's sale is known.
#[tokio::test]
async fn a_policy_is_its_leads_publishers() {
    let world = World::new(start(), 100);
    world.event(&click(1)).await;
    let mut bound = conversion(9, 40, 2, "approved", 50 * 24 * 60);
    if let Some(EventBody::Conversion(said)) = &mut bound.body {
        let lead = record(1, 0, received(1)).lead_id().unwrap();
        (said.parent, said.parent_goal) = (lead.to_string(), "lead_sold".into());
        said.payout_micros = 5;
    }
    world.event(&bound).await;
    world.catch_up().await;
    for record in lead(1, true, true) {
        world.lead(&record).await;
    }
    world.catch_up().await;
    let rows = world.tables.of("conversions");
    let mut rows = rows.iter().filter(|row| row["merged_into"] == "");
    let bound = rows.find(|row| row["goal"] == "bound").unwrap();
    assert_eq!(
        (&bound["payee"], &bound["payout"]),
        (&"p1".into(), &5.into())
    );
    assert_ne!(bound["visitor"], "");
}

#[tokio::test]
async fn what_a_dead_router_left_is_ended_by_time() {
    let world = World::new(start(), 100);
    world.lead(&record(0, 0, received(0))).await;
    world.lead(&record(1, 0, received(1))).await;
    world.lead(&record(1, 1, posting(1, vec![]))).await;
    world.catch_up().await;
    // Leases of a process that died have lapsed; a leg has its time.
    let world = world.restart();
    let shows = |world: &World, reason: &str| {
        let leads = world.tables.of("leads").into_iter();
        let all: BTreeSet<String> = leads
            .map(|lead| format!("{} {}", lead["status"], lead["reason"]))
            .collect();
        let pending = format!(r#""pending" "{reason}""#);
        all == BTreeSet::from([r#""unsold" "interrupted""#.to_owned(), pending])
    };
    world.until(async |world| shows(world, "in_progress")).await;
    world.catch_up().await;
    assert!(shows(&world, "in_progress"), "a leg has its time");
    world
        .clock
        .move_to(Timestamp::from_micros(T0 + 11 * MINUTE));
    world.until(async |world| shows(world, "in_doubt")).await;
    assert_eq!(world.tables.of("posts")[0]["state"], "in_doubt");
}

#[tokio::test]
async fn leads_go_on_while_clickhouse_is_away() {
    let world = World::new(start(), 100);
    world.tables.plan(vec![Fate::Refuse; 1_000_000]);
    for record in lead(1, false, true) {
        world.lead(&record).await;
    }
    let id = record(1, 0, received(0)).lead_id().unwrap();
    world
        .until(async |world| {
            let lead = world.local.claims().lead(id).await.unwrap();
            let state = lead.and_then(|lead| lead.state);
            state.is_some_and(|state| state.lead_status() == Ok(LeadStatus::Sold))
        })
        .await;
    assert_eq!(world.tables.of("leads"), Vec::<serde_json::Value>::new());
}

#[tokio::test]
async fn the_lag_grows_while_an_insert_hangs() {
    let world = World::new(start(), 100);
    world.tables.plan([Fate::Hang]);
    world.event(&click(1)).await;
    world
        .until(async |world| {
            let lag = world.metrics.gauged(WORKER_LAG, []);
            if lag == 1 {
                world.event(&click(2)).await;
            }
            lag > 1
        })
        .await;
}

/// Rows missing by table, where any are.
fn missing(world: &World) -> Vec<(&'static str, i64)> {
    let tables = Table::ALL.map(|table| {
        let rows = world
            .metrics
            .gauged(WORKER_AUDIT_DIFFERENCE, [table.name()]);
        (table.name(), rows)
    });
    tables.into_iter().filter(|(_, rows)| *rows != 0).collect()
}

/// A click, a conversion of it, a lead that was in doubt and then rejected, a quote, and a refusal.
async fn one_of_each(world: &World, n: u8) {
    world.event(&click(n)).await;
    world
        .event(&conversion(n.into(), n, n, "approved", 10))
        .await;
    for record in lead(n, false, false) {
        world.lead(&record).await;
    }
    let pings = ["ct1", "ct2"].map(|contract| PingRow {
        contract: contract.into(),
        ..PingRow::default()
    });
    let quoted = LeadBody::Quoted(Quoted {
        waterfall: Some(Waterfall {
            pings: pings.into(),
            ..Waterfall::default()
        }),
        ..Quoted::default()
    });
    world.lead(&record(100 + n, 0, quoted)).await;
    let refused = Refused {
        request_id: format!("rq_{n}"),
        status: 422,
        ..Refused::default()
    };
    world
        .event(&EventRecord {
            id: event_id(9, n.into()),
            ts_us: T0,
            body: Some(EventBody::Refused(refused)),
            ..EventRecord::default()
        })
        .await;
}

#[tokio::test]
async fn rows_that_were_acknowledged_and_are_not_there_are_told() {
    let world = World::new(start(), 100);
    world.tables.plan([Fate::Swallow; 100]);
    one_of_each(&world, 1).await;
    world.audit().await;
    let all = [
        ("events", 2),
        ("leads", 1),
        ("posts", 1),
        ("auctions", 2),
        ("pings", 2),
        ("conversions", 1),
        ("credits", 3),
        ("refusals", 1),
    ];
    assert_eq!(missing(&world), all);

    world.tables.plan([]);
    one_of_each(&world, 2).await;
    world.audit().await;
    assert_eq!(missing(&world), [], "of what came since, all is there");
    let complete = |topic| world.metrics.counted(WORKER_AUDITED, [topic, "complete"]);
    assert!(complete("events") > 0 && complete("leads") > 0);
}

#[tokio::test]
async fn what_was_inserted_and_not_audited_is_audited_after_a_crash() {
    let world = World::new(start(), 100);
    world.tables.plan([Fate::Swallow; 100]);
    world.tables.mute(true);
    one_of_each(&world, 1).await;
    world.catch_up().await;
    assert_eq!(missing(&world), []);

    let world = world.restart();
    world.tables.mute(false);
    world.audit().await;
    assert!(missing(&world).contains(&("events", 2)));
}

#[tokio::test]
async fn what_became_visible_is_timed_from_its_record() {
    let world = World::new(start(), 100);
    one_of_each(&world, 0).await;
    world.clock.move_to(Timestamp::from_micros(T0 + 700_000));
    world.catch_up().await;
    let text = world.metrics.encode();
    // The conversion's report is from later: a clock that stands behind it makes no negative time.
    for line in [
        "gavel_worker_freshness_seconds_bucket{topic=\"events\",le=\"0.5\"} 1",
        "gavel_worker_freshness_seconds_bucket{topic=\"events\",le=\"0.75\"} 2",
        "gavel_worker_freshness_seconds_bucket{topic=\"leads\",le=\"0.5\"} 0",
        "gavel_worker_freshness_seconds_bucket{topic=\"leads\",le=\"0.75\"} 2",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_kept_and_stops_nothing() {
    let world = World::new(start(), 100);
    world
        .append(Topic::Leads, 0, b"\xff\xff nonsense".to_vec())
        .await;
    world
        .append(Topic::Events, 0, b"\xff\xff nonsense".to_vec())
        .await;
    let mut bad = conversion(0, 1, 1, "approved", 1);
    if let Some(EventBody::Conversion(conversion)) = &mut bad.body {
        conversion.status = "perhaps".into();
    }
    world.event(&bad).await;
    let mut unreadable = record(2, 0, received(0));
    if let Some(LeadBody::Received(received)) = &mut unreadable.body {
        received.auction = vec![1, 2, 3];
    }
    world.lead(&unreadable).await;
    world.event(&click(1)).await;
    world.catch_up().await;
    let letters = world.tables.of("dead_letters");
    let topics: Vec<_> = letters
        .iter()
        .map(|letter| letter["topic"].clone())
        .collect();
    assert_eq!(topics, ["events", "events", "leads", "leads"]);
    assert_eq!(
        world
            .metrics
            .counted(telemetry::WORKER_DEAD_LETTERS, ["events"]),
        2
    );
    assert_eq!(world.tables.of("events").len(), 1);
    world.audit().await;
    assert_eq!(missing(&world), [], "a dead letter is no loss");
}
