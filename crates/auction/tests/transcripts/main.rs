//! Scenarios and their transcripts, to be read beside the specification.
//!
//! Each file of `scenarios/` is a scenario, a line `---`, and what the machines make of it. To add
//! one: write the scenario, list it below, run the tests once with `UPDATE_EXPECT=1`, and read what
//! came out. `scenario.rs` says what a scenario may contain.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a scenario that does not read stops its test"
)]

mod limits;
mod play;
mod scenario;
mod words;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use expect_test::expect_file;

use crate::play::play;
use crate::scenario::Scenario;

const RULE: &str = "\n---\n";

fn scenarios() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts/scenarios")
}

fn check(name: &str) {
    let path = scenarios().join(format!("{name}.txt"));
    let text = std::fs::read_to_string(&path).unwrap();
    let scenario = text.split(RULE).next().unwrap_or_default().trim_end();
    let transcript = play(Scenario::read(scenario));
    expect_file![&path].assert_eq(&format!("{scenario}\n{RULE}\n{transcript}"));
}

macro_rules! scenarios {
    ($($name:ident)*) => {
        $(#[test] fn $name() { check(stringify!($name)); })*

        #[test]
        fn every_scenario_is_listed() {
            let files = std::fs::read_dir(scenarios()).unwrap();
            let files = files.map(|file| file.unwrap().path());
            let files = files.map(|file| file.file_stem().unwrap().to_string_lossy().into_owned());
            let listed = [$(stringify!($name).to_owned()),*];
            assert_eq!(files.collect::<BTreeSet<_>>(), BTreeSet::from(listed));
        }
    };
}

scenarios! {
    a_balance_is_never_passed
    a_bid_expires
    a_buyer_asks_for_more_time_than_it_has
    a_buyer_says_when
    a_buyer_will_say_later
    a_cap_fills_before_the_hold
    a_check_asks_yes_or_no
    a_ping_has_all_of_its_time
    a_post_is_read_past_the_deadline
    a_publisher_is_capped_on_a_campaign
    a_quote_costs_more_than_it_brings
    a_quote_outlives_the_catalog
    a_refused_post_counts_as_sent
    a_reject_past_the_deadline_ends_the_ladder
    a_silent_buyer_is_in_doubt
    an_unclear_post_is_in_doubt
    at_most_so_many_posts
    break_even_gives_up
    break_even_keeps_the_quote
    break_even_on_a_direct_post
    choices_wait_for_the_whole_lead
    choosy_contracts
    direct_post
    every_window_has_its_cap
    filters_wait_for_the_whole_lead
    fixed_payout_sells_at_the_highest_bid
    fixed_prices_beside_bids
    given_up_too_late
    half_the_time_of_a_direct_post_is_for_pings
    keep_margin
    no_penalty
    no_time_for_the_next_post
    no_time_to_ask_anybody
    nobody_bids_enough
    nobody_is_eligible
    nobody_to_sell_it_again_to
    not_reached_in_time
    not_sent_goes_on
    one_reason_for_each_contract
    ping_then_post
    policy_priority
    policy_round_robin
    rank_by_margin
    rank_by_payout
    rank_by_revenue
    rejects_cost
    prices_by_rules
    prices_wait_for_the_whole_lead
    reprice_stops_at_the_floor
    shut_contracts
    sold_again_in_doubt
    somebody_else_has_the_lead
    sources
    test_leads
    the_wait_ends_early
    the_wait_ends_early_in_tiers
    nobody_left_but_who_is_asked
    the_answer_names_more_than_was_held
    the_answer_names_the_price
    the_buyer_names_another_price
    the_catalog_changes_under_a_quote
    the_ladder_goes_on_after_tmax
    the_ladder_has_a_deadline
    the_log_refuses_a_posting
    the_log_refuses_the_outcome
    the_store_stumbles
    tiers
    ties
    too_late_behind_a_slow_log
}
