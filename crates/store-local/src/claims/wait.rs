//! Waiting for news of a lead: one notification per lead, there only while somebody waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use domain::LeadId;
use store::LeadView;
use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;
use tokio::time::timeout;

use super::Inner;

/// How many wait, and how many may. One more is answered at once.
#[derive(Debug)]
pub(super) struct Waiting {
    now: AtomicUsize,
    most: usize,
}

/// Who waits for one lead.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    pub(super) news: Arc<Notify>,
    count: usize,
}

impl Waiting {
    pub(super) fn new(most: usize) -> Self {
        Self {
            now: AtomicUsize::new(0),
            most,
        }
    }
}

/// One who waits; dropping it, also unfinished, leaves nothing behind.
struct Waiter<'a> {
    inner: &'a Inner,
    lead: LeadId,
    news: Arc<Notify>,
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.inner.waiting.now.fetch_sub(1, Ordering::Relaxed);
        let mut leads = self.inner.leads.shard(&self.lead);
        let Some(entry) = leads.get_mut(&self.lead) else {
            return;
        };
        if let Some(waiters) = &mut entry.waiters
            && Arc::ptr_eq(&waiters.news, &self.news)
        {
            waiters.count -= 1;
            if waiters.count == 0 {
                entry.waiters = None;
            }
        }
    }
}

impl Inner {
    /// Returns once the lead has news, is gone, or `wait` has passed. Of one that is in the archive
    /// alone nobody expects any, and nobody is told.
    pub(super) async fn wait_for_news(&self, seen: &LeadView, wait: Duration) {
        // How it ended is in the lead.
        let _ = timeout(wait, async {
            while let Some((waiter, news)) = self.enter(seen) {
                news.await;
                drop(waiter);
            }
            if self.is_as_archived(seen) {
                std::future::pending::<()>().await;
            }
        })
        .await;
    }

    /// Whether the lead left memory as somebody saw it. One that cannot be read is looked at again.
    fn is_as_archived(&self, seen: &LeadView) -> bool {
        let seen_state = seen.state.as_ref().map_or(0, |state| state.applied);
        let is_here = self.leads.shard(&seen.lead).contains_key(&seen.lead);
        let archived = self.archive.lead(seen.lead);
        !is_here && archived.is_ok_and(|it| it.is_some_and(|it| it.applied == seen_state))
    }

    /// Joins those who wait for the lead, unless there is nothing to wait for. What happens after
    /// this is noticed, even before the notification is polled.
    fn enter(&self, seen: &LeadView) -> Option<(Waiter<'_>, OwnedNotified)> {
        let lead = seen.lead;
        let mut leads = self.leads.shard(&lead);
        let entry = leads.get_mut(&lead)?;
        if entry.has_news(seen) {
            return None;
        }
        if self.waiting.now.fetch_add(1, Ordering::Relaxed) >= self.waiting.most {
            self.waiting.now.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        let waiters = entry.waiters.get_or_insert_default();
        waiters.count += 1;
        let news = Arc::clone(&waiters.news);
        let waiter = Waiter {
            inner: self,
            lead,
            news: Arc::clone(&news),
        };
        Some((waiter, news.notified_owned()))
    }
}
