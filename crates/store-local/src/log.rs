//! The log: one journal per topic, or the same in memory, and the offsets of those who read it.

mod consumer;
mod groups;
mod memory;
mod replay;
mod space;
mod topic;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use store::{Ack, EventLog, LogError, Position, Topic as Name};

pub use consumer::LocalConsumer;
pub(crate) use groups::{Groups, MOST_PARTITIONS};
pub(crate) use memory::MemoryTopic;
pub use replay::LocalReplay;
pub use space::of as space_of;
pub use topic::append_error;
pub(crate) use topic::{Reader, Run, Topic};

use crate::floor::Floor;
use consumer::Group;

/// The log of one machine.
#[derive(Clone)]
pub struct LocalLog(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) topics: BTreeMap<Name, Topic>,
    pub(crate) groups: Groups,
    floor: Arc<Floor>,
}

impl LocalLog {
    pub(crate) fn new(topics: BTreeMap<Name, Topic>, groups: Groups, floor: Arc<Floor>) -> Self {
        let inner = Inner {
            topics,
            groups,
            floor,
        };
        for topic in [Name::Events, Name::Leads, Name::Catalog] {
            inner.moved(topic);
        }
        Self(Arc::new(inner))
    }

    pub(crate) fn close(&self) {
        self.0.topics.values().for_each(Topic::close);
    }
}

impl Inner {
    pub(crate) fn topic(&self, name: Name) -> Result<&Topic, LogError> {
        self.topics
            .get(&name)
            .ok_or_else(|| LogError::Unavailable(format!("no topic {}", name.as_str())))
    }

    fn partitions(&self, name: Name) -> u16 {
        match name {
            Name::Catalog => 1,
            Name::Events | Name::Leads => self.floor.partitions() as u16,
        }
    }

    fn commit(&self, group: &str, topic: Name, partition: u16, next: u64) -> Result<(), LogError> {
        self.groups
            .commit(group, topic, partition, next)
            .map_err(|error| LogError::Unavailable(error.to_string()))?;
        self.moved(topic);
        Ok(())
    }

    /// What every group has committed of a topic decides what may be forgotten.
    fn moved(&self, name: Name) {
        let partitions = usize::from(self.partitions(name));
        let floor = self.groups.floor(name, partitions);
        let floor = floor.unwrap_or_else(|| vec![0; partitions]);
        if let Some(Topic::Memory(topic)) = self.topics.get(&name) {
            topic.set_floor(&floor);
        }
        if name == Name::Leads {
            self.floor.set_committed(&floor);
        }
    }
}

impl EventLog for LocalLog {
    type Consumer = LocalConsumer;
    type Replay = LocalReplay;

    fn append(
        &self,
        topic: Name,
        key: u64,
        record: Bytes,
        ack: Ack,
    ) -> impl Future<Output = Result<Position, LogError>> + Send + 'static {
        let partition = (key % u64::from(self.0.partitions(topic))) as u16;
        let space = space::of(topic, &record);
        let appended = self
            .0
            .topic(topic)
            .map(|topic| topic.append(partition, record, ack, space));
        async move { appended?.await }
    }

    async fn subscribe(
        &self,
        group: &'static str,
        topics: &[Name],
    ) -> Result<LocalConsumer, LogError> {
        let log = &self.0;
        let named: Vec<_> = topics
            .iter()
            .map(|topic| (*topic, usize::from(log.partitions(*topic))))
            .collect();
        log.groups
            .join(group, &named)
            .map_err(|error| LogError::Unavailable(error.to_string()))?;
        let member = Group {
            name: group,
            log: Arc::clone(log),
        };
        let mut readers = Vec::with_capacity(named.len());
        for (name, partitions) in named {
            let topic = log.topic(name)?;
            let starts = topic.starts();
            let mut from = log.groups.committed(group, name, partitions);
            for (from, start) in from.iter_mut().zip(&starts) {
                *from = (*from).max(*start);
            }
            readers.push((name, topic.reader(from.clone())?, from));
            log.moved(name);
        }
        Ok(LocalConsumer::new(member, readers))
    }

    async fn replay(&self, topic: Name) -> Result<LocalReplay, LogError> {
        LocalReplay::new(self.0.topic(topic)?)
    }

    fn ends(&self, topic: Name) -> Vec<u64> {
        self.0.topic(topic).map_or_else(|_| Vec::new(), Topic::ends)
    }
}
