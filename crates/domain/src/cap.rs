//! Caps and balances by name: over which window, of what, whose, and which counter keeps count.
//!
//! A counter belongs to one calendar window, and its name says which: a unit taken today stays in
//! today's counter whenever its lead ends.

use std::fmt;
use std::str::FromStr;

use jiff::civil::DateTime;
use jiff::tz::Offset;
use jiff::{SignedDuration, Span};

use crate::{BuyerName, CampaignName, ContractName, PublisherName, Timestamp, Zone};

/// The window over which a cap counts; the window's key is fixed when the hold is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CapWindow {
    /// A clock hour. Where clocks are set back, the hour that comes twice is two windows.
    Hour,
    /// A calendar day, of 23 or 25 hours too.
    Day,
    /// Monday to Sunday.
    Week,
    /// A calendar month.
    Month,
    /// For ever.
    Total,
}

impl CapWindow {
    /// All of them, shortest first.
    pub const ALL: [Self; 5] = [Self::Hour, Self::Day, Self::Week, Self::Month, Self::Total];

    /// The window's name as in the catalog and in `cap(day)`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Total => "total",
        }
    }
}

/// What a cap counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CapUnit {
    /// Leads.
    Leads,
    /// Micros of what the buyer pays.
    Money,
}

/// When a unit is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Counts {
    /// When the lead is sold.
    Sold,
    /// When the post has left, whatever the answer.
    Sent,
}

/// Whose leads a cap counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CapScope {
    /// All of a contract.
    Contract,
    /// Those of one publisher on a contract.
    Publisher,
    /// All of a buyer.
    Buyer,
    /// Those of one publisher on a campaign, whoever buys them.
    Campaign,
}

impl CapScope {
    /// The word in `cap(buyer day)`; none for a contract's own.
    const fn word(self) -> &'static str {
        match self {
            Self::Contract => "",
            Self::Publisher => "publisher ",
            Self::Buyer => "buyer ",
            Self::Campaign => "campaign ",
        }
    }
}

/// What a counter measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Meter {
    /// A cap's units.
    Cap {
        /// Over which window.
        window: CapWindow,
        /// Leads or money.
        unit: CapUnit,
        /// When a unit is used up.
        counts: Counts,
    },
    /// What a buyer spends of what it has paid in, and of its credit.
    Balance,
}

impl Meter {
    /// What it counts.
    pub const fn unit(self) -> CapUnit {
        match self {
            Self::Cap { unit, .. } => unit,
            Self::Balance => CapUnit::Money,
        }
    }

    /// When a unit is used up.
    pub const fn counts(self) -> Counts {
        match self {
            Self::Cap { counts, .. } => counts,
            Self::Balance => Counts::Sold,
        }
    }

    /// Over which window.
    pub const fn window(self) -> CapWindow {
        match self {
            Self::Cap { window, .. } => window,
            Self::Balance => CapWindow::Total,
        }
    }
}

/// A limit as reasons name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Limit {
    /// Whose.
    pub scope: CapScope,
    /// What it measures.
    pub meter: Meter,
}

impl fmt::Display for Limit {
    /// `day`, `month money`, `buyer week sent`, `balance`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Meter::Cap {
            window,
            unit,
            counts,
        } = self.meter
        else {
            return f.write_str("balance");
        };
        f.write_str(self.scope.word())?;
        f.write_str(window.as_str())?;
        if unit == CapUnit::Money {
            f.write_str(" money")?;
        }
        if counts == Counts::Sent {
            f.write_str(" sent")?;
        }
        Ok(())
    }
}

/// Whose counter it is. All of a buyer's are kept together: one hold takes from them in one step.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CounterOwner {
    /// A contract.
    Contract(BuyerName, ContractName),
    /// One publisher on a contract.
    Publisher(BuyerName, ContractName, PublisherName),
    /// A buyer.
    Buyer(BuyerName),
    /// One publisher on a campaign.
    Campaign(CampaignName, PublisherName),
}

impl CounterOwner {
    /// The scope of its caps.
    pub const fn scope(&self) -> CapScope {
        match self {
            Self::Contract(..) => CapScope::Contract,
            Self::Publisher(..) => CapScope::Publisher,
            Self::Buyer(_) => CapScope::Buyer,
            Self::Campaign(..) => CapScope::Campaign,
        }
    }

    /// What its counters are kept together by.
    pub fn group(&self) -> &str {
        match self {
            Self::Contract(buyer, _) | Self::Publisher(buyer, _, _) | Self::Buyer(buyer) => {
                buyer.as_str()
            }
            Self::Campaign(campaign, _) => campaign.as_str(),
        }
    }
}

/// The name of a counter: whose, of what, and in which calendar window.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CounterKey {
    /// Whose.
    pub owner: CounterOwner,
    /// What it measures.
    pub meter: Meter,
    /// The window's digits; 0 for what has no end.
    pub period: u64,
}

impl CounterKey {
    /// The limit it is kept for.
    pub const fn limit(&self) -> Limit {
        Limit {
            scope: self.owner.scope(),
            meter: self.meter,
        }
    }
}

impl fmt::Display for CounterKey {
    /// `c:buyer/contract/d20261122`, `b:buyer/m202611:money:sent`, `b:buyer/balance`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.owner {
            CounterOwner::Contract(buyer, contract) => write!(f, "c:{buyer}/{contract}/")?,
            CounterOwner::Publisher(buyer, contract, publisher) => {
                write!(f, "p:{buyer}/{contract}/{publisher}/")?;
            }
            CounterOwner::Buyer(buyer) => write!(f, "b:{buyer}/")?,
            CounterOwner::Campaign(campaign, publisher) => write!(f, "s:{campaign}/{publisher}/")?,
        }
        let Meter::Cap {
            window,
            unit,
            counts,
        } = self.meter
        else {
            return f.write_str("balance");
        };
        let period = self.period;
        match window {
            CapWindow::Hour => write!(f, "h{period}")?,
            CapWindow::Day => write!(f, "d{period}")?,
            CapWindow::Week => write!(f, "w{period}")?,
            CapWindow::Month => write!(f, "m{period}")?,
            CapWindow::Total => f.write_str("total")?,
        }
        if unit == CapUnit::Money {
            f.write_str(":money")?;
        }
        if counts == Counts::Sent {
            f.write_str(":sent")?;
        }
        Ok(())
    }
}

/// Text is no counter's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the name of a counter")]
pub struct CounterKeyError;

impl FromStr for CounterKey {
    type Err = CounterKeyError;

    fn from_str(text: &str) -> Result<Self, CounterKeyError> {
        read_key(text).ok_or(CounterKeyError)
    }
}

fn read_key(text: &str) -> Option<CounterKey> {
    let (scope, rest) = text.split_once(':')?;
    let (names, meter) = rest.rsplit_once('/')?;
    let mut names = names.split('/');
    let mut name = || names.next();
    let owner = match scope {
        "c" => CounterOwner::Contract(name()?.parse().ok()?, name()?.parse().ok()?),
        "p" => CounterOwner::Publisher(
            name()?.parse().ok()?,
            name()?.parse().ok()?,
            name()?.parse().ok()?,
        ),
        "b" => CounterOwner::Buyer(name()?.parse().ok()?),
        "s" => CounterOwner::Campaign(name()?.parse().ok()?, name()?.parse().ok()?),
        _ => return None,
    };
    if name().is_some() {
        return None;
    }
    let (meter, period) = read_meter(meter)?;
    Some(CounterKey {
        owner,
        meter,
        period,
    })
}

fn read_meter(text: &str) -> Option<(Meter, u64)> {
    if text == "balance" {
        return Some((Meter::Balance, 0));
    }
    let (text, counts) = match text.strip_suffix(":sent") {
        Some(text) => (text, Counts::Sent),
        None => (text, Counts::Sold),
    };
    let (text, unit) = match text.strip_suffix(":money") {
        Some(text) => (text, CapUnit::Money),
        None => (text, CapUnit::Leads),
    };
    let (window, period) = match (text.get(..1)?, text.get(1..)?) {
        ("h", digits) => (CapWindow::Hour, digits.parse().ok()?),
        ("d", digits) => (CapWindow::Day, digits.parse().ok()?),
        ("w", digits) => (CapWindow::Week, digits.parse().ok()?),
        ("m", digits) => (CapWindow::Month, digits.parse().ok()?),
        _ if text == "total" => (CapWindow::Total, 0),
        _ => return None,
    };
    let meter = Meter::Cap {
        window,
        unit,
        counts,
    };
    Some((meter, period))
}

/// The calendar around one moment in one zone, from which windows get their digits.
#[derive(Debug, Clone, Copy)]
pub struct Calendar {
    at: Timestamp,
    local: DateTime,
}

impl Calendar {
    /// The calendar at `at` in `zone`.
    pub fn of(at: Timestamp, zone: &Zone) -> Self {
        Self {
            at,
            local: zone.civil(at),
        }
    }

    /// The digits of the window that the moment falls into: of a day its date, of a week its
    /// Monday's, of an hour its beginning in UTC, which is another one when the hour comes again.
    pub fn period(&self, window: CapWindow) -> u64 {
        let day = self.local.date();
        match window {
            CapWindow::Hour => {
                let (minute, second) = (self.local.minute(), self.local.second());
                let into = i64::from(minute) * 60 + i64::from(second);
                let begins = self.at.to_jiff() - SignedDuration::from_secs(into);
                let utc = Offset::UTC.to_datetime(begins);
                let (hour, minute) = (number(utc.hour()), number(utc.minute()));
                date(utc.date()) * 10_000 + hour * 100 + minute
            }
            CapWindow::Day => date(day),
            CapWindow::Week => {
                let since_monday = day.weekday().to_monday_zero_offset();
                let monday = day.saturating_sub(Span::new().days(since_monday));
                date(monday)
            }
            CapWindow::Month => date(day) / 100,
            CapWindow::Total => 0,
        }
    }
}

fn number(digits: impl Into<i64>) -> u64 {
    u64::try_from(digits.into()).unwrap_or(0)
}

fn date(day: jiff::civil::Date) -> u64 {
    number(day.year()) * 10_000 + number(day.month()) * 100 + number(day.day())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn period(window: CapWindow, at: &str, zone: &str) -> u64 {
        let at = Timestamp::parse(at).unwrap();
        Calendar::of(at, &Zone::parse(zone).unwrap()).period(window)
    }

    #[test]
    fn windows_are_the_zones() {
        let at = "2026-11-22T03:30:00Z";
        let all = |zone| CapWindow::ALL.map(|window| period(window, at, zone));
        assert_eq!(
            all("UTC"),
            [202_611_220_300, 20_261_122, 20_261_116, 202_611, 0]
        );
        assert_eq!(
            all("America/Chicago"),
            [202_611_220_300, 20_261_121, 20_261_116, 202_611, 0]
        );
        // Half an hour off: 09:00 there is 03:30 here.
        assert_eq!(all("Asia/Kolkata")[0], 202_611_220_330);
    }

    #[test]
    fn weeks_begin_on_monday_and_months_on_their_first() {
        let week = |at| period(CapWindow::Week, at, "UTC");
        assert_eq!(week("2026-11-22T23:59:59Z"), 20_261_116);
        assert_eq!(week("2026-11-23T00:00:00Z"), 20_261_123);
        assert_eq!(week("2027-01-01T12:00:00Z"), 20_261_228);
        let month = |at| period(CapWindow::Month, at, "America/New_York");
        assert_eq!(month("2026-12-01T04:59:59Z"), 202_611);
        assert_eq!(month("2026-12-01T05:00:00Z"), 202_612);
    }

    #[test]
    fn a_day_may_have_25_hours_or_23() {
        let zone = Zone::parse("America/Chicago").unwrap();
        let hours = |day: &str| {
            let start = Timestamp::parse(day).unwrap();
            let mut hours = std::collections::BTreeSet::new();
            for minute in 0..26 * 60 {
                let at = start.plus(std::time::Duration::from_secs(minute * 60));
                let calendar = Calendar::of(at, &zone);
                if calendar.period(CapWindow::Day)
                    == Calendar::of(start, &zone).period(CapWindow::Day)
                {
                    hours.insert(calendar.period(CapWindow::Hour));
                }
            }
            hours.len()
        };
        // Midnight in Chicago.
        assert_eq!(hours("2026-11-01T05:00:00Z"), 25, "clocks go back");
        assert_eq!(hours("2026-03-08T06:00:00Z"), 23, "clocks go forward");
        assert_eq!(hours("2026-07-01T05:00:00Z"), 24);
    }

    #[test]
    fn names_of_counters_read_back() {
        for text in [
            "c:b-1/c.1/d20261122",
            "p:b-1/c.1/pub/h202611220300:sent",
            "b:b-1/m202611:money:sent",
            "b:b-1/w20261116:money",
            "b:b-1/balance",
            "s:camp/pub/total",
        ] {
            assert_eq!(text.parse::<CounterKey>().unwrap().to_string(), text);
        }
        for bad in [
            "",
            "c:b/d1",
            "b:b/c/d1",
            "x:b/d1",
            "b:b/",
            "b:b/y1",
            "b:b/d",
            "b:b/d1:sent:money",
            "b:B/d1",
            "é",
        ] {
            assert_eq!(bad.parse::<CounterKey>(), Err(CounterKeyError), "{bad:?}");
        }
    }

    #[test]
    fn reasons_name_the_limit() {
        let limit = |text: &str| text.parse::<CounterKey>().unwrap().limit().to_string();
        assert_eq!(limit("c:b/c/d1"), "day");
        assert_eq!(limit("c:b/c/m1:money"), "month money");
        assert_eq!(limit("b:b/w1:sent"), "buyer week sent");
        assert_eq!(limit("p:b/c/p/h1"), "publisher hour");
        assert_eq!(limit("s:c/p/total"), "campaign total");
        assert_eq!(limit("b:b/balance"), "balance");
    }
}
