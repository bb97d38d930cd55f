//! The compiled filter against an interpreter that says the language again in the simplest way, over
//! random expressions and random leads; and: no text makes the parser panic.
#![expect(clippy::unwrap_used, reason = "a test may")]

use std::collections::BTreeMap;

use domain::FieldValue;
use filter::{Answers, Cell, FieldType, FieldTypes, Fields, Filter, Shared, Verdict, compile};
use proptest::prelude::*;

/// An expression, as a tree; all fields are numbers.
#[derive(Debug, Clone)]
enum Tree {
    Is(&'static str, &'static str, Vec<i64>),
    Not(Box<Tree>),
    And(Vec<Tree>),
    Or(Vec<Tree>),
}

const FIELDS: [&str; 4] = ["a", "b", "c", "d"];

/// A lead: a value, nothing, or something that may still come.
#[derive(Debug, Clone, Copy)]
enum Slot {
    Value(i64),
    Absent,
    Later,
}

struct Lead(BTreeMap<&'static str, (Slot, Option<FieldValue>)>);

impl Fields for Lead {
    fn cell(&self, name: &str) -> Cell<'_> {
        match self.0.get(name) {
            Some((Slot::Later, _)) => Cell::Later,
            Some((_, Some(value))) => Cell::Value(value),
            _ => Cell::Absent,
        }
    }
}

impl Tree {
    fn text(&self) -> String {
        let join = |parts: &[Tree], word: &str| {
            let parts: Vec<String> = parts
                .iter()
                .map(|part| format!("({})", part.text()))
                .collect();
            parts.join(word)
        };
        match self {
            Tree::Is(field, "between", v) => format!("{field} between {} and {}", v[0], v[1]),
            Tree::Is(field, op @ ("in" | "not in"), values) => {
                let values: Vec<String> = values.iter().map(i64::to_string).collect();
                format!("{field} {op} ({})", values.join(", "))
            }
            Tree::Is(field, op @ ("present" | "absent"), _) => format!("{field} {op}"),
            Tree::Is(field, op, values) => format!("{field} {op} {}", values[0]),
            Tree::Not(inner) => format!("not ({})", inner.text()),
            Tree::And(parts) => join(parts, " and "),
            Tree::Or(parts) => join(parts, " or "),
        }
    }

    /// Kleene's logic: none is unknown.
    fn truth(&self, lead: &Lead) -> Option<bool> {
        match self {
            Tree::Is(field, op, v) => {
                let x = match lead.0[field].0 {
                    Slot::Later => return None,
                    Slot::Absent => return Some(["!=", "not in", "absent"].contains(op)),
                    Slot::Value(x) => x,
                };
                Some(match *op {
                    "=" => x == v[0],
                    "!=" => x != v[0],
                    "<" => x < v[0],
                    "<=" => x <= v[0],
                    ">" => x > v[0],
                    ">=" => x >= v[0],
                    "between" => v[0] <= x && x <= v[1],
                    "in" => v.contains(&x),
                    "not in" => !v.contains(&x),
                    "present" => true,
                    "absent" => false,
                    other => unreachable!("{other}"),
                })
            }
            Tree::Not(inner) => inner.truth(lead).map(|truth| !truth),
            Tree::And(parts) => {
                let truths: Vec<_> = parts.iter().map(|part| part.truth(lead)).collect();
                if truths.contains(&Some(false)) {
                    Some(false)
                } else if truths.contains(&None) {
                    None
                } else {
                    Some(true)
                }
            }
            Tree::Or(parts) => {
                let truths: Vec<_> = parts.iter().map(|part| part.truth(lead)).collect();
                if truths.contains(&Some(true)) {
                    Some(true)
                } else if truths.contains(&None) {
                    None
                } else {
                    Some(false)
                }
            }
        }
    }

    fn fields(&self, into: &mut Vec<&'static str>) {
        match self {
            Tree::Is(field, _, _) => into.push(field),
            Tree::Not(inner) => inner.fields(into),
            Tree::And(parts) | Tree::Or(parts) => parts.iter().for_each(|part| part.fields(into)),
        }
    }
}

fn leaf() -> impl Strategy<Value = Tree> {
    let field = prop::sample::select(FIELDS.to_vec());
    let op = prop::sample::select(vec![
        "=", "!=", "<", "<=", ">", ">=", "between", "in", "not in", "present", "absent",
    ]);
    (field, op, prop::collection::vec(-3_i64..4, 2..4)).prop_map(|(field, op, mut values)| {
        if op == "between" {
            values.sort_unstable();
        }
        Tree::Is(field, op, values)
    })
}

fn tree() -> impl Strategy<Value = Tree> {
    leaf().prop_recursive(4, 32, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|tree| Tree::Not(Box::new(tree))),
            prop::collection::vec(inner.clone(), 1..4).prop_map(Tree::And),
            prop::collection::vec(inner, 1..4).prop_map(Tree::Or),
        ]
    })
}

fn lead() -> impl Strategy<Value = Lead> {
    let slot = prop_oneof![
        4 => (-3_i64..4).prop_map(Slot::Value),
        1 => Just(Slot::Absent),
        1 => Just(Slot::Later),
    ];
    prop::collection::vec(slot, FIELDS.len()).prop_map(|slots| {
        let with_value = |slot| match slot {
            Slot::Value(x) => (slot, Some(FieldValue::Int(x))),
            Slot::Absent | Slot::Later => (slot, None),
        };
        Lead(
            FIELDS
                .into_iter()
                .zip(slots.into_iter().map(with_value))
                .collect(),
        )
    })
}

impl std::fmt::Debug for Lead {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

fn types() -> FieldTypes {
    FIELDS
        .iter()
        .map(|name| (name.parse().unwrap(), FieldType::Int))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn compiled_agrees_with_naive(tree in tree(), lead in lead()) {
        let text = tree.text();
        let filter = compile(&text, &types()).unwrap();
        let verdict = filter.eval(&lead);
        match tree.truth(&lead) {
            Some(true) => prop_assert_eq!(verdict, Verdict::Pass, "{}", text),
            None => prop_assert_eq!(verdict, Verdict::Unknown, "{}", text),
            Some(false) => {
                let Verdict::Fail(field) = verdict else {
                    return Err(TestCaseError::fail(format!("{text}: {verdict:?}")));
                };
                let mut named = Vec::new();
                tree.fields(&mut named);
                prop_assert!(named.contains(&field.as_str()), "{}: {}", text, field);
            }
        }
    }

    /// Many filters say of a lead together what each says alone, in whatever order they are asked.
    #[test]
    fn together_they_say_what_each_says_alone(
        trees in prop::collection::vec(tree(), 1..8),
        order in prop::collection::vec(any::<prop::sample::Index>(), 1..24),
        lead in lead(),
    ) {
        let mut filters: Vec<_> = trees.iter().map(|tree| compile(&tree.text(), &types()).unwrap()).collect();
        filters.push(Filter::default());
        let shared = Shared::new(&filters);
        let mut answers = Answers::new(&shared, &lead);
        for which in order {
            let number = which.index(filters.len());
            prop_assert_eq!(answers.of(number), filters[number].eval(&lead), "{} of {:?}", number, trees);
        }
    }

    /// `matches`, against the pieces its pattern is made of.
    #[test]
    fn a_text_matches_from_end_to_end(pieces in prop::collection::vec("[ab]{1,2}", 1..4), text in "[ab]{0,3}") {
        let types = FieldTypes::from([("a".parse().unwrap(), FieldType::Text)]);
        let filter = compile(&format!("a matches '{}'", pieces.join("|")), &types).unwrap();
        let lead = Lead(BTreeMap::from([("a", (Slot::Value(0), Some(FieldValue::Text(text.clone()))))]));
        let verdict = filter.eval(&lead);
        prop_assert_eq!(verdict == Verdict::Pass, pieces.contains(&text), "{:?} {}", pieces, text);
        let absent = Lead(BTreeMap::from([("a", (Slot::Absent, None))]));
        prop_assert!(matches!(filter.eval(&absent), Verdict::Fail(_)));
        let later = Lead(BTreeMap::from([("a", (Slot::Later, None))]));
        prop_assert_eq!(filter.eval(&later), Verdict::Unknown);
    }

    #[test]
    fn no_text_panics(text in "[ab !=<>()',\"0-9andortimpresh\\PC]{0,80}") {
        let _ = compile(&text, &types());
    }
}

#[test]
fn the_first_failing_field_is_named() {
    let lead = Lead(
        FIELDS
            .map(|name| (name, (Slot::Value(1), Some(FieldValue::Int(1)))))
            .into(),
    );
    for (text, field) in [
        ("a = 1 and b = 2 and c = 2", "b"),
        ("a = 2 or b = 2", "a"),
        ("not (a = 1 and b = 1)", "a"),
        ("not (a = 2 or b = 1)", "b"),
    ] {
        let verdict = compile(text, &types()).unwrap().eval(&lead);
        assert_eq!(verdict, Verdict::Fail(field.parse().unwrap()), "{text}");
    }
}
