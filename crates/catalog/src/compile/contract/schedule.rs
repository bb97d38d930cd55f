//! Schedules: rows of days and hours, and blackout dates, in the contract's zone.

use std::collections::BTreeSet;

use auction::{Schedule, ScheduleRow};
use domain::{CalendarDate, Weekday};

use crate::reader::{Cursor, Table};

const DAYS: &str = "expected a day like \"mon\", or days like \"mon..fri\"";
const TIME: &str = "expected a time of day from \"00:00\" to \"24:00\"";

/// `schedule = [{ days = ["mon..fri"], from = "08:00", to = "20:00" }]` and
/// `blackout = ["2026-12-25"]`.
pub(super) fn schedule(table: &mut Table<'_>) -> Option<Schedule> {
    let rows = table.or("schedule", Vec::new(), |c| {
        let items = c.some_items("row")?;
        let read: Vec<_> = items.iter().map(|c| c.read_table(row)).collect();
        read.into_iter().collect()
    });
    let blackout = table.or("blackout", BTreeSet::new(), |c| {
        let date = |c: &Cursor<'_>| {
            c.with(|text| {
                CalendarDate::parse(text)
                    .ok_or_else(|| "expected a date like 2026-12-25".to_owned())
            })
        };
        let read: Vec<_> = c.items().iter().map(date).collect();
        read.into_iter().collect()
    });
    Some(Schedule::new(rows?, blackout?))
}

fn row(table: &mut Table<'_>) -> Option<ScheduleRow> {
    let days = table.or("days", BTreeSet::from(Weekday::ALL), |c| {
        let items = c.some_items("day")?;
        let read: Vec<_> = items.iter().map(|c| c.with(days)).collect();
        let read: Option<Vec<Vec<Weekday>>> = read.into_iter().collect();
        Some(read?.into_iter().flatten().collect())
    });
    let from = table.need("from").and_then(|c| c.with(time));
    let to = table.need("to").and_then(|c| c.with(time));
    let (from, to) = (from?, to?);
    if from == to || from == 1440 {
        return table.complain("a row begins before \"24:00\" and ends at another time");
    }
    Some(ScheduleRow {
        days: days?,
        from,
        to,
    })
}

/// `mon`, or `mon..fri`, which may go on over Sunday: `sat..mon`.
fn days(text: &str) -> Result<Vec<Weekday>, String> {
    let day = |text: &str| {
        Weekday::ALL
            .into_iter()
            .position(|day| day.as_str() == text)
    };
    let (first, last) = text.split_once("..").unwrap_or((text, text));
    let (Some(first), Some(last)) = (day(first), day(last)) else {
        return Err(DAYS.to_owned());
    };
    let length = (last + 7 - first) % 7 + 1;
    let from_first = Weekday::ALL.into_iter().cycle().skip(first);
    Ok(from_first.take(length).collect())
}

fn time(text: &str) -> Result<u16, String> {
    let digits = |text: &str| {
        let plain = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
        text.parse::<u16>().ok().filter(|_| plain)
    };
    let read = || {
        let (hours, minutes) = text.split_once(':')?;
        let (hours, minutes) = (digits(hours)?, digits(minutes)?);
        let minute = hours * 60 + minutes;
        (minutes < 60 && minute <= 1440).then_some(minute)
    };
    read().ok_or_else(|| TIME.to_owned())
}
