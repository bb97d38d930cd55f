//! Two books side by side: compared as multisets of lines, in both directions.

use std::collections::BTreeMap;
use std::fmt::{self, Debug};

use serde::Serialize;

/// How many differing lines a report shows.
const SHOWN: usize = 5;

/// The result of one comparison.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was compared.
    pub name: String,
    /// Whether it holds.
    pub ok: bool,
    /// How many lines there were, and what differs.
    pub detail: String,
}

impl Check {
    /// A check of something that is not two books.
    pub fn that(name: &str, ok: bool, detail: impl Into<String>) -> Self {
        Self {
            name: name.to_owned(),
            ok,
            detail: detail.into(),
        }
    }

    /// Holds if both sides have the same lines, each as often.
    pub fn same<T: Ord + Debug>(
        name: &str,
        (left_name, left): (&str, impl IntoIterator<Item = T>),
        (right_name, right): (&str, impl IntoIterator<Item = T>),
    ) -> Self {
        let (left, right) = (counted(left), counted(right));
        let (missing, extra) = (beyond(&left, &right), beyond(&right, &left));
        let lines: u64 = left.values().sum();
        if missing.is_empty() && extra.is_empty() {
            return Self::that(name, true, format!("{lines} the same"));
        }
        let detail = format!(
            "{} only in {left_name}{}; {} only in {right_name}{}",
            missing.len(),
            Few(&missing),
            extra.len(),
            Few(&extra),
        );
        Self::that(name, false, detail)
    }

    /// Holds if every line of the left side is on the right side, as often at least.
    pub fn within<T: Ord + Debug>(
        name: &str,
        (left_name, left): (&str, impl IntoIterator<Item = T>),
        (right_name, right): (&str, impl IntoIterator<Item = T>),
    ) -> Self {
        let (left, right) = (counted(left), counted(right));
        let missing = beyond(&left, &right);
        let lines: u64 = left.values().sum();
        if missing.is_empty() {
            return Self::that(name, true, format!("{lines} found"));
        }
        let detail = format!(
            "{} of {lines} only in {left_name}, not in {right_name}{}",
            missing.len(),
            Few(&missing)
        );
        Self::that(name, false, detail)
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.ok { "ok  " } else { "FAIL" };
        write!(f, "{mark}  {}: {}", self.name, self.detail)
    }
}

fn counted<T: Ord>(lines: impl IntoIterator<Item = T>) -> BTreeMap<T, u64> {
    let mut counts = BTreeMap::new();
    for line in lines {
        *counts.entry(line).or_default() += 1;
    }
    counts
}

/// The lines that the first has more often than the second.
fn beyond<'a, T: Ord>(first: &'a BTreeMap<T, u64>, second: &BTreeMap<T, u64>) -> Vec<&'a T> {
    first
        .iter()
        .filter(|(line, count)| second.get(line).copied().unwrap_or(0) < **count)
        .map(|(line, _)| line)
        .collect()
}

/// The first few lines, for a report.
struct Few<'a, T>(&'a [&'a T]);

impl<T: Debug> fmt::Display for Few<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return Ok(());
        }
        f.write_str(" (")?;
        for (index, line) in self.0.iter().take(SHOWN).enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{line:?}")?;
        }
        f.write_str(if self.0.len() > SHOWN { ", ..)" } else { ")" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(left: &[(&str, i32)], right: &[(&str, i32)]) -> Check {
        Check::same("sales", ("told", left.to_vec()), ("held", right.to_vec()))
    }

    #[test]
    fn a_difference_on_either_side_in_amount_or_in_number_is_found() {
        let (a, b) = (("a", 1), ("b", 2));
        assert!(same(&[a, b], &[b, a]).ok);
        for (left, right) in [
            (vec![a], vec![a, b]),
            (vec![a, b], vec![a]),
            (vec![a], vec![("a", 2)]),
            (vec![a, a], vec![a]),
            (vec![a], vec![a, a]),
            (vec![], vec![a]),
        ] {
            assert!(!same(&left, &right).ok, "{left:?} {right:?}");
        }
        assert_eq!(
            same(&[a], &[b]).detail,
            "1 only in told ((\"a\", 1)); 1 only in held ((\"b\", 2))"
        );
    }

    #[test]
    fn within_looks_one_way_only() {
        let within = |left: &[i32], right: &[i32]| {
            Check::within("x", ("l", left.to_vec()), ("r", right.to_vec())).ok
        };
        assert!(within(&[1, 2], &[3, 2, 1]));
        assert!(!within(&[1, 1], &[1, 2]));
    }
}
