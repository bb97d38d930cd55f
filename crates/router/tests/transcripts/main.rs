//! Scenarios of the whole router and their transcripts: publishers, buyers and operators on the
//! outside of its HTTP, a worker that folds its records, and a clock that the scenario moves.
//!
//! A file of `scenarios/` has three parts, parted by lines `---`: the catalog, what happens, and the
//! transcript. To add one: write the first two parts, list the name below, run once with
//! `UPDATE_EXPECT=1 cargo test -p router --test transcripts NAME`, and read what came out.
//!
//! # The catalog
//! TOML laid over the one of `house.toml` (campaign `auto`, publishers `acme` and `bolt`, schema `lead`):
//! say only what is different. A contract needs `ping` and `price`; campaign, buyer (of the same
//! name) and URLs are filled in. `"null"` as a value removes a member.
//!
//! # What happens
//! ```text
//! # a remark
//! at 2026-11-25T16:00:00Z                 where the clock begins (first line)
//! north on ping: bids 14.00; no bid       its answers in turn; the last one stays
//! north on post: accepts
//! ping {"lead": {"age": 34}}              acme pings: the given body over the usual lead
//! post {}                                 acme posts the last quote, with the usual lead
//! direct {"tmax_ms": 2000}                acme posts without a quote
//! bolt: direct {}                         another publisher does
//! validate {}                             acme asks what is wrong with a lead
//! get                                     acme looks its last lead up
//! acme: GET /v1/leads/ld_1                any request: ids as the transcript shows them
//! north: POST /v1/buyer/posts/bk_1/settle {"status": "accepted"}
//! admin: GET /v1/admin/leads/ld_1         the operator's key
//! nobody: ...                             without a key
//! & direct {}                             goes on in the background
//! hang up after posted north: direct {}   the client closes its connection at that moment
//! until north is posted                   (or pinged) once more
//! release north                           lets answers that are `held` go
//! join                                    shows what background requests were answered
//! wait 30s                                time passes: timers fire, the worker does what is due
//! restart campaigns.auto.max_posts = 2    another router, with this laid over the catalog
//! change contracts.north.on = false       the router goes on with this laid over the catalog
//! aside                                   another router is asked from now on; the first one when said again
//! share                                   routers tell one another what they learnt
//! stop                                    the router stops, and gives up what it is at
//! fold                                    lets leads end and the worker catch up
//! ```
//! An answer is `bids 14.00`, `bids 14.00 for 60s`, `no bid`, `accepts`, `accepts at 12.00`,
//! `rejects`, `duplicate`, `pending`, `pending until 90s`, `never`, `hangs up`, `cut short`, `endless`, or
//! `STATUS BODY` (`503`, `200 {"bid": 7}`); before it may stand `after 120ms` or `held`.
//!
//! # Time
//! Everything runs on one thread over real loopback sockets. Time stands still while anything can be
//! done and moves in steps of 10 ms or more when nothing can, so a stall costs no time and a busy
//! machine changes no transcript. Between two steps of a scenario lie 10 ms. Two requests with the
//! same body and no key are one (`request_id` makes them two).
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a scenario that does not read stops its test"
)]

mod again;
mod buyers;
mod choices;
mod client;
mod clock;
mod effects;
mod hangups;
mod house;
mod names;
mod play;
mod records;
mod script;
mod walk;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use expect_test::expect_file;

const RULE: &str = "\n---\n";

fn scenarios() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts/scenarios")
}

/// A scenario's catalog, its steps and its transcript.
fn read(name: &str) -> [String; 3] {
    let text = std::fs::read_to_string(scenarios().join(format!("{name}.txt"))).unwrap();
    let mut parts = text.splitn(3, RULE).map(|part| part.trim().to_owned());
    [(); 3].map(|()| parts.next().expect("catalog, steps and transcript"))
}

fn check(name: &str) {
    let [catalog, steps, _] = read(name);
    let transcript = play::play(&catalog, &steps);
    let file = expect_file![scenarios().join(format!("{name}.txt"))];
    file.assert_eq(&format!("{catalog}\n{RULE}\n{steps}\n{RULE}\n{transcript}"));
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
    a_bid_runs_out
    a_breaker_of_posts
    a_breaker_opens
    a_buyer_hangs_up_on_a_post
    a_buyers_own_window
    a_cap_counts_sales
    a_catalog_changes_under_way
    a_consumer_comes_again
    a_contract_is_explained
    a_lead_of_another_catalog
    a_post_unlike_its_ping
    a_publisher_hangs_up
    a_publisher_in_a_hurry
    a_quote_is_sold
    a_retry_gets_the_same_answer
    a_buyer_never_says
    a_quote_costs_more_than_it_brings
    a_second_lead_waits_for_the_first
    a_silence_is_no_sale
    a_silent_buyer
    a_suppressed_consumer
    before_the_book
    consent
    caps_and_a_balance
    disclosure_code
    disclosure_full
    disclosure_none
    doubt_is_sold_again
    everybody_refuses
    choosy_contracts
    every_window_has_its_cap
    everything_wrong_at_once
    look_ups
    no_consent_to_give
    nobody_waits_for_who_cannot_win
    one_reason_for_each_contract
    pings_that_bring_no_bid
    policy_highest
    policy_priority
    policy_round_robin
    posts_that_are_refused
    one_connection_to_a_buyer
    promises_break_even_and_keep_margin
    promises_keep_margin_and_reprice
    promises_reprice_and_break_even
    rank_by_margin
    rank_by_payout
    rank_by_revenue
    rates
    test_leads
    the_bid_is_booked
    the_ladder_ends_at_tmax
    the_ladder_goes_on_after_tmax
    the_router_stops
    two_routers_heed_what_one_learnt
    too_little_time
}
