//! Damaged catalogs have problems; they never make the reader panic.

mod support;

use std::collections::BTreeMap;

use catalog::load_catalog;
use proptest::prelude::*;
use support::{GOOD, lines, problems_of};

proptest! {
    #[test]
    fn no_text_panics(text in "[a-z.=\\[\\]{}\"' 0-9\\n$:/-]{0,200}") {
        let _ = problems_of(&text);
    }

    /// Any one line of the good catalog gone, doubled or cut: problems or none, but no panic.
    #[test]
    fn no_damage_panics(line in 0_usize..45, how in 0_u8..4, cut in 0_usize..60, junk in "\\PC{0,8}") {
        let mut damaged: Vec<String> = GOOD.lines().map(str::to_owned).collect();
        let at = line % damaged.len();
        match how {
            0 => drop(damaged.remove(at)),
            1 => damaged.insert(at, damaged[at].clone()),
            2 => damaged[at] = damaged[at].chars().take(cut).collect(),
            _ => damaged[at] = damaged[at].chars().take(cut).chain(junk.chars()).chain(damaged[at].chars().skip(cut)).collect(),
        }
        let _ = problems_of(&damaged.join("\n"));
    }

    /// The canonical form, damaged: it comes from a log.
    #[test]
    fn no_damaged_canonical_form_panics(at in any::<prop::sample::Index>(), byte in any::<char>()) {
        let good = load_catalog("c", GOOD, &BTreeMap::new(), &[]).unwrap();
        let mut chars: Vec<char> = String::from_utf8(good.canonical).unwrap().chars().collect();
        let at = at.index(chars.len());
        chars[at] = byte;
        let text: String = chars.into_iter().collect();
        if let Err(problems) = load_catalog("log", &text, &BTreeMap::new(), &[]) {
            prop_assert!(!lines(&problems).is_empty());
        }
    }
}
