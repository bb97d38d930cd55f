//! How many batches of events a publisher may send a second: as many as it may send requests of leads, counted apart.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use catalog::Snapshot;
use domain::{Clock, PublisherName};
use httpd::Rate;
use parking_lot::Mutex;

/// What is counted, of those that are limited. Never more than a catalog has publishers.
#[derive(Default)]
pub(crate) struct Rates(Mutex<HashMap<PublisherName, (NonZeroU32, Arc<Rate>)>>);

impl Rates {
    /// Counts a batch of a publisher. A limit that has changed begins anew.
    ///
    /// # Errors
    /// It is one too many: there is room for it after this time.
    pub(crate) fn take(
        &self,
        snapshot: &Snapshot,
        publisher: &PublisherName,
        clock: &Arc<dyn Clock>,
    ) -> Result<(), Duration> {
        let limit = |name: &PublisherName| snapshot.publishers.get(name)?.requests_per_s;
        let Some(limited) = limit(publisher) else {
            return Ok(());
        };
        let rate = {
            let mut rates = self.0.lock();
            match rates.get(publisher) {
                Some((by, rate)) if *by == limited => Arc::clone(rate),
                _ => {
                    rates.retain(|name, _| limit(name).is_some());
                    let rate = Arc::new(Rate::new(limited, clock));
                    rates.insert(publisher.clone(), (limited, Arc::clone(&rate)));
                    rate
                }
            }
        };
        rate.take()
    }
}
