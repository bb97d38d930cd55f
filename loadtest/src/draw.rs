//! What the seed decides: whom each round kills, and when.

use std::time::Duration;

use traffic::Dice;

/// Who is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Victim {
    /// `gavel serve`.
    Service,
    /// Its ClickHouse child.
    Engine,
    /// The child, then the service.
    Both,
}

/// When.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// So long after the start: early ones hit the recovery.
    After(Duration),
    /// While a ping of a direct post is with its buyers and no post has left.
    PingOut,
    /// While a post is with its buyer.
    PostOut,
}

/// One kill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Round {
    pub(crate) victim: Victim,
    pub(crate) moment: Moment,
}

const EARLIEST: Duration = Duration::from_millis(200);
const LATEST: Duration = Duration::from_secs(3);

/// The rounds of a seed. Two of them wait for a condition, so that every run of at least two has a lead
/// that was interrupted and a post that is in doubt.
pub(crate) fn rounds(dice: &mut Dice, count: u32) -> Vec<Round> {
    let last = u64::from(count.saturating_sub(1));
    let ping_out = dice.between(0, last);
    let step = dice.between(1, last.max(1));
    let post_out = (ping_out + step) % u64::from(count.max(1));
    (0..u64::from(count))
        .map(|number| {
            let drawn = Round {
                victim: *dice.pick(&[Victim::Service, Victim::Engine, Victim::Both]),
                moment: Moment::After(dice.span(EARLIEST, LATEST)),
            };
            // The engine knows nothing of pings and posts: these two rounds kill who does.
            let service = if drawn.victim == Victim::Both {
                Victim::Both
            } else {
                Victim::Service
            };
            if number == ping_out {
                Round {
                    victim: service,
                    moment: Moment::PingOut,
                }
            } else if number == post_out {
                Round {
                    victim: service,
                    moment: Moment::PostOut,
                }
            } else {
                drawn
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_run_has_both_conditions_and_a_seed_draws_the_same_rounds() {
        for seed in 0..200 {
            for count in 2..8 {
                let drawn = rounds(&mut Dice::new(seed), count);
                assert_eq!(drawn, rounds(&mut Dice::new(seed), count));
                for moment in [Moment::PingOut, Moment::PostOut] {
                    let with = drawn.iter().filter(|round| round.moment == moment);
                    assert_eq!(
                        with.clone().count(),
                        1,
                        "seed {seed}, {count} rounds, {moment:?}"
                    );
                    assert!(with.into_iter().all(|round| round.victim != Victim::Engine));
                }
            }
        }
    }

    #[test]
    fn moments_lie_between_the_bounds_and_every_victim_comes() {
        let drawn: Vec<_> = (0..50)
            .flat_map(|seed| rounds(&mut Dice::new(seed), 6))
            .collect();
        for round in &drawn {
            if let Moment::After(after) = round.moment {
                assert!((EARLIEST..=LATEST).contains(&after), "{after:?}");
            }
        }
        for victim in [Victim::Service, Victim::Engine, Victim::Both] {
            assert!(
                drawn.iter().any(|round| round.victim == victim),
                "{victim:?}"
            );
        }
    }
}
