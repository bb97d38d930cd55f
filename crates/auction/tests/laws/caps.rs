//! A strict store of caps: it counts like the real ones, and remembers every step that none may ask for.

use std::collections::BTreeMap;

use domain::{CounterKey, CounterUse, Limit, Reservation, ReservationId, Timestamp, Usage};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Standing {
    Held,
    Pinned,
    Committed,
    /// Given back, but for what counts posts.
    Sent,
    Released,
}

impl Standing {
    /// Whether a unit is taken.
    fn takes(self, unit: &CounterUse) -> bool {
        match self {
            Self::Held | Self::Pinned | Self::Committed => true,
            Self::Sent => unit.is_used(Usage::Sent),
            Self::Released => false,
        }
    }
}

struct Entry {
    reservation: Reservation,
    standing: Standing,
    until: Timestamp,
}

#[derive(Default)]
pub(crate) struct Caps {
    entries: BTreeMap<ReservationId, Entry>,
    /// All units ever granted, and where they stand: two ways to count the same.
    reserved: i64,
    by_standing: BTreeMap<Standing, i64>,
    faults: Vec<String>,
}

impl Caps {
    /// What is taken of a counter now.
    pub(crate) fn used(&self, counter: &CounterKey) -> i64 {
        let taken = self.entries.values().flat_map(|entry| {
            let units = entry.reservation.counters.iter();
            units.filter(|unit| unit.key == *counter && entry.standing.takes(unit))
        });
        taken.map(|unit| unit.amount).sum()
    }

    pub(crate) fn hold(&mut self, reservation: &Reservation, until: Timestamp) -> Option<Limit> {
        for unit in &reservation.counters {
            if self.used(&unit.key) + unit.amount > unit.limit {
                return Some(unit.key.limit());
            }
        }
        let units = units(reservation);
        self.reserved += units;
        *self.by_standing.entry(Standing::Held).or_default() += units;
        let entry = Entry {
            reservation: reservation.clone(),
            standing: Standing::Held,
            until,
        };
        if self.entries.insert(reservation.id, entry).is_some() {
            self.faults.push(format!("{} held twice", reservation.id));
        }
        None
    }

    /// Pins what is held; false if the hold had expired.
    pub(crate) fn pin(&mut self, id: ReservationId, now: Timestamp) -> bool {
        self.expire(now);
        if self.standing(id) != Some(Standing::Held) {
            return false;
        }
        self.change(id, Standing::Pinned);
        true
    }

    pub(crate) fn commit(&mut self, reservation: &Reservation) {
        self.settle(reservation, &[Standing::Pinned], Standing::Committed);
    }

    pub(crate) fn release(&mut self, reservation: &Reservation, usage: Usage) {
        let to = match usage {
            Usage::Nothing => Standing::Released,
            Usage::Sent => Standing::Sent,
            Usage::Sold => {
                let fault = format!("{} released as sold", reservation.id);
                return self.faults.push(fault);
            }
        };
        // A hold may have expired meanwhile, and giving back twice is giving back once.
        let from = [Standing::Held, Standing::Pinned, to];
        let sent = to == Standing::Sent;
        self.settle(reservation, &from[usize::from(sent)..], to);
    }

    fn settle(&mut self, reservation: &Reservation, from: &[Standing], to: Standing) {
        let id = reservation.id;
        match self.standing(id) {
            Some(standing) if from.contains(&standing) => self.change(id, to),
            other => self.faults.push(format!("{id} {to:?} from {other:?}")),
        }
    }

    /// Holds that nobody pinned in time are free again.
    pub(crate) fn expire(&mut self, now: Timestamp) {
        let late = |entry: &Entry| entry.standing == Standing::Held && now >= entry.until;
        let late = self.entries.iter().filter(|(_, entry)| late(entry));
        let late: Vec<_> = late.map(|(id, _)| *id).collect();
        for id in late {
            self.change(id, Standing::Released);
        }
    }

    fn change(&mut self, id: ReservationId, to: Standing) {
        if let Some(entry) = self.entries.get_mut(&id) {
            let units = units(&entry.reservation);
            *self.by_standing.entry(entry.standing).or_default() -= units;
            *self.by_standing.entry(to).or_default() += units;
            entry.standing = to;
        }
    }

    fn standing(&self, id: ReservationId) -> Option<Standing> {
        self.entries.get(&id).map(|entry| entry.standing)
    }

    /// reserved = committed + released + pinned + held, and no step that makes no sense was asked for.
    pub(crate) fn audit(&self) {
        assert!(self.faults.is_empty(), "{:?}", self.faults);
        assert_eq!(self.reserved, self.by_standing.values().sum::<i64>());
    }

    pub(crate) fn all(&self, standing: Standing) -> impl Iterator<Item = ReservationId> {
        let these = self.entries.iter();
        let these = these.filter(move |(_, entry)| entry.standing == standing);
        these.map(|(id, _)| *id)
    }
}

fn units(reservation: &Reservation) -> i64 {
    reservation.counters.iter().map(|unit| unit.amount).sum()
}
