//! Every kind of mistake in a filter's text, with its place; several at once.
#![expect(clippy::unwrap_used, reason = "a test may")]

use domain::FieldName;
use expect_test::{Expect, expect};
use filter::{FieldType, FieldTypes, compile};

fn types() -> FieldTypes {
    let states = ["TX", "OR"].map(str::to_owned).into();
    [
        ("state", FieldType::Enum(states)),
        ("zip", FieldType::Zip),
        ("age", FieldType::Int),
        ("sr22", FieldType::Bool),
        ("born", FieldType::Date),
        ("make", FieldType::Text),
    ]
    .into_iter()
    .map(|(name, field_type)| (name.parse::<FieldName>().unwrap(), field_type))
    .collect()
}

fn check(text: &str, expect: Expect) {
    let shown = match compile(text, &types()) {
        Ok(_) => "good".to_owned(),
        Err(issues) => {
            let lines: Vec<String> = issues.iter().map(ToString::to_string).collect();
            lines.join("\n")
        }
    };
    expect.assert_eq(&shown);
}

#[test]
fn good_ones() {
    for text in [
        "age = 3",
        "not (zip between 02134 and 02139) or state in (TX,OR) and make != 'o''neill'",
        "not not sr22 = true",
        "((((age >= -1))))",
        "born < 2001-01-31 and make in ('a', \"b\", c)",
        "make present and not born absent or zip not in (02134, 02139)",
        "make matches 'f(or)?d|kia' and zip matches '787..' and make = 'present'",
    ] {
        check(text, expect!["good"]);
    }
}

#[test]
fn grammar() {
    check("", expect!["at 0: a filter cannot be empty"]);
    check(
        "age",
        expect![
            "at 3: expected one of =, !=, <, <=, >, >=, between, in, not in, present, absent, matches"
        ],
    );
    check("age = ", expect!["at 6: expected a value"]);
    check(
        "age = 1 state = TX",
        expect!["at 8: expected `and`, `or` (in lower case) or the end"],
    );
    check("(age = 1", expect!["at 8: expected `)`, `and` or `or`"]);
    check("age = 1)", expect!["at 7: this `)` closes nothing"]);
    check(
        "Age = 1",
        expect!["at 0: `Age` is no name of a field: those are lower case"],
    );
    check(
        "make = 'abc",
        expect![[r#"
        at 7: this quote does not end
        at 11: expected a value"#]],
    );
    check("age between 1", expect!["at 13: expected `and`"]);
    check(
        "age between 5 and 1",
        expect!["at 0: nothing is between 5 and 1"],
    );
    check("age in (1, 2", expect!["at 12: expected `)`"]);
    check("age in ()", expect!["at 8: expected a value"]);
    check(
        "age # 1",
        expect![[r#"
            at 4: `#` means nothing here
            at 6: expected one of =, !=, <, <=, >, >=, between, in, not in, present, absent, matches"#]],
    );
}

#[test]
fn types_and_names() {
    check(
        "agee = 1",
        expect!["at 0: the campaign has no field `agee`"],
    );
    check("age = x", expect!["at 6: expected a whole number"]);
    check("state = TXX", expect!["at 8: expected one of OR, TX"]);
    check("zip = 123", expect!["at 6: expected a ZIP of five digits"]);
    check(
        "born = 2001-02-30",
        expect!["at 7: expected a date like 2026-01-31"],
    );
    check("sr22 = yes", expect!["at 7: expected true or false"]);
    check(
        "make < a",
        expect!["at 0: `<` does not apply to `make`, which holds text"],
    );
    check(
        "sr22 between true and false",
        expect!["at 0: `between` does not apply to `sr22`, which holds true or false"],
    );
}

#[test]
fn further_operators() {
    check(
        "make matches '('",
        expect!["at 0: `(` is no pattern: unclosed group"],
    );
    check(
        "make matches 'a)(b'",
        expect!["at 0: `a)(b` is no pattern: unopened group"],
    );
    check(
        "make matches '.{999}{999}'",
        expect![
            "at 0: `.{999}{999}` is no pattern: Compiled regex exceeds size limit of 1048576 bytes."
        ],
    );
    check(
        "age matches '1.'",
        expect!["at 0: `matches` does not apply to `age`, which holds a whole number"],
    );
    check("make matches", expect!["at 12: expected a value"]);
    check(
        "age not (1, 2)",
        expect![
            "at 4: expected one of =, !=, <, <=, >, >=, between, in, not in, present, absent, matches"
        ],
    );
    check("age not in 1", expect!["at 11: expected `(`"]);
    check(
        "state not in (TX, XX)",
        expect!["at 18: expected one of OR, TX"],
    );
    check("present = 1", expect!["at 0: expected the name of a field"]);
    check(
        "age present 1",
        expect!["at 12: expected `and`, `or` (in lower case) or the end"],
    );
    check("make = absent", expect!["at 7: expected a value"]);
}

#[test]
fn all_at_once() {
    check(
        "age = and state == TX or (zip in (1, ) and foo) or make",
        expect![[r#"
            at 6: expected a value
            at 17: expected a value
            at 37: expected a value
            at 46: expected one of =, !=, <, <=, >, >=, between, in, not in, present, absent, matches
            at 55: expected one of =, !=, <, <=, >, >=, between, in, not in, present, absent, matches"#]],
    );
    check(
        "age = x or zip = y or bad = 1",
        expect![[r#"
        at 6: expected a whole number
        at 17: expected a ZIP of five digits
        at 22: the campaign has no field `bad`"#]],
    );
}

#[test]
fn limits() {
    let deep = format!("{}age = 1{}", "(".repeat(33), ")".repeat(33));
    check(&deep, expect!["at 32: nested deeper than 32"]);
    check(
        &"not ".repeat(5000),
        expect!["at 128: nested deeper than 32"],
    );
    check(
        &vec!["age = 1"; 201].join(" or "),
        expect!["at 2200: a filter has at most 200 comparisons"],
    );
    let long = format!("age in ({})", vec!["1"; 5001].join(","));
    check(&long, expect!["at 10008: `in` has at most 5000 values"]);
    check(
        &" ".repeat(70_000),
        expect!["at 65536: a filter has at most 65536 bytes"],
    );
}
