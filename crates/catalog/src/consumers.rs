//! How a campaign and its contracts tell consumers apart, and whom they leave alone.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use domain::{BuyerName, ContractName, FieldName};
use intake::Suppression;

/// What a campaign asks of consumers.
#[derive(Debug, Clone, Default)]
pub struct Consumers {
    /// Which leads are duplicates.
    pub duplicates: Vec<DuplicateRule>,
    /// Consumers whose leads are rejected.
    pub suppress: Vec<Arc<Suppression>>,
    /// The contracts that ask for something as well.
    pub contracts: Vec<Wary>,
    /// Fields that tell who a consumer is to buyers' windows: phone numbers and e-mail addresses.
    pub contact: Vec<FieldName>,
}

impl Consumers {
    /// Every field by which leads are compared.
    pub fn fields(&self) -> Vec<FieldName> {
        let rules = self.duplicates.iter().flat_map(|rule| &rule.fields);
        let windows = self.has_windows().then_some(&self.contact);
        let fields: BTreeSet<_> = rules.chain(windows.into_iter().flatten()).collect();
        fields.into_iter().cloned().collect()
    }

    /// Whether a buyer has a window.
    pub fn has_windows(&self) -> bool {
        self.contracts.iter().any(|it| it.window.is_some())
    }

    /// The longest window: how long leads are remembered.
    pub fn remembered(&self) -> Duration {
        let rules = self.duplicates.iter().map(|rule| rule.window);
        let windows = self.contracts.iter().filter_map(|it| it.window);
        rules.chain(windows).max().unwrap_or_default()
    }
}

/// A campaign's rule of duplicates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DuplicateRule {
    /// The fields that are compared.
    pub fields: Vec<FieldName>,
    /// Whether all of them have to agree; else one is enough.
    pub all: bool,
    /// How far it looks back.
    pub window: Duration,
    /// Whose leads count.
    pub scope: DuplicateScope,
    /// Which of them.
    pub against: DuplicateAgainst,
}

/// Whose leads count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DuplicateScope {
    /// Everybody's on the campaign.
    Campaign,
    /// The publisher's own.
    Publisher,
}

/// Which earlier leads count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DuplicateAgainst {
    /// Those that are sold, or may yet be.
    Sold,
    /// All that came to the book.
    All,
}

/// A contract that does not take every consumer.
#[derive(Debug, Clone)]
pub struct Wary {
    /// The contract.
    pub contract: ContractName,
    /// Its buyer.
    pub buyer: BuyerName,
    /// It takes no consumer that the buyer had within this.
    pub window: Option<Duration>,
    /// Nor one on these lists.
    pub suppress: Vec<Arc<Suppression>>,
}
