//! Calendar and clock of a zone at an instant: what a person there reads off the wall.

use jiff::civil::Date;

use crate::{Timestamp, Zone};

/// A local date, day of the week and minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalTime {
    /// The date.
    pub date: CalendarDate,
    /// The day of the week.
    pub weekday: Weekday,
    /// Minutes since midnight as the clock shows them, 0 to 1439: where clocks are put back an hour
    /// of them comes twice, where they are put forward one is left out.
    pub minute: u16,
}

/// A date without a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CalendarDate(Date);

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Weekday {
    /// Monday.
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
}

impl Weekday {
    /// All of them, Monday first.
    pub const ALL: [Self; 7] = [
        Self::Mon,
        Self::Tue,
        Self::Wed,
        Self::Thu,
        Self::Fri,
        Self::Sat,
        Self::Sun,
    ];

    /// `mon` to `sun`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mon => "mon",
            Self::Tue => "tue",
            Self::Wed => "wed",
            Self::Thu => "thu",
            Self::Fri => "fri",
            Self::Sat => "sat",
            Self::Sun => "sun",
        }
    }

    /// The day before.
    #[must_use]
    pub const fn yesterday(self) -> Self {
        match self {
            Self::Mon => Self::Sun,
            Self::Tue => Self::Mon,
            Self::Wed => Self::Tue,
            Self::Thu => Self::Wed,
            Self::Fri => Self::Thu,
            Self::Sat => Self::Fri,
            Self::Sun => Self::Sat,
        }
    }
}

impl CalendarDate {
    /// Reads `2026-12-25`.
    pub fn parse(text: &str) -> Option<Self> {
        let iso = text.len() == 10;
        text.parse().ok().filter(|_| iso).map(Self)
    }
}

impl Zone {
    /// What calendar and clock of this zone show at `at`.
    pub fn local(&self, at: Timestamp) -> LocalTime {
        let local = self.offset_at(at).to_datetime(at.to_jiff());
        let weekday = match local.weekday() {
            jiff::civil::Weekday::Monday => Weekday::Mon,
            jiff::civil::Weekday::Tuesday => Weekday::Tue,
            jiff::civil::Weekday::Wednesday => Weekday::Wed,
            jiff::civil::Weekday::Thursday => Weekday::Thu,
            jiff::civil::Weekday::Friday => Weekday::Fri,
            jiff::civil::Weekday::Saturday => Weekday::Sat,
            jiff::civil::Weekday::Sunday => Weekday::Sun,
        };
        let minutes = |part: i8| u16::from(part.unsigned_abs());
        LocalTime {
            date: CalendarDate(local.date()),
            weekday,
            minute: minutes(local.hour()) * 60 + minutes(local.minute()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wall_of_a_zone() {
        let chicago = Zone::parse("America/Chicago").unwrap();
        let at = |text| chicago.local(Timestamp::parse(text).unwrap());
        let before = at("2026-03-08T07:59:59Z");
        assert_eq!((before.weekday, before.minute), (Weekday::Sun, 119));
        assert_eq!(at("2026-03-08T08:00:00Z").minute, 180);
        let twice = ["2026-11-01T06:30:00Z", "2026-11-01T07:30:00Z"];
        assert_eq!(twice.map(|text| at(text).minute), [90, 90]);
        let late = at("2026-01-01T05:59:00Z");
        assert_eq!((late.weekday, late.minute), (Weekday::Wed, 1439));
        assert_eq!(Some(late.date), CalendarDate::parse("2025-12-31"));
    }

    #[test]
    fn dates_are_iso() {
        for bad in [
            "",
            "2026-02-30",
            "26-01-01",
            "2026-1-1",
            "20260101",
            "2026-01-01T00",
        ] {
            assert_eq!(CalendarDate::parse(bad), None, "{bad}");
        }
    }
}
