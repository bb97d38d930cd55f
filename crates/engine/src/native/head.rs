//! What stands before the values: a block's dimensions, and each column's name, type and prefix.
//!
//! The prefix says how those types are laid out whose values are of several types. It is short, so it is read
//! from a buffer, and read again from its beginning when the buffer held too little of it.

use std::sync::Arc;

use super::types::{Type, Unknown};

/// How the values of one column lie in one block.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    Fixed(u64),
    Texts,
    Nullable(Arc<Self>),
    Array(Arc<Self>),
    /// One after the other, each with all rows.
    Tuple(Vec<Arc<Self>>),
    /// The values of the dictionary.
    LowCardinality(Arc<Self>),
    Choice(Arc<Choice>),
}

/// A number a row for the alternative it is of; then each alternative with its rows.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    /// Bytes of that number.
    pub(crate) width: usize,
    /// The number of a row without a value.
    pub(crate) null: u64,
    pub(crate) of: Vec<Arc<Layout>>,
}

/// Why a head is not read.
#[derive(Debug)]
pub(crate) enum Unread {
    /// It has not arrived whole.
    More,
    Type(Unknown),
    /// It is not as the engine writes it.
    Malformed(&'static str),
}

impl From<Unknown> for Unread {
    fn from(unknown: Unknown) -> Self {
        Self::Type(unknown)
    }
}

/// More alternatives than any column has.
const MOST_ALTERNATIVES: u64 = 1 << 16;

/// Reads bytes that may still be arriving.
pub(crate) struct Cursor<'b> {
    bytes: &'b [u8],
    pub(crate) at: usize,
}

impl<'b> Cursor<'b> {
    pub(crate) fn new(bytes: &'b [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// What has been read.
    pub(crate) fn passed(&self) -> &'b [u8] {
        self.bytes.get(..self.at).unwrap_or_default()
    }

    fn take(&mut self, length: usize) -> Result<&'b [u8], Unread> {
        let end = self.at.checked_add(length).ok_or(Unread::More)?;
        let taken = self.bytes.get(self.at..end).ok_or(Unread::More)?;
        self.at = end;
        Ok(taken)
    }

    pub(crate) fn number(&mut self) -> Result<u64, Unread> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let [byte] = *self.take(1)? else { break };
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(Unread::Malformed("a number without an end"))
    }

    fn word(&mut self) -> Result<u64, Unread> {
        let eight = self.take(8)?;
        Ok(eight.try_into().map_or(0, u64::from_le_bytes))
    }

    pub(crate) fn text(&mut self) -> Result<&'b str, Unread> {
        let length = usize::try_from(self.number()?).unwrap_or(usize::MAX);
        std::str::from_utf8(self.take(length)?)
            .map_err(|_| Unread::Malformed("a name that is no UTF-8"))
    }

    /// Texts with their number before them.
    pub(crate) fn texts(&mut self) -> Result<Vec<&'b str>, Unread> {
        let count = self.number()?;
        if count > MOST_ALTERNATIVES {
            return Err(Unread::Malformed("too many types or paths"));
        }
        (0..count).map(|_| self.text()).collect()
    }

    /// Reads the prefix of a column of this type.
    pub(crate) fn layout(&mut self, of: &Type) -> Result<Layout, Unread> {
        Ok(match of {
            Type::Fixed(width) => Layout::Fixed(*width),
            Type::Text => Layout::Texts,
            Type::Nullable(of) => Layout::Nullable(self.shared(of)?),
            Type::Array(of) => Layout::Array(self.shared(of)?),
            Type::Tuple(of) => Layout::Tuple(self.all(of)?),
            Type::LowCardinality(of) => {
                if self.word()? != 1 {
                    return Err(Unread::Malformed("another form of LowCardinality"));
                }
                // That a value is none is said by its number in the dictionary.
                let of = match &**of {
                    Type::Nullable(of) => of,
                    of => of,
                };
                Layout::LowCardinality(self.shared(of)?)
            }
            Type::Variant(of) => self.variant(of)?,
            Type::Dynamic => self.dynamic()?,
            Type::Json(typed) => self.json(typed)?,
        })
    }

    fn shared(&mut self, of: &Type) -> Result<Arc<Layout>, Unread> {
        self.layout(of).map(Arc::new)
    }

    fn all(&mut self, of: &[Type]) -> Result<Vec<Arc<Layout>>, Unread> {
        of.iter().map(|of| self.shared(of)).collect()
    }

    fn variant(&mut self, of: &[Type]) -> Result<Layout, Unread> {
        if self.word()? != 0 {
            return Err(Unread::Malformed("another form of Variant"));
        }
        let of = self.all(of)?;
        Ok(Layout::Choice(Arc::new(Choice {
            width: 1,
            null: 255,
            of,
        })))
    }

    /// Its forms are 1 and 2, a variant of the types and of what is shared, and 3, the types by themselves.
    fn dynamic(&mut self) -> Result<Layout, Unread> {
        let form = self.word()?;
        if form == 1 {
            let _most_types = self.number()?;
        }
        if !(1..=3).contains(&form) {
            return Err(Unread::Malformed("another form of Dynamic"));
        }
        let mut names = self.texts()?;
        if form < 3 {
            names.push("SharedVariant");
            names.sort_unstable();
        }
        let types = names.iter().map(|name| Type::parse(name));
        let types = types.collect::<Result<Vec<_>, _>>()?;
        if form < 3 {
            return self.variant(&types);
        }
        let of = self.all(&types)?;
        let null = of.len() as u64;
        let width = match null {
            0..=0xff => 1,
            0x100..=0xffff => 2,
            _ => 4,
        };
        Ok(Layout::Choice(Arc::new(Choice { width, null, of })))
    }

    /// Its forms are 0 and 2, columns for paths and pairs for the others; 1, the text; 3, columns for all paths.
    fn json(&mut self, typed: &[Type]) -> Result<Layout, Unread> {
        let form = self.word()?;
        match form {
            0 => {
                let _most_paths = self.number()?;
            }
            1 => return Ok(Layout::Texts),
            2 | 3 => {}
            _ => return Err(Unread::Malformed("another form of JSON")),
        }
        let paths = self.texts()?.len();
        let mut columns = self.all(typed)?;
        for _ in 0..paths {
            columns.push(Arc::new(self.dynamic()?));
        }
        if form != 3 {
            columns.push(self.shared(&Type::pairs_of_texts())?);
        }
        Ok(Layout::Tuple(columns))
    }
}
