//! From who writes notices to who sends them, in one process: a hint that saves reading the table.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc;
use warehouse::PostbackRow;

/// Notices on their way; more are read from the table instead.
const MOST: usize = 4096;

/// Takes notices that are in the table by now. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Handoff {
    sender: mpsc::Sender<PostbackRow>,
    missed: Arc<AtomicBool>,
}

/// Gives them to the notifier.
#[derive(Debug)]
pub struct Inbox {
    receiver: mpsc::Receiver<PostbackRow>,
    missed: Arc<AtomicBool>,
}

/// Both ends.
pub fn handoff() -> (Handoff, Inbox) {
    let (sender, receiver) = mpsc::channel(MOST);
    let missed = Arc::new(AtomicBool::new(false));
    let inbox = Inbox {
        receiver,
        missed: Arc::clone(&missed),
    };
    (Handoff { sender, missed }, inbox)
}

impl Handoff {
    /// Hands notices over. What does not fit is remembered as missed.
    pub fn offer(&self, notices: &[PostbackRow]) {
        for notice in notices {
            if self.sender.try_send(notice.clone()).is_err() {
                self.missed.store(true, Ordering::Release);
                return;
            }
        }
    }
}

impl Inbox {
    /// The next notice; none once nobody hands over any more.
    pub(crate) async fn next(&mut self) -> Option<PostbackRow> {
        self.receiver.recv().await
    }

    /// Whether some were missed since this was asked last.
    pub(crate) fn missed(&self) -> bool {
        self.missed.swap(false, Ordering::AcqRel)
    }
}
