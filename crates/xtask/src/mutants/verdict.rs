//! What a test run says about a mutant.

use std::collections::BTreeSet;
use std::fmt;

/// One run of a test target.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Run {
    /// The compiler refused it.
    DidNotBuild,
    /// It ran to its end and said how each test went.
    Ended(Tests),
    /// It crashed or was stopped for taking too long.
    Broke,
}

/// The tests of a run by name.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tests {
    pub(super) passed: BTreeSet<String>,
    pub(super) failed: BTreeSet<String>,
}

impl Run {
    /// Reads the lines `test NAME ... ok` of the test harness.
    pub(super) fn read(output: &str, success: bool) -> Self {
        let mut tests = Tests::default();
        for line in output.lines().filter_map(|line| line.strip_prefix("test ")) {
            let Some((name, result)) = line.split_once(" ... ") else {
                continue;
            };
            match result {
                "ok" => tests.passed.insert(name.to_owned()),
                "FAILED" => tests.failed.insert(name.to_owned()),
                _ => false,
            };
        }
        let consistent = success == tests.failed.is_empty();
        if consistent {
            Self::Ended(tests)
        } else {
            Self::Broke
        }
    }
}

/// Whether the law bit.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The named test failed and no other.
    Caught,
    /// All tests passed.
    Survived,
    /// The named test passed, others failed.
    CaughtElsewhere(BTreeSet<String>),
    /// The named test failed, and others too.
    CaughtTwice(BTreeSet<String>),
    /// The target has no test of that name.
    NoSuchTest,
    DoesNotApply,
    DoesNotBuild,
    /// The run crashed or took too long.
    Broke,
}

impl Verdict {
    pub(super) fn of(run: &Run, test: &str) -> Self {
        let tests = match run {
            Run::DidNotBuild => return Self::DoesNotBuild,
            Run::Broke => return Self::Broke,
            Run::Ended(tests) => tests,
        };
        let others: BTreeSet<String> = tests
            .failed
            .iter()
            .filter(|name| *name != test)
            .cloned()
            .collect();
        match (tests.failed.contains(test), others.is_empty()) {
            (true, true) => Self::Caught,
            (true, false) => Self::CaughtTwice(others),
            (false, _) if !tests.passed.contains(test) => Self::NoSuchTest,
            (false, true) => Self::Survived,
            (false, false) => Self::CaughtElsewhere(others),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |names: &BTreeSet<String>| {
            names
                .iter()
                .map(String::as_str)
                .collect::<Vec<_>>()
                .join(" ")
        };
        match self {
            Self::Caught => f.write_str("caught"),
            Self::Survived => f.write_str("SURVIVED"),
            Self::CaughtElsewhere(others) => {
                write!(f, "SURVIVED its test, failed: {}", names(others))
            }
            Self::CaughtTwice(others) => write!(f, "FAILED TOO: {}", names(others)),
            Self::NoSuchTest => f.write_str("NO SUCH TEST"),
            Self::DoesNotApply => f.write_str("DOES NOT APPLY"),
            Self::DoesNotBuild => f.write_str("DOES NOT BUILD"),
            Self::Broke => f.write_str("BROKE the test run"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(results: &[(&str, &str)]) -> String {
        let lines: String = results
            .iter()
            .map(|(name, result)| format!("test {name} ... {result}\n"))
            .collect();
        format!(
            "\nrunning {} tests\n{lines}\ntest result: some\n",
            results.len()
        )
    }

    #[test]
    fn every_verdict() {
        let set = |name: &str| BTreeSet::from([name.to_owned()]);
        for (results, success, verdict) in [
            (
                &[("law", "FAILED"), ("other", "ok")][..],
                false,
                Verdict::Caught,
            ),
            (&[("law", "ok"), ("other", "ok")], true, Verdict::Survived),
            (
                &[("law", "ok"), ("other", "FAILED")],
                false,
                Verdict::CaughtElsewhere(set("other")),
            ),
            (
                &[("law", "FAILED"), ("other", "FAILED")],
                false,
                Verdict::CaughtTwice(set("other")),
            ),
            (&[("other", "ok")], true, Verdict::NoSuchTest),
            (&[("other", "FAILED")], false, Verdict::NoSuchTest),
            (&[("law", "ok")], false, Verdict::Broke),
        ] {
            assert_eq!(
                Verdict::of(&Run::read(&output(results), success), "law"),
                verdict
            );
        }
        assert_eq!(Verdict::of(&Run::DidNotBuild, "law"), Verdict::DoesNotBuild);
    }
}
