//! The types of a SELECT's columns, asked for before it runs.
//!
//! What is written into a file does not say the time zone of a column that is nothing but a date with time, and
//! a type that a client cannot be given is to be refused before the first byte is out.

use crate::ffi::{Connection, Params};
use crate::native::{Column, Cursor};
use crate::statement::within;

/// The columns in their order; none where the engine does not describe the statement: then it will
/// say itself what is wrong with it.
pub(crate) fn columns(connection: &mut Connection, text: &[u8], params: &Params) -> Vec<Column> {
    let statement = [b"DESCRIBE TABLE (".as_slice(), &within(text), b")"].concat();
    let Ok(answer) = connection.query(&statement, "RowBinaryWithNames", params) else {
        return Vec::new();
    };
    rows(answer.bytes()).unwrap_or_default()
}

/// The first two of the texts that each row is of.
fn rows(answer: &[u8]) -> Option<Vec<Column>> {
    let mut cursor = Cursor::new(answer);
    let columns = cursor.texts().ok()?.len();
    let mut described = Vec::new();
    while cursor.passed().len() < answer.len() {
        let row = (0..columns).map(|_| cursor.text().ok());
        let row: Vec<&str> = row.collect::<Option<_>>()?;
        let [name, kind, ..] = row[..] else {
            return None;
        };
        described.push(Column {
            name: name.to_owned(),
            kind: kind.to_owned(),
        });
    }
    Some(described)
}
