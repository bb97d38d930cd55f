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
        "schema = \"s\"\npolicy = \"weighted\"\nrank_by = \"revenu\"\npenalty = \"no\"\nmin_ladder = 0",
        expect![[r#"
            c:17: campaigns.camp.policy: expected one of highest, priority, round_robin, found `weighted`
            c:18: campaigns.camp.rank_by: expected one of revenue, payout, margin, found `revenu`: did you mean `revenue`?
            c:19: campaigns.camp.penalty: expected true or false, found text
            c:20: campaigns.camp.min_ladder: expected a number from 1 to 100, found 0"#]],
    );
    change(
        "schema = \"s\"",
        "schema = \"s\"\npolicy = \"round_robin\"\nrank_by = \"margin\"\npenalty = false\nmin_ladder = 1",
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
fn rates_and_breakers() {
    change(
        "keys = [\"a-publisher-key-1\"]",
        "requests_per_s = 0",
        expect![
            "c:10: publishers.pub.requests_per_s: expected a number from 1 to 1000000, found 0"
        ],
    );
    change(
        "keys = [\"a-buyer-key-00001\"]",
        "pings_per_s = 1.5\nposts_per_s = \"fast\"\npings = 3",
        expect![[r#"
            c:13: buyers.buy.pings_per_s: expected a whole number, found a float
            c:14: buyers.buy.posts_per_s: expected a whole number, found text
            c:15: buyers.buy.pings: unknown member"#]],
    );
    change(
        "buyer = \"buy\"",
        "buyer = \"buy\"\npings_per_s = 2000000\nposts_per_s = -1\nbreaker = { on = 1, failures = \"half\", of_last = 0, within = \"0s\", opens = 3 }",
        expect![[r#"
            c:24: contracts.con.pings_per_s: expected a number from 1 to 1000000, found 2000000
            c:25: contracts.con.posts_per_s: expected a number from 1 to 1000000, found -1
            c:26: contracts.con.breaker.failures: expected a percentage like "20%" or "12.5%", from 0% to 100%
            c:26: contracts.con.breaker.of_last: expected a number from 1 to 1000, found 0
            c:26: contracts.con.breaker.on: expected true or false, found a number
            c:26: contracts.con.breaker.opens: unknown member
            c:26: contracts.con.breaker.within: expected a time span longer than none"#]],
    );
    change(
        "buyer = \"buy\"",
        "buyer = \"buy\"\nbreaker = { of_last = 4 }",
        expect![
            "c:24: contracts.con.breaker: `at_least` is more than `of_last`: it would never open"
        ],
    );
    change(
        "buyer = \"buy\"",
        "buyer = \"buy\"\nbreaker = { open_for = \"10m\" }",
        expect!["c:24: contracts.con.breaker: `open_for` is longer than `open_at_most`"],
    );
    change(
        "buyer = \"buy\"",
        "buyer = \"buy\"\nbreaker = \"off\"",
        expect!["c:24: contracts.con.breaker: expected a table, found text"],
    );
    change(
        "buyer = \"buy\"",
        "buyer = \"buy\"\nbreaker = { on = false }\npings_per_s = 5\nposts_per_s = 1",
        expect!["good"],
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
