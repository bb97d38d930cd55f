//! From the bytes and numbers of a record to domain values.

use domain::{
    AuctionId, ClickId, CounterUse, EventId, LeadId, LeadReason, LeadStatus, LegState, Micros,
    Reservation, ReservationId, Timestamp, Usage, VisitorId,
};

use crate::{
    ClickRead, Counter, EventRecord, JourneyEntry, LeadRecord, LeadState, Leg, Outcome, Posting,
    Received,
};

/// A record holds something that its field cannot mean.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Not a record of this schema at all.
    #[error("not a record: {0}")]
    Decode(String),
    /// A field is out of range.
    #[error("field {0} is out of range")]
    Field(&'static str),
}

impl From<prost::DecodeError> for RecordError {
    fn from(error: prost::DecodeError) -> Self {
        Self::Decode(error.to_string())
    }
}

fn fixed<const N: usize>(bytes: &[u8], field: &'static str) -> Result<[u8; N], RecordError> {
    bytes.try_into().map_err(|_| RecordError::Field(field))
}

fn click(bytes: &[u8]) -> Result<Option<ClickId>, RecordError> {
    if bytes.is_empty() {
        return Ok(None);
    }
    fixed(bytes, "click_id").map(ClickId::from_bytes).map(Some)
}

fn visitor(bytes: &[u8]) -> Result<Option<VisitorId>, RecordError> {
    if bytes.is_empty() {
        return Ok(None);
    }
    fixed(bytes, "visitor").map(VisitorId::from_bytes).map(Some)
}

impl LeadRecord {
    /// The subject as a lead.
    pub fn lead_id(&self) -> Result<LeadId, RecordError> {
        fixed(&self.subject, "subject").map(LeadId::from_bytes)
    }

    /// The subject as an auction (of a quote).
    pub fn auction_id(&self) -> Result<AuctionId, RecordError> {
        fixed(&self.subject, "subject").map(AuctionId::from_bytes)
    }

    /// When it was made.
    pub fn at(&self) -> Timestamp {
        Timestamp::from_micros(self.at_us)
    }
}

impl Received {
    /// The quote's auction, of a two-phase post.
    pub fn auction_id(&self) -> Result<Option<AuctionId>, RecordError> {
        if self.auction.is_empty() {
            return Ok(None);
        }
        fixed(&self.auction, "auction")
            .map(AuctionId::from_bytes)
            .map(Some)
    }

    /// The click it came from.
    pub fn click(&self) -> Result<Option<ClickId>, RecordError> {
        click(&self.click_id)
    }
}

impl Outcome {
    /// What the router says the lead is.
    pub fn lead_status(&self) -> Result<LeadStatus, RecordError> {
        number(self.status, LeadStatus::from_number, "status")
    }
}

impl LeadState {
    /// The lead.
    pub fn lead_id(&self) -> Result<LeadId, RecordError> {
        fixed(&self.lead, "lead").map(LeadId::from_bytes)
    }

    /// Its status.
    pub fn lead_status(&self) -> Result<LeadStatus, RecordError> {
        number(self.status, LeadStatus::from_number, "status")
    }

    /// Why it is not sold; none if it is.
    pub fn lead_reason(&self) -> Result<Option<LeadReason>, RecordError> {
        if self.reason == 0 {
            return Ok(None);
        }
        number(self.reason, LeadReason::from_number, "reason").map(Some)
    }
}

impl Leg {
    /// Where the leg stands.
    pub fn leg_state(&self) -> Result<LegState, RecordError> {
        number(self.state, LegState::from_number, "state")
    }

    /// Its number as ids use it.
    pub fn number(&self) -> Result<u16, RecordError> {
        u16::try_from(self.leg).map_err(|_| RecordError::Field("leg"))
    }

    /// The reservation it holds; of a leg that was sold, at the price it was sold for.
    pub fn reservation(&self, lead: LeadId) -> Result<Reservation, RecordError> {
        let held = reservation(lead, self.leg, &self.counters)?;
        Ok(match self.leg_state()? {
            LegState::Accepted => held.at_price(Micros::new(self.price_micros)),
            LegState::Posting | LegState::Rejected | LegState::InDoubt => held,
        })
    }

    /// What it has used of its reservation; none while that is open. Who was given up may have been
    /// posted, so only its router can say that it was not.
    pub fn usage(&self) -> Result<Option<Usage>, RecordError> {
        Ok(match self.leg_state()? {
            LegState::Accepted => Some(Usage::Sold),
            LegState::Rejected if self.unsent => Some(Usage::Nothing),
            LegState::Rejected => Some(Usage::Sent),
            LegState::Posting | LegState::InDoubt => None,
        })
    }
}

impl Posting {
    /// The reservation it was pinned under.
    pub fn reservation(&self, lead: LeadId) -> Result<Reservation, RecordError> {
        reservation(lead, self.leg, &self.counters)
    }
}

fn reservation(lead: LeadId, leg: u32, counters: &[Counter]) -> Result<Reservation, RecordError> {
    let leg = u16::try_from(leg).map_err(|_| RecordError::Field("leg"))?;
    let counters = counters
        .iter()
        .map(CounterUse::try_from)
        .collect::<Result<_, _>>()?;
    Ok(Reservation {
        id: ReservationId { lead, leg },
        counters,
    })
}

impl From<&CounterUse> for Counter {
    fn from(counter: &CounterUse) -> Self {
        Self {
            counter: counter.key.to_string(),
            amount: counter.amount,
            limit: counter.limit,
        }
    }
}

impl TryFrom<&Counter> for CounterUse {
    type Error = RecordError;

    fn try_from(counter: &Counter) -> Result<Self, RecordError> {
        let key = counter.counter.parse();
        Ok(Self {
            key: key.map_err(|_| RecordError::Field("counter"))?,
            amount: counter.amount,
            limit: counter.limit,
        })
    }
}

impl EventRecord {
    /// Its id.
    pub fn event_id(&self) -> Result<EventId, RecordError> {
        fixed(&self.id, "id").map(EventId::from_bytes)
    }

    /// The visitor, where known.
    pub fn visitor_id(&self) -> Result<Option<VisitorId>, RecordError> {
        visitor(&self.visitor)
    }

    /// The click it is, or names.
    pub fn click(&self) -> Result<Option<ClickId>, RecordError> {
        click(&self.click_id)
    }

    /// The keyed hashes of whose event it is.
    pub fn persons(&self) -> Result<Vec<[u8; 16]>, RecordError> {
        let hashes = self.person.iter();
        hashes.map(|hash| fixed(hash, "person")).collect()
    }

    /// Event time.
    pub fn ts(&self) -> Timestamp {
        Timestamp::from_micros(self.ts_us)
    }
}

impl ClickRead<'_> {
    /// Its id.
    pub fn event_id(&self) -> Result<EventId, RecordError> {
        fixed(self.id, "id").map(EventId::from_bytes)
    }

    /// The visitor, where known.
    pub fn visitor_id(&self) -> Result<Option<VisitorId>, RecordError> {
        visitor(self.visitor)
    }

    /// The click it is.
    pub fn click(&self) -> Result<Option<ClickId>, RecordError> {
        click(self.click_id)
    }

    /// The keyed hashes of whose click it is.
    pub fn persons(&self) -> Result<Vec<[u8; 16]>, RecordError> {
        let hashes = self.person.iter();
        hashes.map(|hash| fixed(hash, "person")).collect()
    }
}

impl JourneyEntry {
    /// The event's id.
    pub fn event_id(&self) -> Result<EventId, RecordError> {
        fixed(&self.id, "id").map(EventId::from_bytes)
    }
}

fn number<T>(
    number: u32,
    from: fn(u8) -> Option<T>,
    field: &'static str,
) -> Result<T, RecordError> {
    u8::try_from(number)
        .ok()
        .and_then(from)
        .ok_or(RecordError::Field(field))
}
