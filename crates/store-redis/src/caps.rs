//! Caps in Redis: a step is one script over all counters of a reservation.
//!
//! A reservation is known by its id alone where it is pinned or released, and takes from the counters of
//! a buyer and of a campaign at once: so all of them share one hash tag.

use std::fmt::Write as _;
use std::time::Duration;

use domain::{
    CounterKey, CounterUse, Counts, LeadId, Reservation, ReservationId, Timestamp, Usage,
};
use proto::LeadState;
use redis::Cmd;
use store::{Caps, Held, Pinned, StoreError, counter_kept};

use crate::link::{Call, Link};
use crate::names::Space;
use crate::script;

/// How long what was settled is known: longer than anybody comes back to a lead.
const KEPT: Duration = Duration::from_secs(2 * 24 * 3600);
/// Numbers of a script are exact up to here.
const MOST: i64 = 1 << 53;

/// Caps of a cluster.
#[derive(Debug, Clone)]
pub struct RedisCaps {
    link: Link,
}

impl RedisCaps {
    pub(crate) fn new(link: Link) -> Self {
        Self { link }
    }
}

/// One use per counter, as scripts read them.
struct Uses {
    lines: String,
    limits: Vec<i64>,
    keys: Vec<CounterKey>,
}

impl Uses {
    fn of(reservation: &Reservation) -> Result<Self, StoreError> {
        let mut merged: Vec<CounterUse> = Vec::with_capacity(reservation.counters.len());
        for take in &reservation.counters {
            if !(0..=MOST).contains(&take.amount) {
                return Err(StoreError::Corrupt("no amount of a cap".to_owned()));
            }
            match merged.iter_mut().find(|known| known.key == take.key) {
                Some(known) => {
                    known.amount = known.amount.saturating_add(take.amount);
                    known.limit = known.limit.min(take.limit);
                }
                None => merged.push(take.clone()),
            }
        }
        let mut lines = String::new();
        for take in &merged {
            let sent = u8::from(take.key.meter.counts() == Counts::Sent);
            let kept = counter_kept(take.key.meter.window()).map_or(0, |kept| kept.as_millis());
            // Writing to a string does not fail.
            let _ = writeln!(lines, "{} {sent} {kept} {}", take.amount, take.key);
        }
        Ok(Self {
            lines,
            limits: merged.iter().map(|take| take.limit).collect(),
            keys: merged.into_iter().map(|take| take.key).collect(),
        })
    }
}

/// The phase of a reservation that came to this.
const fn phase(usage: Usage) -> &'static str {
    match usage {
        Usage::Sold => "sold",
        Usage::Sent => "sent",
        Usage::Nothing => "nothing",
    }
}

fn corrupt(said: &str) -> StoreError {
    StoreError::Corrupt(format!("a script of caps said {said:?}"))
}

/// What settling a reservation takes whose lead was made then.
fn settling(
    reservation: &Reservation,
    phase: &'static str,
    made: Timestamp,
) -> Result<impl Fn(&mut Cmd) + Send + Sync, StoreError> {
    let uses = Uses::of(reservation)?;
    let id = reservation.id.to_string();
    Ok(move |command: &mut Cmd| {
        command.arg(&id).arg(phase).arg(KEPT.as_millis() as u64);
        command.arg(&uses.lines).arg(made.as_micros());
    })
}

/// The reservation of a leg as the log left it: settled, or pinned where nobody knows yet. With `all` it counts
/// however old its lead is; else it may have been counted and forgotten.
pub(crate) async fn restore(
    redis: &(impl Call + Sync),
    reservation: &Reservation,
    usage: Option<Usage>,
    all: bool,
) -> Result<(), StoreError> {
    let made = match all {
        true => Timestamp::from_micros(MOST),
        false => reservation.id.lead.time(),
    };
    let phase = usage.map_or("pinned", phase);
    let settling = settling(reservation, phase, made)?;
    redis.call(Space::Caps, &script::SETTLE, settling).await
}

/// Gives back what a hold, or a pin, has not used.
pub(crate) async fn release(
    redis: &(impl Call + Sync),
    id: ReservationId,
    usage: Usage,
) -> Result<(), StoreError> {
    let id = id.to_string();
    let asked = redis.call(Space::Caps, &script::RELEASE, |command| {
        command.arg(&id).arg(phase(usage));
        command.arg(KEPT.as_millis() as u64);
    });
    asked.await
}

/// A lead has ended: what is pinned for it and was never posted is released.
pub(crate) async fn ended(
    redis: &(impl Call + Sync),
    lead: LeadId,
    state: &LeadState,
) -> Result<(), StoreError> {
    let legs: Vec<u32> = state.legs.iter().map(|leg| leg.leg).collect();
    let name = lead.to_string();
    let asked = redis.call(Space::Caps, &script::ENDED, |command| {
        command.arg(&name).arg(KEPT.as_millis() as u64).arg(&legs);
    });
    asked.await
}

impl Caps for RedisCaps {
    async fn hold(
        &self,
        reservation: &Reservation,
        now: Timestamp,
        expires: Timestamp,
    ) -> Result<Held, StoreError> {
        let uses = Uses::of(reservation)?;
        let id = reservation.id.to_string();
        let asked = self.link.call(Space::Caps, &script::HOLD, |command| {
            command
                .arg(&id)
                .arg(now.as_micros())
                .arg(expires.as_micros());
            command.arg(&uses.lines).arg(&uses.limits);
        });
        let said: String = asked.await?;
        match said.as_str() {
            "granted" => Ok(Held::Granted),
            "skew" => Ok(Held::ClockSkew),
            use_ => {
                let at = use_.parse::<usize>().ok().and_then(|at| at.checked_sub(1));
                let key = at.and_then(|at| uses.keys.get(at));
                key.map(|key| Held::Full(key.limit()))
                    .ok_or_else(|| corrupt(use_))
            }
        }
    }

    async fn pin(&self, id: ReservationId, now: Timestamp) -> Result<Pinned, StoreError> {
        let id = id.to_string();
        let asked = self.link.call(Space::Caps, &script::PIN, |command| {
            command.arg(&id).arg(now.as_micros());
        });
        let said: String = asked.await?;
        match said.as_str() {
            "pinned" => Ok(Pinned::Pinned),
            "expired" => Ok(Pinned::Expired),
            other => Err(corrupt(other)),
        }
    }

    async fn release(&self, id: ReservationId, usage: Usage) -> Result<(), StoreError> {
        let id = id.to_string();
        let asked = self.link.call(Space::Caps, &script::RELEASE, |command| {
            command
                .arg(&id)
                .arg(phase(usage))
                .arg(KEPT.as_millis() as u64);
        });
        asked.await
    }

    async fn settle(&self, reservation: &Reservation, usage: Usage) -> Result<(), StoreError> {
        let made = reservation.id.lead.time();
        let settling = settling(reservation, phase(usage), made)?;
        self.link.call(Space::Caps, &script::SETTLE, settling).await
    }

    async fn used(&self, counters: &[CounterKey]) -> Result<Vec<i64>, StoreError> {
        if counters.is_empty() {
            return Ok(Vec::new());
        }
        let names: Vec<String> = counters.iter().map(ToString::to_string).collect();
        let asked = self.link.call(Space::Caps, &script::USED, |command| {
            command.arg(&names);
        });
        asked.await
    }
}
