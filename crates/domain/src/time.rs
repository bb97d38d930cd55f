//! Wall time ([`Timestamp`], for events) and monotonic time ([`Mono`], for deadlines) are two types.

use std::fmt;
use std::time::Duration;

use jiff::civil::DateTime;
use jiff::{SignedDuration, tz::TimeZone};

/// Text is no RFC 3339 time, or a zone has no such name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// Not an RFC 3339 time.
    #[error("not an RFC 3339 time")]
    NotRfc3339,
    /// Not a name of the time zone database.
    #[error("unknown time zone {0:?}")]
    UnknownZone(String),
}

/// Wall time in microseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From microseconds since the epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the epoch.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Whole milliseconds since the epoch.
    pub const fn as_millis(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Reads RFC 3339.
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        let at: jiff::Timestamp = text.parse().map_err(|_| TimeError::NotRfc3339)?;
        Ok(Self(at.as_microsecond()))
    }

    /// This time and a span, saturating.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)),
        )
    }

    /// This time less a span, saturating.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Self(
            self.0
                .saturating_sub(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)),
        )
    }

    /// How long `earlier` lies back; zero if it does not.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    pub(crate) fn to_jiff(self) -> jiff::Timestamp {
        let span = SignedDuration::from_micros(self.0);
        jiff::Timestamp::from_duration(span).unwrap_or(if self.0 < 0 {
            jiff::Timestamp::MIN
        } else {
            jiff::Timestamp::MAX
        })
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC with milliseconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.to_jiff())
    }
}

/// Monotonic time: microseconds since an arbitrary start of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Mono(u64);

impl Mono {
    /// From microseconds since the start.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Microseconds since the start.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// This time and a span, saturating.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(
            self.0
                .saturating_add(u64::try_from(span.as_micros()).unwrap_or(u64::MAX)),
        )
    }

    /// This time less a span, not below the start.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Self(
            self.0
                .saturating_sub(u64::try_from(span.as_micros()).unwrap_or(u64::MAX)),
        )
    }

    /// The span from `earlier` to this; zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

/// A time zone of the IANA database, which is bundled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone(TimeZone);

impl Zone {
    /// Looks a zone up by its IANA name, say `America/Chicago`.
    pub fn parse(name: &str) -> Result<Self, TimeError> {
        TimeZone::get(name)
            .map(Self)
            .map_err(|_| TimeError::UnknownZone(name.to_owned()))
    }

    /// Coordinated universal time.
    pub fn utc() -> Self {
        Self(TimeZone::UTC)
    }

    pub(crate) fn offset_at(&self, at: Timestamp) -> jiff::tz::Offset {
        self.0.to_offset(at.to_jiff())
    }

    /// The calendar day of `at` in this zone, as `YYYYMMDD`.
    pub fn day(&self, at: Timestamp) -> u32 {
        let date = self.civil(at).date();
        let year = u32::try_from(date.year()).unwrap_or(0);
        year * 10_000
            + u32::from(date.month().unsigned_abs()) * 100
            + u32::from(date.day().unsigned_abs())
    }

    /// What a clock in this zone shows at `at`.
    pub(crate) fn civil(&self, at: Timestamp) -> DateTime {
        self.0.to_datetime(at.to_jiff())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_rfc3339() {
        let at = Timestamp::parse("2026-11-22T03:04:05.678+01:00").unwrap();
        assert_eq!(at.to_string(), "2026-11-22T02:04:05.678Z");
        assert_eq!(Timestamp::parse("yesterday"), Err(TimeError::NotRfc3339));
    }

    #[test]
    fn a_day_is_a_calendar_day_of_the_zone() {
        let at = Timestamp::parse("2026-11-22T03:30:00Z").unwrap();
        assert_eq!(Zone::utc().day(at), 20_261_122);
        assert_eq!(Zone::parse("America/Chicago").unwrap().day(at), 20_261_121);
        assert!(Zone::parse("Mars/Olympus").is_err());
    }
}
