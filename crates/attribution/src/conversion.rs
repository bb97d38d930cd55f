//! Conversions: events with one key, folded in (event time, id) order.
//!
//! The first event is the conversion; a later one with another status, amount or currency restates
//! it, any other is a duplicate. So a pixel and a postback of one order count once, and a later
//! `rejected` takes effect.

use domain::{
    ClickId, ConversionId, ConversionStatus, Currency, EventId, LeadId, Micros, Timestamp,
    VisitorId,
};

use crate::ConversionKey;

/// One report of a conversion. Ordered by event time, then id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConversionEvent {
    /// Event time.
    pub at: Timestamp,
    /// The event.
    pub id: EventId,
    /// The click it names.
    pub click: Option<ClickId>,
    /// The visitor it names.
    pub visitor: Option<VisitorId>,
    /// The campaign.
    pub campaign: String,
    /// The goal.
    pub goal: String,
    /// The order, as the advertiser counts them.
    pub txid: Option<String>,
    /// The status it reports.
    pub status: ConversionStatus,
    /// The value it reports, if any.
    pub amount: Option<Micros>,
    /// The value's currency.
    pub currency: Option<Currency>,
    /// `postback` or `lead`.
    pub source: String,
    /// The lead it comes from.
    pub lead: Option<LeadId>,
    /// Who is paid, where the event says so itself.
    pub payee: Option<String>,
    /// What the payee gets.
    pub payout: Micros,
    /// Its sender gave it an id of its own.
    pub named: bool,
    /// It carries a macro that nobody expanded: kept, matched with nothing.
    pub invalid_macro: bool,
    /// Anybody may have said it: it changes nothing that was said otherwise.
    pub unverified: bool,
    /// Its goal counts once for each click, or without one for each visitor.
    pub once: bool,
    /// The conversion that it follows from, whose journey, window and payee it inherits.
    pub parent: Option<Parent>,
}

/// A conversion of the same campaign that another one follows from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Parent {
    /// Its goal.
    pub goal: String,
    /// Its order.
    pub txid: String,
}

/// What a conversion was from one report on, until another one restated it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// The report.
    pub event: EventId,
    /// Its time.
    pub at: Timestamp,
    /// `postback`, `pixel`, `api` or `lead`.
    pub source: String,
    /// The status.
    pub status: ConversionStatus,
    /// The value.
    pub amount: Micros,
}

/// A conversion as its events make it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversion {
    /// Derived from the key.
    pub id: ConversionId,
    /// The key.
    pub key: ConversionKey,
    /// Time of the first event.
    pub at: Timestamp,
    /// The click that was named.
    pub click: Option<ClickId>,
    /// The visitor that was named.
    pub visitor: Option<VisitorId>,
    /// The campaign.
    pub campaign: String,
    /// The goal.
    pub goal: String,
    /// The order.
    pub txid: Option<String>,
    /// The last status.
    pub status: ConversionStatus,
    /// The last value that was said.
    pub amount: Micros,
    /// The value's currency.
    pub currency: Option<Currency>,
    /// `postback` or `lead`.
    pub source: String,
    /// The lead it comes from.
    pub lead: Option<LeadId>,
    /// Who is paid, where an event says so.
    pub payee: Option<String>,
    /// What the payee gets.
    pub payout: Micros,
    /// It carries a macro that nobody expanded.
    pub invalid_macro: bool,
    /// Nobody whose word counts has said it yet.
    pub unverified: bool,
    /// Its goal counts once for each click, or without one for each visitor.
    pub once: bool,
    /// The conversion that it follows from.
    pub parent: Option<Parent>,
    /// Another one of its click, or visitor, counts for the goal: nobody is credited or paid for it.
    pub repeat: bool,
    /// How often it was restated.
    pub restated: u32,
    /// What it was, from its first report to what it is now: the last `VERSIONS` of them.
    pub versions: Vec<Version>,
}

/// Most versions that are kept of a conversion.
const VERSIONS: usize = 100;

impl Conversion {
    pub(crate) fn begin(key: ConversionKey, event: &ConversionEvent) -> Self {
        let mut conversion = Self {
            id: key.id(),
            key,
            at: event.at,
            click: event.click,
            visitor: event.visitor,
            campaign: event.campaign.clone(),
            goal: event.goal.clone(),
            txid: event.txid.clone(),
            status: event.status,
            amount: event.amount.unwrap_or_default(),
            currency: event.currency,
            source: event.source.clone(),
            lead: event.lead,
            payee: event.payee.clone(),
            payout: event.payout,
            invalid_macro: event.invalid_macro,
            unverified: event.unverified,
            once: event.once,
            parent: event.parent.clone(),
            repeat: false,
            restated: 0,
            versions: Vec::new(),
        };
        conversion.note(event);
        conversion
    }

    /// Notes what it is from this report on.
    fn note(&mut self, event: &ConversionEvent) {
        if self.versions.len() >= VERSIONS {
            self.versions.remove(0);
        }
        self.versions.push(Version {
            event: event.id,
            at: event.at,
            source: event.source.clone(),
            status: self.status,
            amount: self.amount,
        });
    }

    /// Folds a later event of the same key.
    pub(crate) fn restate(&mut self, event: &ConversionEvent) {
        self.click = self.click.or(event.click);
        self.visitor = self.visitor.or(event.visitor);
        self.once |= event.once;
        if event.unverified && !self.unverified {
            return;
        }
        self.unverified = event.unverified;
        let amount = event.amount.unwrap_or(self.amount);
        let currency = event.currency.or(self.currency);
        if (event.status, amount, currency) == (self.status, self.amount, self.currency) {
            return;
        }
        self.status = event.status;
        self.amount = amount;
        self.currency = currency;
        if event.payee.is_some() {
            self.payee.clone_from(&event.payee);
            self.payout = event.payout;
        }
        self.restated += 1;
        self.note(event);
    }

    /// Whether it is one at all: not taken back, and no repetition.
    pub fn counts(&self) -> bool {
        self.status.counts() && !self.repeat
    }

    /// Whether somebody may be paid for it: it has a key of its own and counts.
    pub fn payable(&self) -> bool {
        self.counts() && !matches!(self.key, ConversionKey::Unkeyed(_))
    }
}
