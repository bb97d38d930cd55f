//! From a request's body to a statement and its rows.

use crate::exception::{Code, Exception};
use crate::input::Input;
use crate::job::Stop;
use crate::statement::{Head, Insert, head};

/// A statement, and the first of the rows that follow it.
pub(crate) enum Text {
    Statement(Vec<u8>),
    Insert { insert: Insert, first: Vec<u8> },
}

/// Reads the statement: all of it, or up to where the rows of an INSERT begin.
pub(crate) fn read(input: &mut Input, mut text: Vec<u8>, most: usize) -> Result<Text, Stop> {
    let url_part = text.len();
    // Looked at again only when it has doubled, so that a trickle costs no more than a gush.
    let mut look_at = 1;
    loop {
        let piece = input.next()?;
        let whole = piece.is_none();
        if let Some(piece) = piece {
            if text.len() == url_part && url_part > 0 {
                text.push(b'\n');
            }
            text.extend_from_slice(piece);
        }
        if whole || text.len() >= look_at {
            look_at = text.len() * 2;
            match split(text, whole)? {
                Ok(text) => return Ok(text),
                Err(unfinished) => text = unfinished,
            }
        }
        if text.len() > most {
            return Err(too_long(most).into());
        }
    }
}

/// A text that is all there.
pub(crate) fn whole(text: Vec<u8>) -> Result<Text, Exception> {
    Ok(split(text, true)?.unwrap_or_else(Text::Statement))
}

/// The statement and the first of its rows; the text itself again if more of it is needed.
fn split(mut text: Vec<u8>, whole: bool) -> Result<Result<Text, Vec<u8>>, Exception> {
    match head(&text, whole) {
        Head::Insert(insert) => {
            let first = text.split_off(insert.data);
            Ok(Ok(Text::Insert { insert, first }))
        }
        Head::Infile => Err(Exception::new(
            Code::UnknownTypeOfQuery,
            "Query has infile and was send directly to server",
        )),
        Head::Incomplete | Head::Other if whole => Ok(Ok(Text::Statement(text))),
        Head::Incomplete | Head::Other => Ok(Err(text)),
    }
}

fn too_long(most: usize) -> Exception {
    Exception::new(
        Code::SyntaxError,
        format!("Syntax error: Max query size exceeded: a statement has at most {most} bytes here"),
    )
}
