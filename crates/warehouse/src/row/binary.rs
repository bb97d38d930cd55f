//! ClickHouse's RowBinary: what waits to be inserted is already as it is sent.
//!
//! Rows of a busy table are written once, as they are made, and the insert is a copy of bytes. They are read again
//! only where somebody looks at each of them: where they are compared with the table's columns, and in tests.

use std::borrow::Cow;

use super::{Money, Time};

/// A row whose columns are written one after the other, in the order of its members.
macro_rules! row {
    (
        $(#[$of_row:meta])*
        pub struct $row:ident<$life:lifetime> { $(pub $column:ident: $type:ty),* $(,)? }
    ) => {
        $(#[$of_row])*
        pub struct $row<$life> { $(pub $column: $type),* }

        impl<$life> $row<$life> {
            /// Adds its bytes.
            fn put(&self, out: &mut Vec<u8>) {
                $(Column::put(&self.$column, out);)*
            }

            /// Takes it off the front; none if it does not begin with one.
            fn take(from: &mut &$life [u8]) -> Option<Self> {
                Some(Self { $($column: Column::take(from)?),* })
            }
        }
    };
}
pub(super) use row;

/// A value of a column.
pub(super) trait Column<'a>: Sized {
    /// Adds its bytes.
    fn put(&self, out: &mut Vec<u8>);

    /// Takes it off the front; none if there is none.
    fn take(from: &mut &'a [u8]) -> Option<Self>;
}

/// `String`, and what is sent as one.
impl<'a> Column<'a> for Cow<'a, str> {
    fn put(&self, out: &mut Vec<u8>) {
        put_length(self.len(), out);
        out.extend_from_slice(self.as_bytes());
    }

    fn take(from: &mut &'a [u8]) -> Option<Self> {
        let length = take_length(from)?;
        let text = from.split_off(..length)?;
        std::str::from_utf8(text).ok().map(Cow::Borrowed)
    }
}

macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl Column<'_> for $number {
            fn put(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }

            fn take(from: &mut &[u8]) -> Option<Self> {
                let (bytes, rest) = from.split_first_chunk()?;
                *from = rest;
                Some(Self::from_le_bytes(*bytes))
            }
        }
    )*};
}

numbers!(u8, u64, i64);

macro_rules! named_numbers {
    ($($number:ident),*) => {$(
        impl Column<'_> for $number {
            fn put(&self, out: &mut Vec<u8>) {
                self.0.put(out);
            }

            fn take(from: &mut &[u8]) -> Option<Self> {
                Column::take(from).map(Self)
            }
        }
    )*};
}

named_numbers!(Money, Time);

/// `Nullable`.
impl<'a, T: Column<'a>> Column<'a> for Option<T> {
    fn put(&self, out: &mut Vec<u8>) {
        u8::from(self.is_none()).put(out);
        if let Some(value) = self {
            value.put(out);
        }
    }

    fn take(from: &mut &'a [u8]) -> Option<Self> {
        match u8::take(from)? {
            0 => T::take(from).map(Some),
            1 => Some(None),
            _ => None,
        }
    }
}

/// `Array`, and `Map` as one of pairs.
impl<'a, T: Column<'a>> Column<'a> for Vec<T> {
    fn put(&self, out: &mut Vec<u8>) {
        put_length(self.len(), out);
        for value in self {
            value.put(out);
        }
    }

    fn take(from: &mut &'a [u8]) -> Option<Self> {
        let length = take_length(from)?;
        (0..length).map(|_| T::take(from)).collect()
    }
}

impl<'a, A: Column<'a>, B: Column<'a>> Column<'a> for (A, B) {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
        self.1.put(out);
    }

    fn take(from: &mut &'a [u8]) -> Option<Self> {
        Some((A::take(from)?, B::take(from)?))
    }
}

/// A length, seven bits a byte: most often it is one.
fn put_length(mut length: usize, out: &mut Vec<u8>) {
    while length >= 0x80 {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
}

fn take_length(from: &mut &[u8]) -> Option<usize> {
    let mut length = 0;
    for shift in (0..usize::BITS).step_by(7) {
        let byte = u8::take(from)?;
        length |= usize::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(length);
        }
    }
    None
}
