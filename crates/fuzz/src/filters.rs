//! The filter language.

use std::sync::LazyLock;

use filter::{Cell, FieldType, FieldTypes, Fields};

static TYPES: LazyLock<FieldTypes> = LazyLock::new(|| {
    let types = [
        ("state", FieldType::Text),
        ("age", FieldType::Int),
        ("sr22", FieldType::Bool),
        ("zip", FieldType::Zip),
        ("born", FieldType::Date),
        (
            "size",
            FieldType::Enum(["small", "large"].map(str::to_owned).into()),
        ),
    ];
    types
        .into_iter()
        .map(|(name, kind)| (name.parse().unwrap(), kind))
        .collect()
});

/// A lead of which nothing is known, now or for ever.
struct Lead(bool);

impl Fields for Lead {
    fn cell(&self, _: &str) -> Cell<'_> {
        if self.0 { Cell::Absent } else { Cell::Later }
    }
}

pub(crate) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match filter::compile(text, &TYPES) {
        Ok(filter) => {
            for carried in [false, true] {
                let _ = filter.eval(&Lead(carried));
            }
        }
        Err(issues) => {
            assert!(!issues.is_empty(), "refused for nothing");
            for issue in &issues {
                assert!(
                    text.is_char_boundary(issue.at),
                    "{issue:?} lies inside a character"
                );
                assert!(!issue.message.is_empty());
            }
            assert_eq!(filter::compile(text, &TYPES).err(), Some(issues));
        }
    }
}
