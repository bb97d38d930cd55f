//! One generation of the catalog, compiled: immutable, shared, known by the hash of its content.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use auction::{Account, AfterTmax, Book, BreakerRules, Rules, Slot, Sources};
use buyer::NotTaken;
use domain::{
    BuyerName, CampaignName, Currency, FieldName, GoalName, LinkName, OfferName, PublisherName,
};
use intake::Form;
use url::Url;

use crate::{
    Consumers, Destination, Goal, GoalPayout, KeyDigest, Origins, Owner, PostbackIn, PostbackOut,
    Windows,
};

/// Everything the service knows about campaigns and partners.
#[derive(Debug)]
pub struct Snapshot {
    /// Hash of [`Self::canonical`]: 16 bytes of SHA-256 as hex.
    pub generation: String,
    /// The catalog in one spelling, as it is appended to the log: keys as digests, variables
    /// replaced. [`crate::load_catalog`] reads it. It holds the headers of contracts and the secrets of
    /// postbacks in clear.
    pub canonical: Vec<u8>,
    /// By name.
    pub campaigns: BTreeMap<CampaignName, Arc<Campaign>>,
    /// By name.
    pub publishers: BTreeMap<PublisherName, Arc<Publisher>>,
    /// By name.
    pub buyers: BTreeMap<BuyerName, Arc<Buyer>>,
    /// By name.
    pub offers: BTreeMap<OfferName, Arc<Offer>>,
    /// By name.
    pub links: BTreeMap<LinkName, Arc<Link>>,
    pub(crate) keys: HashMap<KeyDigest, Owner>,
    /// SHA-256 of its name -> the buyer.
    pub(crate) buyer_hashes: HashMap<[u8; 32], BuyerName>,
}

impl Snapshot {
    /// The buyer whose name has this SHA-256.
    pub fn buyer_by_hash(&self, hash: &[u8; 32]) -> Option<&BuyerName> {
        self.buyer_hashes.get(hash)
    }

    /// As long as any router may work on a lead.
    pub fn longest_ladder(&self) -> Duration {
        let ladders = self.campaigns.values().flat_map(|campaign| {
            let ceiling = campaign.tmax.ceiling;
            let rules = campaign.publishers.values().map(|terms| &terms.rules);
            let longer = rules.filter_map(|rules| match rules.after_tmax {
                AfterTmax::Settle => None,
                AfterTmax::Continue { ladder_deadline } => Some(ladder_deadline),
            });
            longer.chain([ceiling])
        });
        ladders.max().unwrap_or_default()
    }

    /// Whose key this is.
    pub fn authenticate(&self, key: &str) -> Option<&Owner> {
        self.keys.get(&KeyDigest::of(key))
    }
}

/// What is sold, by which rules, to whom.
#[derive(Debug)]
pub struct Campaign {
    /// Its name.
    pub name: CampaignName,
    /// Whether it takes leads.
    pub on: bool,
    /// What it asks of pings and posts.
    pub form: Form,
    /// How it tells consumers apart, and whom it leaves alone.
    pub consumers: Consumers,
    /// Whose leads it takes, among its publishers' traffic.
    pub sources: Sources,
    /// Its contracts, for the auction.
    pub book: Arc<Book>,
    /// How each contract of the book is reached: parallel to the book's terms.
    pub deliveries: Vec<Delivery>,
    /// All its amounts are in this currency.
    pub currency: Currency,
    /// Publishers' deadlines.
    pub tmax: Tmax,
    /// What a publisher hears of why a lead was not bought.
    pub disclosure: Disclosure,
    /// What counts as a conversion.
    pub goals: BTreeMap<GoalName, Goal>,
    /// How far conversions look back, unless a goal says otherwise.
    pub windows: Windows,
    /// Where clicks of paused links go.
    pub fallback_url: Option<Url>,
    /// How its advertiser's server reports conversions.
    pub postback: PostbackIn,
    /// Sites whose pages may use the tag.
    pub origins: Origins,
    /// The publishers it takes leads from.
    pub publishers: BTreeMap<PublisherName, PublisherTerms>,
}

impl Campaign {
    /// The auction's rules for leads of a publisher; none if it is not allowed here.
    pub fn rules_for(&self, publisher: &PublisherName) -> Option<&Rules> {
        self.publishers.get(publisher).map(|terms| &terms.rules)
    }

    /// How a contract is reached.
    pub fn delivery(&self, slot: Slot) -> Option<&Delivery> {
        self.deliveries.get(slot.0)
    }
}

/// One publisher on one campaign.
#[derive(Debug, Clone)]
pub struct PublisherTerms {
    /// The auction's rules.
    pub rules: Rules,
    /// Who is paid for its leads.
    pub payee: Payee,
}

/// Who is paid for a lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payee {
    /// The publisher that posted it.
    Poster,
    /// The publisher whose click led to it.
    ClickOwner,
}

/// Deadlines of a campaign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tmax {
    /// Where the publisher names none.
    pub default: Duration,
    /// A longer one is cut to this.
    pub ceiling: Duration,
}

impl Tmax {
    /// The deadline of a request.
    pub fn of(&self, asked: Option<Duration>) -> Duration {
        asked.unwrap_or(self.default).min(self.ceiling)
    }
}

/// What a publisher hears of why a lead was not bought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Disclosure {
    /// That there is a reason.
    None,
    /// Its code.
    Code,
    /// Its code with a sentence, and the waterfall without names and prices.
    Full,
}

impl Disclosure {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::None, Self::Code, Self::Full];

    /// The word in a catalog.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Code => "code",
            Self::Full => "full",
        }
    }
}

/// How a contract is reached.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Where pings go; none for a contract that is not pinged.
    pub ping_url: Option<Url>,
    /// Where posts go.
    pub post_url: Url,
    /// Sent with every ping and post.
    pub headers: Vec<(String, String)>,
    /// Statuses that mean "not taken" here.
    pub not_taken: NotTaken,
    /// Sensitive fields its pings carry.
    pub sensitive: BTreeSet<FieldName>,
    /// Its buyer's connections.
    pub pool: Pool,
    /// How many calls it takes, beside what its buyer does.
    pub rates: Rates,
    /// When its breakers open, one for pings and one for posts; none if it has none.
    pub breaker: Option<BreakerRules>,
}

/// How many calls are made a second, at most; none: as many as there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rates {
    /// Pings.
    pub pings_per_s: Option<NonZeroU32>,
    /// Posts.
    pub posts_per_s: Option<NonZeroU32>,
}

/// Connections to one buyer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pool {
    /// At most this many.
    pub connections: usize,
    /// To establish one.
    pub connect_timeout: Duration,
    /// An idle one is used for a post only if it was idle for less than this.
    pub idle_timeout: Duration,
    /// Largest answer that is read.
    pub answer_bytes: usize,
}

/// Who sends leads.
#[derive(Debug, Clone)]
pub struct Publisher {
    /// Its name.
    pub name: PublisherName,
    /// Whether it may send leads.
    pub on: bool,
    /// How many requests of it are answered a second, look-ups included; none: all.
    pub requests_per_s: Option<NonZeroU32>,
    /// How it is told of its conversions; none: it is not.
    pub postback: Option<PostbackOut>,
}

/// Who buys leads.
#[derive(Debug, Clone)]
pub struct Buyer {
    /// Its name.
    pub name: BuyerName,
    /// Whether it buys.
    pub on: bool,
    /// What limits it over all of its contracts.
    pub account: Arc<Account>,
    /// How many calls it takes over all of its contracts.
    pub rates: Rates,
    /// Connections to it.
    pub pool: Pool,
}

/// Landing pages of a campaign.
#[derive(Debug, Clone)]
pub struct Offer {
    /// Its name.
    pub name: OfferName,
    /// The campaign.
    pub campaign: CampaignName,
    /// Where links may lead.
    pub landing_pages: Vec<Url>,
}

/// One publisher on one offer.
#[derive(Debug, Clone)]
pub struct Link {
    /// Its name, as in `/c/{link}`.
    pub name: LinkName,
    /// Whose link.
    pub publisher: PublisherName,
    /// The offer.
    pub offer: OfferName,
    /// The offer's campaign.
    pub campaign: CampaignName,
    /// Where a click goes.
    pub destination: Destination,
    /// Whether it counts clicks.
    pub status: LinkStatus,
    /// Where a click goes while the link is paused; none: the campaign's, then the service's.
    pub fallback_url: Option<Url>,
    /// What it pays for goals, instead of what the goals do.
    pub payouts: BTreeMap<GoalName, GoalPayout>,
}

/// Whether a link counts clicks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkStatus {
    /// It does.
    Active,
    /// It leads to a fallback.
    Paused,
}
