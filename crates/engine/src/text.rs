//! From a request's body to a statement and its rows.

use bytes::Bytes;
use tokio::sync::mpsc::Sender;

use crate::body::Body;
use crate::exception::{Code, Exception};
use crate::job::Rows;
use crate::request::Query;
use crate::statement::{Head, Insert, head};

/// A statement, and the first of the rows that follow it.
pub(crate) enum Text {
    Statement(Vec<u8>),
    Insert { insert: Insert, first: Bytes },
}

/// Reads the statement, and what a form holds besides.
pub(crate) async fn read_text(
    body: &mut Body,
    query: &mut Query,
    most: usize,
) -> Result<Text, Exception> {
    let Some(boundary) = query.form.take() else {
        return read_head(body, std::mem::take(&mut query.text), most).await;
    };
    let mut form = Vec::new();
    while let Some(piece) = body.next().await? {
        form.extend_from_slice(&piece);
        if form.len() > most {
            return Err(too_long(most));
        }
    }
    query.read_form(&form, &boundary)?;
    let text = std::mem::take(&mut query.text);
    Ok(text_from(text, true)?.unwrap_or_else(Text::Statement))
}

/// Reads the statement: all of it, or up to where the rows of an INSERT begin.
async fn read_head(body: &mut Body, mut text: Vec<u8>, most: usize) -> Result<Text, Exception> {
    let url_part = text.len();
    // Looked at again only when it has doubled, so that a trickle costs no more than a gush.
    let mut look_at = 1;
    loop {
        let piece = body.next().await?;
        let whole = piece.is_none();
        if let Some(piece) = piece {
            if text.len() == url_part && url_part > 0 {
                text.push(b'\n');
            }
            text.extend_from_slice(&piece);
        }
        if whole || text.len() >= look_at {
            look_at = text.len() * 2;
            match text_from(text, whole)? {
                Ok(text) => return Ok(text),
                Err(unfinished) => text = unfinished,
            }
        }
        if text.len() > most {
            return Err(too_long(most));
        }
    }
}

/// The statement and the first of its rows; the text itself again if more of it is needed.
fn text_from(mut text: Vec<u8>, whole: bool) -> Result<Result<Text, Vec<u8>>, Exception> {
    match head(&text, whole) {
        Head::Insert(insert) => {
            let first = Bytes::from(text.split_off(insert.data));
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

/// Passes the rows on as they come. The job says itself why it stopped taking them.
pub(crate) async fn feed(
    body: &mut Body,
    rows: Sender<Rows>,
    first: Bytes,
    drain_bytes: u64,
) -> Result<(), Exception> {
    if !first.is_empty() && rows.send(Rows::Data(first)).await.is_err() {
        body.drain(drain_bytes).await;
        return Ok(());
    }
    while let Some(piece) = body.next().await? {
        if rows.send(Rows::Data(piece)).await.is_err() {
            body.drain(drain_bytes).await;
            return Ok(());
        }
    }
    // A job that no longer takes rows has said why.
    let _ = rows.send(Rows::End).await;
    Ok(())
}
