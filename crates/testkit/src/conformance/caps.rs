//! Caps.

use std::sync::Arc;
use std::time::Duration;

use domain::{CapWindow, LeadId, LegState, Reservation, ReservationId, Settlement, Timestamp};
use proto::LeadBody;
use store::{Ack, Backend, Caps, ClaimKey, EventLog, Held, Pinned, StoreError, Topic, key};
use tokio::task::JoinSet;

use super::Harness;
use crate::records;

const HOLD: Duration = Duration::from_secs(30);

/// A reservation of one unit of each counter `(name, window, limit)`.
fn reservation<H: Harness>(harness: &H, counters: &[(&str, CapWindow, i64)]) -> Reservation {
    let lead = LeadId::mint(harness.now(), harness.entropy());
    Reservation {
        id: ReservationId { lead, leg: 1 },
        counters: counters
            .iter()
            .map(|(counter, window, limit)| records::unit(counter, *window, *limit))
            .collect(),
    }
}

fn total<H: Harness>(harness: &H, limit: i64) -> Reservation {
    reservation(harness, &[("c/total", CapWindow::Total, limit)])
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

async fn settle<H: Harness>(harness: &H, reservation: &Reservation, settlement: Settlement) {
    let caps = harness.store().caps();
    caps.settle(reservation, settlement).await.unwrap();
}

async fn used<H: Harness>(harness: &H, counters: &[&str]) -> Vec<i64> {
    let names: Vec<String> = counters.iter().map(|name| (*name).to_owned()).collect();
    harness.store().caps().used(&names).await.unwrap()
}

/// All counters of a contract are taken in one step.
pub async fn a_hold_takes_all_counters_or_none<H: Harness>(harness: &mut H) {
    let counters = ["c/d20261122", "c/total", "b/d20261122"];
    let of = |limit| {
        reservation(
            harness,
            &[
                (counters[0], CapWindow::Day, 10),
                (counters[1], CapWindow::Total, 10),
                (counters[2], CapWindow::Day, limit),
            ],
        )
    };
    assert_eq!(hold(harness, &of(1)).await, Held::Granted);
    assert_eq!(used(harness, &counters).await, [1, 1, 1]);
    assert_eq!(hold(harness, &of(1)).await, Held::Full(CapWindow::Day));
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
    let of = |day, all| {
        reservation(
            harness,
            &[
                ("c/d1", CapWindow::Day, day),
                ("c/total", CapWindow::Total, all),
            ],
        )
    };
    assert_eq!(hold(harness, &of(0, 5)).await, Held::Full(CapWindow::Day));
    assert_eq!(hold(harness, &of(5, 0)).await, Held::Full(CapWindow::Total));
    assert_eq!(used(harness, &["c/d1", "c/total"]).await, [0, 0]);
}

/// Every step may be repeated.
pub async fn asking_twice_is_asking_once<H: Harness>(harness: &mut H) {
    let one = total(harness, 5);
    for _ in 0..2 {
        assert_eq!(hold(harness, &one).await, Held::Granted);
        assert_eq!(used(harness, &["c/total"]).await, [1]);
    }
    for _ in 0..2 {
        assert_eq!(pin(harness, &one).await, Pinned::Pinned);
        assert_eq!(used(harness, &["c/total"]).await, [1]);
    }
    assert_eq!(hold(harness, &one).await, Held::Granted);
    assert_eq!(used(harness, &["c/total"]).await, [1]);
    for _ in 0..2 {
        settle(harness, &one, Settlement::Accepted).await;
        assert_eq!(used(harness, &["c/total"]).await, [1]);
    }
    harness.store().caps().release(one.id).await.unwrap();
    assert_eq!(
        used(harness, &["c/total"]).await,
        [1],
        "what is settled is not released"
    );
}

/// A hold that has run out stands in nobody's way.
pub async fn a_hold_expires<H: Harness>(harness: &mut H) {
    let (one, two) = (total(harness, 1), total(harness, 1));
    assert_eq!(hold(harness, &one).await, Held::Granted);
    assert_eq!(hold(harness, &two).await, Held::Full(CapWindow::Total));
    harness.advance(HOLD + Duration::from_secs(1)).await;
    assert_eq!(hold(harness, &two).await, Held::Granted);
    assert_eq!(pin(harness, &one).await, Pinned::Expired);
    assert_eq!(pin(harness, &two).await, Pinned::Pinned);
    assert_eq!(used(harness, &["c/total"]).await, [1]);
}

/// Only settlement ends a pin.
pub async fn a_pin_does_not<H: Harness>(harness: &mut H) {
    let one = total(harness, 1);
    hold(harness, &one).await;
    assert_eq!(pin(harness, &one).await, Pinned::Pinned);
    harness.advance(HOLD * 100).await;
    assert_eq!(
        hold(harness, &total(harness, 1)).await,
        Held::Full(CapWindow::Total)
    );
    settle(harness, &one, Settlement::Rejected).await;
    assert_eq!(hold(harness, &total(harness, 1)).await, Held::Granted);
}

/// Also when nobody else wanted the place; and it can be held again.
pub async fn an_expired_hold_cannot_be_pinned<H: Harness>(harness: &mut H) {
    let one = total(harness, 1);
    hold(harness, &one).await;
    harness.advance(HOLD + Duration::from_secs(1)).await;
    assert_eq!(pin(harness, &one).await, Pinned::Expired);
    assert_eq!(used(harness, &["c/total"]).await, [0]);
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
        caps.release(id).await.unwrap();
    }
    assert_eq!(used(harness, &["c/total"]).await, [0]);
    assert_eq!(pin(harness, &one).await, Pinned::Expired);
}

/// The final settlement replaces a provisional one, whatever that was.
pub async fn the_last_settlement_counts_once<H: Harness>(harness: &mut H) {
    use Settlement::{Accepted, Rejected};
    let one = total(harness, 5);
    hold(harness, &one).await;
    pin(harness, &one).await;
    for (settlement, count) in [(Accepted, 1), (Rejected, 0), (Rejected, 0), (Accepted, 1)] {
        settle(harness, &one, settlement).await;
        assert_eq!(
            used(harness, &["c/total"]).await,
            [count],
            "after {settlement:?}"
        );
    }
}

/// A store that never saw the reservation counts it all the same, and once.
pub async fn a_settlement_may_come_first<H: Harness>(harness: &mut H) {
    let (one, two) = (total(harness, 5), total(harness, 5));
    for _ in 0..2 {
        settle(harness, &one, Settlement::Accepted).await;
        settle(harness, &two, Settlement::Rejected).await;
        assert_eq!(used(harness, &["c/total"]).await, [1]);
    }
    assert_eq!(hold(harness, &one).await, Held::Granted);
    assert_eq!(used(harness, &["c/total"]).await, [1]);
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

/// However they interleave, committed ends at the cap and never passes it on the way.
pub async fn racing_holds_fill_a_cap_to_the_unit<H: Harness>(harness: &mut H) {
    const CAP: i64 = 100;
    let mut racing = JoinSet::new();
    let store = harness.store().clone();
    let now = harness.now();
    let counters = Arc::new(["c/d1", "c/total"].map(str::to_owned));
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
                let uses = [(0, CapWindow::Day, CAP), (1, CapWindow::Total, CAP + 7)];
                let one = Reservation {
                    id: ReservationId { lead, leg: 1 },
                    counters: uses
                        .map(|(at, window, limit)| records::unit(&counters[at], window, limit))
                        .to_vec(),
                };
                if caps.hold(&one, now, now.plus(HOLD)).await? != Held::Granted {
                    continue;
                }
                tokio::task::yield_now().await;
                if n % 5 == 0 {
                    caps.release(one.id).await?;
                    continue;
                }
                assert_eq!(caps.pin(one.id, now).await?, Pinned::Pinned);
                tokio::task::yield_now().await;
                for used in caps.used(counters.as_slice()).await? {
                    assert!(used <= CAP, "{used} reserved of {CAP}");
                }
                let accepted = n % 3 != 0;
                let settlement = match accepted {
                    true => Settlement::Accepted,
                    false => Settlement::Rejected,
                };
                caps.settle(&one, settlement).await?;
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
        let uses = [
            ("c/d1", CapWindow::Day, CAP),
            ("c/total", CapWindow::Total, CAP + 7),
        ];
        let one = reservation(harness, &uses);
        match hold(harness, &one).await {
            Held::Granted => {
                pin(harness, &one).await;
                settle(harness, &one, Settlement::Accepted).await;
                rest += 1;
            }
            full => {
                assert_eq!(full, Held::Full(CapWindow::Day));
                break;
            }
        }
    }
    assert_eq!(sold + rest, CAP);
    assert_eq!(used(harness, &["c/d1", "c/total"]).await, [CAP, CAP]);
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
            let (state, settlement) = match one == &sold {
                true => (LegState::Accepted, Settlement::Accepted),
                false => (LegState::Rejected, Settlement::Rejected),
            };
            settle(harness, one, settlement).await;
            let replies = vec![records::reply(1, state)];
            let status = match settlement {
                Settlement::Accepted => domain::LeadStatus::Sold,
                Settlement::Rejected => domain::LeadStatus::Unsold,
            };
            append(harness, one, records::outcome(status, None, replies, b"")).await;
        }
    }
    assert_eq!(hold(harness, &held).await, Held::Granted);
    assert_eq!(used(harness, &["c/total"]).await, [3]);
    if !harness.reopen().await {
        return;
    }
    assert_eq!(used(harness, &["c/total"]).await, [2], "the hold is gone");
    assert_eq!(pin(harness, &held).await, Pinned::Expired);
    // The fold comes once more: nothing counts twice.
    settle(harness, &sold, Settlement::Accepted).await;
    settle(harness, &refused, Settlement::Rejected).await;
    assert_eq!(used(harness, &["c/total"]).await, [2]);
    settle(harness, &posted, Settlement::Rejected).await;
    assert_eq!(used(harness, &["c/total"]).await, [1]);
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
