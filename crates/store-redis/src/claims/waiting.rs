//! Waiting for news of a lead: by looking, more and more slowly. Nobody waits for most leads, so nothing is
//! told to anybody, and there is no message that could be missed.

use std::sync::atomic::Ordering;
use std::time::Duration;

use store::{LeadView, StoreError};
use tokio::time::{sleep, timeout};

use super::{Inner, read};

/// The first pause between two looks; each is twice the one before.
const FIRST: Duration = Duration::from_millis(5);
/// The longest.
const LONGEST: Duration = Duration::from_millis(160);

/// One who waits; dropping it, also unfinished, leaves nothing behind.
struct Waiter<'a>(&'a Inner);

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Inner {
    /// Returns once the lead has news, is gone, or `wait` has passed, and at once where too many wait.
    pub(super) async fn wait_for_news(
        &self,
        seen: &LeadView,
        wait: Duration,
    ) -> Result<(), StoreError> {
        let waiting = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiter = Waiter(self);
        if waiting >= self.link.options().waiters {
            return Ok(());
        }
        let news = async {
            let mut pause = FIRST;
            while !self.has_news(seen).await? {
                sleep(pause).await;
                pause = (pause * 2).min(LONGEST);
            }
            Ok(())
        };
        timeout(wait, news).await.unwrap_or(Ok(()))
    }

    async fn has_news(&self, seen: &LeadView) -> Result<bool, StoreError> {
        let now = self.find("news", &seen.lead.to_string()).await?;
        let [applied, answered] = now.as_slice() else {
            return Ok(true);
        };
        let applied: u64 = read::number(applied)?;
        let before = seen.state.as_ref().map_or(0, |state| state.applied);
        Ok(applied > before || (answered == b"1" && seen.answer.is_none()))
    }
}
