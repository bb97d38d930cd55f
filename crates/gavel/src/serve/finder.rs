//! Leads found in ClickHouse, for the router, which does not know it.

use domain::{LeadReason, LeadStatus, Micros, PublisherName, Timestamp};
use router::{Finder, Finding, Found};
use warehouse::{NamedLead, Warehouse};

/// The router waits no longer.
const SECONDS: u32 = 3;

/// The table `leads`.
pub(super) struct Leads(pub(super) Warehouse);

impl Finder for Leads {
    fn named<'a>(&'a self, publisher: &'a PublisherName, name: &'a str, most: u32) -> Finding<'a> {
        Box::pin(async move {
            let rows = self.0.leads_named(publisher.as_str(), name, most, SECONDS);
            let rows = rows.await.map_err(|error| error.to_string())?;
            let found = rows.iter().map(found);
            found
                .collect::<Option<_>>()
                .ok_or_else(|| "a row of leads cannot be read".to_owned())
        })
    }
}

/// A row as the router knows leads.
fn found(row: &NamedLead) -> Option<Found> {
    let mut statuses = LeadStatus::ALL.into_iter();
    let mut reasons = LeadReason::ALL.into_iter();
    Some(Found {
        lead: row.lead_id.parse().ok()?,
        campaign: row.campaign.clone(),
        status: statuses.find(|status| status.as_str() == row.status)?,
        reason: reasons.find(|reason| reason.as_str() == row.reason),
        payout: Micros::new(row.payout.0),
        currency: row.currency.parse().ok(),
        test: row.test,
        received_at: Timestamp::from_micros(row.received_at.0),
        took_us: row.took_us,
    })
}
