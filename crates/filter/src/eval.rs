//! A checked filter, and what it says of a lead.
//!
//! A filter numbers the fields it names, its columns, and looks them up by name. Many filters of one lead
//! are asked together: [`crate::Shared`].

use std::sync::Arc;

use domain::{FieldName, FieldValue};

use crate::op::Test;

/// A checked filter. The default one passes everything.
#[derive(Debug, Clone, Default)]
pub struct Filter(Option<Arc<Checked>>);

#[derive(Debug)]
struct Checked {
    root: Node,
    columns: Vec<FieldName>,
}

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

/// What a lead has in the place of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell<'a> {
    /// This.
    Value(&'a FieldValue),
    /// Nothing.
    Absent,
    /// Nothing yet: it may still come with the post.
    Later,
}

/// What a filter reads.
pub trait Fields {
    /// What the lead has of a field.
    fn cell(&self, name: &str) -> Cell<'_>;
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
    Is { column: usize, test: Arc<dyn Test> },
}

/// True, false or unknown; true and false say which column decided first, so that either can become
/// the reason of a failure under `not`.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Truth {
    True(usize),
    False(usize),
    Unknown,
}

impl Truth {
    pub(crate) const fn not(self) -> Self {
        match self {
            Self::True(column) => Self::False(column),
            Self::False(column) => Self::True(column),
            Self::Unknown => Self::Unknown,
        }
    }

    pub(crate) fn verdict(self, columns: &[FieldName]) -> Verdict {
        match self {
            Self::True(_) => Verdict::Pass,
            Self::Unknown => Verdict::Unknown,
            Self::False(column) => match columns.get(column) {
                Some(field) => Verdict::Fail(field.clone()),
                None => Verdict::Unknown,
            },
        }
    }
}

impl Filter {
    pub(crate) fn new(root: Node, columns: Vec<FieldName>) -> Self {
        Self(Some(Arc::new(Checked { root, columns })))
    }

    /// Its root, and the fields it names, by column; none if it passes everything.
    pub(crate) fn parts(&self) -> Option<(&Node, &[FieldName])> {
        let checked = self.0.as_deref()?;
        Some((&checked.root, &checked.columns))
    }

    /// Evaluates the filter on a lead.
    pub fn eval(&self, fields: &dyn Fields) -> Verdict {
        let Some((root, columns)) = self.parts() else {
            return Verdict::Pass;
        };
        let cell = |column: usize| {
            let name = columns.get(column);
            name.map_or(Cell::Absent, |name| fields.cell(name.as_str()))
        };
        root.truth(&cell).verdict(columns)
    }
}

impl Node {
    fn truth<'f>(&self, cells: &impl Fn(usize) -> Cell<'f>) -> Truth {
        match self {
            Self::All(parts) => decide(parts.iter().map(|part| part.truth(cells)), decides_all),
            Self::Any(parts) => decide(parts.iter().map(|part| part.truth(cells)), decides_any),
            Self::Not(inner) => inner.truth(cells).not(),
            Self::Is { column, test } => compare(*column, test.as_ref(), cells(*column)),
        }
    }
}

pub(crate) fn compare(column: usize, test: &dyn Test, cell: Cell<'_>) -> Truth {
    let holds = match cell {
        Cell::Value(value) => test.holds(value),
        Cell::Absent => test.holds_without(),
        Cell::Later => return Truth::Unknown,
    };
    if holds {
        Truth::True(column)
    } else {
        Truth::False(column)
    }
}

/// One false part of an `and` is enough.
pub(crate) const fn decides_all(truth: Truth) -> bool {
    matches!(truth, Truth::False(_))
}

/// One true part of an `or` is enough.
pub(crate) const fn decides_any(truth: Truth) -> bool {
    matches!(truth, Truth::True(_))
}

/// The first part that decides, else unknown if one is, else the first part. What comes after it is not
/// asked.
pub(crate) fn decide(parts: impl Iterator<Item = Truth>, decides: impl Fn(Truth) -> bool) -> Truth {
    let mut result = None;
    for truth in parts {
        if decides(truth) {
            return truth;
        }
        if result.is_none() || matches!(truth, Truth::Unknown) {
            result = Some(truth);
        }
    }
    result.unwrap_or(Truth::Unknown)
}
