//! Opening hours over nights, weekends and changes of the clock; and every minute of some years
//! against somebody who looks at the wall.

use domain::{Timestamp, Zone};
use proptest::prelude::*;

use super::*;

fn minute(text: &str) -> u16 {
    let (hours, minutes) = text.split_once(':').unwrap();
    hours.parse::<u16>().unwrap() * 60 + minutes.parse::<u16>().unwrap()
}

fn row(days: &str, from: &str, to: &str) -> ScheduleRow {
    let named = |day: &Weekday| days.split(' ').any(|name| name == day.as_str());
    ScheduleRow {
        days: Weekday::ALL.into_iter().filter(named).collect(),
        from: minute(from),
        to: minute(to),
    }
}

fn check(schedule: &Schedule, zone: &str, times: &[(&str, bool)]) {
    let zone = Zone::parse(zone).unwrap();
    for (text, open) in times {
        let local = zone.local(Timestamp::parse(text).unwrap());
        assert_eq!(schedule.is_open(&local), *open, "{text}");
    }
}

#[test]
fn office_hours_are_those_of_the_zone() {
    let office = Schedule::new(
        vec![row("mon tue wed thu fri", "08:00", "20:00")],
        BTreeSet::new(),
    );
    check(
        &office,
        "America/Chicago",
        &[
            // In winter six hours behind, in summer five.
            ("2026-01-05T13:59:59Z", false),
            ("2026-01-05T14:00:00Z", true),
            ("2026-07-06T12:59:59Z", false),
            ("2026-07-06T13:00:00Z", true),
            ("2026-07-07T00:59:59Z", true),
            ("2026-07-07T01:00:00Z", false),
            // A Saturday there, though it is Sunday in London.
            ("2026-07-05T02:00:00Z", false),
        ],
    );
}

#[test]
fn a_row_over_midnight_belongs_to_the_day_it_begins_on() {
    let night = Schedule::new(vec![row("fri", "22:00", "06:00")], BTreeSet::new());
    check(
        &night,
        "UTC",
        &[
            ("2026-07-03T21:59:00Z", false),
            ("2026-07-03T22:00:00Z", true),
            ("2026-07-04T05:59:00Z", true),
            ("2026-07-04T06:00:00Z", false),
            ("2026-07-03T05:00:00Z", false),
            ("2026-07-04T22:00:00Z", false),
        ],
    );
}

#[test]
fn the_hour_that_comes_twice_and_the_hour_that_never_comes() {
    let early = Schedule::new(vec![row("sun", "01:30", "03:00")], BTreeSet::new());
    check(
        &early,
        "America/New_York",
        &[
            // 2026-03-08: after 01:59 comes 03:00.
            ("2026-03-08T06:29:00Z", false),
            ("2026-03-08T06:30:00Z", true),
            ("2026-03-08T06:59:00Z", true),
            ("2026-03-08T07:00:00Z", false),
            // 2026-11-01: after 01:59 comes 01:00.
            ("2026-11-01T05:29:00Z", false),
            ("2026-11-01T05:30:00Z", true),
            ("2026-11-01T06:00:00Z", false),
            ("2026-11-01T06:30:00Z", true),
            ("2026-11-01T07:59:00Z", true),
            ("2026-11-01T08:00:00Z", false),
        ],
    );
}

#[test]
fn a_blackout_is_a_whole_local_date() {
    let dates = BTreeSet::from([CalendarDate::parse("2026-12-25").unwrap()]);
    let closed = Schedule::new(Vec::new(), dates);
    check(
        &closed,
        "America/Los_Angeles",
        &[
            ("2026-12-25T07:59:59Z", true),
            ("2026-12-25T08:00:00Z", false),
            ("2026-12-26T07:59:59Z", false),
            ("2026-12-26T08:00:00Z", true),
        ],
    );
}

/// Walks a row's days minute by minute, from its begin until its end comes on the clock.
fn walked(schedule: &[ScheduleRow], local: &LocalTime) -> bool {
    let mut open = BTreeSet::new();
    for row in schedule {
        for day in &row.days {
            let (mut day, mut minute) = (*day, row.from);
            loop {
                open.insert((day, minute));
                minute += 1;
                if minute == row.to {
                    break;
                }
                if minute == 1440 {
                    minute = 0;
                    let tomorrow = |next: &Weekday| next.yesterday() == day;
                    day = Weekday::ALL.into_iter().find(tomorrow).unwrap();
                    if row.to == 0 {
                        break;
                    }
                }
            }
        }
    }
    open.contains(&(local.weekday, local.minute))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_schedule_is_what_a_walk_by_the_minute_says(
        rows in prop::collection::vec((1_u8..128, 0_u16..1440, 0_u16..=1440), 1..4),
        zone in prop::sample::select(vec!["America/Chicago", "Europe/Berlin", "Australia/Lord_Howe", "UTC"]),
        at in 1_700_000_000_i64..1_900_000_000,
    ) {
        let rows: Vec<ScheduleRow> = rows
            .into_iter()
            .filter(|(_, from, to)| from != to)
            .map(|(days, from, to)| ScheduleRow {
                days: (0..7).filter(|bit| days & (1 << bit) != 0).map(|bit| Weekday::ALL[bit]).collect(),
                from,
                to,
            })
            .collect();
        prop_assume!(!rows.is_empty());
        let schedule = Schedule::new(rows.clone(), BTreeSet::new());
        let zone = Zone::parse(zone).unwrap();
        // A day around it, so that changes of the clock are met.
        for step in 0..96 {
            let local = zone.local(Timestamp::from_micros((at + step * 900) * 1_000_000));
            prop_assert_eq!(schedule.is_open(&local), walked(&rows, &local), "{:?}", local);
        }
    }
}
