//! A checked filter, and what it says of a lead.

use std::sync::Arc;

use domain::{FieldName, FieldValue};

use crate::op::Test;

/// A checked filter. The default one passes everything.
#[derive(Debug, Clone, Default)]
pub struct Filter(Option<Arc<Node>>);

/// What a filter says of a lead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It matches.
    Pass,
    /// It does not, because of this field.
    Fail(FieldName),
    /// It hangs on a post field that a ping does not carry.
    Unknown,
}

/// What a filter reads.
pub trait Fields {
    /// The value of a field, if the lead has it.
    fn field(&self, name: &FieldName) -> Option<&FieldValue>;
    /// Whether the field could be there at all: false for a post-only field at the ping.
    fn carried(&self, name: &FieldName) -> bool;
}

/// A part of a checked filter.
#[derive(Debug)]
pub(crate) enum Node {
    /// All hold.
    All(Vec<Node>),
    /// One holds.
    Any(Vec<Node>),
    /// It does not hold.
    Not(Box<Node>),
    /// A comparison.
    Is {
        field: FieldName,
        test: Arc<dyn Test>,
    },
}

/// True, false or unknown; true and false name the field that decided first, so that either can
/// become the reason of a failure under `not`.
#[derive(Debug, Clone, Copy)]
enum Truth<'a> {
    True(&'a FieldName),
    False(&'a FieldName),
    Unknown,
}

impl Filter {
    pub(crate) fn new(root: Node) -> Self {
        Self(Some(Arc::new(root)))
    }

    /// Evaluates the filter on a lead.
    pub fn eval(&self, fields: &dyn Fields) -> Verdict {
        match self.0.as_deref().map(|root| root.truth(fields)) {
            None | Some(Truth::True(_)) => Verdict::Pass,
            Some(Truth::False(field)) => Verdict::Fail(field.clone()),
            Some(Truth::Unknown) => Verdict::Unknown,
        }
    }
}

impl Node {
    fn truth(&self, fields: &dyn Fields) -> Truth<'_> {
        match self {
            Self::All(parts) => {
                let stop = |truth: &Truth<'_>| matches!(truth, Truth::False(_));
                decide(parts, fields, stop)
            }
            Self::Any(parts) => {
                let stop = |truth: &Truth<'_>| matches!(truth, Truth::True(_));
                decide(parts, fields, stop)
            }
            Self::Not(inner) => match inner.truth(fields) {
                Truth::True(field) => Truth::False(field),
                Truth::False(field) => Truth::True(field),
                Truth::Unknown => Truth::Unknown,
            },
            Self::Is { field, test } => {
                let holds = match fields.field(field) {
                    Some(value) => test.holds(value),
                    None if fields.carried(field) => test.holds_without(),
                    None => return Truth::Unknown,
                };
                if holds {
                    Truth::True(field)
                } else {
                    Truth::False(field)
                }
            }
        }
    }
}

/// The first part that decides, else unknown if one is, else the first part.
fn decide<'a>(
    parts: &'a [Node],
    fields: &dyn Fields,
    stop: impl Fn(&Truth<'a>) -> bool,
) -> Truth<'a> {
    let mut result = None;
    for part in parts {
        let truth = part.truth(fields);
        if stop(&truth) {
            return truth;
        }
        if result.is_none() || matches!(truth, Truth::Unknown) {
            result = Some(truth);
        }
    }
    result.unwrap_or(Truth::Unknown)
}
