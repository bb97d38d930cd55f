//! What must precede what.

use auction::{LadderRecord, PingEffect};

use crate::life::Happened;
use crate::world::World;
use crate::{after_every_world, in_every_world, naive};

#[test]
fn no_ping_or_post_starts_after_the_deadline_less_its_reserve() {
    after_every_world(|world| {
        for life in &world.lives {
            for (at, what) in &life.history {
                if let Happened::Round(PingEffect::Ping { until, .. }) = what {
                    let window = naive::window(&world.rules, &life.order);
                    assert_eq!(*until, life.arrived.plus(window));
                    assert!(at < until);
                }
            }
            for post in life.posts() {
                let least = life.book.get(post.slot).unwrap().min_post_time;
                let reserve = least.max(world.rules.answer_reserve);
                let last = life.last_post(&world.rules).minus(reserve);
                assert!(post.at <= last, "{} starts too late", post.contract);
                assert!(post.at < post.until, "nobody reads {}", post.contract);
            }
        }
    });
}

#[test]
fn a_post_leaves_only_after_its_record() {
    after_every_world(|world| {
        for life in &world.lives {
            for post in life.posts() {
                let records = life.acknowledged(post.index);
                let known = records.into_iter().any(|record| {
                    matches!(record, LadderRecord::Posting { leg, .. } if *leg == post.leg)
                });
                assert!(known, "{} of {} left unrecorded", post.leg, life.lead);
            }
        }
    });
}

#[test]
fn the_same_inputs_give_the_same_transcript() {
    in_every_world(|world| {
        let again = World::new(world.seed).run();
        for (one, two) in world.run().lives.iter().zip(&again.lives) {
            assert_eq!(one.history, two.history);
        }
    });
}
