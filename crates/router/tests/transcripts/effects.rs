//! Whatever can be chosen makes a difference that a transcript shows: with something else chosen in its
//! place, other things happen in the same scenario.

use std::collections::BTreeSet;

use crate::{choices, house, play, read};

/// A choice, the scenario that shows what comes of it, and what to lay over its catalog to choose otherwise.
const EFFECTS: &[(&str, &str, &str)] = &[
    (
        "Policy Highest",
        "policy_highest",
        "campaigns.auto.policy = 'priority'",
    ),
    (
        "Policy Priority",
        "policy_priority",
        "campaigns.auto.policy = 'highest'",
    ),
    (
        "Policy RoundRobin",
        "policy_round_robin",
        "campaigns.auto.policy = 'highest'",
    ),
    (
        "RankBy Revenue",
        "rank_by_revenue",
        "campaigns.auto.rank_by = 'payout'",
    ),
    (
        "RankBy Payout",
        "rank_by_payout",
        "campaigns.auto.rank_by = 'revenue'",
    ),
    (
        "RankBy Margin",
        "rank_by_margin",
        "campaigns.auto.rank_by = 'payout'",
    ),
    (
        "Disclosure None",
        "disclosure_none",
        "campaigns.auto.disclosure = 'code'",
    ),
    (
        "Disclosure Code",
        "disclosure_code",
        "campaigns.auto.disclosure = 'full'",
    ),
    (
        "Disclosure Full",
        "disclosure_full",
        "campaigns.auto.disclosure = 'code'",
    ),
    (
        "PostPrice Bid",
        "the_bid_is_booked",
        "contracts.north.post_price = 'answer'",
    ),
    (
        "PostPrice Answer",
        "a_quote_costs_more_than_it_brings",
        "contracts.north.post_price = 'bid'",
    ),
    (
        "Settlement Accepted",
        "a_buyer_never_says",
        "contracts.north.on_unsettled = 'reject'",
    ),
    (
        "Settlement Rejected",
        "a_silence_is_no_sale",
        "contracts.north.on_unsettled = 'accept'",
    ),
    (
        "Counts Sold",
        "a_cap_counts_sales",
        "contracts.north.caps = [{ window = 'total', leads = 1, counts = 'sent' }]",
    ),
    (
        "Counts Sent",
        "every_window_has_its_cap",
        "contracts.counts-posts.caps = [{ window = 'day', leads = 1 }]",
    ),
    (
        "quote: Promise BreakEven",
        "promises_reprice_and_break_even",
        "campaigns.auto.quote_promise = 'keep_margin'",
    ),
    (
        "quote: Promise KeepMargin",
        "promises_break_even_and_keep_margin",
        "campaigns.auto.quote_promise = 'break_even'",
    ),
    (
        "quote: Promise Reprice",
        "promises_keep_margin_and_reprice",
        "campaigns.auto.quote_promise = 'break_even'",
    ),
    (
        "direct post: Promise BreakEven",
        "promises_break_even_and_keep_margin",
        "campaigns.auto.direct_promise = 'reprice'",
    ),
    (
        "direct post: Promise KeepMargin",
        "promises_keep_margin_and_reprice",
        "campaigns.auto.direct_promise = 'break_even'",
    ),
    (
        "direct post: Promise Reprice",
        "promises_reprice_and_break_even",
        "campaigns.auto.direct_promise = 'break_even'",
    ),
    (
        "AfterTmax Settle",
        "the_ladder_ends_at_tmax",
        "campaigns.auto.after_tmax = 'continue'\ncampaigns.auto.ladder_deadline = '10s'",
    ),
    (
        "AfterTmax Continue",
        "the_ladder_goes_on_after_tmax",
        "campaigns.auto.after_tmax = 'settle'\ncampaigns.auto.ladder_deadline = 'null'",
    ),
    (
        "a cap on Leads of a Hour",
        "every_window_has_its_cap",
        "contracts.hour-leads.caps = 'null'",
    ),
    (
        "a cap on Money of a Hour",
        "every_window_has_its_cap",
        "contracts.hour-money.caps = 'null'",
    ),
    (
        "a cap on Leads of a Day",
        "caps_and_a_balance",
        "contracts.north.caps = 'null'",
    ),
    (
        "a cap on Money of a Day",
        "every_window_has_its_cap",
        "contracts.day-money.caps = 'null'",
    ),
    (
        "a cap on Leads of a Week",
        "every_window_has_its_cap",
        "contracts.week-leads.caps = 'null'",
    ),
    (
        "a cap on Money of a Week",
        "every_window_has_its_cap",
        "contracts.week-money.caps = 'null'",
    ),
    (
        "a cap on Leads of a Month",
        "every_window_has_its_cap",
        "contracts.month-leads.caps = 'null'",
    ),
    (
        "a cap on Money of a Month",
        "caps_and_a_balance",
        "contracts.south.caps = 'null'",
    ),
    (
        "a cap on Leads of a Total",
        "a_cap_counts_sales",
        "contracts.north.caps = 'null'",
    ),
    (
        "a cap on Money of a Total",
        "every_window_has_its_cap",
        "contracts.total-money.caps = 'null'",
    ),
];

#[test]
fn every_choice_makes_a_difference() {
    let listed = EFFECTS.iter().map(|(choice, ..)| (*choice).to_owned());
    assert_eq!(listed.collect::<BTreeSet<_>>(), choices::wanted());
    for (choice, scenario, otherwise) in EFFECTS {
        let [catalog, steps, transcript] = read(scenario);
        let other = house::over(&catalog, otherwise);
        let chosen = [&catalog, &other].map(|catalog| choices::of(catalog).contains(*choice));
        assert_eq!(
            chosen,
            [true, false],
            "{scenario} chooses {choice}, and then not"
        );
        let instead = play::play(&other, &steps);
        assert_ne!(
            happens(&instead),
            happens(&transcript),
            "{choice} of {scenario}"
        );
    }
}

/// A transcript without what it says of the catalog itself.
fn happens(transcript: &str) -> Vec<&str> {
    let lines = transcript.trim().lines();
    lines.filter(|line| !line.contains(" promises ")).collect()
}
