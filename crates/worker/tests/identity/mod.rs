//! The law of attribution over identities: whatever the order of arrival, duplication, split into
//! batches, failure, crash and replay, the tables hold what a computation over all events at once
//! gives. That computation is written here from the definitions alone: no revision, nothing that is
//! told, no order of arrival.

mod at_once;

use std::collections::{BTreeMap, BTreeSet};

use domain::Timestamp;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestError, TestRunner};
use proto::{Click, Conversion, EventBody, EventRecord, Identify};
use serde_json::{Value, json};

use crate::world::{Fate, World, alike, runtime};
use at_once::at_once;

const T0: i64 = 1_800_000_000_000_000;
const MINUTE: i64 = 60_000_000;

/// A track id on one of five shards.
fn track(kind: u8, n: u8, shard: u8) -> [u8; 24] {
    let mut id = [kind; 24];
    id[15] = n;
    id[16] = 0;
    id[17] = shard;
    id
}

fn visitor(n: u8) -> [u8; 24] {
    track(2, n, n)
}

/// Click `n` is of visitor `n % 5`.
fn click_id(n: u8) -> [u8; 24] {
    track(1, n, n % 5)
}

fn person(n: u8) -> [u8; 16] {
    [0x50 + n * 0x21; 16]
}

fn event(n: u16, at: i64, body: EventBody) -> EventRecord {
    let mut id = vec![3; 16];
    id[14..].copy_from_slice(&n.to_be_bytes());
    EventRecord {
        id,
        ts_us: T0 + at * MINUTE,
        received_us: T0 + at * MINUTE,
        body: Some(body),
        ..EventRecord::default()
    }
}

fn ad(n: u8) -> Click {
    Click {
        link: format!("l{n}"),
        publisher: format!("p{}", n % 4),
        campaign: "auto-us".into(),
        flags: if n == 19 { vec!["bot".into()] } else { vec![] },
        ..Click::default()
    }
}

fn persons(some: &[u8]) -> Vec<Vec<u8>> {
    let all: BTreeSet<_> = some.iter().map(|n| person(*n).to_vec()).collect();
    all.into_iter().collect()
}

/// An order is one of its click, or of its campaign; a renewal may follow from one.
const GOALS: [&str; 3] = ["sale", "by-order", "renewal"];

/// One event of a small world in which everything meets everything.
fn some_event(n: u16) -> BoxedStrategy<EventRecord> {
    let click = (0_u8..20).prop_map(|of| EventRecord {
        // A click is one event.
        id: vec![1, of, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1],
        visitor: visitor(of % 5).to_vec(),
        click_id: click_id(of).to_vec(),
        ..event(0, i64::from(of), EventBody::Click(ad(of)))
    });
    let view = (0_u8..5, 0_i64..40).prop_map(move |(of, at)| EventRecord {
        visitor: visitor(of).to_vec(),
        ..event(n, at, EventBody::Impression(ad(of)))
    });
    let some = || prop::collection::vec(0_u8..4, 0..3);
    let identify =
        (0_u8..5, prop::option::of(0_u8..20), some()).prop_map(move |(of, clicked, some)| {
            EventRecord {
                visitor: visitor(of).to_vec(),
                click_id: clicked.map(|c| click_id(c).to_vec()).unwrap_or_default(),
                person: persons(&some),
                ..event(n, 1, EventBody::Identify(Identify::default()))
            }
        });
    let status = prop::sample::select(vec!["pending", "approved", "rejected"]);
    let who = (
        prop::option::of(0_u8..22),
        prop::option::of(0_u8..5),
        some(),
        any::<bool>(),
    );
    let parent = (1_u8..4, prop::sample::select(GOALS[..2].to_vec()));
    let what = (
        0_u8..4,
        prop::sample::select(GOALS.to_vec()),
        prop::option::weighted(0.8, parent),
    );
    let conversion = (who, what, status, 0_i64..40, 0_u8..10).prop_map(
        move |((clicked, visited, some, named), (order, goal, parent), status, at, mangled)| {
            EventRecord {
                visitor: visited.map(|v| visitor(v).to_vec()).unwrap_or_default(),
                click_id: clicked.map(|c| click_id(c).to_vec()).unwrap_or_default(),
                person: persons(&some),
                named,
                ..event(
                    n,
                    at,
                    EventBody::Conversion(Conversion {
                        campaign: "auto-us".into(),
                        goal: goal.into(),
                        campaign_txid: goal == "by-order",
                        parent: match parent {
                            Some((order, _)) if goal == "renewal" => format!("o{order}"),
                            _ => String::new(),
                        },
                        parent_goal: parent.map_or("", |(_, goal)| goal).into(),
                        txid: if order == 0 {
                            String::new()
                        } else {
                            format!("o{order}")
                        },
                        amount_micros: (!n.is_multiple_of(3)).then(|| i64::from(n) * 1_000_001),
                        currency: "USD".into(),
                        status: status.into(),
                        source: "postback".into(),
                        flags: if mangled == 0 {
                            vec!["invalid_macro".into()]
                        } else {
                            vec![]
                        },
                        ..Conversion::default()
                    }),
                )
            }
        },
    );
    prop_oneof![3 => click, 1 => view, 2 => identify, 4 => conversion].boxed()
}

/// A report of two visitors who order again and again, mostly without a click.
fn some_order(n: u16) -> BoxedStrategy<EventRecord> {
    let report = some_event(n).prop_filter_map("a report", |mut event| {
        let Some(EventBody::Conversion(said)) = &mut event.body else {
            return None;
        };
        said.goal = "once".into();
        said.campaign_txid = false;
        said.parent.clear();
        said.once = true;
        Some(event)
    });
    let who = (
        prop::option::of(0_u8..2),
        prop::option::weighted(0.1, 0_u8..2),
    );
    (report, who)
        .prop_map(|(event, (visited, clicked))| EventRecord {
            visitor: visited.map(|v| visitor(v).to_vec()).unwrap_or_default(),
            click_id: clicked.map(|c| click_id(c).to_vec()).unwrap_or_default(),
            ..event
        })
        .boxed()
}

/// What happened, and one way in which it may reach the log.
#[derive(Debug, Clone)]
struct History {
    events: Vec<EventRecord>,
    arrivals: Vec<EventRecord>,
    /// How many arrivals come before each death, how, whether a snapshot was written before it, and
    /// whether the power was cut.
    deaths: Vec<(usize, Vec<Fate>, bool, bool)>,
    max_records: usize,
}

fn history(event: fn(u16) -> BoxedStrategy<EventRecord>) -> impl Strategy<Value = History> {
    let events: Vec<_> = (0..18).map(event).collect();
    let events = (events, 4_usize..18).prop_map(|(mut events, some)| {
        events.truncate(some);
        events
    });
    let fate = prop::sample::select(vec![
        Fate::Succeed,
        Fate::Refuse,
        Fate::LoseAnswer,
        Fate::Die,
        Fate::DieHalfway,
        Fate::DieUnsettled,
    ]);
    let death = (
        0_usize..12,
        prop::collection::vec(fate, 1..4),
        any::<bool>(),
        any::<bool>(),
    );
    let deaths = prop::collection::vec(death, 0..4);
    (events, deaths, 1_usize..20).prop_flat_map(|(events, deaths, max_records)| {
        let twice: Vec<_> = events.iter().chain(&events).cloned().collect();
        Just(twice)
            .prop_shuffle()
            .prop_map(move |arrivals| History {
                events: events.clone(),
                arrivals,
                deaths: deaths.clone(),
                max_records,
            })
    })
}

async fn rough(history: &History) -> World {
    let mut world = World::new(Timestamp::from_micros(T0), history.max_records);
    let mut arrivals = history.arrivals.iter();
    for (some, fates, snapshot, power) in &history.deaths {
        for event in arrivals.by_ref().take(*some) {
            world.event(event).await;
        }
        world.tables.plan(fates.iter().copied());
        world.catch_up().await;
        if *snapshot {
            world.local.snapshot().await.unwrap();
        }
        if *power {
            world.tables.cut_power();
        }
        world = world.restart();
    }
    for event in arrivals {
        world.event(event).await;
    }
    world.tables.plan([]);
    world.catch_up().await;
    world
}

/// The same, as the tables say it.
fn in_tables(world: &World) -> BTreeMap<String, Value> {
    let mut credits: BTreeMap<String, BTreeMap<String, Value>> = BTreeMap::new();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    for row in world.tables.of("credits") {
        let column = |name: &str| row[name].as_array().unwrap().clone();
        let (touch, share, value) = (column("touch"), column("share"), column("value"));
        let parts = (0..touch.len()).map(|n| json!([touch[n], share[n], value[n]]));
        let of = credits.entry(text(&row["conversion_id"])).or_default();
        of.insert(text(&row["model"]), parts.collect());
    }
    let mut all = BTreeMap::new();
    for row in world.tables.of("conversions") {
        let id = text(&row["conversion_id"]);
        let credits = credits.remove(&id).unwrap();
        if row["merged_into"] != "" {
            let shown = credits.values().any(|parts| *parts != json!([]));
            assert!(!shown, "what was merged is credited once");
            continue;
        }
        let repeat = row["flags"].as_array().unwrap().contains(&json!("repeat"));
        let mut said = json!({ "credits": credits, "repeat": repeat });
        for column in ["status", "amount", "restated", "payee", "touches"] {
            said[column] = row[column].clone();
        }
        all.insert(id, said);
    }
    all
}

/// Two reports that name persons alone and begin with the same one.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_report_of_persons_looks_back_on_those_that_it_names_and_on_no_other() {
    let sale = |n: u16, who: &[u8]| EventRecord {
        person: persons(who),
        ..event(
            n,
            10,
            EventBody::Conversion(Conversion {
                campaign: "auto-us".into(),
                goal: "sale".into(),
                currency: "USD".into(),
                status: "pending".into(),
                source: "postback".into(),
                ..Conversion::default()
            }),
        )
    };
    let clicked = EventRecord {
        visitor: visitor(3).to_vec(),
        click_id: click_id(3).to_vec(),
        ..event(1, 3, EventBody::Click(ad(3)))
    };
    let known = EventRecord {
        visitor: visitor(3).to_vec(),
        person: persons(&[2]),
        ..event(2, 4, EventBody::Identify(Identify::default()))
    };
    let events = vec![clicked, known, sale(3, &[0]), sale(4, &[0, 2])];
    let history = History {
        arrivals: events.clone(),
        events,
        deaths: vec![],
        max_records: 10,
    };
    let (expected, got) = (at_once(&history.events), in_tables(&rough(&history).await));
    assert_eq!(got, expected);
    let touches: BTreeSet<_> = got
        .values()
        .map(|said| said["touches"].to_string())
        .collect();
    assert_eq!(touches, BTreeSet::from(["0".to_owned(), "1".to_owned()]));
}

fn tables_hold_what_all_events_at_once_give(
    event: fn(u16) -> BoxedStrategy<EventRecord>,
) -> Result<(), TestError<History>> {
    let runtime = runtime();
    let mut runner = TestRunner::new(Config {
        cases: 48,
        max_shrink_iters: 128,
        ..Config::default()
    });
    runner.run(&history(event), |history| {
        runtime.block_on(async {
            let (expected, got) = (at_once(&history.events), in_tables(&rough(&history).await));
            alike(&expected, &got)
        })
    })
}

#[test]
fn identities_merges_orders_and_views_give_what_all_events_at_once_give() {
    let result = tables_hold_what_all_events_at_once_give(some_event);
    result.unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn of_a_visitors_orders_the_same_one_counts_in_any_order_of_arrival() {
    let result = tables_hold_what_all_events_at_once_give(some_order);
    result.unwrap_or_else(|failure| panic!("{failure}"));
}
