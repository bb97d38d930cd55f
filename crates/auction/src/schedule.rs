//! When a contract takes leads: rows of days and hours, and dates on which it takes none, all as
//! calendar and clock of its zone show them.
//!
//! A row whose end is not after its begin goes on over midnight: its hours before midnight are those
//! of its days, its hours after midnight those of the days that follow. Where clocks are put back, an
//! hour that a row takes is taken twice; where they are put forward, the hour that never comes is
//! not missed.

use std::collections::BTreeSet;

use domain::{CalendarDate, LocalTime, Weekday};

/// When a contract takes leads. The default is always.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Schedule {
    rows: Vec<ScheduleRow>,
    blackout: BTreeSet<CalendarDate>,
}

/// Days and hours.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ScheduleRow {
    /// On these days.
    pub days: BTreeSet<Weekday>,
    /// From this minute of the day.
    pub from: u16,
    /// Until before this minute, at most 1440; not after `from`: over midnight.
    pub to: u16,
}

impl Schedule {
    /// A schedule of these rows, without these dates; without rows it is every minute of every day.
    pub fn new(rows: Vec<ScheduleRow>, blackout: BTreeSet<CalendarDate>) -> Self {
        Self { rows, blackout }
    }

    /// Whether it is always.
    pub(crate) fn is_always(&self) -> bool {
        self.rows.is_empty() && self.blackout.is_empty()
    }

    /// Whether leads are taken at a local time.
    pub fn is_open(&self, local: &LocalTime) -> bool {
        let in_a_row = || self.rows.is_empty() || self.rows.iter().any(|row| row.is_open(local));
        !self.blackout.contains(&local.date) && in_a_row()
    }
}

impl ScheduleRow {
    fn is_open(&self, local: &LocalTime) -> bool {
        let today = || self.days.contains(&local.weekday);
        let began_yesterday = || self.days.contains(&local.weekday.yesterday());
        if self.from < self.to {
            (self.from..self.to).contains(&local.minute) && today()
        } else {
            (local.minute >= self.from && today()) || (local.minute < self.to && began_yesterday())
        }
    }
}

#[cfg(test)]
mod tests;
