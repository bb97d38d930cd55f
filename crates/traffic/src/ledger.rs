//! What clients were told and what buyers journalled, folded into lines that can be compared.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use domain::Micros;
use sandbox::{Answer, Delivery, Entry, Kind};

use crate::book::{
    Asked, ClickTold, ConversionTold, LeadTold, QuoteTold, RefusedTold, Told, UnansweredTold, Way,
};
use crate::control::CONTROL_CAMPAIGN;

/// The clients' side.
#[derive(Debug, Default)]
#[expect(missing_docs, reason = "what clients were told, by kind")]
pub struct Clients<'a> {
    pub clicks: Vec<&'a ClickTold>,
    pub quotes: Vec<&'a QuoteTold>,
    /// The last word on each lead, by id.
    pub leads: BTreeMap<&'a str, &'a LeadTold>,
    pub conversions: Vec<&'a ConversionTold>,
    pub refused: Vec<&'a RefusedTold>,
    pub given_up: Vec<&'a UnansweredTold>,
    /// Keys and markers of attempts that may have been taken without an answer.
    pub unanswered: HashSet<(Asked, &'a str)>,
    /// Leads of which a final answer was followed by another one.
    pub changed: Vec<(&'a str, String, String)>,
    /// Idempotency keys that were told more than one lead.
    pub keys_of_two: Vec<&'a str>,
}

impl<'a> Clients<'a> {
    /// Folds a book.
    pub fn of(told: &'a [Told]) -> Self {
        let mut clients = Self::default();
        let mut lead_of: HashMap<&str, &str> = HashMap::new();
        for told in told {
            match told {
                Told::Click(click) => clients.clicks.push(click),
                Told::Quote(quote) => clients.quotes.push(quote),
                Told::Lead(lead) | Told::LookedUp(lead) => {
                    if *lead_of.entry(&lead.key).or_insert(&lead.lead) != lead.lead {
                        clients.keys_of_two.push(&lead.key);
                    }
                    clients.lead(lead);
                }
                Told::Conversion(conversion) => clients.conversions.push(conversion),
                Told::Refused(refused) => clients.refused.push(refused),
                Told::Unanswered(unanswered) => {
                    clients
                        .unanswered
                        .insert((unanswered.asked, &unanswered.key));
                }
                Told::GivenUp(given_up) => {
                    clients.unanswered.insert((given_up.asked, &given_up.key));
                    clients.given_up.push(given_up);
                }
            }
        }
        clients
    }

    fn lead(&mut self, lead: &'a LeadTold) {
        let told = |lead: &LeadTold| (lead.status.clone(), amount(&lead.payout));
        if let Some(before) = self.leads.get(lead.lead.as_str())
            && before.status != "pending"
            && told(before) != told(lead)
        {
            let shown = |lead: &LeadTold| format!("{} {}", lead.status, lead.payout);
            self.changed.push((&lead.lead, shown(before), shown(lead)));
        }
        self.leads.insert(&lead.lead, lead);
    }

    /// Ids of each visitor's answered clicks, in order.
    pub fn journeys(&self) -> HashMap<u64, Vec<&'a str>> {
        let mut journeys: HashMap<u64, Vec<&str>> = HashMap::new();
        for click in &self.clicks {
            if let Some(id) = &click.click_id {
                journeys.entry(click.visitor).or_default().push(id);
            }
        }
        journeys
    }

    /// How many leads ended so.
    pub fn leads_with(&self, status: &str) -> usize {
        self.leads
            .values()
            .filter(|lead| lead.status == status)
            .count()
    }
}

/// What a buyer believes it has bought.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bought {
    /// The sale's id: the idempotency key under the service's own prefix.
    pub sale: String,
    /// The lead's id.
    pub lead: String,
    /// The price it was posted at.
    pub price: Micros,
}

/// A ping as a buyer saw it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pinged {
    /// The auction, or the lead of a direct post; the marker where the client was told neither.
    pub owner: String,
    /// The contract.
    pub contract: String,
    /// The bid, if the buyer made one and sent it as it should be.
    pub bid: Option<Micros>,
}

/// The buyers' side.
#[derive(Debug)]
pub struct Buyers<'a> {
    posts: Vec<&'a Entry>,
    pings: Vec<&'a Entry>,
}

impl<'a> Buyers<'a> {
    /// Journals without test leads and control calls.
    pub fn of(entries: &'a [Entry]) -> Self {
        let real = |entry: &&Entry| !entry.test && entry.campaign != CONTROL_CAMPAIGN;
        let of_kind = |kind| {
            entries
                .iter()
                .filter(real)
                .filter(move |entry| entry.kind == kind)
                .collect()
        };
        Self {
            posts: of_kind(Kind::Post),
            pings: of_kind(Kind::Ping),
        }
    }

    /// The accepted posts, each key once.
    pub fn bought(&self) -> BTreeSet<Bought> {
        self.posts
            .iter()
            .filter(|post| post.answer == Answer::Accepted)
            .map(|post| Bought {
                sale: sale_of(post.idempotency_key.as_deref().unwrap_or_default()),
                lead: post.lead_id.clone().unwrap_or_default(),
                price: amount(post.price.as_deref().unwrap_or_default()),
            })
            .collect()
    }

    /// What a buyer decided on a post, by sale.
    pub fn decided(&self) -> HashMap<String, Answer> {
        let key = |post: &&Entry| sale_of(post.idempotency_key.as_deref().unwrap_or_default());
        self.posts
            .iter()
            .map(|post| (key(post), post.answer))
            .collect()
    }

    /// All pings, each with the auction or lead that the client was told for its marker.
    pub fn pinged(&self, clients: &Clients<'_>) -> Vec<Pinged> {
        let quotes = clients
            .quotes
            .iter()
            .map(|quote| (quote.marker.as_str(), &quote.auction));
        let direct = clients
            .leads
            .values()
            .filter(|lead| lead.way != Way::TwoPhase);
        let mut owners: HashMap<&str, &str> = HashMap::new();
        for lead in direct {
            owners.insert(&lead.marker, &lead.lead);
        }
        for (marker, auction) in quotes {
            owners.insert(marker, auction);
        }
        self.pings
            .iter()
            .map(|ping| Pinged {
                owner: owners
                    .get(ping.marker.as_str())
                    .copied()
                    .unwrap_or(&ping.marker)
                    .to_owned(),
                contract: ping.contract.clone(),
                bid: (ping.answer == Answer::Bid && ping.delivery == Delivery::Answered)
                    .then(|| amount(ping.price.as_deref().unwrap_or_default())),
            })
            .collect()
    }
}

/// The sale that a buyer's idempotency key stands for: both name the lead and the leg.
pub fn sale_of(key: &str) -> String {
    key.strip_prefix("bk_")
        .map_or_else(|| key.to_owned(), |leg| format!("sl_{leg}"))
}

/// The buyer's idempotency key of a sale.
pub fn key_of(sale: &str) -> String {
    sale.strip_prefix("sl_")
        .map_or_else(|| sale.to_owned(), |leg| format!("bk_{leg}"))
}

/// An amount as it was told; one that is none compares unequal to every real one.
pub(crate) fn amount(text: &str) -> Micros {
    text.parse().unwrap_or(Micros::new(i64::MIN))
}
