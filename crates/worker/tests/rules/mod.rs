//! The law of rules: whenever they change, and whatever fails or dies meanwhile, in the end the tables are what a calm
//! run by the last rules gives. Nothing has to happen to a conversion for that.

use std::time::Duration;

use domain::{ConversionStatus, Micros};
use proptest::test_runner::{Config, TestRunner};
use worker::{GoalRules, Pay, Rules, Windows};

use super::world::{Fate, World, alike, runtime, start};
use super::{History, click, conversion, history};

/// The `number`th rules: each with windows and a payout of its own.
fn rules(number: u32) -> Rules {
    let minutes = |minutes: u32| Duration::from_secs(60 * u64::from(minutes));
    let windows = Windows {
        click_through: minutes(5 + (number * 7) % 30),
        minimum_age: minutes(number % 3),
        ..Windows::default()
    };
    let goal = GoalRules {
        windows,
        pay: Some(Pay::Fixed(Micros::new(i64::from(number) * 1_000_000))),
        hold: Duration::ZERO,
    };
    let named = |name: &str| ("auto-us".to_owned(), name.to_owned());
    Rules {
        number,
        windows: [("auto-us".to_owned(), windows)].into(),
        goals: [(named("bound"), goal)].into(),
        ..Rules::default()
    }
}

/// Everything at once, by these rules.
async fn calm(history: &History, number: u32) -> World {
    let mut world = World::new(start(), 100_000);
    world.rules = rules(number);
    world.write(history.events.iter(), [].iter()).await;
    world.until_judged().await;
    world
}

/// Rules change with deaths, and once more after all has come; then the tables' power goes as well. Gives the number of
/// the last.
async fn rough(history: &History) -> (World, u32) {
    let mut world = World::new(start(), history.max_records);
    let mut number = 1;
    world.rules = rules(number);
    let mut arrivals = history.arrivals.iter();
    for (some, fates, power) in &history.deaths {
        world.write(arrivals.by_ref().take(*some), [].iter()).await;
        world.tables.plan(fates.iter().copied());
        world.until_judged().await;
        if *power {
            world.tables.cut_power();
        }
        number += u32::from(some % 3 != 0);
        world.rules = rules(number);
        // Without that a journey that nothing happens to is met by the walk alone: nothing is read again.
        if some % 2 == 0 {
            world = world.restart();
        }
    }
    world.write(arrivals, [].iter()).await;
    world.tables.plan([]);
    world.until_judged().await;
    number += 1;
    world.rules = rules(number);
    world.tables.plan([Fate::DieUnsettled]);
    world.until_judged().await;
    world.tables.cut_power();
    world.tables.plan([]);
    world.until_judged().await;
    (world, number)
}

#[test]
fn the_last_rules_judge_everything_whenever_they_change() {
    let runtime = runtime();
    let mut runner = TestRunner::new(Config {
        cases: 24,
        ..Config::default()
    });
    let result = runner.run(&history(), |history| {
        runtime.block_on(async {
            let (rough, number) = rough(&history).await;
            let expected = calm(&history, number).await.tables.all();
            alike(&expected, &rough.tables.all())
        })
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
}

#[tokio::test]
async fn who_was_told_of_a_conversion_hears_of_its_new_payout_and_nobody_else_does() {
    let mut world = World::new(start(), 100);
    world.told = [("p1".to_owned(), ConversionStatus::ALL.into())].into();
    world.rules = rules(1);
    let reports = [
        click(1),
        conversion(0, 1, 2, "approved", 4),
        click(2),
        conversion(1, 2, 2, "approved", 5),
    ];
    world.write(reports.iter(), [].iter()).await;
    world.until_judged().await;
    let told = |world: &World| {
        let told = world.tables.of("postbacks").into_iter();
        let told = told.map(|row| {
            let field = |name: &str| row[name].to_string();
            (field("publisher"), field("payout"), field("notices"))
        });
        told.collect::<Vec<_>>()
    };
    let [(publisher, before, _)] = told(&world).try_into().unwrap();
    assert_eq!(publisher, "\"p1\"");
    // The other's publisher wants to be told from now on, of what happens from now on.
    world
        .told
        .insert("p0".to_owned(), ConversionStatus::ALL.into());
    world.rules = rules(31);
    world.until_judged().await;
    let [(publisher, after, notices)] = told(&world).try_into().unwrap();
    assert_eq!((publisher.as_str(), notices.as_str()), ("\"p1\"", "2"));
    assert_ne!(before, after);
}
