//! A checked filter, and what it says of a lead.
//!
//! A filter numbers the fields it names: its [`Filter::columns`]. One that is asked once looks them
//! up by name; a book of many filters looks each field up once for all of them, and hands each
//! filter its cells.

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
enum Truth {
    True(usize),
    False(usize),
    Unknown,
}

impl Filter {
    pub(crate) fn new(root: Node, columns: Vec<FieldName>) -> Self {
        Self(Some(Arc::new(Checked { root, columns })))
    }

    /// The fields it names, each once.
    pub fn columns(&self) -> &[FieldName] {
        self.0.as_deref().map_or(&[], |checked| &checked.columns)
    }

    /// Evaluates the filter on a lead.
    pub fn eval(&self, fields: &dyn Fields) -> Verdict {
        let columns = self.columns();
        self.eval_cells(|column| {
            let name = columns.get(column);
            name.map_or(Cell::Absent, |name| fields.cell(name.as_str()))
        })
    }

    /// Evaluates the filter on what a lead has in each of its columns.
    pub fn eval_cells<'f>(&self, cells: impl Fn(usize) -> Cell<'f>) -> Verdict {
        let Some(checked) = self.0.as_deref() else {
            return Verdict::Pass;
        };
        match checked.root.truth(&cells) {
            Truth::True(_) => Verdict::Pass,
            Truth::Unknown => Verdict::Unknown,
            Truth::False(column) => match checked.columns.get(column) {
                Some(field) => Verdict::Fail(field.clone()),
                None => Verdict::Unknown,
            },
        }
    }
}

impl Node {
    fn truth<'f>(&self, cells: &impl Fn(usize) -> Cell<'f>) -> Truth {
        match self {
            Self::All(parts) => {
                let stop = |truth: &Truth| matches!(truth, Truth::False(_));
                decide(parts, cells, stop)
            }
            Self::Any(parts) => {
                let stop = |truth: &Truth| matches!(truth, Truth::True(_));
                decide(parts, cells, stop)
            }
            Self::Not(inner) => match inner.truth(cells) {
                Truth::True(column) => Truth::False(column),
                Truth::False(column) => Truth::True(column),
                Truth::Unknown => Truth::Unknown,
            },
            Self::Is { column, test } => compare(*column, test.as_ref(), cells),
        }
    }
}

fn compare<'f>(column: usize, test: &dyn Test, cells: &impl Fn(usize) -> Cell<'f>) -> Truth {
    let holds = match cells(column) {
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

/// The first part that decides, else unknown if one is, else the first part.
fn decide<'f>(
    parts: &[Node],
    cells: &impl Fn(usize) -> Cell<'f>,
    stop: impl Fn(&Truth) -> bool,
) -> Truth {
    let mut result = None;
    for part in parts {
        let truth = match part {
            // Most parts are comparisons: no need to go deeper for them.
            Node::Is { column, test } => compare(*column, test.as_ref(), cells),
            deeper => deeper.truth(cells),
        };
        if stop(&truth) {
            return truth;
        }
        if result.is_none() || matches!(truth, Truth::Unknown) {
            result = Some(truth);
        }
    }
    result.unwrap_or(Truth::Unknown)
}
