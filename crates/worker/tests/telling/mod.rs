//! The law of notices: whatever the order of arrival, the failures and the deaths of worker and
//! notifier, each publisher has heard the last state of each of its conversions last, and no id ever
//! had two bodies.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::{ConversionStatus, Entropy};
use notifier::{Answered, Backoff, Carrier, Notifier, Parts};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use testkit::SeededEntropy;
use tokio_util::sync::CancellationToken;
use warehouse::PostbackRow;
use worker::Told;

use super::world::{Fate, Tables, World, runtime};
use super::{History, click, conversion, history, lead, start};

const PUBLISHERS: [&str; 2] = ["p0", "p1"];

/// Both, of every status.
fn everybody() -> Told {
    let told = PUBLISHERS.map(|name| (name.to_owned(), ConversionStatus::ALL.into()));
    told.into()
}

/// Whether the table loses what was not settled when the power is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Memory {
    Keeps,
    Forgets,
}

/// Publishers' servers: they remember what they were told.
#[derive(Clone)]
struct Servers(Arc<Inner>);

struct Inner {
    moods: SeededEntropy,
    heard: Mutex<Vec<PostbackRow>>,
    /// Nobody answers this one.
    dead: Option<&'static str>,
}

impl Servers {
    fn new(seed: u64, dead: Option<&'static str>) -> Self {
        Self(Arc::new(Inner {
            moods: SeededEntropy::new(seed),
            heard: Mutex::default(),
            dead,
        }))
    }

    fn heard(&self) -> Vec<PostbackRow> {
        self.0.heard.lock().unwrap().clone()
    }

    /// What was heard last, by publisher and conversion. On the way: an id has one body, and, as long
    /// as the table forgets nothing, no notice comes after a later one.
    fn last(&self, table: Memory) -> BTreeMap<(String, String), PostbackRow> {
        let mut bodies: BTreeMap<String, String> = BTreeMap::new();
        let mut last: BTreeMap<(String, String), PostbackRow> = BTreeMap::new();
        for notice in self.heard() {
            let body = format!("{} {:?} {}", notice.status, notice.payout, notice.currency);
            let body = format!("{} {} {body}", notice.publisher, notice.conversion_id);
            let known = bodies
                .entry(notice.notice_id.clone())
                .or_insert(body.clone());
            assert_eq!(*known, body, "an id has one body");
            let key = (notice.publisher.clone(), notice.conversion_id.clone());
            let before = last.insert(key, notice.clone());
            let in_order = before.is_none_or(|before| before.notices <= notice.notices);
            assert!(
                in_order || table == Memory::Forgets,
                "an earlier state after a later one"
            );
        }
        last
    }
}

impl Carrier for Servers {
    fn publishers(&self) -> Vec<(String, usize)> {
        PUBLISHERS.map(|name| (name.to_owned(), 2)).to_vec()
    }

    async fn send(&self, notice: &PostbackRow) -> Answered {
        let failed = Answered {
            status: None,
            error: Some("planned".to_owned()),
        };
        tokio::task::yield_now().await;
        if self.0.dead == Some(notice.publisher.as_str()) {
            std::future::pending::<()>().await;
        }
        match self.0.moods.below(4) {
            0 => failed,
            mood => {
                self.0.heard.lock().unwrap().push(notice.clone());
                tokio::task::yield_now().await;
                if mood == 1 {
                    return failed;
                }
                Answered {
                    status: Some(200),
                    error: None,
                }
            }
        }
    }
}

fn notifier(world: &World, servers: &Servers) -> Notifier<Tables, Servers> {
    let (handoff, inbox) = notifier::handoff();
    world.tables.hand_to(handoff);
    Notifier::new(Parts {
        outbox: world.tables.clone(),
        carriers: tokio::sync::watch::channel(Arc::new(servers.clone())).1,
        inbox,
        clock: Arc::clone(&world.clock) as _,
        entropy: Arc::new(SeededEntropy::new(1)) as Arc<dyn Entropy>,
        metrics: world.metrics.clone(),
        options: notifier::Options {
            backoff: Backoff {
                first: Duration::ZERO,
                longest: Duration::ZERO,
                attempts: u32::MAX,
            },
            most: 3,
            write_every: Duration::ZERO,
            first_pause: Duration::from_micros(100),
            longest_pause: Duration::from_millis(1),
        },
    })
}

/// Works until everything is in the tables and nobody waits to be told, or the process dies.
async fn tell(world: &World, servers: &Servers) {
    let died = world.tables.died();
    let telling = notifier(world, servers).run(CancellationToken::new());
    let nobody_waits = world.until_told();
    tokio::select! {
        () = telling => unreachable!("nobody asked it to stop"),
        () = died.cancelled() => {}
        () = nobody_waits => {}
    }
}

/// The records shuffled and doubled, in small batches, through failures and deaths of both.
async fn rough(history: &History, deaths: &[Vec<Fate>], servers: &Servers) -> World {
    let mut world = World::new(start(), history.max_records);
    world.told = everybody();
    let mut arrivals = history.arrivals.iter();
    let longest = history.leads.iter().map(Vec::len).max().unwrap_or(0);
    let mut records =
        (0..longest).flat_map(|nth| history.leads.iter().filter_map(move |lead| lead.get(nth)));
    for ((some, fates, power), outbox) in history.deaths.iter().zip(deaths) {
        let (events, records) = (arrivals.by_ref(), records.by_ref());
        world.write(events.take(*some), records.take(*some)).await;
        world.tables.plan(fates.iter().copied());
        world.tables.plan_outbox(outbox.iter().copied());
        tell(&world, servers).await;
        if *power {
            world.tables.cut_power();
        }
        world = world.restart();
    }
    world.write(arrivals, records).await;
    world.tables.plan([]);
    world.tables.plan_outbox([]);
    tell(&world, servers).await;
    world
}

#[test]
fn whatever_fails_each_publisher_hears_the_last_state_last() {
    let runtime = runtime();
    let fate = prop::sample::select(vec![
        Fate::Succeed,
        Fate::Refuse,
        Fate::LoseAnswer,
        Fate::Die,
        Fate::DieHalfway,
    ]);
    let deaths = prop::collection::vec(prop::collection::vec(fate, 0..5), 4);
    let mut runner = TestRunner::new(Config {
        cases: 48,
        ..Config::default()
    });
    let result = runner.run(
        &(history(), deaths, any::<u64>()),
        |(history, deaths, seed)| {
            let servers = Servers::new(seed, None);
            let world = runtime.block_on(rough(&history, &deaths, &servers));
            let memory = match history.deaths.iter().any(|(_, _, power)| *power) {
                true => Memory::Forgets,
                false => Memory::Keeps,
            };
            let heard = servers.last(memory);
            let mut told = 0;
            for row in world.tables.of("conversions") {
                let text = |column: &str| row[column].as_str().unwrap_or_default().to_owned();
                let (id, payee) = (text("conversion_id"), text("payee"));
                for publisher in PUBLISHERS {
                    let last = heard.get(&(publisher.to_owned(), id.clone()));
                    if payee == publisher {
                        let last = last.expect("whoever is paid is told");
                        prop_assert_eq!(&last.status, &text("status"));
                        prop_assert_eq!(&serde_json::json!(last.payout), &row["payout"]);
                        prop_assert_eq!(&last.currency, &text("currency"));
                        told += 1;
                    } else if let Some(last) = last {
                        let over = ["rejected", "reversed"].contains(&last.status.as_str());
                        prop_assert!(over && last.payout.0 == 0, "{:?} is not paid", last);
                    }
                }
            }
            prop_assert!(heard.len() >= told);
            let postbacks = world.tables.of("postbacks");
            prop_assert_eq!(postbacks.len(), heard.len());
            prop_assert!(postbacks.iter().all(|row| row["state"] == "told"));
            Ok(())
        },
    );
    result.unwrap_or_else(|failure| panic!("{failure}"));
}

#[tokio::test]
async fn a_replay_and_a_touch_that_changes_nothing_are_no_news() {
    let servers = Servers::new(9, None);
    let mut world = World::new(start(), 100);
    world.told = everybody();
    world.event(&click(1)).await;
    world.event(&conversion(0, 1, 2, "approved", 10)).await;
    tell(&world, &servers).await;
    let notices = |servers: &Servers| {
        let heard = servers.heard().into_iter();
        let mut ids: Vec<_> = heard
            .map(|notice| (notice.notices, notice.status))
            .collect();
        ids.dedup();
        ids
    };
    assert_eq!(notices(&servers), [(1, "approved".to_owned())]);
    let world = world.restart();
    world.event(&click(11)).await;
    world.event(&conversion(0, 1, 2, "approved", 10)).await;
    tell(&world, &servers).await;
    assert_eq!(notices(&servers), [(1, "approved".to_owned())]);
    world.event(&conversion(1, 1, 2, "rejected", 20)).await;
    tell(&world, &servers).await;
    let both = [(1, "approved".to_owned()), (2, "rejected".to_owned())];
    assert_eq!(notices(&servers), both);
}

#[tokio::test]
async fn a_conversion_that_turns_out_to_be_anothers_is_taken_back_from_who_was_told() {
    let servers = Servers::new(4, None);
    let mut world = World::new(start(), 100);
    world.told = everybody();
    // One visitor's clicks, of p0 and then of p1; the later one arrives after the conversion.
    world.event(&click(2)).await;
    world.event(&conversion(0, 2, 2, "approved", 10)).await;
    tell(&world, &servers).await;
    let told = |servers: &Servers| {
        let last = servers.last(Memory::Keeps).into_values();
        let said = last.map(|notice| format!("{} {}", notice.publisher, notice.status));
        said.collect::<Vec<_>>()
    };
    assert_eq!(told(&servers), ["p0 approved"]);
    world.event(&click(7)).await;
    tell(&world, &servers).await;
    assert_eq!(told(&servers), ["p0 reversed", "p1 approved"]);
}

#[tokio::test]
async fn a_dead_publisher_delays_nobody() {
    let servers = Servers::new(3, Some("p0"));
    let mut world = World::new(start(), 100);
    world.told = everybody();
    // Clicks and their conversions, in turn of one publisher and the other; more than lines hold.
    for n in 0..24_u8 {
        world.event(&click(n)).await;
        world
            .event(&conversion(n.into(), n, 2, "approved", 30))
            .await;
    }
    for record in lead(1, true, true) {
        world.lead(&record).await;
    }
    world.catch_up().await;
    let paid = world.tables.of("conversions").into_iter();
    let paid = paid.filter(|row| row["payee"] == "p1").count();
    let of = |world: &World, publisher: &str, state: &str| {
        let rows = world.tables.of("postbacks").into_iter();
        rows.filter(|row| row["publisher"] == publisher && row["state"] == state)
            .count()
    };
    let dead = of(&world, "p0", "waiting");
    assert!(paid > 3 && dead > 3, "{paid}, {dead}");
    let living = notifier(&world, &servers).run(CancellationToken::new());
    tokio::select! {
        () = living => unreachable!("nobody asked it to stop"),
        () = world.until(async |world| of(world, "p1", "told") == paid) => {}
    }
    assert_eq!(of(&world, "p0", "waiting"), dead);
}
