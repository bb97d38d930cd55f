//! A document as plain values, each knowing where it was written. TOML for people, JSON for the
//! canonical form: both give the same tree.

use std::collections::BTreeMap;

use toml_edit::{Document, Item};

use crate::Problem;

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the file, on this line.
    Line(usize),
    /// In an environment variable of this name.
    Variable(String),
    /// In a flag.
    Flag,
    /// In the canonical form, which has no lines.
    Canonical,
}

/// A value and its place.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) value: Value,
    pub(crate) place: Place,
}

/// The members of a table; their order means nothing.
pub(crate) type Members = BTreeMap<String, Node>;

/// A value.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Text(String),
    Int(i64),
    Bool(bool),
    List(Vec<Node>),
    Table(Members),
    /// Something no member takes: a float, a date.
    Other(&'static str),
}

impl Node {
    pub(crate) const fn new(value: Value, place: Place) -> Self {
        Self { value, place }
    }

    /// Reads a TOML document, or a canonical form.
    pub(crate) fn read(file: &str, text: &str) -> Result<Self, Problem> {
        let problem = |line, message: &str| Problem {
            file: file.to_owned(),
            line,
            path: String::new(),
            message: message.trim().to_owned(),
        };
        if text.starts_with('{') {
            return serde_json::from_str(text)
                .map(|json| Self::new(of_json(json), Place::Canonical))
                .map_err(|error| problem(None, &error.to_string()));
        }
        let lines = Lines::new(text);
        let document = Document::parse(text).map_err(|error| {
            let line = error.span().map(|span| lines.of(span.start));
            problem(line, error.message())
        })?;
        let root = lines.table(document.as_table());
        Ok(Self::new(root, Place::Line(1)))
    }

    /// The canonical form: JSON, members by name, no white space.
    pub(crate) fn canonical(&self) -> Vec<u8> {
        self.to_json().to_string().into_bytes()
    }

    fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Text(text) => text.as_str().into(),
            Value::Int(number) => (*number).into(),
            Value::Bool(yes) => (*yes).into(),
            Value::List(items) => items.iter().map(Self::to_json).collect(),
            Value::Table(members) => members
                .iter()
                .map(|(name, node)| (name.clone(), node.to_json()))
                .collect(),
            Value::Other(_) => serde_json::Value::Null,
        }
    }
}

fn of_json(json: serde_json::Value) -> Value {
    let node = |json| Node::new(of_json(json), Place::Canonical);
    match json {
        serde_json::Value::String(text) => Value::Text(text),
        serde_json::Value::Bool(yes) => Value::Bool(yes),
        serde_json::Value::Number(number) => {
            number.as_i64().map_or(Value::Other("a number"), Value::Int)
        }
        serde_json::Value::Array(items) => Value::List(items.into_iter().map(node).collect()),
        serde_json::Value::Object(members) => Value::Table(
            members
                .into_iter()
                .map(|(name, json)| (name, node(json)))
                .collect(),
        ),
        serde_json::Value::Null => Value::Other("null"),
    }
}

/// Where the lines of a text begin.
struct Lines(Vec<usize>);

impl Lines {
    fn new(text: &str) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Self(ends.map(|(at, _)| at + 1).collect())
    }

    /// The line of a byte, counted from 1.
    fn of(&self, at: usize) -> usize {
        self.0.partition_point(|start| *start <= at) + 1
    }

    fn table(&self, table: &dyn toml_edit::TableLike) -> Value {
        let members = table.iter().filter_map(|(name, item)| {
            // The line of the name: a table's own span may begin elsewhere, or nowhere.
            let line = table
                .key(name)
                .and_then(toml_edit::Key::span)
                .or_else(|| item.span())
                .map_or(1, |span| self.of(span.start));
            Some((name.to_owned(), self.item(item, line)?))
        });
        Value::Table(members.collect())
    }

    fn item(&self, item: &Item, line: usize) -> Option<Node> {
        let value = match item {
            Item::None => return None,
            Item::Value(value) => self.value(value),
            Item::Table(table) => self.table(table),
            Item::ArrayOfTables(tables) => Value::List(
                tables
                    .iter()
                    .map(|table| {
                        let line = table.span().map_or(line, |span| self.of(span.start));
                        Node::new(self.table(table), Place::Line(line))
                    })
                    .collect(),
            ),
        };
        Some(Node::new(value, Place::Line(line)))
    }

    fn value(&self, value: &toml_edit::Value) -> Value {
        match value {
            toml_edit::Value::String(text) => Value::Text(text.value().clone()),
            toml_edit::Value::Integer(number) => Value::Int(*number.value()),
            toml_edit::Value::Boolean(yes) => Value::Bool(*yes.value()),
            toml_edit::Value::Float(_) => Value::Other("a float"),
            toml_edit::Value::Datetime(_) => Value::Other("a date"),
            toml_edit::Value::Array(items) => Value::List(
                items
                    .iter()
                    .map(|item| {
                        let line = item.span().map_or(1, |span| self.of(span.start));
                        Node::new(self.value(item), Place::Line(line))
                    })
                    .collect(),
            ),
            toml_edit::Value::InlineTable(table) => self.table(table),
        }
    }
}
