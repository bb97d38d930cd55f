//! `docs/reference/laws.md`: every law with the test that sees it and the mutants that break it.
//!
//! The conservation laws of the auction are listed here, each with its tests; all else is taken from the
//! heads of the patches. A law without a mutant, a test that is not there and a page that says something
//! else fail.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use super::patch::Patch;
use crate::process;

const SIMULATION: &str = "-p store-local --test simulation leads_end_once_whatever_crashes";

/// What is conserved in an auction, by whom it is seen.
const CONSERVED: &[(&str, &[&str])] = &[
    (
        "Pings = quoted + no bid + refused, quoted = posted + open; leads received = sold + unsold + \
         rejected + duplicate + pending: none is lost, and each has one outcome, told only once it is \
         in the log. Test leads are counted apart.",
        &[
            "-p auction --test laws ends::every_ping_and_every_lead_ends",
            "-p auction --test laws ends::a_lead_has_one_outcome",
            "-p router --test transcripts test_leads",
        ],
    ),
    (
        "Every contract of the book has a row or is counted among the excluded, with the first reason \
         that a naive reading finds.",
        &[
            "-p auction --test laws book::every_contract_of_the_book_has_one_reason",
            "-p auction --test laws book::every_rung_has_the_reason_that_it_met",
            "-p auction --test laws book::a_contract_is_checked_again_before_its_post",
            "-p auction --test laws book::an_explanation_agrees_with_the_auction",
            "-p auction --test laws book::a_sealed_field_makes_no_explanation_wrong",
            "-p auction --lib questions::tests::the_same_hours_in_another_zone_are_another_question",
        ],
    ),
    (
        "Pings sent = bids + no-bids + timeouts + failures + cancelled.",
        &[
            "-p auction --test laws book::pings_sent_are_bids_no_bids_timeouts_failures_and_cancelled",
        ],
    ),
    (
        "The best admissible price comes first, whether the wait ends early or not.",
        &[
            "-p auction --test laws book::the_best_admissible_price_comes_first",
            "-p auction --test laws book::an_early_end_of_the_wait_has_the_same_winner",
        ],
    ),
    (
        "An exclusive lead has at most one billed sale, and at most one that is payable.",
        &["-p auction --test laws ends::an_exclusive_lead_has_at_most_one_billed_sale"],
    ),
    (
        "Of the leads of a person one is in flight at a time, and inside a rule's window one is sold; from \
         any crash the fold of the log ends every lead in one outcome.",
        &[SIMULATION],
    ),
    (
        "At every instant reserved = committed + released + pinned + held.",
        &[
            "-p auction --test laws units::reserved_is_committed_released_pinned_and_held",
            "-p auction --test laws ends::every_leg_ends_in_the_log_before_its_unit_is_free",
            "-p auction --test laws units::a_sale_is_committed_once_its_outcome_is_in_the_log",
            "-p auction --test laws units::a_refused_post_uses_up_what_counts_posts",
        ],
    ),
    (
        "Committed never passes a cap or a balance.",
        &["-p auction --test laws units::committed_never_passes_a_cap"],
    ),
    (
        "Revenue = payout + margin of each sale, to the micro.",
        &["-p auction --test laws units::revenue_is_payout_plus_margin"],
    ),
    (
        "No ping or post starts after its deadline less its reserve, and no post before its record.",
        &[
            "-p auction --test laws order::no_ping_or_post_starts_after_the_deadline_less_its_reserve",
            "-p auction --test laws order::a_post_leaves_only_after_its_record",
        ],
    ),
    (
        "The same inputs give the same transcript, and a lead's records hold its inputs.",
        &[
            "-p auction --test laws order::the_same_inputs_give_the_same_transcript",
            "-p router --test transcripts again::a_lead_run_again_from_its_records_is_the_same_lead",
            "-p router --lib rerun::tests::what_is_run_again_from_its_records_does_the_same",
        ],
    ),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The patches of all crates, by the test that sees them.
fn patches() -> BTreeMap<String, Vec<Patch>> {
    let mut all: BTreeMap<String, Vec<Patch>> = BTreeMap::new();
    let mut names = BTreeSet::new();
    for dir in entries(&root().join("crates")) {
        for file in entries(&dir.join("mutants")) {
            let name = file.file_stem().unwrap().to_string_lossy().into_owned();
            let text = fs::read_to_string(&file).unwrap();
            let patch = Patch::parse(&name, &file, &text).unwrap();
            assert!(names.insert(name), "{} has a namesake", patch.name);
            all.entry(seen_by(&patch)).or_default().push(patch);
        }
    }
    all
}

fn seen_by(patch: &Patch) -> String {
    format!("{} {}", patch.target.join(" "), patch.test)
}

/// What a folder holds, in order; nothing if there is none.
fn entries(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten();
    let mut all: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    all.sort();
    all
}

/// Whether a test of this name stands in these sources: as a function, or in a list from which a macro
/// makes them.
fn stands(under: &Path, test: &str) -> bool {
    if under.is_dir() {
        return entries(under).iter().any(|entry| stands(entry, test));
    }
    if under.extension().is_none_or(|ext| ext != "rs") {
        return false;
    }
    let text = fs::read_to_string(under).unwrap();
    let functions = ['(', '<'].map(|next| format!("fn {test}{next}"));
    text.lines().any(|line| {
        let function = functions.iter().any(|function| line.contains(function));
        function || line.trim().trim_end_matches(',') == test
    })
}

/// Whether the test that a line like `-p auction --test laws ends::a_lead_has_one_outcome` names is there.
pub(crate) fn is_there(seen_by: &str) -> bool {
    let words: Vec<&str> = seen_by.split_whitespace().collect();
    let (dir, test) = match words.as_slice() {
        ["-p", of, "--lib", test] => (root().join("crates").join(of).join("src"), test),
        ["-p", of, "--test", target, test] => {
            let dir = root().join("crates").join(of).join("tests");
            // A test of the conformance suite is a function of testkit.
            match *target == "conformance" {
                true => (root().join("crates/testkit/src/conformance"), test),
                false => (dir, test),
            }
        }
        _ => return false,
    };
    stands(&dir, test.rsplit("::").next().unwrap_or(test))
}

/// The crate and the test, as the page shows them.
pub(crate) fn shown(seen_by: &str) -> String {
    let words: Vec<&str> = seen_by.split_whitespace().collect();
    let (of, test) = (words.get(1), words.last());
    format!("{}: `{}`", of.unwrap(), test.unwrap())
}

fn named(patches: &[Patch]) -> String {
    let names = patches.iter().map(|patch| format!("`{}`", patch.name));
    names.collect::<Vec<_>>().join(", ")
}

#[test]
fn every_law_has_its_test_and_its_mutants() {
    let mut patches = patches();
    let mut page = "# Laws\n\nMade from the heads of `crates/*/mutants/*.patch` and the list in \
        `crates/xtask/src/mutants/laws.rs`. `cargo xtask mutants` applies each\npatch and sees exactly its test \
        fail, so that no test is there for show.\n\n## What is conserved in an auction\n\n\
        | law | seen by | broken by |\n|---|---|---|\n"
        .to_owned();
    for (law, tests) in CONSERVED {
        for (nth, test) in tests.iter().enumerate() {
            let breaking = patches.remove(*test).unwrap_or_default();
            assert!(!breaking.is_empty(), "no mutant breaks {test}");
            let law = if nth == 0 { law } else { "" };
            writeln!(page, "| {law} | {} | {} |", shown(test), named(&breaking)).unwrap();
            assert!(is_there(test), "there is no test {test}");
        }
    }
    page.push_str("\n## What else is held to\n\n| law | seen by | broken by |\n|---|---|---|\n");
    for (test, breaking) in &patches {
        assert!(is_there(test), "there is no test {test}");
        let mut laws: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for patch in breaking {
            let of_law = laws.entry(&patch.law).or_default();
            of_law.push(format!("`{}`", patch.name));
        }
        for (law, names) in laws {
            let mut law = law.to_owned();
            law[..1].make_ascii_uppercase();
            writeln!(page, "| {law}. | {} | {} |", shown(test), names.join(", ")).unwrap();
        }
    }
    expect_test::expect_file![concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/reference/laws.md"
    )]
    .assert_eq(&page);
}

/// As [`super::Clone::try_patch`] does, on the tree as it is: what a change of the code leaves behind is seen with it.
#[test]
fn every_mutant_applies() {
    let applies = |patch: &Patch| {
        let args = ["apply", "--check", "--whitespace=nowarn"];
        process::read(process::command(&root(), "git", args).arg(&patch.file)).is_ok()
    };
    let all = patches();
    let stale: Vec<_> = all.values().flatten().filter(|it| !applies(it)).collect();
    assert!(stale.is_empty(), "these apply no more: {stale:#?}");
}

#[test]
fn a_test_that_is_not_there_is_seen() {
    assert!(is_there(
        "-p auction --test laws ends::a_lead_has_one_outcome"
    ));
    assert!(is_there("-p router --test transcripts test_leads"));
    assert!(is_there(
        "-p xtask --lib mutants::patch::tests::a_head_is_read"
    ));
    let absent = ["a_lead_has_two", "outcomes"].join("_");
    assert!(!is_there(&format!("-p auction --test laws ends::{absent}")));
    assert!(!is_there("-p auction a_lead_has_one_outcome"));
}
