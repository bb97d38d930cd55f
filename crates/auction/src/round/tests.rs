//! The window, and what falls on its edges.

use domain::{Currency, Payout};

use super::*;

fn ms(millis: u64) -> Mono {
    Mono::from_micros(millis * 1000)
}

/// A round of two contracts that bid.
fn open(kind: Kind, tmax: u64, ping_timeout: u64, answer_reserve: u64) -> PingRound {
    let terms = |name: &str| Terms {
        ping: PingMode::Bid,
        price: Price::Bid {
            min: Micros::ZERO,
            max: Micros::new(50_000_000),
        },
        ..Terms::new(name.parse().unwrap(), "b".parse().unwrap())
    };
    let passed = |slot| Passed {
        slot: Slot(slot),
        deferred: false,
        named: None,
    };
    let passed = vec![passed(0), passed(1)];
    PingRound::open(RoundOpening {
        book: Arc::new(Book::new(vec![terms("a"), terms("b")])),
        rules: Rules {
            ping_timeout: Duration::from_millis(ping_timeout),
            answer_reserve: Duration::from_millis(answer_reserve),
            ..Rules::new(Currency::USD, Payout::Fixed(Micros::ZERO))
        },
        context: Context::new(
            "p".parse().unwrap(),
            Timestamp::from_micros(1_790_000_000_000_000),
        ),
        screened: Screened {
            passed,
            ..Screened::default()
        },
        facts: Facts::default(),
        kind,
        min_payout: Micros::ZERO,
        now: ms(5),
        deadline: ms(5 + tmax),
    })
}

fn effects(round: &mut PingRound) -> Vec<PingEffect> {
    std::iter::from_fn(|| round.poll()).collect()
}

fn bids(slot: usize, price: i64) -> PingInput {
    PingInput::Reply {
        slot: Slot(slot),
        reply: PingReply::Bid {
            price: Micros::new(price),
            bid_id: None,
            expires_in: None,
        },
    }
}

#[test]
fn the_window_is_what_deadline_and_reserves_leave() {
    use Kind::{Direct, Ping};
    for (kind, tmax, timeout, reserve, window) in [
        (Ping, 10_000, 2_000, 50, Some(2_000)),
        (Ping, 1_000, 2_000, 50, Some(950)),
        (Direct, 10_000, 2_000, 50, Some(2_000)),
        (Direct, 3_000, 2_000, 50, Some(1_450)),
        (Ping, 51, 2_000, 50, Some(1)),
        (Ping, 50, 2_000, 50, None),
        (Direct, 100, 2_000, 50, None),
        (Ping, 0, 2_000, 0, None),
        (Direct, 0, 2_000, 50, None),
    ] {
        let mut round = open(kind, tmax, timeout, reserve);
        let wakes = effects(&mut round)
            .into_iter()
            .find_map(|effect| match effect {
                PingEffect::WakeAt(at) => Some(at),
                _ => None,
            });
        let expected = window.map(|window| ms(5 + window));
        assert_eq!(wakes, expected, "{kind:?} {tmax} {timeout} {reserve}");
    }
}

#[test]
fn an_answer_at_the_end_of_the_window_is_late_and_ends_it() {
    let mut round = open(Kind::Ping, 10_000, 2_000, 50);
    effects(&mut round);
    round.on(ms(2_004), bids(0, 9_000_000));
    round.on(ms(2_004), PingInput::Tick);
    assert_eq!(effects(&mut round), [], "not yet");
    round.on(ms(2_005), bids(1, 30_000_000));
    let called_off = PingEffect::Cancel { slot: Slot(1) };
    assert_eq!(effects(&mut round), [called_off, PingEffect::Done]);
    round.on(ms(2_006), PingInput::Tick);
    assert_eq!(effects(&mut round), []);
    let round = round.finish();
    let rungs: Vec<_> = round
        .rungs
        .iter()
        .map(|rung| rung.contract.as_str())
        .collect();
    assert_eq!(rungs, ["a"]);
}

#[test]
fn the_first_answer_counts_and_nobody_answers_unasked() {
    let mut round = open(Kind::Ping, 10_000, 2_000, 50);
    effects(&mut round);
    round.on(ms(10), bids(0, 9_000_000));
    round.on(ms(11), bids(0, 30_000_000));
    round.on(ms(12), bids(7, 30_000_000));
    assert_eq!(effects(&mut round), [], "b is still out");
    round.on(ms(13), bids(1, 8_000_000));
    assert_eq!(effects(&mut round), [PingEffect::Done]);
    let prices: Vec<_> = round
        .finish()
        .rungs
        .iter()
        .map(|rung| rung.price.get())
        .collect();
    assert_eq!(prices, [9_000_000, 8_000_000]);
}

#[test]
fn a_bid_of_nothing_is_none_whatever_the_least_is() {
    let mut round = open(Kind::Ping, 10_000, 2_000, 50);
    effects(&mut round);
    round.on(ms(10), bids(0, 0));
    round.on(ms(11), bids(1, -1));
    assert_eq!(round.finish().rungs, []);
}
