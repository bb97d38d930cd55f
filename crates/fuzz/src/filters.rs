//! The filter language.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use domain::{FieldName, FieldValue};
use filter::{FieldType, FieldTypes, Fields};

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

/// A lead with everything, or with nothing.
struct Lead(BTreeMap<FieldName, FieldValue>, bool);

impl Fields for Lead {
    fn field(&self, name: &FieldName) -> Option<&FieldValue> {
        self.0.get(name)
    }

    fn carried(&self, _: &FieldName) -> bool {
        self.1
    }
}

pub(crate) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match filter::compile(text, &TYPES) {
        Ok(filter) => {
            for carried in [false, true] {
                let lead = Lead(BTreeMap::new(), carried);
                let _ = filter.eval(&lead);
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
