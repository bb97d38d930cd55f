//! Reading a tree: every step notes what is wrong and goes on, so that all problems are found.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::str::FromStr;

use crate::Problem;
use crate::suggest::closest;
use crate::tree::{Members, Node, Place, Value};

/// Collects the problems of one document, and which members were asked for.
#[derive(Debug)]
pub(crate) struct Sink {
    file: String,
    problems: RefCell<Vec<Problem>>,
    /// Paths in which `*` stands for a name of the operator's choice and `[]` for any entry.
    asked: RefCell<BTreeSet<String>>,
}

impl Sink {
    pub(crate) fn new(file: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            problems: RefCell::new(Vec::new()),
            asked: RefCell::default(),
        }
    }

    fn add(&self, place: &Place, path: &str, message: String) {
        let (file, line) = match place {
            Place::Line(line) => (self.file.clone(), Some(*line)),
            Place::Variable(name) => (format!("environment variable {name}"), None),
            Place::Flag => ("flags".to_owned(), None),
            Place::Canonical => (self.file.clone(), None),
        };
        self.problems.borrow_mut().push(Problem {
            file,
            line,
            path: path.to_owned(),
            message,
        });
    }

    /// Every member that was asked for, whether it was there or not.
    #[cfg(test)]
    pub(crate) fn asked(&self) -> BTreeSet<String> {
        self.asked.borrow().clone()
    }

    /// All problems, by place.
    pub(crate) fn into_problems(self) -> Vec<Problem> {
        let mut problems = self.problems.into_inner();
        problems.sort();
        problems.dedup();
        problems
    }
}

/// A value being read.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<'t> {
    node: &'t Node,
    path: String,
    /// Its path as [`Sink::asked`] has it.
    pattern: String,
    sink: &'t Sink,
}

impl<'t> Cursor<'t> {
    pub(crate) fn root(node: &'t Node, sink: &'t Sink) -> Self {
        Self {
            node,
            path: String::new(),
            pattern: String::new(),
            sink,
        }
    }

    /// A member, under a name that is ours (`known`) or one that stands for any.
    fn child(&self, name: &str, known: &str, node: &'t Node) -> Self {
        Self {
            node,
            path: joined(&self.path, name),
            pattern: joined(&self.pattern, known),
            sink: self.sink,
        }
    }

    /// Notes a problem with this value.
    pub(crate) fn complain<T>(&self, message: impl Into<String>) -> Option<T> {
        self.sink.add(&self.node.place, &self.path, message.into());
        None
    }

    fn expected<T>(&self, what: &str) -> Option<T> {
        let found = match &self.node.value {
            Value::Text(_) => "text",
            Value::Int(_) => "a number",
            Value::Bool(_) => "true or false",
            Value::List(_) => "a list",
            Value::Table(_) => "a table",
            Value::Other(noun) => noun,
        };
        self.complain(format!("expected {what}, found {found}"))
    }

    /// Whether it was written outside the file, where everything is text.
    fn is_override(&self) -> bool {
        matches!(self.node.place, Place::Variable(_) | Place::Flag)
    }

    pub(crate) fn text(&self) -> Option<&'t str> {
        match &self.node.value {
            Value::Text(text) => Some(text),
            _ => self.expected("text"),
        }
    }

    /// A text that some rule turns into a value.
    pub(crate) fn with<T>(&self, read: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        match read(self.text()?) {
            Ok(value) => Some(value),
            Err(message) => self.complain(message),
        }
    }

    /// A text that stands for a value.
    pub(crate) fn parse<T: FromStr>(&self, expected: &str) -> Option<T> {
        self.with(|text| text.parse().map_err(|_| format!("expected {expected}")))
    }

    /// One of some words.
    pub(crate) fn word<T: Copy>(&self, words: &[(&'static str, T)]) -> Option<T> {
        let text = self.text()?;
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return Some(*value);
        }
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let hint = closest(text, known.iter().copied())
            .map(|word| format!(": did you mean `{word}`?"))
            .unwrap_or_default();
        self.complain(format!(
            "expected one of {}, found `{text}`{hint}",
            known.join(", ")
        ))
    }

    pub(crate) fn int(&self, min: i64, max: i64) -> Option<i64> {
        let number = match &self.node.value {
            Value::Int(number) => *number,
            Value::Text(text) if self.is_override() => match text.parse() {
                Ok(number) => number,
                Err(_) => return self.complain("expected a whole number"),
            },
            _ => return self.expected("a whole number"),
        };
        if (min..=max).contains(&number) {
            Some(number)
        } else {
            self.complain(format!(
                "expected a number from {min} to {max}, found {number}"
            ))
        }
    }

    pub(crate) fn flag(&self) -> Option<bool> {
        match &self.node.value {
            Value::Bool(yes) => Some(*yes),
            Value::Text(text) if self.is_override() => match text.parse() {
                Ok(yes) => Some(yes),
                Err(_) => self.complain("expected true or false"),
            },
            _ => self.expected("true or false"),
        }
    }

    /// A text member of this table, if it has one: nothing is complained of.
    pub(crate) fn peek_text(&self, name: &str) -> Option<&'t str> {
        match &self.node.value {
            Value::Table(members) => match &members.get(name)?.value {
                Value::Text(text) => Some(text),
                _ => None,
            },
            _ => None,
        }
    }

    /// A path; one in the file is relative to the file's folder.
    pub(crate) fn path(&self, folder: &std::path::Path) -> Option<PathBuf> {
        let text = self.text()?;
        if text.is_empty() {
            return self.complain("expected a path");
        }
        Some(if self.is_override() {
            PathBuf::from(text)
        } else {
            folder.join(text)
        })
    }

    /// The entries of a list; none after a complaint.
    pub(crate) fn items(&self) -> Vec<Self> {
        match &self.node.value {
            Value::List(items) => items
                .iter()
                .enumerate()
                .map(|(at, item)| Self {
                    node: item,
                    path: format!("{}[{at}]", self.path),
                    pattern: format!("{}[]", self.pattern),
                    sink: self.sink,
                })
                .collect(),
            _ => {
                self.expected::<()>("a list");
                Vec::new()
            }
        }
    }

    /// The entries of a list that must not be empty, each of which is a `noun`.
    pub(crate) fn some_items(&self, noun: &str) -> Option<Vec<Self>> {
        match &self.node.value {
            Value::List(items) if items.is_empty() => {
                self.complain(format!("expected a list of at least one {noun}"))
            }
            Value::List(_) => Some(self.items()),
            _ => self.expected("a list"),
        }
    }

    /// The entries of a table whose names are chosen by the operator; none after a complaint.
    pub(crate) fn entries(&self) -> Vec<(&'t str, Self)> {
        match &self.node.value {
            Value::Table(members) => members
                .iter()
                .map(|(name, node)| (name.as_str(), self.child(name, "*", node)))
                .collect(),
            _ => {
                self.expected::<()>("a table");
                Vec::new()
            }
        }
    }

    /// Whether it is a table, where other forms are good too.
    pub(crate) fn is_table(&self) -> bool {
        matches!(self.node.value, Value::Table(_))
    }

    /// A table whose names are ours, read to its end.
    pub(crate) fn read_table<T>(
        &self,
        read: impl FnOnce(&mut Table<'t>) -> Option<T>,
    ) -> Option<T> {
        let mut table = self.table()?;
        let value = read(&mut table);
        table.finish();
        value
    }

    fn table(&self) -> Option<Table<'t>> {
        match &self.node.value {
            Value::Table(_) => Some(Table {
                cursor: self.clone(),
                asked: Vec::new(),
            }),
            _ => self.expected("a table"),
        }
    }
}

fn joined(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

/// What stands for a table that is absent.
static EMPTY: Node = Node::new(Value::Table(Members::new()), Place::Canonical);

/// A table being read: each member is asked for once, and what nobody asked for is unknown.
#[derive(Debug)]
pub(crate) struct Table<'t> {
    cursor: Cursor<'t>,
    asked: Vec<&'static str>,
}

impl<'t> Table<'t> {
    /// A member that may be absent.
    pub(crate) fn get(&mut self, name: &'static str) -> Option<Cursor<'t>> {
        self.asked.push(name);
        let mut asked = self.cursor.sink.asked.borrow_mut();
        asked.insert(joined(&self.cursor.pattern, name));
        match &self.cursor.node.value {
            Value::Table(members) => {
                let node = members.get(name)?;
                Some(self.cursor.child(name, name, node))
            }
            _ => None,
        }
    }

    /// A member that has to be there.
    pub(crate) fn need(&mut self, name: &'static str) -> Option<Cursor<'t>> {
        self.get(name)
            .or_else(|| self.complain(format!("`{name}` is missing")))
    }

    /// A member, or a default if it is absent. None only after a complaint.
    pub(crate) fn or<T>(
        &mut self,
        name: &'static str,
        default: T,
        read: impl FnOnce(Cursor<'t>) -> Option<T>,
    ) -> Option<T> {
        match self.get(name) {
            Some(cursor) => read(cursor),
            None => Some(default),
        }
    }

    /// A member that may be absent. The outer none only after a complaint.
    pub(crate) fn optional<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(Cursor<'t>) -> Option<T>,
    ) -> Option<Option<T>> {
        self.or(name, None, |cursor| read(cursor).map(Some))
    }

    /// A table of ours; an absent one is read as an empty one.
    pub(crate) fn section<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut Table<'t>) -> Option<T>,
    ) -> Option<T> {
        let cursor = self
            .get(name)
            .unwrap_or_else(|| self.cursor.child(name, name, &EMPTY));
        cursor.read_table(read)
    }

    /// Notes a problem with the table as a whole.
    pub(crate) fn complain<T>(&self, message: impl Into<String>) -> Option<T> {
        self.cursor.complain(message)
    }

    /// Notes every member that was not asked for.
    pub(crate) fn finish(self) {
        for (name, cursor) in self.cursor.entries() {
            if !self.asked.contains(&name) {
                let hint = closest(name, self.asked.iter().copied())
                    .map(|known| format!(": did you mean `{known}`?"))
                    .unwrap_or_default();
                cursor.complain::<()>(format!("unknown member{hint}"));
            }
        }
    }
}
