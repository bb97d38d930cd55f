//! Ids and keys of leads to come. A key is in the vault before its lead is there, so no lead waits for the vault,
//! unless more come at once than are in stock.
//!
//! An id tells when it was minted: that is a little before its lead came. A key that no lead takes opens nothing,
//! and stays in the vault.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use domain::{Clock, Entropy, LeadId, Mono};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use parking_lot::Mutex;
use store::{Backend, LeadKey, Sealer, StoreError, Vault as _, WrappedKey};

use crate::Router;

/// Keys in stock; at half of them more are minted.
const FULL: usize = 64;
/// What is older is left: the time in an id should say when its lead came.
const OLDEST: Duration = Duration::from_secs(600);

/// A lead's key that is in the vault.
pub(crate) struct Stocked {
    pub(crate) lead: LeadId,
    key: LeadKey,
    since: Mono,
}

/// They, the oldest first.
#[derive(Default)]
pub(crate) struct Stock {
    ready: Mutex<VecDeque<Stocked>>,
    minting: AtomicBool,
}

impl<B: Backend> Router<B> {
    /// The id and the key of the next lead, if there is one in stock.
    pub(crate) fn stocked(self: &Arc<Self>) -> Option<Stocked> {
        let stocked = self.stock.take(self.clock.mono());
        if self.stock.begin() {
            let router = Arc::clone(self);
            self.runtime.spawn(async move {
                let vault = router.backend.vault();
                let put = |lead, key| vault.put(lead, key);
                let (sealer, entropy) = (&router.sealer, router.entropy.as_ref());
                let minted = router
                    .stock
                    .mint(router.clock.as_ref(), sealer, entropy, put);
                if let Err(error) = minted.await {
                    // Leads store their keys themselves then, and say so if they cannot.
                    tracing::debug!(%error, "not all keys minted ahead");
                }
            });
        }
        stocked
    }
}

impl Stock {
    fn take(&self, now: Mono) -> Option<Stocked> {
        let mut ready = self.ready.lock();
        loop {
            let oldest = ready.pop_front()?;
            if now.since(oldest.since) <= OLDEST {
                return Some(oldest);
            }
        }
    }

    /// The key, if its lead is the one that was admitted. What no lead was admitted under is for the next.
    pub(crate) fn key(
        &self,
        stocked: Option<Stocked>,
        admitted: Option<LeadId>,
    ) -> Option<LeadKey> {
        let stocked = stocked?;
        if admitted == Some(stocked.lead) {
            return Some(stocked.key);
        }
        self.ready.lock().push_front(stocked);
        None
    }

    /// Whether it is time to mint, and nobody does yet.
    fn begin(&self) -> bool {
        self.ready.lock().len() <= FULL / 2 && !self.minting.swap(true, Ordering::AcqRel)
    }

    /// Fills it; a key is in stock once `put` has stored it.
    async fn mint<P: Future<Output = Result<(), StoreError>>>(
        &self,
        clock: &dyn Clock,
        sealer: &Sealer,
        entropy: &dyn Entropy,
        put: impl Fn(LeadId, WrappedKey) -> P,
    ) -> Result<(), StoreError> {
        let missing = FULL.saturating_sub(self.ready.lock().len());
        let (wall, since) = (clock.wall(), clock.mono());
        let fresh = |_| {
            let lead = LeadId::mint(wall, entropy);
            let (key, wrapped) = sealer.fresh(lead, entropy).ok()?;
            let stored = put(lead, wrapped);
            Some(async move { stored.await.map(|()| Stocked { lead, key, since }) })
        };
        let mut stored: FuturesUnordered<_> = (0..missing).filter_map(fresh).collect();
        let mut all = Ok(());
        while let Some(stored) = stored.next().await {
            match stored {
                Ok(stocked) => self.ready.lock().push_back(stocked),
                Err(error) => all = Err(error),
            }
        }
        self.minting.store(false, Ordering::Release);
        all
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use domain::Timestamp;
    use testkit::{FakeClock, SeededEntropy};
    use tokio::sync::oneshot::{self, Sender};

    use super::*;

    type Answer = Sender<Result<(), StoreError>>;

    struct Scene {
        stock: Stock,
        clock: FakeClock,
        entropy: SeededEntropy,
        sealer: Sealer,
        /// What the vault was asked to store and has not answered.
        asked: RefCell<Vec<(LeadId, Answer)>>,
    }

    impl Scene {
        fn new() -> Self {
            Self {
                stock: Stock::default(),
                clock: FakeClock::new(Timestamp::from_micros(1_000_000)),
                entropy: SeededEntropy::new(7),
                sealer: Sealer::new([1; 32], [2; 32]),
                asked: RefCell::default(),
            }
        }

        fn mint(&self) -> impl Future<Output = Result<(), StoreError>> {
            assert!(self.stock.begin());
            self.stock
                .mint(&self.clock, &self.sealer, &self.entropy, |lead, _| {
                    let (answer, answered) = oneshot::channel();
                    self.asked.borrow_mut().push((lead, answer));
                    async move { answered.await.unwrap() }
                })
        }

        fn take(&self) -> Option<Stocked> {
            self.stock.take(self.clock.mono())
        }
    }

    fn lost() -> StoreError {
        StoreError::Unavailable("its disk is gone".to_owned())
    }

    #[tokio::test]
    async fn a_key_is_in_stock_once_the_vault_has_it() {
        let scene = Scene::new();
        let mut minting = Box::pin(scene.mint());
        assert!(futures_util::poll!(&mut minting).is_pending());
        assert_eq!(scene.asked.borrow().len(), FULL);
        assert!(scene.take().is_none());
        assert!(!scene.stock.begin(), "one is minting");

        let (first, stored) = scene.asked.borrow_mut().remove(0);
        stored.send(Ok(())).unwrap();
        let (_, refused) = scene.asked.borrow_mut().remove(0);
        refused.send(Err(lost())).unwrap();
        assert!(futures_util::poll!(&mut minting).is_pending());
        assert_eq!(scene.take().map(|stocked| stocked.lead), Some(first));
        assert!(scene.take().is_none());

        for (_, stored) in scene.asked.borrow_mut().drain(..) {
            stored.send(Ok(())).unwrap();
        }
        minting.await.unwrap_err();
        assert_eq!(scene.stock.ready.lock().len(), FULL - 2);
    }

    #[tokio::test]
    async fn it_gives_each_key_once_and_is_filled_at_half() {
        let scene = Scene::new();
        let filled = async || {
            let mut minting = Box::pin(scene.mint());
            assert!(futures_util::poll!(&mut minting).is_pending());
            for (_, stored) in scene.asked.borrow_mut().drain(..) {
                stored.send(Ok(())).unwrap();
            }
            minting.await.unwrap();
        };
        filled().await;
        let mut leads = std::collections::BTreeSet::new();
        for _ in FULL / 2..FULL {
            assert!(!scene.stock.begin());
            let stocked = scene.take().unwrap();
            let lead = stocked.lead;
            assert!(leads.insert(lead));
            // Its lead was not admitted: another is given it.
            assert!(scene.stock.key(Some(stocked), None).is_none());
            let stocked = scene.take();
            assert!(scene.stock.key(stocked, Some(lead)).is_some());
        }
        filled().await;
        assert_eq!(scene.stock.ready.lock().len(), FULL);

        scene.clock.advance(OLDEST + Duration::from_secs(1));
        assert!(scene.take().is_none());
        filled().await;
        assert!(
            scene
                .take()
                .is_some_and(|stocked| !leads.contains(&stocked.lead))
        );
    }
}
