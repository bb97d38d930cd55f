//! Problems of how bids are ranked, what quotes promise and what posts mean.

mod support;

use expect_test::{Expect, expect};
use support::{GOOD, problems_of};

/// Replaces one piece of the good catalog and shows what is then wrong.
fn change(from: &str, to: &str, expect: Expect) {
    assert_eq!(GOOD.matches(from).count(), 1, "{from}");
    expect.assert_eq(&problems_of(&GOOD.replace(from, to)));
}

#[test]
fn selection() {
    change(
        "schema = \"s\"",
        "schema = \"s\"\npolicy = \"weighted\"\nrank_by = \"revenu\"\npenalty = \"no\"",
        expect![[r#"
            c:17: campaigns.camp.policy: expected one of highest, priority, round_robin, found `weighted`
            c:18: campaigns.camp.rank_by: expected one of revenue, payout, margin, found `revenu`: did you mean `revenue`?
            c:19: campaigns.camp.penalty: expected true or false, found text"#]],
    );
    change(
        "schema = \"s\"",
        "schema = \"s\"\npolicy = \"round_robin\"\nrank_by = \"margin\"\npenalty = false",
        expect!["good"],
    );
    change(
        "buyer = \"buy\"",
        "buyer = \"buy\"\ntier = -1\nmargin = \"101%\"",
        expect![[r#"
            c:24: contracts.con.tier: expected a number from 0 to 100, found -1
            c:25: contracts.con.margin: expected a percentage like "20%" or "12.5%", from 0% to 100%"#]],
    );
}

#[test]
fn promises_and_posts() {
    change(
        "schema = \"s\"",
        "schema = \"s\"\nquote_promise = \"keep\"\nladder_deadline = \"30s\"",
        expect![[r#"
            c:15: campaigns.camp: `ladder_deadline` needs `after_tmax = "continue"`
            c:17: campaigns.camp.quote_promise: expected one of break_even, keep_margin, reprice, found `keep`"#]],
    );
    change(
        "schema = \"s\"",
        "schema = \"s\"\nquote_promise = \"keep_margin\"\nafter_tmax = \"continue\"\nladder_deadline = \"30s\"",
        expect!["good"],
    );
    change(
        "buyer = \"buy\"",
        "buyer = \"buy\"\npost_price = \"offer\"\nresell_in_doubt = 1\nsettle_within = \"1\"\non_unsettled = \"accepted\"",
        expect![[r#"
            c:24: contracts.con.post_price: expected one of bid, answer, found `offer`
            c:25: contracts.con.resell_in_doubt: expected true or false, found a number
            c:26: contracts.con.settle_within: expected a time span like "150ms", "2s", "5m", "24h" or "30d"
            c:27: contracts.con.on_unsettled: expected one of reject, accept, found `accepted`: did you mean `accept`?"#]],
    );
    change(
        "buyer = \"buy\"",
        "buyer = \"buy\"\npost_price = \"answer\"\nresell_in_doubt = true\nsettle_within = \"1h\"\non_unsettled = \"accept\"",
        expect!["good"],
    );
}
