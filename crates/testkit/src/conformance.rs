//! What every backend of the stores promises, as tests. A backend passes by calling
//! [`conformance!`](crate::conformance!) with a [`Harness`]; each case starts on an empty store.
//!
//! The cases use only the ports, so a failure names a promise that was broken, not a mechanism.

pub mod caps;
pub mod claims;
pub mod consumers;
pub mod journeys;
pub mod lately;
pub mod log;
pub mod pings;
pub mod vault;

use std::future::Future;
use std::time::Duration;

use domain::Timestamp;
use store::Backend;

use crate::SeededEntropy;

/// A backend under test.
pub trait Harness {
    /// The backend.
    type Backend: Backend;

    /// The store as it is now: empty at first.
    fn store(&self) -> &Self::Backend;

    /// Ends the store as a killed process would and opens it again; false if nothing outlives it.
    fn reopen(&mut self) -> impl Future<Output = bool>;

    /// The store's time.
    fn now(&self) -> Timestamp;

    /// Lets time pass.
    fn advance(&self, by: Duration) -> impl Future<Output = ()>;

    /// Randomness; its seed is printed when a test fails.
    fn entropy(&self) -> &SeededEntropy;
}

/// Longest wait for something that is about to happen.
pub const SOON: Duration = Duration::from_secs(20);

/// One test per promise: `testkit::conformance!(fresh().await)`, where the expression makes a
/// [`Harness`] on an empty store; `testkit::conformance!(caps: fresh().await)` for those of one port.
#[macro_export]
macro_rules! conformance {
    (log: $harness:expr) => {
        $crate::conformance!(@cases log, $harness;
            order_holds_per_key_and_producer,
            what_is_queued_together_is_told_in_its_order,
            what_was_acknowledged_survives,
            what_was_not_committed_is_delivered_again,
            a_commit_is_where_the_group_goes_on,
            who_goes_in_mid_batch_is_followed_from_what_it_committed,
            groups_do_not_see_each_other,
            a_replay_is_all_there_is,
            a_consumer_waits_for_what_comes,
            an_empty_wait_ends,
        );
    };
    (claims: $harness:expr) => {
        $crate::conformance!(@cases claims, $harness;
            a_key_is_claimed_once,
            another_body_is_a_conflict,
            a_quote_is_used_once,
            many_requests_with_one_key_are_one_lead,
            a_lapsed_admission_is_taken_over_under_its_id,
            a_posting_is_never_taken_over,
            closing_and_posting_exclude_each_other,
            a_withdrawn_admission_leaves_nothing,
            an_answer_is_replayed_byte_for_byte,
            an_answer_after_a_settlement_is_not_kept,
            folding_twice_changes_once,
            open_leads_are_listed_oldest_first,
            pending_and_abandoned_legs_survive,
            who_waits_is_woken,
            a_wait_for_nothing_ends,
            claims_survive,
            a_killed_router_loses_its_lease,
        );
    };
    (pings: $harness:expr) => {
        $crate::conformance!(@cases pings, $harness;
            a_ping_is_replayed_byte_for_byte,
            the_answer_to_a_ping_goes_after_its_quote,
        );
    };
    (consumers: $harness:expr) => {
        $crate::conformance!(@cases consumers, $harness;
            one_lead_of_a_consumer_is_in_flight,
            a_duplicate_holds_its_key_and_no_consumer,
            a_consumer_is_let_go_with_its_claim,
            who_posts_holds_its_consumer_past_its_lease,
            a_lead_that_is_taken_over_is_judged_anew,
            consumers_survive,
        );
    };
    (caps: $harness:expr) => {
        $crate::conformance!(@cases caps, $harness;
            a_hold_takes_all_counters_or_none,
            a_full_cap_is_named,
            asking_twice_is_asking_once,
            a_hold_expires,
            a_pin_does_not,
            an_expired_hold_cannot_be_pinned,
            a_release_gives_everything_back,
            the_last_settlement_counts_once,
            a_settlement_may_come_first,
            a_wrong_clock_gets_no_hold,
            a_post_that_left_uses_up_what_counts_posts,
            money_is_counted_to_the_micro,
            what_is_used_survives,
            racing_holds_fill_a_cap_to_the_unit,
            pins_and_commits_survive,
        );
    };
    (journeys: $harness:expr) => {
        $crate::conformance!(@cases journeys, $harness;
            any_order_ends_in_the_same_journey,
            equal_revisions_are_equal_journeys,
            batching_does_not_matter,
            a_conversion_waits_for_its_click,
            a_person_joins_its_visitors_until_they_are_too_many,
            an_order_finds_its_visitor_and_then_its_click,
            older_rules_make_no_rows_after_newer_ones,
            newer_rules_walk_over_all_that_has_converted,
            journeys_survive,
        );
    };
    (lately: $harness:expr) => {
        $crate::conformance!(@cases lately, $harness;
            what_one_tells_the_others_hear,
            who_comes_later_hears_what_is_known,
            one_at_a_time_has_leave_to_probe,
        );
    };
    (vault: $harness:expr) => {
        $crate::conformance!(@cases vault, $harness;
            a_key_is_kept_until_it_is_erased,
            racing_puts_are_all_kept,
            keys_survive_and_erased_ones_do_not,
        );
    };
    ($harness:expr) => {
        $crate::conformance!(log: $harness);
        $crate::conformance!(claims: $harness);
        $crate::conformance!(pings: $harness);
        $crate::conformance!(consumers: $harness);
        $crate::conformance!(caps: $harness);
        $crate::conformance!(journeys: $harness);
        $crate::conformance!(lately: $harness);
        $crate::conformance!(vault: $harness);
    };
    (@cases $group:ident, $harness:expr; $($case:ident),* $(,)?) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $case() {
            $crate::conformance::$group::$case(&mut $harness).await;
        }
    )*};
}
