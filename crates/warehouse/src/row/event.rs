//! Rows of what was logged: events, and what could not be read.

use std::borrow::Cow;

use clickhouse::Row;
use postcard::ser_flavors::Flavor;
use serde::{Deserialize, Serialize};

use super::{Money, Time};
use crate::WarehouseError;

/// Bytes of rows whose room is kept.
const MOST_ROOM: usize = 16 << 20;
/// About as many has an event.
const EVENT_BYTES: usize = 256;

/// An event. Columns that its kind does not have are empty.
#[derive(Debug, Clone, PartialEq, Default, Row, Serialize, Deserialize)]
#[expect(missing_docs, reason = "columns, described in the schema")]
pub struct EventRow<'a> {
    #[serde(borrow)]
    pub event_id: Cow<'a, str>,
    #[serde(borrow)]
    pub kind: Cow<'a, str>,
    pub ts: Time,
    pub received_at: Time,
    #[serde(borrow)]
    pub visitor: Cow<'a, str>,
    #[serde(borrow)]
    pub click_id: Cow<'a, str>,
    #[serde(borrow)]
    pub campaign: Cow<'a, str>,
    #[serde(borrow)]
    pub publisher: Cow<'a, str>,
    #[serde(borrow)]
    pub link: Cow<'a, str>,
    #[serde(borrow)]
    pub offer: Cow<'a, str>,
    #[serde(borrow)]
    pub goal: Cow<'a, str>,
    #[serde(borrow)]
    pub txid: Cow<'a, str>,
    pub amount: Option<Money>,
    #[serde(borrow)]
    pub currency: Cow<'a, str>,
    #[serde(borrow)]
    pub status: Cow<'a, str>,
    #[serde(borrow)]
    pub source: Cow<'a, str>,
    #[serde(borrow)]
    pub parent: Cow<'a, str>,
    #[serde(borrow)]
    pub lead_id: Cow<'a, str>,
    pub person: Vec<Cow<'a, str>>,
    pub sub: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    pub utm: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    #[serde(borrow)]
    pub gclid: Cow<'a, str>,
    #[serde(borrow)]
    pub gbraid: Cow<'a, str>,
    #[serde(borrow)]
    pub wbraid: Cow<'a, str>,
    #[serde(borrow)]
    pub fbclid: Cow<'a, str>,
    #[serde(borrow)]
    pub fbc: Cow<'a, str>,
    #[serde(borrow)]
    pub fbp: Cow<'a, str>,
    #[serde(borrow)]
    pub ttclid: Cow<'a, str>,
    #[serde(borrow)]
    pub msclkid: Cow<'a, str>,
    #[serde(borrow)]
    pub landing: Cow<'a, str>,
    #[serde(borrow)]
    pub page: Cow<'a, str>,
    #[serde(borrow)]
    pub referrer: Cow<'a, str>,
    #[serde(borrow)]
    pub ip_prefix: Cow<'a, str>,
    #[serde(borrow)]
    pub ip_hash: Cow<'a, str>,
    #[serde(borrow)]
    pub device: Cow<'a, str>,
    #[serde(borrow)]
    pub os: Cow<'a, str>,
    pub flags: Vec<Cow<'a, str>>,
    pub skew_us: Option<i64>,
    pub version: u64,
}

/// Rows of `events`, as bytes until they are written: those of a busy second are tens of megabytes as
/// structs of small texts, and a tenth of that side by side.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Events {
    bytes: Vec<u8>,
    received: Vec<Time>,
}

impl Events {
    /// Takes all rows out, and keeps their room, if it is no more than usual.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.received.clear();
        self.bytes.shrink_to(MOST_ROOM);
        self.received.shrink_to(MOST_ROOM / EVENT_BYTES);
    }

    /// Adds a row.
    ///
    /// # Errors
    /// It cannot be written as bytes, and is left out.
    pub fn push(&mut self, row: &EventRow<'_>) -> Result<(), WarehouseError> {
        let before = self.bytes.len();
        if let Err(error) = postcard::serialize_with_flavor(row, Append(&mut self.bytes)) {
            self.bytes.truncate(before);
            return Err(unpacked(&error));
        }
        self.received.push(row.received_at);
        Ok(())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.received.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.received.is_empty()
    }

    /// When they were received.
    pub fn received(&self) -> impl Iterator<Item = Time> {
        self.received.iter().copied()
    }

    /// The rows, in order.
    pub fn iter(&self) -> impl Iterator<Item = Result<EventRow<'_>, WarehouseError>> {
        let mut rest = self.bytes.as_slice();
        self.received.iter().map(move |_| {
            let (row, after) = postcard::take_from_bytes(rest).map_err(|error| unpacked(&error))?;
            rest = after;
            Ok(row)
        })
    }
}

/// Where postcard writes.
struct Append<'a>(&'a mut Vec<u8>);

impl Flavor for Append<'_> {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

fn unpacked(error: &postcard::Error) -> WarehouseError {
    WarehouseError::Mismatch(format!("a row of events: {error}"))
}

/// A record that could not be read.
#[derive(Debug, Clone, PartialEq, Default, Row, Serialize, Deserialize)]
pub struct DeadLetterRow {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: u16,
    /// Its place in the partition.
    pub offset: u64,
    /// What is wrong with it.
    pub error: String,
    /// Its bytes, in base64.
    pub payload: String,
}
