//! Laws of a breaker, judged over everything that happened to one.

use proptest::prelude::*;

use super::*;

const RULES: BreakerRules = BreakerRules {
    failures: Ppm::HALF,
    of_last: 6,
    at_least: 2,
    within: Duration::from_secs(2),
    open_for: Duration::from_millis(300),
    open_at_most: Duration::from_secs(1),
};

/// What happened, each at its time. A call is known by the place in the story at which it was let through.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Did {
    Admitted,
    Refused,
    Ended(usize, CallEnd, Option<Change>),
    Untried(usize),
}

type Story = Vec<(Mono, Did)>;

#[derive(Debug, Clone, Copy)]
enum Step {
    Ask,
    End(prop::sample::Index, CallEnd),
    Drop(prop::sample::Index),
}

fn step() -> impl Strategy<Value = (u64, Step)> {
    let which = any::<prop::sample::Index>;
    let step = prop_oneof![
        5 => Just(Step::Ask),
        2 => which().prop_map(|which| Step::End(which, CallEnd::Answered)),
        4 => which().prop_map(|which| Step::End(which, CallEnd::Failed)),
        1 => which().prop_map(Step::Drop),
    ];
    (prop_oneof![6 => 0_u64..120, 1 => 0_u64..1_500], step)
}

/// A breaker through all of these, each so many milliseconds after the one before.
fn play(steps: Vec<(u64, Step)>) -> Story {
    let mut breaker = Breaker::new(RULES);
    let mut now = Mono::from_micros(7_000_000);
    let mut outside = Vec::new();
    let mut story = Story::new();
    for (wait, step) in steps {
        now = now.plus(Duration::from_millis(wait));
        let did = match step {
            Step::Ask => match breaker.admit(now) {
                Some(ticket) => {
                    outside.push((story.len(), ticket));
                    Did::Admitted
                }
                None => Did::Refused,
            },
            Step::End(..) | Step::Drop(_) if outside.is_empty() => continue,
            Step::End(which, end) => {
                let (call, ticket) = outside.swap_remove(which.index(outside.len()));
                Did::Ended(call, end, breaker.ended(now, ticket, end))
            }
            Step::Drop(which) => {
                let (call, ticket) = outside.swap_remove(which.index(outside.len()));
                breaker.untried(ticket);
                Did::Untried(call)
            }
        };
        story.push((now, did));
    }
    story
}

fn judge(law: impl Fn(&Story)) {
    let config = ProptestConfig {
        cases: 192,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let steps = prop::collection::vec(step(), 1..100);
    proptest!(config, |(steps in steps)| law(&play(steps)));
}

/// The last change before the `at`th thing, and when it was.
fn changed(story: &Story, at: usize) -> Option<(usize, Mono, Change)> {
    let before = story.iter().enumerate().take(at).rev();
    let mut changes = before.filter_map(|(index, (when, did))| match did {
        Did::Ended(_, _, Some(change)) => Some((index, *when, *change)),
        _ => None,
    });
    changes.next()
}

/// Calls let through since the last change and not ended before the `at`th thing.
fn outside(story: &Story, at: usize) -> usize {
    let since = changed(story, at).map_or(0, |(index, ..)| index);
    let mut outside = 0;
    for (_, did) in story.iter().take(at).skip(since) {
        match did {
            Did::Admitted => outside += 1,
            Did::Ended(call, ..) | Did::Untried(call) if *call > since => outside -= 1,
            Did::Ended(..) | Did::Untried(_) | Did::Refused => {}
        }
    }
    outside
}

#[test]
fn nobody_is_let_through_until_its_time_is_over_and_then_one_at_a_time() {
    judge(|story| {
        for (index, (at, did)) in story.iter().enumerate() {
            let open = match changed(story, index) {
                Some((_, when, Change::Opened(span) | Change::StaysOpen(span))) => {
                    *at < when.plus(span) || outside(story, index) > 0
                }
                Some((_, _, Change::Closed)) | None => false,
            };
            match did {
                Did::Admitted => assert!(!open, "{index} of {story:?}"),
                Did::Refused => assert!(open, "{index} of {story:?}"),
                Did::Ended(..) | Did::Untried(_) => {}
            }
        }
    });
}

#[test]
fn it_opens_when_too_many_of_the_last_calls_failed_and_only_then() {
    judge(|story| {
        for (index, (at, did)) in story.iter().enumerate() {
            let Did::Ended(call, end, change) = did else {
                continue;
            };
            let since = match changed(story, index) {
                None => 0,
                Some((since, _, Change::Closed)) => since,
                Some(_) => continue,
            };
            if *call < since {
                continue;
            }
            let of_this_time = |(when, did): &(Mono, Did)| match did {
                Did::Ended(call, end, _) if *call >= since => Some((*when, *end)),
                _ => None,
            };
            let ends = story
                .iter()
                .take(index + 1)
                .skip(since + usize::from(since > 0));
            let ends: Vec<_> = ends.filter_map(of_this_time).collect();
            let last = ends.into_iter().rev().take(6);
            let fresh = last.filter(|(when, _)| at.since(*when) <= RULES.within);
            let (failed, answered): (Vec<_>, Vec<_>) =
                fresh.partition::<Vec<_>, _>(|(_, end)| *end == CallEnd::Failed);
            let fails =
                *end == CallEnd::Failed && failed.len() >= 2 && failed.len() >= answered.len();
            let opened = matches!(change, Some(Change::Opened(_)));
            assert_eq!(opened, fails, "{index} of {story:?}");
        }
    });
}

#[test]
fn only_the_probe_decides_and_whatever_it_says_is_done() {
    judge(|story| {
        for (index, (_, did)) in story.iter().enumerate() {
            let Did::Ended(call, end, change) = did else {
                continue;
            };
            let probe = match changed(story, index) {
                Some((since, _, Change::Opened(_) | Change::StaysOpen(_))) => *call > since,
                Some((since, _, Change::Closed)) if *call < since => false,
                _ => continue,
            };
            match (probe, end, change) {
                (false, _, None)
                | (true, CallEnd::Answered, Some(Change::Closed))
                | (true, CallEnd::Failed, Some(Change::StaysOpen(_))) => {}
                _ => panic!("{index} of {story:?}"),
            }
        }
    });
}

#[test]
fn it_stays_open_twice_as_long_each_time_up_to_a_ceiling_until_it_was_well_for_a_while() {
    judge(|story| {
        let (mut next, mut closed) = (300, Mono::from_micros(0));
        for (at, did) in story {
            match did {
                Did::Ended(_, _, Some(Change::Closed)) => closed = *at,
                Did::Ended(
                    _,
                    _,
                    Some(change @ (Change::Opened(span) | Change::StaysOpen(span))),
                ) => {
                    let well = at.since(closed) >= RULES.within;
                    if well && matches!(change, Change::Opened(_)) {
                        next = 300;
                    }
                    assert_eq!(span.as_millis(), next, "{at:?} of {story:?}");
                    next = (next * 2).min(1_000);
                }
                _ => {}
            }
        }
    });
}

/// Stories in which nothing happens prove nothing.
#[test]
fn the_stories_show_every_change() {
    let mut seen = std::collections::BTreeMap::new();
    let seen = std::cell::RefCell::new(&mut seen);
    judge(|story| {
        for (_, did) in story {
            let what = match did {
                Did::Ended(_, _, Some(Change::Opened(span))) => format!("opened for {span:?}"),
                Did::Ended(_, _, Some(Change::StaysOpen(span))) => format!("open for {span:?}"),
                Did::Ended(_, _, Some(Change::Closed)) => "closed".to_owned(),
                Did::Refused => "refused".to_owned(),
                _ => continue,
            };
            *seen.borrow_mut().entry(what).or_insert(0) += 1;
        }
    });
    let seen = seen.into_inner();
    for expected in [
        "opened for 300ms",
        "opened for 600ms",
        "open for 600ms",
        "open for 1s",
        "closed",
        "refused",
    ] {
        let times = seen.get(expected).copied().unwrap_or(0);
        assert!(times > 20, "{expected} hardly seen: {seen:#?}");
    }
}
