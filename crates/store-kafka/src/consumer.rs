//! A member of a consumer group. A thread of its own polls librdkafka, so that a rebalance is answered
//! however busy the consumer's task is; what it reads waits in a bounded inbox, and with that full the
//! partitions are paused.

mod batch;
mod commits;
mod inbox;
mod session;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use domain::Clock;
use store::{Consumer, Delivery, LogError, Topic};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::KafkaOptions;
use crate::watch::Watch;
use commits::Commits;
use inbox::Inbox;
use session::Thread;

/// A member of a consumer group. Dropping it leaves the group.
pub struct KafkaConsumer {
    member: Member,
    patience: Duration,
}

/// What the consumer and its thread share.
#[derive(Clone)]
pub(crate) struct Member {
    inbox: Arc<Inbox>,
    commits: Arc<Commits>,
    stopped: Arc<AtomicBool>,
}

impl Member {
    /// Asks the thread to leave its group and end.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.inbox.interrupt();
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }
}

impl KafkaConsumer {
    /// Starts the thread.
    pub(crate) fn begin(
        options: Arc<KafkaOptions>,
        watch: Watch,
        clock: Arc<dyn Clock>,
        topics: &[Topic],
    ) -> std::io::Result<(Self, Member, JoinHandle<()>)> {
        let member = Member {
            inbox: Arc::new(Inbox::new(options.prefetch_bytes)),
            commits: Arc::default(),
            stopped: Arc::default(),
        };
        let patience = options.patience;
        let thread = Thread {
            member: member.clone(),
            topics: topics.to_vec(),
            options,
            watch,
            clock,
        };
        let thread = Builder::new()
            .name(format!("kafka-{}", thread.watch.client))
            .spawn(move || thread.run())?;
        let consumer = Self {
            member: member.clone(),
            patience,
        };
        Ok((consumer, member, thread))
    }
}

impl Drop for KafkaConsumer {
    fn drop(&mut self) {
        self.member.stop();
    }
}

impl Consumer for KafkaConsumer {
    async fn next(&mut self, wait: Duration) -> Result<Option<Delivery>, LogError> {
        timeout(wait, self.member.inbox.next())
            .await
            .map_or(Ok(None), |next| next.map(Some))
    }

    async fn commit(&mut self, next_offsets: &[(Topic, u16, u64)]) -> Result<(), LogError> {
        let commits = Arc::clone(&self.member.commits);
        let ours = next_offsets.iter().filter(|next| commits.is_ours(**next));
        let ours: Vec<_> = ours.copied().collect();
        if ours.is_empty() {
            return Ok(());
        }
        let commit = move || commits.commit(&ours);
        let unavailable = |why: &str| LogError::Unavailable(format!("kafka: {why}"));
        timeout(self.patience, spawn_blocking(commit))
            .await
            .map_err(|_| unavailable("a commit is not answered"))?
            .map_err(|_| unavailable("the runtime ends"))?
    }
}
