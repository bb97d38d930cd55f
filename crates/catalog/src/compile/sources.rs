//! Sources: whose leads a campaign or a contract takes.

use std::collections::{BTreeMap, BTreeSet};

use auction::{SourceList, Sources, Subs};
use domain::PublisherName;

use super::{Names, reference};
use crate::reader::Cursor;

/// `{ only = [..], except = [..] }`, either or both. An entry is a publisher, or a part of its
/// traffic: `{ publisher = "..", s1 = ["a", "b"] }`.
pub(super) fn sources(cursor: &Cursor<'_>, known: &Names<'_>) -> Option<Sources> {
    cursor.read_table(|table| {
        let only = table.optional("only", |c| list(&c, known));
        let except = table.optional("except", |c| list(&c, known));
        match (only?, except?) {
            (None, None) => table.complain("expected `only` or `except`"),
            (only, except) => Some(Sources::new(only, except.unwrap_or_default())),
        }
    })
}

fn list(cursor: &Cursor<'_>, known: &Names<'_>) -> Option<SourceList> {
    let mut list = SourceList::default();
    let mut whole = true;
    for entry in cursor.some_items("source")? {
        match source(&entry, known) {
            Some((publisher, subs)) => list.add(publisher, subs),
            None => whole = false,
        }
    }
    whole.then_some(list)
}

fn source(cursor: &Cursor<'_>, known: &Names<'_>) -> Option<(PublisherName, Subs)> {
    let named = |c: &Cursor<'_>| reference(c, &known.publishers, "publisher");
    if !cursor.is_table() {
        return Some((named(cursor)?, Subs::default()));
    }
    cursor.read_table(|table| {
        let publisher = table.need("publisher").and_then(|c| named(&c));
        let mut subs = BTreeMap::new();
        let mut whole = true;
        for name in intake::SUBS {
            match table.optional(name, |c| values(&c)) {
                Some(Some(values)) => drop(subs.insert(name.to_owned(), values)),
                Some(None) => {}
                None => whole = false,
            }
        }
        if whole && subs.is_empty() {
            return table
                .complain("expected a sub id, `s1` to `s10`, or the publisher's name alone");
        }
        Some((publisher?, Subs(subs))).filter(|_| whole)
    })
}

fn values(cursor: &Cursor<'_>) -> Option<BTreeSet<String>> {
    let items = cursor.some_items("value")?;
    let read: Vec<_> = items.iter().map(|c| c.text().map(str::to_owned)).collect();
    read.into_iter().collect()
}
