//! What a contract chooses leads by and what it pays: what is good, and every mistake at its place.

mod support;

use expect_test::{Expect, expect};
use support::{GOOD, problems_of};

/// Replaces one piece of the good catalog and shows what is then wrong.
fn change(from: &str, to: &str, expect: Expect) {
    assert_eq!(GOOD.matches(from).count(), 1, "{from}");
    expect.assert_eq(&problems_of(&GOOD.replace(from, to)));
}

#[test]
fn targeting() {
    let filter = "filter = \"age >= 18\"";
    for good in [
        "sources = { only = [\"pub\"] }",
        "sources = { only = [\"pub\"], except = [{ publisher = \"pub\", s1 = [\"a\", \"b\"], s10 = [\"x\"] }] }",
        "states = [\"TX\", \"OK\"]\nzips = [\"78701\", \"902*\", \"10000-14999\"]",
        "schedule = [{ days = [\"mon..fri\", \"sun\"], from = \"22:00\", to = \"06:00\" }, { from = \"00:00\", to = \"24:00\" }]\nblackout = [\"2026-12-25\"]",
        "max_already_sold = 3",
    ] {
        let text = GOOD.replace("age = {", "state = { type = \"state\" }\nage = {");
        assert_eq!(problems_of(&text.replace(filter, good)), "good", "{good}");
    }
    change(
        filter,
        "sources = { only = [\"pob\", { publisher = \"pub\" }, { publisher = \"pub\", s11 = [\"a\"] }, { s1 = \"a\" }, { publisher = \"pub\", s1 = [] }] }",
        expect![[r#"
            c:26: contracts.con.sources.only[0]: there is no publisher `pob`: did you mean `pub`?
            c:26: contracts.con.sources.only[1]: expected a sub id, `s1` to `s10`, or the publisher's name alone
            c:26: contracts.con.sources.only[2]: expected a sub id, `s1` to `s10`, or the publisher's name alone
            c:26: contracts.con.sources.only[2].s11: unknown member: did you mean `s1`?
            c:26: contracts.con.sources.only[3]: `publisher` is missing
            c:26: contracts.con.sources.only[3].s1: expected a list, found text
            c:26: contracts.con.sources.only[4].s1: expected a list of at least one value"#]],
    );
    change(
        filter,
        "sources = {}",
        expect!["c:26: contracts.con.sources: expected `only` or `except`"],
    );
    change(
        "schema = \"s\"",
        "schema = \"s\"\nsources = { except = [{ publisher = \"pub\", s1 = [\"farm\"] }] }",
        expect!["good"],
    );
    change(
        "schema = \"s\"",
        "schema = \"s\"\nsources = { only = [\"pob\"] }",
        expect![
            "c:17: campaigns.camp.sources.only[0]: there is no publisher `pob`: did you mean `pub`?"
        ],
    );
    change(
        filter,
        "states = [\"TX\"]",
        expect!["c:26: contracts.con.states: the campaign has no field `state` of type `state`"],
    );
    change(
        filter,
        "zips = [\"7870\", \"78701\", \"20000-10000\", 78701, \"*\"]",
        expect![[r#"
            c:26: contracts.con.zips[0]: expected a ZIP like 78701, 902* or 10000-14999
            c:26: contracts.con.zips[2]: the first ZIP of a range is greater than its last
            c:26: contracts.con.zips[3]: expected text, found a number
            c:26: contracts.con.zips[4]: expected a ZIP like 78701, 902* or 10000-14999"#]],
    );
    change(
        filter,
        "zips = []",
        expect!["c:26: contracts.con.zips: expected a list of at least one entry"],
    );
    change(
        filter,
        "schedule = [{ days = [\"mo\", \"mon-fri\"], from = \"8:00\", to = \"24:01\" }, { days = [], from = \"24:00\", to = \"08:00\" }, { from = \"08:00\", to = \"08:00\", till = \"9\" }, { days = [\"sat\"] }]",
        expect![[r#"
            c:26: contracts.con.schedule[0].days[0]: expected a day like "mon", or days like "mon..fri"
            c:26: contracts.con.schedule[0].days[1]: expected a day like "mon", or days like "mon..fri"
            c:26: contracts.con.schedule[0].from: expected a time of day from "00:00" to "24:00"
            c:26: contracts.con.schedule[0].to: expected a time of day from "00:00" to "24:00"
            c:26: contracts.con.schedule[1]: a row begins before "24:00" and ends at another time
            c:26: contracts.con.schedule[1].days: expected a list of at least one day
            c:26: contracts.con.schedule[2]: a row begins before "24:00" and ends at another time
            c:26: contracts.con.schedule[2].till: unknown member
            c:26: contracts.con.schedule[3]: `from` is missing
            c:26: contracts.con.schedule[3]: `to` is missing"#]],
    );
    change(
        filter,
        "schedule = []",
        expect!["c:26: contracts.con.schedule: expected a list of at least one row"],
    );
    change(
        filter,
        "blackout = [\"2026-02-29\", \"25.12.2026\"]",
        expect![[r#"
            c:26: contracts.con.blackout[0]: expected a date like 2026-12-25
            c:26: contracts.con.blackout[1]: expected a date like 2026-12-25"#]],
    );
    change(
        filter,
        "max_already_sold = 101",
        expect!["c:26: contracts.con.max_already_sold: expected a number from 0 to 100, found 101"],
    );
}

#[test]
fn prices() {
    let bids = "price = { min = \"1.00\", max = \"9.00\" }";
    let checked = GOOD.replace("ping = \"bid\"", "ping = \"check\"");
    for good in [
        "price = { fixed = \"9.00\" }",
        "price = { rules = [{ when = \"age >= 30\", price = \"9.00\" }], else = \"5.00\" }",
        "price = { rules = [], else = \"5.00\" }",
    ] {
        assert_eq!(problems_of(&checked.replace(bids, good)), "good", "{good}");
    }
    expect!["c:25: contracts.con.price: a contract that does not bid has a price of the form { fixed = .. } or { rules = [..], else = .. }"].assert_eq(&problems_of(&checked));
    change(
        bids,
        "price = { rules = [{ when = \"age >= 30\", price = \"9.00\" }], else = \"5.00\" }",
        expect![
            "c:25: contracts.con.price: a contract that bids has a price of the form { min = .., max = .. }"
        ],
    );
    change(
        bids,
        "price = { rules = [{ when = \"agee >= 30\", price = \"0\" }, { when = \"age >\" }, \"x\"], els = \"5.00\" }",
        expect![[r#"
            c:25: contracts.con.price.els: unknown member: did you mean `else`?
            c:25: contracts.con.price.rules[0].price: expected an amount above zero, as text: "12.50"
            c:25: contracts.con.price.rules[0].when: at `agee >= 30`: the campaign has no field `agee`
            c:25: contracts.con.price.rules[1]: `price` is missing
            c:25: contracts.con.price.rules[1].when: at its end: expected a value
            c:25: contracts.con.price.rules[2]: expected a table, found text"#]],
    );
    change(
        bids,
        "price = { fixed = \"1.00\", max = \"2.00\" }",
        expect![
            "c:25: contracts.con.price: expected `fixed`, or `min` and `max`, or `rules` and `else`: one of the three"
        ],
    );
    change(
        bids,
        "price = { rules = [] }",
        expect![
            "c:25: contracts.con.price: expected `fixed`, or `min` and `max`, or `rules` and `else`: one of the three"
        ],
    );
}
