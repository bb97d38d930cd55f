//! A query's form: its text and parameters, and its tables of external data, which become temporary tables
//! of the connection.

use std::collections::HashMap;

use crate::exception::{Code, Exception};
use crate::ffi::Connection;
use crate::input::Input;
use crate::job::Stop;
use crate::lexer::{Kind, slices};
use crate::multipart::{Event, Form, malformed};
use crate::request::{Query, text};

/// What the URL says of one table.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) format: Option<String>,
    /// `id UInt64, name String`
    pub(crate) structure: Option<String>,
    /// `UInt64, String`: the columns are `_1`, `_2`.
    pub(crate) types: Option<String>,
}

/// Tables by name.
pub(crate) type Shapes = HashMap<String, Shape>;

/// Reads the form: puts text and parameters into `query`, and files into tables, whose names it gives.
pub(crate) fn read(
    input: &mut Input,
    boundary: &str,
    query: &mut Query,
    connection: &mut Connection,
    most_text: usize,
) -> Result<Vec<String>, Stop> {
    let mut form = Form::new(boundary);
    let mut tables = Vec::new();
    let mut left = most_text;
    loop {
        match event(&mut form, input)? {
            Event::Part { name, file: true } => {
                let shape = query.external.get(&name).cloned().unwrap_or_default();
                create(connection, &name, &shape)?;
                tables.push(name.clone());
                fill(&mut form, input, connection, &name, &shape)?;
            }
            Event::Part { name, file: false } => {
                let value = field(&mut form, input, &mut left)?;
                if name == "query" {
                    query.text.extend_from_slice(&value);
                } else if let Some(parameter) = name.strip_prefix("param_") {
                    query
                        .params
                        .push((parameter.to_owned(), text(value, &name)?));
                }
            }
            Event::Over => return Ok(tables),
            Event::Data(_) | Event::Ended | Event::More => {}
        }
    }
}

/// The next event, with as much of the body as it takes.
fn event(form: &mut Form, input: &mut Input) -> Result<Event, Stop> {
    loop {
        match form.next()? {
            Event::More => match input.next()? {
                Some(bytes) => form.feed(bytes),
                None => return Err(malformed("it is cut off").into()),
            },
            event => return Ok(event),
        }
    }
}

fn field(form: &mut Form, input: &mut Input, left: &mut usize) -> Result<Vec<u8>, Stop> {
    let mut value = Vec::new();
    while let Event::Data(data) = event(form, input)? {
        *left = left
            .checked_sub(data.len())
            .ok_or_else(|| malformed("its fields are too long"))?;
        value.extend(data);
    }
    Ok(value)
}

fn create(connection: &mut Connection, name: &str, shape: &Shape) -> Result<(), Exception> {
    let columns = columns(name, shape)?;
    let table = quoted(name);
    let sql = format!("CREATE TEMPORARY TABLE {table} ({columns}) ENGINE = Memory");
    connection.query(sql.as_bytes(), "Null", &[])?;
    Ok(())
}

fn fill(
    form: &mut Form,
    input: &mut Input,
    connection: &mut Connection,
    name: &str,
    shape: &Shape,
) -> Result<(), Stop> {
    let format = shape.format.as_deref().unwrap_or("TabSeparated");
    let sql = format!("INSERT INTO {} ", quoted(name));
    let mut stream = connection.insert(sql.as_bytes(), format, &[])?;
    while let Event::Data(data) = event(form, input)? {
        if !stream.append(&data) {
            break;
        }
    }
    stream.finish()?;
    Ok(())
}

/// The statement that takes a table away again.
pub(crate) fn drop_table(name: &str) -> String {
    format!("DROP TEMPORARY TABLE IF EXISTS {}", quoted(name))
}

pub(crate) fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('\\', "\\\\").replace('`', "\\`"))
}

fn columns(name: &str, shape: &Shape) -> Result<String, Exception> {
    let refused = |why: &str| {
        let text = format!("External table {name}: {why}");
        Exception::new(Code::BadArguments, text)
    };
    let declared = match (&shape.structure, &shape.types) {
        (Some(structure), _) => structure.clone(),
        (None, Some(types)) => numbered(types),
        (None, None) => {
            return Err(refused(
                "Neither structure nor types have not been provided for external table",
            ));
        }
    };
    if declares_columns_only(&declared) {
        Ok(declared)
    } else {
        Err(refused("its structure is not a list of columns and types"))
    }
}

/// `UInt64, Decimal(9, 2)` -> `_1 UInt64, _2 Decimal(9, 2)`
fn numbered(types: &str) -> String {
    let mut depth = 0_u32;
    let mut count = 1;
    let mut numbered = "_1 ".to_owned();
    for letter in types.chars() {
        match letter {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        numbered.push(letter);
        if letter == ',' && depth == 0 {
            count += 1;
            numbered.push_str(&format!(" _{count} "));
        }
    }
    numbered
}

/// Says whether the text stays inside the list it goes into, and declares nothing but names and types: it
/// becomes part of a statement that runs with all rights.
fn declares_columns_only(text: &str) -> bool {
    const WORDS: [&str; 12] = [
        "DEFAULT",
        "MATERIALIZED",
        "ALIAS",
        "EPHEMERAL",
        "CODEC",
        "TTL",
        "COMMENT",
        "CONSTRAINT",
        "INDEX",
        "PROJECTION",
        "SETTINGS",
        "SELECT",
    ];
    let mut depth = 0_i32;
    for (kind, token) in slices(text.as_bytes()) {
        match kind {
            Kind::Punctuation(b'(') => depth += 1,
            Kind::Punctuation(b')') => depth -= 1,
            Kind::Punctuation(b',' | b'=' | b'-' | b'.') | Kind::Quoted => {}
            Kind::Word => {
                let taboo = |word: &&str| token.eq_ignore_ascii_case(word.as_bytes());
                if WORDS.iter().any(taboo) {
                    return false;
                }
            }
            Kind::Punctuation(_) => return false,
        }
        if depth < 0 {
            return false;
        }
    }
    // A comment that the statement would go on in.
    depth == 0 && !text.contains("--") && !text.contains("/*") && !text.contains('#')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_get_numbers_for_names() {
        assert_eq!(
            numbered("UInt64,Decimal(9, 2), Array(String)"),
            "_1 UInt64, _2 Decimal(9, 2), _3  Array(String)"
        );
    }

    #[test]
    fn a_structure_cannot_leave_its_list() {
        for good in [
            "id UInt64, name String",
            "`a b` DateTime64(3, 'UTC'), e Enum8('x' = -1), t Tuple(a UInt8, b Nullable(String))",
        ] {
            assert!(declares_columns_only(good), "{good}");
        }
        for bad in [
            "a UInt8) ENGINE = File(CSV, '/etc/passwd'",
            "a String DEFAULT file('/etc/passwd')",
            "a String alias file('/etc/passwd')",
            "a UInt8 -- ",
            "a UInt8, (",
            "a UInt8; DROP TABLE t",
        ] {
            assert!(!declares_columns_only(bad), "{bad}");
        }
    }
}
