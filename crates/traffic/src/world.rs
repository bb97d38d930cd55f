//! Who takes part and how they behave: publishers and their links, an advertiser, and the mix of stories.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::Vertical;

/// Everybody who calls the service, as the catalog knows them.
#[derive(Debug, Clone)]
pub struct World {
    /// At least one, each with at least one link.
    pub publishers: Vec<Publisher>,
    /// Goal of the advertiser's postbacks.
    pub goal: String,
    /// The advertiser's token on each campaign.
    pub tokens: BTreeMap<String, String>,
}

/// A publisher.
#[derive(Debug, Clone)]
pub struct Publisher {
    /// Its name in the catalog.
    pub name: String,
    /// Its API key.
    pub key: String,
    /// Its tracking links.
    pub links: Vec<Link>,
}

/// A tracking link.
#[derive(Debug, Clone)]
pub struct Link {
    /// Its name in the catalog.
    pub name: String,
    /// The campaign of its offer.
    pub campaign: String,
}

/// What happens how often.
#[derive(Debug, Clone)]
pub struct Mix {
    /// Leads per second, ping-then-post and direct together.
    pub leads_per_s: f64,
    /// The share of visitors that become leads.
    pub lead_share: f64,
    /// Fewest and most clicks of a visitor before it leaves or becomes a lead.
    pub clicks: (u64, u64),
    /// Shortest and longest pause between two steps of a visitor.
    pub pause: (Duration, Duration),
    /// Where leads go: the last one takes what is left.
    pub campaigns: Vec<Wanted>,
    /// The share of leads that are posted without a ping.
    pub direct_share: f64,
    /// The share of pings that come with a mistake first, and are refused.
    pub mistakes: f64,
    /// The share of sold leads that convert later.
    pub converts: f64,
    /// The publishers' deadline.
    pub tmax: Duration,
}

/// A campaign that leads go to.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Its name.
    pub campaign: String,
    /// What its consumers ask for.
    pub vertical: Vertical,
    /// Of the leads that no campaign before it took, the share that goes here.
    pub share: f64,
}

/// How long an unanswered request is repeated, with its key.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Between two attempts.
    pub pause: Duration,
    /// In all.
    pub limit: Duration,
}
