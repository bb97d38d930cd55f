//! Caps.

use std::sync::Arc;
use std::time::Duration;

use domain::{
    CounterKey, LeadId, LeadStatus, LegState, Micros, Reservation, ReservationId, Timestamp, Usage,
};
use proto::LeadBody;
use store::{Ack, Backend, Caps, ClaimKey, EventLog, Held, Pinned, StoreError, Topic, key};
use tokio::task::JoinSet;

use super::Harness;
use crate::records;

const HOLD: Duration = Duration::from_secs(30);

/// A reservation of one unit of each counter `(name, limit)`.
fn reservation<H: Harness>(harness: &H, counters: &[(&str, i64)]) -> Reservation {
    let lead = LeadId::mint(harness.now(), harness.entropy());
    Reservation {
        id: ReservationId { lead, leg: 1 },
        counters: counters
            .iter()
            .map(|(counter, limit)| records::unit(counter, *limit))
            .collect(),
    }
}

fn total<H: Harness>(harness: &H, limit: i64) -> Reservation {
    reservation(harness, &[("c:b/c/total", limit)])
}

fn full(counter: &str) -> Held {
    let counter: CounterKey = counter.parse().unwrap();
    Held::Full(counter.limit())
}

async fn hold<H: Harness>(harness: &H, reservation: &Reservation) -> Held {
    let now = harness.now();
    let caps = harness.store().caps();
    caps.hold(reservation, now, now.plus(HOLD)).await.unwrap()
}

async fn pin<H: Harness>(harness: &H, reservation: &Reservation) -> Pinned {
    let caps = harness.store().caps();
    caps.pin(reservation.id, harness.now()).await.unwrap()
}

async fn settle<H: Harness>(harness: &H, reservation: &Reservation, usage: Usage) {
    let caps = harness.store().caps();
    caps.settle(reservation, usage).await.unwrap();
}

async fn used<H: Harness>(harness: &H, counters: &[&str]) -> Vec<i64> {
    let keys: Vec<CounterKey> = counters.iter().map(|name| name.parse().unwrap()).collect();
    harness.store().caps().used(&keys).await.unwrap()
}

/// All counters of a contract are taken in one step.
pub async fn a_hold_takes_all_counters_or_none<H: Harness>(harness: &mut H) {
    let counters = ["c:b/c/d20261122", "c:b/c/total", "b:b/d20261122"];
    let of = |limit| {
        reservation(
            harness,
            &[(counters[0], 10), (counters[1], 10), (counters[2], limit)],
        )
    };
    assert_eq!(hold(harness, &of(1)).await, Held::Granted);
    assert_eq!(used(harness, &counters).await, [1, 1, 1]);
    assert_eq!(hold(harness, &of(1)).await, full(counters[2]));
    assert_eq!(used(harness, &counters).await, [1, 1, 1]);
    assert_eq!(
        hold(harness, &of(2)).await,
        Held::Granted,
        "the cap in force is the asker's"
    );
    assert_eq!(used(harness, &counters).await, [2, 2, 2]);
    let without_caps = reservation(harness, &[]);
    assert_eq!(hold(harness, &without_caps).await, Held::Granted);
    assert_eq!(pin(harness, &without_caps).await, Pinned::Pinned);
}

/// The reason says which cap.
pub async fn a_full_cap_is_named<H: Harness>(harness: &mut H) {
    let of = |day, all| reservation(harness, &[("c:b/c/d1", day), ("c:b/c/total", all)]);
    assert_eq!(hold(harness, &of(0, 5)).await, full("c:b/c/d1"));
    assert_eq!(hold(harness, &of(5, 0)).await, full("c:b/c/total"));
    assert_eq!(used(harness, &["c:b/c/d1", "c:b/c/total"]).await, [0, 0]);
}

/// Every step may be repeated.
pub async fn asking_twice_is_asking_once<H: Harness>(harness: &mut H) {
    let one = total(harness, 5);
    for _ in 0..2 {
        assert_eq!(hold(harness, &one).await, Held::Granted);
        assert_eq!(used(harness, &["c:b/c/total"]).await, [1]);
    }
    for _ in 0..2 {
        assert_eq!(pin(harness, &one).await, Pinned::Pinned);
        assert_eq!(used(harness, &["c:b/c/total"]).await, [1]);
    }
    assert_eq!(hold(harness, &one).await, Held::Granted);
    assert_eq!(used(harness, &["c:b/c/total"]).await, [1]);
    for _ in 0..2 {
        settle(harness, &one, Usage::Sold).await;
        assert_eq!(used(harness, &["c:b/c/total"]).await, [1]);
    }
    harness
        .store()
        .caps()
        .release(one.id, Usage::Nothing)
        .await
        .unwrap();
    assert_eq!(
        used(harness, &["c:b/c/total"]).await,
        [1],
        "what is settled is not released"
    );
}

/// A hold that has run out stands in nobody's way.
pub async fn a_hold_expires<H: Harness>(harness: &mut H) {
    let (one, two) = (total(harness, 1), total(harness, 1));
    assert_eq!(hold(harness, &one).await, Held::Granted);
    assert_eq!(hold(harness, &two).await, full("c:b/c/total"));
    harness.advance(HOLD + Duration::from_secs(1)).await;
    assert_eq!(hold(harness, &two).await, Held::Granted);
    assert_eq!(pin(harness, &one).await, Pinned::Expired);
    assert_eq!(pin(harness, &two).await, Pinned::Pinned);
    assert_eq!(used(harness, &["c:b/c/total"]).await, [1]);
}

/// Only settlement ends a pin.
pub async fn a_pin_does_not<H: Harness>(harness: &mut H) {
    let one = total(harness, 1);
    hold(harness, &one).await;
    assert_eq!(pin(harness, &one).await, Pinned::Pinned);
    harness.advance(HOLD * 100).await;
    assert_eq!(hold(harness, &total(harness, 1)).await, full("c:b/c/total"));
    settle(harness, &one, Usage::Sent).await;
    assert_eq!(hold(harness, &total(harness, 1)).await, Held::Granted);
}

/// Also when nobody else wanted the place; and it can be held again.
pub async fn an_expired_hold_cannot_be_pinned<H: Harness>(harness: &mut H) {
    let one = total(harness, 1);
    hold(harness, &one).await;
    harness.advance(HOLD + Duration::from_secs(1)).await;
    assert_eq!(pin(harness, &one).await, Pinned::Expired);
    assert_eq!(used(harness, &["c:b/c/total"]).await, [0]);
    assert_eq!(hold(harness, &one).await, Held::Granted);
    assert_eq!(pin(harness, &one).await, Pinned::Pinned);
    assert_eq!(
        pin(harness, &total(harness, 1)).await,
        Pinned::Expired,
        "never held"
    );
}

/// Of a hold and of a pin.
pub async fn a_release_gives_everything_back<H: Harness>(harness: &mut H) {
    let (one, two) = (total(harness, 2), total(harness, 2));
    hold(harness, &one).await;
    hold(harness, &two).await;
    pin(harness, &two).await;
    let caps = harness.store().caps();
    for id in [one.id, two.id, two.id] {
        caps.release(id, Usage::Nothing).await.unwrap();
    }
    assert_eq!(used(harness, &["c:b/c/total"]).await, [0]);
    assert_eq!(pin(harness, &one).await, Pinned::Expired);
}

/// The final settlement replaces a provisional one, whatever that was.
pub async fn the_last_settlement_counts_once<H: Harness>(harness: &mut H) {
    use Usage::{Sent, Sold};
    let one = total(harness, 5);
    hold(harness, &one).await;
    pin(harness, &one).await;
    for (settlement, count) in [(Sold, 1), (Sent, 0), (Sent, 0), (Sold, 1)] {
        settle(harness, &one, settlement).await;
        assert_eq!(
            used(harness, &["c:b/c/total"]).await,
            [count],
            "after {settlement:?}"
        );
    }
}

/// A store that never saw the reservation counts it all the same, and once.
pub async fn a_settlement_may_come_first<H: Harness>(harness: &mut H) {
    let (one, two) = (total(harness, 5), total(harness, 5));
    for _ in 0..2 {
        settle(harness, &one, Usage::Sold).await;
        settle(harness, &two, Usage::Sent).await;
        assert_eq!(used(harness, &["c:b/c/total"]).await, [1]);
    }
    assert_eq!(hold(harness, &one).await, Held::Granted);
    assert_eq!(used(harness, &["c:b/c/total"]).await, [1]);
}

/// A caller who is more than two seconds off would count in the wrong window.
pub async fn a_wrong_clock_gets_no_hold<H: Harness>(harness: &mut H) {
    let one = total(harness, 5);
    let caps = harness.store().caps();
    let ask = async |now: Timestamp| caps.hold(&one, now, now.plus(HOLD)).await;
    let minute = Duration::from_secs(60);
    assert_eq!(ask(harness.now().plus(minute)).await, Ok(Held::ClockSkew));
    assert_eq!(ask(harness.now().minus(minute)).await, Ok(Held::ClockSkew));
    let second = Duration::from_secs(1);
    assert_eq!(ask(harness.now().minus(second)).await, Ok(Held::Granted));
}

/// What counts posts keeps a unit of a post that was refused, and gives back one that never left;
/// what counts sales keeps neither.
pub async fn a_post_that_left_uses_up_what_counts_posts<H: Harness>(harness: &mut H) {
    let counters = ["c:b/c/d1", "c:b/c/d1:sent"];
    let of = || reservation(harness, &[(counters[0], 2), (counters[1], 2)]);
    let (refused, unsent, sold) = (of(), of(), of());
    for one in [&refused, &unsent] {
        assert_eq!(hold(harness, one).await, Held::Granted);
        assert_eq!(pin(harness, one).await, Pinned::Pinned);
    }
    let caps = harness.store().caps();
    for _ in 0..2 {
        caps.release(refused.id, Usage::Sent).await.unwrap();
        caps.release(unsent.id, Usage::Nothing).await.unwrap();
        assert_eq!(used(harness, &counters).await, [0, 1]);
    }
    // The fold says the same, later and as often as it likes.
    for _ in 0..2 {
        settle(harness, &refused, Usage::Sent).await;
        settle(harness, &unsent, Usage::Nothing).await;
        assert_eq!(used(harness, &counters).await, [0, 1]);
    }
    assert_eq!(hold(harness, &sold).await, Held::Granted);
    assert_eq!(hold(harness, &of()).await, full(counters[1]));
    assert_eq!(pin(harness, &sold).await, Pinned::Pinned);
    settle(harness, &sold, Usage::Sold).await;
    assert_eq!(used(harness, &counters).await, [1, 2]);
    // A hold that nobody pinned was never sent.
    let held = reservation(harness, &[(counters[1], 9)]);
    hold(harness, &held).await;
    caps.release(held.id, Usage::Sent).await.unwrap();
    assert_eq!(used(harness, &counters).await, [1, 2]);
}

/// Amounts are counted to the micro, and one step takes from the contract's and the buyer's.
pub async fn money_is_counted_to_the_micro<H: Harness>(harness: &mut H) {
    const BALANCE: i64 = 10_000_000;
    let counters = ["c:b/c/m202611:money", "b:b/d1", "b:b/balance"];
    let at = |price: i64| {
        let lead = LeadId::mint(harness.now(), harness.entropy());
        let counters = vec![
            records::taking(counters[0], price, 8_000_000),
            records::taking(counters[1], 1, 10),
            records::taking(counters[2], price, BALANCE),
        ];
        Reservation {
            id: ReservationId { lead, leg: 1 },
            counters,
        }
    };
    let (one, two) = (at(5_000_001), at(2_999_999));
    for (one, sum) in [(&one, 5_000_001), (&two, 8_000_000)] {
        assert_eq!(hold(harness, one).await, Held::Granted);
        assert_eq!(pin(harness, one).await, Pinned::Pinned);
        assert_eq!(used(harness, &counters[..1]).await, [sum]);
    }
    assert_eq!(hold(harness, &at(1)).await, full(counters[0]));
    assert_eq!(used(harness, &counters).await, [8_000_000, 2, 8_000_000]);
    // Sold for less than was held: what is booked counts, and no more.
    settle(
        harness,
        &one.clone().at_price(Micros::new(3_000_000)),
        Usage::Sold,
    )
    .await;
    assert_eq!(used(harness, &counters).await, [5_999_999, 2, 5_999_999]);
    settle(harness, &two, Usage::Sent).await;
    assert_eq!(used(harness, &counters).await, [3_000_000, 1, 3_000_000]);
    // Another contract of the same buyer may spend the rest of the balance, and no micro of it twice.
    let other = |price: i64| Reservation {
        counters: vec![records::taking(counters[2], price, BALANCE)],
        ..at(price)
    };
    assert_eq!(hold(harness, &other(7_000_001)).await, full(counters[2]));
    assert_eq!(hold(harness, &other(7_000_000)).await, Held::Granted);
    // What was paid in since is there at once.
    let paid_in = Reservation {
        counters: vec![records::taking(counters[2], 1, BALANCE + 1)],
        ..at(1)
    };
    assert_eq!(hold(harness, &at(1)).await, full(counters[2]));
    assert_eq!(hold(harness, &paid_in).await, Held::Granted);
}

/// However they interleave, committed ends at the cap and never passes it on the way.
pub async fn racing_holds_fill_a_cap_to_the_unit<H: Harness>(harness: &mut H) {
    const CAP: i64 = 100;
    let mut racing = JoinSet::new();
    let store = harness.store().clone();
    let now = harness.now();
    let counters =
        Arc::new(["c:b/c/d1", "c:b/c/total"].map(|name| name.parse::<CounterKey>().unwrap()));
    for task in 0..16_u64 {
        let store = store.clone();
        let counters = Arc::clone(&counters);
        let mut leads: Vec<LeadId> = Vec::new();
        for _ in 0..60 {
            leads.push(LeadId::mint(now, harness.entropy()));
        }
        racing.spawn(async move {
            let caps = store.caps();
            let mut sold = 0_i64;
            for (n, lead) in (task..).zip(leads) {
                let uses = [(0, CAP), (1, CAP + 7)];
                let one = Reservation {
                    id: ReservationId { lead, leg: 1 },
                    counters: uses
                        .map(|(at, limit)| records::unit(&counters[at].to_string(), limit))
                        .to_vec(),
                };
                if caps.hold(&one, now, now.plus(HOLD)).await? != Held::Granted {
                    continue;
                }
                tokio::task::yield_now().await;
                if n % 5 == 0 {
                    caps.release(one.id, Usage::Nothing).await?;
                    continue;
                }
                assert_eq!(caps.pin(one.id, now).await?, Pinned::Pinned);
                tokio::task::yield_now().await;
                for used in caps.used(counters.as_slice()).await? {
                    assert!(used <= CAP, "{used} reserved of {CAP}");
                }
                let accepted = n % 3 != 0;
                let usage = match accepted {
                    true => Usage::Sold,
                    false => Usage::Sent,
                };
                caps.settle(&one, usage).await?;
                sold += i64::from(accepted);
            }
            Ok::<i64, StoreError>(sold)
        });
    }
    let sold: i64 = racing
        .join_all()
        .await
        .into_iter()
        .map(Result::unwrap)
        .sum();
    // What is left is filled one by one.
    let mut rest = 0;
    loop {
        let uses = [("c:b/c/d1", CAP), ("c:b/c/total", CAP + 7)];
        let one = reservation(harness, &uses);
        match hold(harness, &one).await {
            Held::Granted => {
                pin(harness, &one).await;
                settle(harness, &one, Usage::Sold).await;
                rest += 1;
            }
            refused => {
                assert_eq!(refused, full("c:b/c/d1"));
                break;
            }
        }
    }
    assert_eq!(sold + rest, CAP);
    assert_eq!(
        used(harness, &["c:b/c/d1", "c:b/c/total"]).await,
        [CAP, CAP]
    );
}

/// A refused post is still counted where posts are, an unsent one is not, and a sale at its price.
pub async fn what_is_used_survives<H: Harness>(harness: &mut H) {
    let counters = ["c:b/c/d1:sent", "c:b/c/d1", "b:b/balance"];
    let claim = ClaimKey("pub/solar/post/k".to_owned());
    let [refused, unsent, sold] = [(); 3].map(|()| {
        let mut one = reservation(harness, &[(counters[0], 5), (counters[1], 5)]);
        one.counters
            .push(records::taking(counters[2], 30_000_000, 90_000_000));
        one
    });
    for one in [&refused, &unsent, &sold] {
        assert_eq!(hold(harness, one).await, Held::Granted);
        assert_eq!(pin(harness, one).await, Pinned::Pinned);
        append(harness, one, records::received(&claim, &[1; 32])).await;
        let posting = records::posting(1, &one.counters, harness.now().plus(HOLD));
        append(harness, one, LeadBody::Posting(posting)).await;
        let (state, status) = match one == &sold {
            true => (LegState::Accepted, LeadStatus::Sold),
            false => (LegState::Rejected, LeadStatus::Unsold),
        };
        let mut reply = records::reply(1, state);
        reply.unsent = one == &unsent;
        append(
            harness,
            one,
            records::outcome(status, None, vec![reply], b""),
        )
        .await;
    }
    if !harness.reopen().await {
        return;
    }
    let usage = [
        (&refused, Usage::Sent),
        (&unsent, Usage::Nothing),
        (&sold, Usage::Sold),
    ];
    for _ in 0..2 {
        assert_eq!(used(harness, &counters).await, [2, 1, 30_000_000]);
        for (one, usage) in usage {
            settle(harness, one, usage).await;
        }
    }
}

/// After a restart the counters are what the log says: a posting is pinned, an accepted leg is
/// committed, a hold is gone.
pub async fn pins_and_commits_survive<H: Harness>(harness: &mut H) {
    let claim = ClaimKey("pub/solar/post/k".to_owned());
    let [posted, sold, refused, held] = [(); 4].map(|()| total(harness, 3));
    for one in [&posted, &sold, &refused] {
        assert_eq!(hold(harness, one).await, Held::Granted);
        assert_eq!(pin(harness, one).await, Pinned::Pinned);
        append(harness, one, records::received(&claim, &[1; 32])).await;
        let reply_by = harness.now().plus(HOLD);
        let posting = LeadBody::Posting(records::posting(1, &one.counters, reply_by));
        append(harness, one, posting).await;
        if one != &posted {
            let (state, usage, status) = match one == &sold {
                true => (LegState::Accepted, Usage::Sold, LeadStatus::Sold),
                false => (LegState::Rejected, Usage::Sent, LeadStatus::Unsold),
            };
            settle(harness, one, usage).await;
            let replies = vec![records::reply(1, state)];
            append(harness, one, records::outcome(status, None, replies, b"")).await;
        }
    }
    assert_eq!(hold(harness, &held).await, Held::Granted);
    assert_eq!(used(harness, &["c:b/c/total"]).await, [3]);
    if !harness.reopen().await {
        return;
    }
    assert_eq!(
        used(harness, &["c:b/c/total"]).await,
        [2],
        "the hold is gone"
    );
    assert_eq!(pin(harness, &held).await, Pinned::Expired);
    // The fold comes once more: nothing counts twice.
    settle(harness, &sold, Usage::Sold).await;
    settle(harness, &refused, Usage::Sent).await;
    assert_eq!(used(harness, &["c:b/c/total"]).await, [2]);
    settle(harness, &posted, Usage::Sent).await;
    assert_eq!(used(harness, &["c:b/c/total"]).await, [1]);
}

async fn append<H: Harness>(harness: &H, one: &Reservation, body: LeadBody) {
    let lead = one.id.lead;
    let record = records::record(lead, 0, harness.now(), body);
    let log = harness.store().log();
    let appended = log.append(
        Topic::Leads,
        key::lead(lead),
        records::bytes(&record),
        Ack::Durable,
    );
    appended.await.unwrap();
}
