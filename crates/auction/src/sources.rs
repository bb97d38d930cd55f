//! Whose leads a contract takes: publishers, or parts of a publisher's traffic by its sub ids.

use std::collections::{BTreeMap, BTreeSet};

use domain::PublisherName;

/// Whose leads a contract takes. The default takes everybody's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Sources {
    only: Option<SourceList>,
    except: SourceList,
}

/// Some sources.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct SourceList(BTreeMap<PublisherName, Vec<Subs>>);

/// A part of a publisher's traffic: the values that each of these sub ids may have. Without any, it
/// is all of it; a lead without such a sub id is not in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Subs(pub BTreeMap<String, BTreeSet<String>>);

impl Sources {
    /// Those of `only`, if there are any, less those of `except`.
    pub fn new(only: Option<SourceList>, except: SourceList) -> Self {
        Self { only, except }
    }

    /// Whether everybody's are.
    pub(crate) fn are_all(&self) -> bool {
        self.only.is_none() && self.except.0.is_empty()
    }

    /// Whether this lead is taken.
    pub fn allow(&self, publisher: &PublisherName, sub: &BTreeMap<String, String>) -> bool {
        let only = self.only.as_ref();
        only.is_none_or(|only| only.holds(publisher, sub))
            && (self.except.0.is_empty() || !self.except.holds(publisher, sub))
    }
}

impl SourceList {
    /// Adds a source.
    pub fn add(&mut self, publisher: PublisherName, subs: Subs) {
        self.0.entry(publisher).or_default().push(subs);
    }

    fn holds(&self, publisher: &PublisherName, sub: &BTreeMap<String, String>) -> bool {
        let parts = self.0.get(publisher);
        parts.is_some_and(|parts| parts.iter().any(|part| part.holds(sub)))
    }
}

impl FromIterator<PublisherName> for SourceList {
    /// All the traffic of these publishers.
    fn from_iter<I: IntoIterator<Item = PublisherName>>(publishers: I) -> Self {
        let mut list = Self::default();
        for publisher in publishers {
            list.add(publisher, Subs::default());
        }
        list
    }
}

impl Subs {
    fn holds(&self, sub: &BTreeMap<String, String>) -> bool {
        let named = |(name, values): (&String, &BTreeSet<String>)| {
            sub.get(name).is_some_and(|value| values.contains(value))
        };
        self.0.iter().all(named)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sub(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        pairs.iter().map(owned).collect()
    }

    fn subs(pairs: &[(&str, &[&str])]) -> Subs {
        let owned = |(name, values): &(&str, &[&str])| {
            let values = values.iter().map(|value| (*value).to_owned());
            ((*name).to_owned(), values.collect())
        };
        Subs(pairs.iter().map(owned).collect())
    }

    #[test]
    fn only_and_except() {
        let name = |text: &str| text.parse::<PublisherName>().unwrap();
        let mut only: SourceList = [name("acme")].into_iter().collect();
        only.add(name("zeta"), subs(&[("s1", &["a", "b"]), ("s2", &["x"])]));
        let mut except = SourceList::default();
        except.add(name("acme"), subs(&[("s1", &["bad"])]));
        let sources = Sources::new(Some(only), except);
        for (publisher, pairs, allowed) in [
            ("acme", sub(&[]), true),
            ("acme", sub(&[("s1", "good")]), true),
            ("acme", sub(&[("s1", "bad")]), false),
            ("acme", sub(&[("s2", "bad")]), true),
            ("zeta", sub(&[]), false),
            ("zeta", sub(&[("s1", "a")]), false),
            ("zeta", sub(&[("s1", "a"), ("s2", "x")]), true),
            ("zeta", sub(&[("s1", "c"), ("s2", "x")]), false),
            ("other", sub(&[]), false),
        ] {
            assert_eq!(
                sources.allow(&name(publisher), &pairs),
                allowed,
                "{publisher} {pairs:?}"
            );
        }
        assert!(Sources::default().allow(&name("acme"), &sub(&[])));
        let nobody = Sources::new(Some(SourceList::default()), SourceList::default());
        assert!(!nobody.allow(&name("acme"), &sub(&[])));
    }
}
