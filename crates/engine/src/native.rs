//! Blocks of format Native in the form that a client of some revision of the protocol reads.
//!
//! The engine's interface writes the form of revision 0, that of a file. Over HTTP a client asks for another with
//! `client_protocol_version`, as clickhouse-go does: then each block begins with facts about it, and behind each
//! column's type stands whether its values are written in a way of their own. So the result is put into that form
//! on its way out, and to find where one column ends and the next begins, its values are walked over.
//! (What a client sends has the form of revision 0 whatever it asks for; so it is on the server.)

mod head;
mod types;
mod walk;

use std::sync::Arc;

use crate::exception::{Code, Exception};
pub(crate) use head::Cursor;
use head::Unread;
use types::{Type, Unknown};
use walk::{Malformed, Walk};

/// Types of low cardinality are known.
const WITH_LOW_CARDINALITY: u64 = 54_405;
/// A column says whether it is written in a way of its own.
const WITH_CUSTOM_SERIALIZATION: u64 = 54_454;
/// A block says which buckets of an aggregation came out of order.
const WITH_OUT_OF_ORDER_BUCKETS: u64 = 54_480;
/// The form of strings is another, which ours is not brought into.
const WITH_SIZES_OF_STRINGS: u64 = 54_492;

/// The head of one column. That of JSON with thousands of paths is a tenth of it.
const MOST_HEAD: usize = 8 << 20;
/// A head is looked for in so many bytes first.
const FIRST_LOOK: usize = 512;

/// A result on its way from the form of a file into that of a revision.
#[derive(Debug)]
pub(crate) struct Native {
    revision: u64,
    /// The columns as they are, where that is known: the form of a file leaves a time zone out.
    described: Vec<Column>,
    /// The beginning of a head.
    head: Vec<u8>,
    place: Place,
    walk: Option<Walk>,
}

/// A column as the engine describes it.
#[derive(Debug)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) kind: String,
}

/// The column that comes next; of no columns: a block.
#[derive(Debug, Default)]
struct Place {
    column: u64,
    columns: u64,
    rows: u64,
}

impl Native {
    /// For results of these columns; none are known of a statement that cannot be described.
    pub(crate) fn new(revision: u64, described: Vec<Column>) -> Result<Self, Exception> {
        if !(WITH_LOW_CARDINALITY..WITH_SIZES_OF_STRINGS).contains(&revision) {
            let last = WITH_SIZES_OF_STRINGS - 1;
            let text = format!(
                "Format Native with client_protocol_version={revision}: here it is from \
                 {WITH_LOW_CARDINALITY} to {last}, or 0"
            );
            return Err(Exception::new(Code::NotImplemented, text));
        }
        for Column { name, kind } in &described {
            Type::parse(kind).map_err(|unknown| refused(name, kind, &unknown))?;
        }
        Ok(Self {
            revision,
            described,
            head: Vec::new(),
            place: Place::default(),
            walk: None,
        })
    }

    /// Takes more of the result, cut anywhere, and puts what it becomes behind `out`.
    pub(crate) fn feed(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Exception> {
        loop {
            if let Some(walk) = &mut self.walk {
                let passed = walk.pass(bytes).map_err(|Malformed(why)| malformed(why))?;
                let (values, later) = bytes.split_at(passed.min(bytes.len()));
                out.extend_from_slice(values);
                bytes = later;
                if !walk.is_over() {
                    return Ok(());
                }
                self.walk = None;
                self.place.column += 1;
            }
            if bytes.is_empty() {
                return Ok(());
            }
            // Twice as much with each look, so that a long head is not read again for every byte of it.
            let before = self.head.len();
            let look = bytes.len().min(before.max(FIRST_LOOK));
            let (looked_at, later) = bytes.split_at(look);
            self.head.extend_from_slice(looked_at);
            match self.read_head(out)? {
                Some(length) => {
                    bytes = bytes.get(length - before..).unwrap_or_default();
                    self.head.clear();
                }
                None if self.head.len() > MOST_HEAD => {
                    return Err(malformed("the head of a column is too long"));
                }
                None => bytes = later,
            }
        }
    }

    /// The result ends here.
    pub(crate) fn ended(&self) -> Result<(), Exception> {
        let whole = self.place.column == self.place.columns && self.walk.is_none();
        if whole && self.head.is_empty() {
            Ok(())
        } else {
            Err(malformed("it ends inside of a block"))
        }
    }

    /// Reads the head that `self.head` begins with, if it is all there, and gives its length.
    fn read_head(&mut self, out: &mut Vec<u8>) -> Result<Option<usize>, Exception> {
        let read = if self.place.column == self.place.columns {
            self.read_block(out)
        } else {
            self.read_column(out)
        };
        match read {
            Ok(length) => Ok(Some(length)),
            Err(Unread::More) => Ok(None),
            Err(Unread::Malformed(why)) => Err(malformed(why)),
            Err(Unread::Type(unknown)) => {
                let mut cursor = Cursor::new(&self.head);
                let mut text = || cursor.text().unwrap_or_default();
                Err(refused(text(), text(), &unknown))
            }
        }
    }

    fn read_block(&mut self, out: &mut Vec<u8>) -> Result<usize, Unread> {
        let mut cursor = Cursor::new(&self.head);
        let (columns, rows) = (cursor.number()?, cursor.number()?);
        self.place = Place {
            column: 0,
            columns,
            rows,
        };
        // Field by field: no overflow row, of no bucket, and no buckets out of order.
        out.extend([1, 0, 2, 0xff, 0xff, 0xff, 0xff]);
        if self.revision >= WITH_OUT_OF_ORDER_BUCKETS {
            out.extend([3, 0]);
        }
        out.push(0);
        out.extend_from_slice(cursor.passed());
        Ok(cursor.at)
    }

    fn read_column(&mut self, out: &mut Vec<u8>) -> Result<usize, Unread> {
        let mut cursor = Cursor::new(&self.head);
        cursor.text()?;
        let name = cursor.passed();
        let kind = cursor.text()?;
        let read = Type::parse(kind)?;
        let typed = cursor.at;
        let at = usize::try_from(self.place.column).unwrap_or(usize::MAX);
        // Zero rows are zero bytes.
        if self.place.rows > 0 {
            let layout = Arc::new(cursor.layout(&read)?);
            self.walk = Some(Walk::new(layout, self.place.rows));
        } else {
            self.place.column += 1;
        }
        out.extend_from_slice(name);
        let full = self.described.get(at).map(|column| &*column.kind);
        put_text(out, full.map_or(kind, |full| with_zone(kind, full)));
        if self.revision >= WITH_CUSTOM_SERIALIZATION {
            out.push(0);
        }
        out.extend_from_slice(cursor.passed().get(typed..).unwrap_or_default());
        Ok(cursor.at)
    }
}

/// The form of a file cuts the time zone off, where the type is nothing but a date with time.
fn with_zone<'n>(kind: &'n str, full: &'n str) -> &'n str {
    if kind == "DateTime" && full.starts_with("DateTime(") {
        full
    } else {
        kind
    }
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    let mut length = text.len();
    while length >= 0x80 {
        out.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend_from_slice(text.as_bytes());
}

fn refused(column: &str, kind: &str, unknown: &Unknown) -> Exception {
    Exception::new(
        Code::NotImplemented,
        format!(
            "Column {column} has type {kind}: values of {unknown} cannot be put into format Native for this \
             client_protocol_version here. Cast it, finalize it, or ask for another format"
        ),
    )
}

fn malformed(why: &str) -> Exception {
    Exception::new(
        Code::UnknownException,
        format!("The engine's result is not in format Native as it is known here: {why}"),
    )
}
