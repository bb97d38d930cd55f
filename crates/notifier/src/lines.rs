//! One line for each publisher: what waits for when, and what is on its way. Pure.
//!
//! Of a conversion there is at most one notice on its way to a publisher, and of those that wait only
//! the last: it replaces an earlier one, and waits for one that has left.

use std::collections::{BTreeMap, BTreeSet};

use warehouse::{PostbackRow, Time};

/// All lines.
#[derive(Debug)]
pub(crate) struct Lines {
    lines: BTreeMap<String, Line>,
    /// Most notices of a line that are in memory.
    most: usize,
}

#[derive(Debug, Default)]
struct Line {
    /// How many may be on their way.
    connections: usize,
    /// By conversion.
    waiting: BTreeMap<String, PostbackRow>,
    /// When, and the conversion; none of one that is on its way.
    due: BTreeSet<(i64, String)>,
    /// On their way: conversion, and the number of its notice.
    flying: BTreeMap<String, u32>,
    /// The table has more than this.
    more: bool,
}

impl Lines {
    /// Lines of these publishers; all of them have to be filled from the table.
    pub(crate) fn new(publishers: Vec<(String, usize)>, most: usize) -> Self {
        let lines = publishers.into_iter().map(|(publisher, connections)| {
            let line = Line {
                connections,
                more: true,
                ..Line::default()
            };
            (publisher, line)
        });
        Self {
            lines: lines.collect(),
            most,
        }
    }

    /// From now on these are the publishers. Of one that is not told any more nothing is sent; what is on
    /// its way is seen to its end.
    pub(crate) fn change(&mut self, publishers: Vec<(String, usize)>) {
        for line in self.lines.values_mut() {
            line.connections = 0;
        }
        for (publisher, connections) in publishers {
            let line = self.lines.entry(publisher).or_insert_with(|| Line {
                more: true,
                ..Line::default()
            });
            line.more |= line.waiting.is_empty();
            line.connections = connections;
        }
        self.lines.retain(|_, line| {
            if line.connections == 0 {
                line.waiting.clear();
                line.due.clear();
                line.more = false;
            }
            line.connections > 0 || !line.flying.is_empty()
        });
    }

    /// Takes a notice in, if it is news.
    pub(crate) fn offer(&mut self, notice: PostbackRow) {
        if let Some(line) = self.lines.get_mut(&notice.publisher)
            && line.connections > 0
            && notice.waits()
        {
            line.offer(notice, self.most);
        }
    }

    /// Some notices were not offered.
    pub(crate) fn missed(&mut self) {
        let told = self.lines.values_mut().filter(|line| line.connections > 0);
        told.for_each(|line| line.more = true);
    }

    /// A publisher of whom the table has more, and who has room for it again; and how many to read, so
    /// that there are more than those on their way.
    pub(crate) fn hungry(&self) -> Option<(String, usize)> {
        let hungry = |line: &Line| line.more && line.waiting.len() <= self.most / 2;
        let mut lines = self.lines.iter();
        let found = lines.find(|(_, line)| hungry(line));
        found.map(|(publisher, line)| (publisher.clone(), self.most + line.flying.len()))
    }

    /// What the table has of a publisher was read: with `more`, not all of it.
    pub(crate) fn fed(&mut self, publisher: &str, more: bool) {
        if let Some(line) = self.lines.get_mut(publisher) {
            line.more = more;
        }
    }

    /// A notice to be sent now.
    pub(crate) fn next(&mut self, now: Time) -> Option<PostbackRow> {
        self.lines.values_mut().find_map(|line| line.next(now))
    }

    /// An attempt is over, and this is its row; not if a later notice has taken its place.
    pub(crate) fn ended(&mut self, row: PostbackRow) -> Option<PostbackRow> {
        let line = self.lines.get_mut(&row.publisher)?;
        line.flying.remove(&row.conversion_id);
        if let Some(newer) = line.waiting.get(&row.conversion_id) {
            let due = (newer.next_at.0, row.conversion_id);
            line.due.insert(due);
            return None;
        }
        if row.waits() && line.connections > 0 {
            line.offer(row.clone(), self.most);
        }
        Some(row)
    }

    /// When the next is due of those that could be sent.
    pub(crate) fn wake(&self) -> Option<Time> {
        let free = self.lines.values().filter(|line| line.is_free());
        let first = free.filter_map(|line| line.due.first()).map(|(at, _)| *at);
        first.min().map(Time)
    }

    /// How many wait or are on their way, and when the oldest of them was made.
    pub(crate) fn held(&self) -> (usize, Option<Time>) {
        let lines = self.lines.values();
        let held = lines
            .clone()
            .map(|line| line.waiting.len() + line.flying.len());
        let made = lines.flat_map(|line| line.waiting.values().map(|notice| notice.made_at.0));
        (held.sum(), made.min().map(Time))
    }
}

impl Line {
    fn is_free(&self) -> bool {
        self.flying.len() < self.connections
    }

    fn offer(&mut self, notice: PostbackRow, most: usize) {
        let conversion = &notice.conversion_id;
        let flying = self.flying.get(conversion).copied();
        if flying.is_some_and(|number| number >= notice.notices) {
            return;
        }
        match self.waiting.get(conversion) {
            Some(known) if known.version >= notice.version => return,
            Some(known) => {
                self.due.remove(&(known.next_at.0, conversion.clone()));
            }
            None if self.waiting.len() >= most => {
                self.more = true;
                return;
            }
            None => {}
        }
        if flying.is_none() {
            self.due.insert((notice.next_at.0, conversion.clone()));
        }
        self.waiting.insert(conversion.clone(), notice);
    }

    fn next(&mut self, now: Time) -> Option<PostbackRow> {
        if !self.is_free() || self.due.first().is_none_or(|(at, _)| *at > now.0) {
            return None;
        }
        let (_, conversion) = self.due.pop_first()?;
        let notice = self.waiting.remove(&conversion)?;
        self.flying.insert(conversion, notice.notices);
        Some(notice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use warehouse::PostbackState;

    fn notice(publisher: &str, conversion: u32, notices: u32, at: i64) -> PostbackRow {
        let row = PostbackRow {
            publisher: publisher.to_owned(),
            conversion_id: conversion.to_string(),
            notices,
            next_at: Time(at),
            state: PostbackState::Waiting.as_str().to_owned(),
            ..PostbackRow::default()
        };
        row.versioned()
    }

    fn lines(most: usize) -> Lines {
        Lines::new(vec![("a".to_owned(), 2), ("b".to_owned(), 1)], most)
    }

    /// What is sent at a time, as conversion.notice.
    fn all(lines: &mut Lines, now: i64) -> Vec<String> {
        let next = std::iter::from_fn(|| lines.next(Time(now)));
        let name =
            |row: PostbackRow| format!("{}{}.{}", row.publisher, row.conversion_id, row.notices);
        next.map(name).collect()
    }

    fn told(row: PostbackRow) -> PostbackRow {
        PostbackRow {
            state: PostbackState::Told.as_str().to_owned(),
            attempts: row.attempts + 1,
            ..row
        }
        .versioned()
    }

    #[test]
    fn each_publisher_has_its_own_connections() {
        let mut lines = lines(10);
        for n in 0..5 {
            lines.offer(notice("a", n, 1, 0));
            lines.offer(notice("b", n, 1, 3));
        }
        lines.offer(notice("stranger", 1, 1, 0));
        assert_eq!(all(&mut lines, 2), ["a0.1", "a1.1"]);
        // A line that is full is not woken for.
        assert_eq!(lines.wake(), Some(Time(3)));
        assert_eq!(all(&mut lines, 3), ["b0.1"]);
        assert_eq!(lines.wake(), None);
        assert!(lines.ended(told(notice("a", 1, 1, 0))).is_some());
        assert_eq!(all(&mut lines, 3), ["a2.1"]);
        assert_eq!(lines.held().0, 9);
    }

    #[test]
    fn a_later_notice_takes_the_place_of_one_that_waits_and_follows_one_that_left() {
        let mut lines = lines(10);
        lines.offer(notice("a", 7, 2, 5));
        lines.offer(notice("a", 7, 1, 0));
        lines.offer(notice("a", 7, 3, 6));
        assert_eq!(all(&mut lines, 5), [""; 0]);
        assert_eq!(all(&mut lines, 6), ["a7.3"]);
        // Again what is on its way: no news.
        lines.offer(notice("a", 7, 3, 6));
        lines.offer(notice("a", 7, 4, 6));
        lines.offer(notice("a", 7, 5, 6));
        assert_eq!(all(&mut lines, 9), [""; 0]);
        // The row of an earlier notice is not worth writing: a later one is in the table.
        assert_eq!(lines.ended(told(notice("a", 7, 3, 6))), None);
        assert_eq!(all(&mut lines, 9), ["a7.5"]);
        assert!(lines.ended(told(notice("a", 7, 5, 6))).is_some());
        assert_eq!(lines.held(), (0, None));
    }

    #[test]
    fn what_does_not_fit_is_read_from_the_table_when_there_is_room() {
        let mut lines = lines(4);
        assert_eq!(lines.hungry(), Some(("a".to_owned(), 4)));
        lines.fed("a", false);
        lines.fed("b", false);
        assert_eq!(lines.hungry(), None);
        for n in 0..6 {
            lines.offer(notice("a", n, 1, 0));
        }
        assert_eq!(lines.held().0, 4);
        assert_eq!(lines.hungry(), None, "no room yet");
        assert_eq!(all(&mut lines, 0).len(), 2);
        assert_eq!(lines.hungry(), Some(("a".to_owned(), 6)));
        lines.fed("a", false);
        lines.missed();
        assert_eq!(lines.hungry(), Some(("a".to_owned(), 6)));
    }
}
