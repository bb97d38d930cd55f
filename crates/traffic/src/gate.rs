//! Keeps single stories from repeating their request until somebody lets them.
//!
//! A publisher that comes back at once takes its interrupted lead over; a chaos run needs one that
//! comes back late.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

/// The markers of held stories.
#[derive(Default)]
pub struct Gate {
    held: Mutex<HashSet<String>>,
    released: Notify,
}

impl Gate {
    /// Holds a story.
    pub fn hold(&self, marker: &str) {
        self.held
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(marker.to_owned());
    }

    /// Lets all held stories go on.
    pub fn release(&self) {
        self.held
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
        self.released.notify_waiters();
    }

    fn holds(&self, marker: &str) -> bool {
        self.held
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(marker)
    }

    /// Waits while a story is held.
    pub(crate) async fn pass(&self, marker: &str) {
        loop {
            let released = self.released.notified();
            if !self.holds(marker) {
                return;
            }
            released.await;
        }
    }
}
