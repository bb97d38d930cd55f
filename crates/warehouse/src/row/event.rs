//! Rows of what was logged: events, and what could not be read.

use std::borrow::Cow;

use clickhouse::Row;
use serde::{Deserialize, Serialize};

use super::binary::{Column, row};
use super::{Money, Time};
use crate::WarehouseError;

/// Bytes of rows whose room is kept.
const MOST_ROOM: usize = 16 << 20;
/// About as many has an event.
const EVENT_BYTES: usize = 256;

row! {
    /// An event. Columns that its kind does not have are empty.
    #[derive(Debug, Clone, PartialEq, Default, Row, Serialize)]
    #[expect(missing_docs, reason = "columns, described in the schema")]
    pub struct EventRow<'a> {
        pub event_id: Cow<'a, str>,
        pub kind: Cow<'a, str>,
        pub ts: Time,
        pub received_at: Time,
        pub visitor: Cow<'a, str>,
        pub click_id: Cow<'a, str>,
        pub campaign: Cow<'a, str>,
        pub publisher: Cow<'a, str>,
        pub link: Cow<'a, str>,
        pub offer: Cow<'a, str>,
        pub goal: Cow<'a, str>,
        pub txid: Cow<'a, str>,
        pub amount: Option<Money>,
        pub currency: Cow<'a, str>,
        pub status: Cow<'a, str>,
        pub source: Cow<'a, str>,
        pub parent: Cow<'a, str>,
        pub lead_id: Cow<'a, str>,
        pub person: Vec<Cow<'a, str>>,
        pub sub: Vec<(Cow<'a, str>, Cow<'a, str>)>,
        pub utm: Vec<(Cow<'a, str>, Cow<'a, str>)>,
        pub gclid: Cow<'a, str>,
        pub gbraid: Cow<'a, str>,
        pub wbraid: Cow<'a, str>,
        pub fbclid: Cow<'a, str>,
        pub fbc: Cow<'a, str>,
        pub fbp: Cow<'a, str>,
        pub ttclid: Cow<'a, str>,
        pub msclkid: Cow<'a, str>,
        pub landing: Cow<'a, str>,
        pub page: Cow<'a, str>,
        pub referrer: Cow<'a, str>,
        pub ip_prefix: Cow<'a, str>,
        pub ip_hash: Cow<'a, str>,
        pub device: Cow<'a, str>,
        pub os: Cow<'a, str>,
        pub flags: Vec<Cow<'a, str>>,
        pub skew_us: Option<i64>,
        pub version: u64,
    }
}

/// Rows of `events`, as the bytes that are sent: those of a busy second are tens of megabytes as structs of small
/// texts, and a tenth of that side by side.
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
    pub fn push(&mut self, row: &EventRow<'_>) {
        row.put(&mut self.bytes);
        self.received.push(row.received_at);
    }

    /// All rows, as RowBinary has them.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
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
            let unread = || WarehouseError::Mismatch("no row of events".to_owned());
            EventRow::take(&mut rest).ok_or_else(unread)
        })
    }
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
