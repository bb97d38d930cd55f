//! Rows that are written and acknowledged together.

use crate::{
    AuctionRow, ConversionRow, CreditRow, DeadLetterRow, Events, LeadRow, PingRow, PostRow,
    PostbackRow, RefusalRow,
};

/// Rows by table.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Batch {
    /// Its name, if it has one: it has the same when it is written again, and no other ever has it.
    pub name: Option<String>,
    /// For `events`.
    pub events: Events,
    /// For `leads`.
    pub leads: Vec<LeadRow>,
    /// For `posts`.
    pub posts: Vec<PostRow>,
    /// For `auctions`.
    pub auctions: Vec<AuctionRow>,
    /// For `pings`.
    pub pings: Vec<PingRow>,
    /// For `conversions`.
    pub conversions: Vec<ConversionRow>,
    /// For `credits`.
    pub credits: Vec<CreditRow>,
    /// For `refusals`.
    pub refusals: Vec<RefusalRow>,
    /// For `postbacks`.
    pub postbacks: Vec<PostbackRow>,
    /// For `dead_letters`.
    pub dead_letters: Vec<DeadLetterRow>,
}

impl Batch {
    /// Empties it. The room of its events is kept for those of the next batch.
    pub fn clear(&mut self) {
        let mut events = std::mem::take(&mut self.events);
        events.clear();
        *self = Self {
            events,
            ..Self::default()
        };
    }

    /// How many rows it has.
    pub fn len(&self) -> usize {
        self.events.len()
            + self.leads.len()
            + self.posts.len()
            + self.auctions.len()
            + self.pings.len()
            + self.conversions.len()
            + self.credits.len()
            + self.refusals.len()
            + self.postbacks.len()
            + self.dead_letters.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
