//! Several breakers of one somebody, which hear one another late.

use domain::Ppm;
use proptest::prelude::*;

use super::super::{BreakerRules, Ticket};
use super::*;

const RULES: BreakerRules = BreakerRules {
    failures: Ppm::HALF,
    of_last: 6,
    at_least: 3,
    within: Duration::from_secs(20),
    open_for: Duration::from_millis(800),
    open_at_most: Duration::from_secs(4),
};
/// Wall time at the start of each one's clock: processes start at different times.
const STARTS: [i64; 3] = [
    1_700_000_000_000_000,
    1_700_000_011_000_000,
    1_700_000_002_345_678,
];

/// Breakers, and what each has not heard yet.
struct Several {
    breakers: Vec<Breaker>,
    unheard: Vec<Vec<News>>,
    wall: Timestamp,
    /// Who has leave to probe, till when.
    leave: Option<(usize, Timestamp)>,
    calls: Vec<(usize, Ticket)>,
}

impl Several {
    fn new() -> Self {
        let breakers = STARTS.map(|start| {
            let mut breaker = Breaker::new(RULES);
            breaker.agree(Timestamp::from_micros(start));
            breaker
        });
        Self {
            breakers: breakers.into(),
            unheard: vec![Vec::new(); STARTS.len()],
            wall: Timestamp::from_micros(1_700_000_100_000_000),
            leave: None,
            calls: Vec::new(),
        }
    }

    fn now(&self, who: usize) -> Mono {
        let start = Timestamp::from_micros(STARTS[who]);
        Mono::default().plus(self.wall.since(start))
    }

    fn ask(&mut self, who: usize) -> bool {
        let now = self.now(who);
        let ticket = self.breakers[who].admit(now);
        let let_through = ticket.is_some();
        self.calls.extend(ticket.map(|ticket| (who, ticket)));
        let_through
    }

    fn end(&mut self, call: usize, end: CallEnd) {
        let (who, ticket) = self.calls.swap_remove(call);
        let now = self.now(who);
        self.breakers[who].ended(now, ticket, end);
    }

    fn call(&mut self, who: usize, end: CallEnd) {
        assert!(self.ask(who));
        self.end(self.calls.len() - 1, end);
    }

    /// One tells, and hears what it has not heard.
    fn exchange(&mut self, who: usize) {
        let now = self.now(who);
        let news = self.breakers[who].tell();
        let free = self
            .leave
            .is_none_or(|(of, till)| of == who || till <= self.wall);
        if (news.wants || news.probes) && free {
            self.leave = Some((who, self.wall.plus(LEAVE + Duration::from_secs(2))));
            if news.wants {
                self.breakers[who].leave(now);
            }
        }
        for (other, unheard) in self.unheard.iter_mut().enumerate() {
            if other != who {
                unheard.push(news);
            }
        }
        for news in std::mem::take(&mut self.unheard[who]) {
            self.breakers[who].hear(now, &news);
        }
    }

    fn stand(&self) -> Vec<(bool, Timestamp)> {
        let each = self.breakers.iter();
        each.map(|breaker| (breaker.is_closed(), breaker.sharing.since))
            .collect()
    }
}

#[test]
fn what_one_learnt_all_heed() {
    let mut all = Several::new();
    for _ in 0..3 {
        all.call(0, CallEnd::Failed);
    }
    assert!(!all.ask(0) && all.ask(1), "nobody has heard of it");
    all.calls.clear();
    for who in [0, 1, 2] {
        all.exchange(who);
    }
    assert!(!all.ask(1) && !all.ask(2));
    // Its time is over for all at once; one may probe, once it has leave.
    all.wall = all.wall.plus(RULES.open_for);
    assert!(!all.ask(1) && !all.ask(2));
    for who in [1, 2, 1] {
        all.exchange(who);
    }
    assert!(!all.ask(2) && all.ask(1));
    all.end(0, CallEnd::Answered);
    assert!(!all.ask(2));
    for who in [1, 2] {
        all.exchange(who);
    }
    assert!(all.ask(2));
}

#[test]
fn failures_of_several_add_up() {
    let mut all = Several::new();
    for who in [0, 1, 2] {
        all.call(who, CallEnd::Failed);
    }
    for who in [0, 1, 2, 0] {
        all.exchange(who);
    }
    assert!(!all.ask(0) && !all.ask(2));
}

#[test]
fn who_hears_nobody_goes_on_alone() {
    let mut all = Several::new();
    for _ in 0..3 {
        all.call(0, CallEnd::Failed);
    }
    all.breakers[0].go_alone();
    all.wall = all.wall.plus(RULES.open_for);
    all.call(0, CallEnd::Answered);
    assert!(all.ask(0), "closed by its own probe");
    // Once they are heard again it says how it stands.
    all.breakers[0].agree(Timestamp::default());
    assert!(matches!(
        all.breakers[0].tell().turn,
        Some(Turn::Closed { .. })
    ));
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Ask(usize),
    End(prop::sample::Index, bool),
    Drop(prop::sample::Index),
    Exchange(usize),
}

fn step() -> impl Strategy<Value = (u64, Step)> {
    let which = any::<prop::sample::Index>;
    let step = prop_oneof![
        6 => (0..STARTS.len()).prop_map(Step::Ask),
        5 => (which(), prop::bool::weighted(0.3)).prop_map(|(call, well)| Step::End(call, well)),
        1 => which().prop_map(Step::Drop),
        3 => (0..STARTS.len()).prop_map(Step::Exchange),
    ];
    (prop_oneof![6 => 0_u64..200, 1 => 0_u64..4_000], step)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever they learnt, and in whatever order they heard of it: once all have heard all, they stand alike.
    #[test]
    fn who_has_heard_all_stands_as_all_others(steps in prop::collection::vec(step(), 1..120)) {
        let mut all = Several::new();
        for (wait, step) in steps {
            all.wall = all.wall.plus(Duration::from_millis(wait));
            match step {
                Step::Ask(who) => { all.ask(who); }
                Step::End(..) | Step::Drop(_) if all.calls.is_empty() => {}
                Step::End(call, well) => {
                    let end = if well { CallEnd::Answered } else { CallEnd::Failed };
                    all.end(call.index(all.calls.len()), end);
                }
                Step::Drop(call) => {
                    let (who, ticket) = all.calls.swap_remove(call.index(all.calls.len()));
                    all.breakers[who].untried(ticket);
                }
                Step::Exchange(who) => all.exchange(who),
            }
        }
        for _ in 0..3 {
            for who in 0..STARTS.len() {
                all.exchange(who);
            }
        }
        let stand = all.stand();
        prop_assert!(stand.iter().all(|one| *one == stand[0]), "{stand:?}");
    }
}
