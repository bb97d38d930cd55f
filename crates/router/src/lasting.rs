//! What outlives a generation of the catalog: a buyer's connections, rates that are being counted,
//! breakers that are open, and what contracts did lately. Whoever is called by the same rules as before
//! goes on with what it has; a changed rule begins anew.

use std::collections::HashMap;
use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::Arc;

use auction::BreakerRules;
use callout::{Origin, Pool, PoolLimits};
use domain::{BuyerName, CampaignName, ContractName, PublisherName};

use crate::gate::Fuse;
use crate::history::Histories;
use httpd::Rate;

/// Things of one kind, each under its rules.
pub(crate) struct Carried<K, R, T>(HashMap<K, (R, Arc<T>)>);

impl<K, R, T> Default for Carried<K, R, T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Eq + Hash, R: PartialEq, T> Carried<K, R, T> {
    /// What is here under this key already, else what `before` had by the same rules, else a new one.
    pub(crate) fn take(
        &mut self,
        before: &Self,
        key: K,
        rules: R,
        make: impl FnOnce() -> Arc<T>,
    ) -> Arc<T> {
        let known = self.0.get(&key).or_else(|| {
            let known = before.0.get(&key);
            known.filter(|(by, _)| *by == rules)
        });
        let it = known.map_or_else(make, |(_, it)| Arc::clone(it));
        self.0.entry(key).or_insert((rules, Arc::clone(&it)));
        it
    }

    /// All that is here.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &Arc<T>)> {
        self.0.iter().map(|(key, (_, it))| (key, it))
    }

    /// What is here under this key.
    pub(crate) fn get<Q>(&self, key: &Q) -> Option<&Arc<T>>
    where
        K: std::borrow::Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.0.get(key).map(|(_, it)| it)
    }
}

/// Who is called, or counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Whose {
    Buyer(BuyerName),
    Contract(ContractName),
}

/// All that outlives a generation.
#[derive(Default)]
pub(crate) struct Lasting {
    pub(crate) pools: Carried<(BuyerName, Origin), PoolLimits, Pool>,
    /// What publishers may send, of those that are limited.
    pub(crate) requests: Carried<PublisherName, NonZeroU32, Rate>,
    /// Of pings or of posts.
    pub(crate) rates: Carried<(Whose, &'static str), NonZeroU32, Rate>,
    /// Likewise.
    pub(crate) breakers: Carried<(ContractName, &'static str), BreakerRules, Fuse>,
    pub(crate) histories: HashMap<CampaignName, Histories>,
}
