//! Many filters, asked of one lead: what two of them have in common is asked once.
//!
//! Filters of a book say the same things again and again: `state = TX`, `age >= 18`, often as whole
//! filters. Every distinct part of all of them, a comparison or what joins some, has one place here
//! (hash-consing), and an answer that is kept for as long as the lead is looked at.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::FieldName;

use crate::eval::{Node, Truth, compare, decide, decides_all, decides_any};
use crate::op::Test;
use crate::{Cell, Fields, Filter, Verdict};

/// Filters, by number, in the order in which they were given.
#[derive(Debug, Clone, Default)]
pub struct Shared {
    fields: Vec<FieldName>,
    parts: Vec<Part>,
    /// The part that each filter is; none for one that passes everything.
    roots: Vec<Option<usize>>,
}

/// A part; others by their places, which are lower than its own.
#[derive(Debug, Clone)]
enum Part {
    All(Vec<usize>),
    Any(Vec<usize>),
    Not(usize),
    Is { field: usize, test: Arc<dyn Test> },
}

/// What tells one part from another.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    All(Vec<usize>),
    Any(Vec<usize>),
    Not(usize),
    /// With all that the test does, in words.
    Is(usize, String),
}

impl Shared {
    /// These filters.
    pub fn new<'a>(filters: impl IntoIterator<Item = &'a Filter>) -> Self {
        let mut builder = Builder::default();
        for filter in filters {
            let root = filter.parts();
            let root = root.map(|(node, columns)| builder.part(node, columns));
            builder.shared.roots.push(root);
        }
        builder.shared
    }

    /// What the filter of this number has in common with all that say the same; none if it passes
    /// everything.
    pub fn like(&self, filter: usize) -> Option<usize> {
        self.roots.get(filter).copied().flatten()
    }
}

#[derive(Default)]
struct Builder {
    shared: Shared,
    fields: BTreeMap<FieldName, usize>,
    known: BTreeMap<Key, usize>,
}

impl Builder {
    fn part(&mut self, node: &Node, columns: &[FieldName]) -> usize {
        let mut parts = |nodes: &[Node]| -> Vec<usize> {
            nodes.iter().map(|node| self.part(node, columns)).collect()
        };
        let (key, part) = match node {
            Node::All(nodes) => {
                let parts = parts(nodes);
                (Key::All(parts.clone()), Part::All(parts))
            }
            Node::Any(nodes) => {
                let parts = parts(nodes);
                (Key::Any(parts.clone()), Part::Any(parts))
            }
            Node::Not(inner) => {
                let inner = self.part(inner, columns);
                (Key::Not(inner), Part::Not(inner))
            }
            Node::Is { column, test } => {
                let field = self.field(columns.get(*column));
                let test = Arc::clone(test);
                (
                    Key::Is(field, format!("{test:?}")),
                    Part::Is { field, test },
                )
            }
        };
        let parts = &mut self.shared.parts;
        *self.known.entry(key).or_insert_with(|| {
            parts.push(part);
            parts.len() - 1
        })
    }

    /// The place of a field; that of nothing is beyond them all.
    fn field(&mut self, name: Option<&FieldName>) -> usize {
        let Some(name) = name else { return usize::MAX };
        let fields = &mut self.shared.fields;
        *self.fields.entry(name.clone()).or_insert_with(|| {
            fields.push(name.clone());
            fields.len() - 1
        })
    }
}

/// What filters say of one lead.
#[derive(Debug)]
pub struct Answers<'s, 'f> {
    shared: &'s Shared,
    cells: Vec<Cell<'f>>,
    known: Vec<Option<Truth>>,
}

impl<'s, 'f> Answers<'s, 'f> {
    /// Nothing is asked yet; each field is looked up once.
    pub fn new(shared: &'s Shared, lead: &'f dyn Fields) -> Self {
        let fields = shared.fields.iter();
        Self {
            cells: fields.map(|name| lead.cell(name.as_str())).collect(),
            known: vec![None; shared.parts.len()],
            shared,
        }
    }

    /// What the filter of this number says; one that there is not passes everything.
    pub fn of(&mut self, filter: usize) -> Verdict {
        let Some(root) = self.shared.like(filter) else {
            return Verdict::Pass;
        };
        let truth = self.truth(root);
        truth.verdict(&self.shared.fields)
    }

    fn truth(&mut self, place: usize) -> Truth {
        if let Some(Some(known)) = self.known.get(place) {
            return *known;
        }
        let truth = match self.shared.parts.get(place) {
            Some(Part::All(parts)) => {
                decide(parts.iter().map(|part| self.truth(*part)), decides_all)
            }
            Some(Part::Any(parts)) => {
                decide(parts.iter().map(|part| self.truth(*part)), decides_any)
            }
            Some(Part::Not(inner)) => self.truth(*inner).not(),
            Some(Part::Is { field, test }) => {
                let cell = self.cells.get(*field).copied().unwrap_or(Cell::Absent);
                compare(*field, test.as_ref(), cell)
            }
            None => Truth::Unknown,
        };
        if let Some(known) = self.known.get_mut(place) {
            *known = Some(truth);
        }
        truth
    }
}
