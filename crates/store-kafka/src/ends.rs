//! The next offset of every partition, as far as this process knows: from what it appended and read,
//! from the start, and from what its consumers are told once a second of their partitions.

use std::sync::atomic::{AtomicU64, Ordering};

use store::Topic;

use crate::{KafkaOptions, names};

const TOPICS: [Topic; 3] = [Topic::Events, Topic::Leads, Topic::Catalog];

#[derive(Debug)]
pub(crate) struct Ends([OfTopic; 3]);

#[derive(Debug)]
struct OfTopic {
    topic: Topic,
    name: String,
    ends: Box<[AtomicU64]>,
}

impl Ends {
    pub(crate) fn new(options: &KafkaOptions) -> Self {
        Self(TOPICS.map(|topic| {
            OfTopic {
                topic,
                name: names::of(options, topic),
                ends: (0..names::partitions(options, topic))
                    .map(|_| AtomicU64::new(0))
                    .collect(),
            }
        }))
    }

    /// All topics with their names in Kafka.
    pub(crate) fn topics(&self) -> impl Iterator<Item = (Topic, &str, u16)> {
        let each = |it: &'_ OfTopic| (it.topic, it.ends.len() as u16);
        self.0.iter().map(move |it| {
            let (topic, partitions) = each(it);
            (topic, it.name.as_str(), partitions)
        })
    }

    /// The name in Kafka.
    pub(crate) fn name(&self, topic: Topic) -> &str {
        let found = self.0.iter().find(|it| it.topic == topic);
        found.map_or("", |it| &it.name)
    }

    /// The topic of this name in Kafka.
    pub(crate) fn topic(&self, name: &str) -> Option<Topic> {
        self.0.iter().find(|it| it.name == name).map(|it| it.topic)
    }

    /// A partition has at least so many.
    pub(crate) fn reach(&self, topic: Topic, partition: u16, end: u64) {
        let of_topic = self.0.iter().find(|it| it.topic == topic);
        if let Some(known) = of_topic.and_then(|it| it.ends.get(usize::from(partition))) {
            known.fetch_max(end, Ordering::AcqRel);
        }
    }

    /// The same in Kafka's words; what is not known there is negative.
    pub(crate) fn reach_named(&self, name: &str, partition: i32, end: i64) {
        let numbers = (u16::try_from(partition), u64::try_from(end));
        if let (Some(topic), (Ok(partition), Ok(end))) = (self.topic(name), numbers) {
            self.reach(topic, partition, end);
        }
    }

    /// The next offset of a partition.
    pub(crate) fn at(&self, topic: Topic, partition: u16) -> u64 {
        let of_topic = self.0.iter().find(|it| it.topic == topic);
        let end = of_topic.and_then(|it| it.ends.get(usize::from(partition)));
        end.map_or(0, |end| end.load(Ordering::Acquire))
    }

    /// Next offset per partition.
    pub(crate) fn of(&self, topic: Topic) -> Vec<u64> {
        let of_topic = self.0.iter().find(|it| it.topic == topic);
        let ends = of_topic.map_or(&[][..], |it| &it.ends);
        ends.iter().map(|end| end.load(Ordering::Acquire)).collect()
    }
}
