//! The conservation laws of an auction, each a property test named after it.
//!
//! A [`World`] runs many leads at once against buyers that bid, stall, reject and break, and against a
//! store of caps and a log that fail now and then, in an order drawn from a seed. The laws judge what
//! it remembers: `book` who was considered and why not, `ends` how leads and legs end, `order` what
//! must precede what, `units` caps and money. A failing law prints the seed of its world.
#![expect(
    clippy::unwrap_used,
    reason = "what a world remembers is there, or the test is wrong"
)]

mod book;
mod caps;
mod draw;
mod ends;
mod life;
mod naive;
mod order;
mod units;
mod world;

use std::collections::BTreeMap;

use auction::LadderInput;
use proptest::prelude::any;
use proptest::test_runner::{Config, TestRunner};

use crate::life::Happened;
use crate::world::World;

/// Judges many worlds, none of which has run yet.
fn in_every_world(law: impl Fn(World)) {
    let config = Config {
        cases: 1024,
        // A smaller seed is not a smaller world.
        max_shrink_iters: 0,
        failure_persistence: None,
        ..Config::default()
    };
    let held = TestRunner::new(config).run(&any::<u64>(), |seed| {
        law(World::new(seed));
        Ok(())
    });
    assert_eq!(held.err(), None, "the seed of a world that breaks the law");
}

/// Judges many worlds that have run to their end.
fn after_every_world(law: impl Fn(World)) {
    in_every_world(|world| law(world.run()));
}

/// Worlds in which nothing happens prove nothing.
#[test]
fn the_worlds_show_every_kind_of_end() {
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    let mut see = |what: &str| *seen.entry(what.to_owned()).or_default() += 1;
    for seed in 0..3000 {
        let world = World::new(seed).run();
        for life in &world.lives {
            for (_, what) in &life.history {
                match what {
                    Happened::Told(LadderInput::ClaimLost) => see("claim lost"),
                    Happened::Told(LadderInput::HoldFailed(_)) => see("hold failed"),
                    Happened::Told(LadderInput::PinFailed(_)) => see("pin failed"),
                    Happened::Told(LadderInput::PinExpired(_)) => see("pin expired"),
                    Happened::Told(LadderInput::RecordFailed(_)) => see("record failed"),
                    _ => {}
                }
            }
            let rounds = life.round.iter().map(|round| &round.waterfall);
            let outcomes = life.outcomes();
            let waterfalls = rounds.chain(outcomes.iter().map(|ended| &ended.waterfall));
            for waterfall in waterfalls.clone() {
                waterfall
                    .excluded
                    .keys()
                    .for_each(|reason| see(reason.code()));
            }
            for row in waterfalls.flat_map(|waterfall| &waterfall.rows) {
                let reasons = row.ping_reason.iter().chain(&row.post_reason);
                reasons.for_each(|reason| see(reason.code()));
            }
            for rung in life.round.iter().flat_map(|round| &round.rungs) {
                let opened = life.effects().next().map_or(life.deadline, |(at, _)| at);
                match world.eligible(life, &rung.contract, opened) {
                    _ if life.book.find(&rung.contract).is_none() => see("left the book"),
                    Err(why) => see(&format!("{} at the post", why.code())),
                    Ok(_) => {}
                }
            }
        }
    }
    let reasons = "won lost_to_higher not_needed below_floor no_bid ping_timeout ping_error \
        bad_response throttled breaker_open cap buyer_rejected buyer_says_duplicate post_error in_doubt \
        post_timeout abandoned \
        bid_expired no_time post_limit paused test_mismatch excluded_by_publisher incompatible \
        schedule source_blocked filtered geo";
    let failures = "claim lost,hold failed,pin failed,pin expired,record failed,\
        left the book,filtered at the post,paused at the post,schedule at the post,geo at the post";
    for expected in reasons.split(' ').chain(failures.split(',')) {
        let times = seen.get(expected).copied().unwrap_or(0);
        assert!(times > 3, "{expected} hardly seen: {seen:#?}");
    }
}
