//! Members of a group whose topic has four partitions, and who has which of them.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use store::{Consumer as _, Delivery, EventLog as _, LogError, Topic};
use store_kafka::{KafkaConsumer, KafkaLog};
use tokio::task::spawn_blocking;

pub(crate) const PARTITIONS: usize = 4;
/// How long one look waits for something to come.
pub(crate) const LOOK: Duration = Duration::from_millis(20);
/// No wait is longer.
const SOON: Duration = Duration::from_secs(60);

pub(crate) struct Member {
    log: KafkaLog,
    pub(crate) consumer: KafkaConsumer,
    pub(crate) has: BTreeSet<u16>,
    /// Partitions that came and went so far.
    pub(crate) changes: usize,
}

impl Member {
    pub(crate) async fn join(log: KafkaLog, group: &'static str) -> Self {
        Self {
            consumer: log.subscribe(group, &[Topic::Leads]).await.unwrap(),
            log,
            has: BTreeSet::new(),
            changes: 0,
        }
    }

    /// What comes within this time.
    pub(crate) async fn next(&mut self, wait: Duration) -> Result<Option<Delivery>, LogError> {
        let delivery = self.consumer.next(wait).await?;
        match &delivery {
            Some(Delivery::Assigned { partition, .. }) => {
                assert!(self.has.insert(*partition), "{partition} twice");
                self.changes += 1;
            }
            Some(Delivery::Revoked { partition, .. }) => {
                assert!(self.has.remove(partition), "{partition} was not ours");
                self.changes += 1;
            }
            Some(Delivery::Records { partition, .. }) => {
                assert!(self.has.contains(partition), "{partition} is not ours");
            }
            None => {}
        }
        Ok(delivery)
    }

    /// The same where what fails begins anew by itself.
    pub(crate) async fn look(&mut self, wait: Duration) -> Option<Delivery> {
        self.next(wait).await.unwrap_or(None)
    }

    /// Leaves in order, and closes the log.
    pub(crate) async fn leave(self) {
        let Self { log, consumer, .. } = self;
        spawn_blocking(move || log.close()).await.unwrap();
        drop(consumer);
    }
}

/// Waits until they have all partitions among them, each one's own, and everybody has some; how long that took.
/// What each was told before is taken first: one who has not looked at what was taken from it has it still.
pub(crate) async fn shared(members: &mut [Member]) -> Duration {
    let began = Instant::now();
    loop {
        let mut quiet = true;
        for member in &mut *members {
            quiet &= member.look(LOOK).await.is_none();
        }
        let all: BTreeSet<u16> = members.iter().flat_map(|it| &it.has).copied().collect();
        let sum: usize = members.iter().map(|it| it.has.len()).sum();
        let some = members.iter().all(|it| !it.has.is_empty());
        if quiet && (all.len(), sum, some) == (PARTITIONS, PARTITIONS, true) {
            return began.elapsed();
        }
        assert!(began.elapsed() < SOON, "{all:?}, {sum}");
    }
}
