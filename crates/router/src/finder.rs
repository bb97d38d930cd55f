//! Where leads are found that no store knows by this name: what the router needs of the analysts' side,
//! and nothing of how it is asked there.

use std::pin::Pin;

use domain::{Currency, LeadId, LeadReason, LeadStatus, Micros, PublisherName, Timestamp};

/// A lead as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The lead.
    pub lead: LeadId,
    /// Its campaign, by the name it had.
    pub campaign: String,
    /// How it stands.
    pub status: LeadStatus,
    /// Why it is not sold.
    pub reason: Option<LeadReason>,
    /// What the publisher gets.
    pub payout: Micros,
    /// In which currency; none while nothing was posted.
    pub currency: Option<Currency>,
    /// A test lead.
    pub test: bool,
    /// When it was received.
    pub received_at: Timestamp,
    /// How long it took, in microseconds.
    pub took_us: i64,
}

/// What was found; an error is for the operator, the publisher is told to come again.
pub type Finding<'a> = Pin<Box<dyn Future<Output = Result<Vec<Found>, String>> + Send + 'a>>;

/// Finds leads.
pub trait Finder: Send + Sync + 'static {
    /// The leads that a publisher gave this name, the newest first, at most `most`.
    fn named<'a>(&'a self, publisher: &'a PublisherName, name: &'a str, most: u32) -> Finding<'a>;
}
