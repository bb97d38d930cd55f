//! A consumer group's one member: all partitions of its topics, in turn.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use store::{Consumer, Delivery, LogError, Topic};
use tokio::time::timeout;

use super::Inner;
use super::topic::{Reader, Run};

/// Bytes and records of one delivery, about.
const MOST_BYTES: usize = 1 << 20;
const MOST_RECORDS: usize = 4096;

/// The member of a consumer group of one process. Dropping it leaves the group.
pub struct LocalConsumer {
    group: Group,
    readers: Vec<(Topic, Reader)>,
    /// What was read and not handed over yet.
    ready: VecDeque<Delivery>,
    /// The topic looked at first, so that none starves.
    turn: usize,
}

/// Membership.
pub(super) struct Group {
    pub(super) name: &'static str,
    pub(super) log: Arc<Inner>,
}

impl Drop for Group {
    fn drop(&mut self) {
        self.log.groups.leave(self.name);
    }
}

impl LocalConsumer {
    /// Reads each topic from these offsets on.
    pub(super) fn new(group: Group, topics: Vec<(Topic, Reader, Vec<u64>)>) -> Self {
        let mut ready = VecDeque::new();
        let mut readers = Vec::with_capacity(topics.len());
        for (topic, reader, from) in topics {
            let assigned = (0..)
                .zip(from)
                .map(|(partition, next_offset)| Delivery::Assigned {
                    topic,
                    partition,
                    next_offset,
                });
            ready.extend(assigned);
            readers.push((topic, reader));
        }
        Self {
            group,
            readers,
            ready,
            turn: 0,
        }
    }

    /// Takes what there is, from the topic whose turn it is.
    fn read_now(&mut self) -> Result<(), LogError> {
        for _ in 0..self.readers.len() {
            let turn = self.turn % self.readers.len();
            self.turn = turn + 1;
            let (topic, reader) = &mut self.readers[turn];
            let runs = reader.next_now(MOST_BYTES)?;
            if !runs.is_empty() {
                hand_over(&mut self.ready, *topic, runs);
                return Ok(());
            }
        }
        Ok(())
    }

    /// Waits until one of the topics has something; for ever once the log is closed.
    async fn read(&mut self) -> Result<(), LogError> {
        let mut reads: Vec<_> = self
            .readers
            .iter_mut()
            .map(|(topic, reader)| {
                let topic = *topic;
                Box::pin(async move { (topic, reader.next(MOST_BYTES).await) })
            })
            .collect();
        let (topic, runs) = poll_fn(|context| {
            let mut at = 0;
            while let Some(read) = reads.get_mut(at) {
                match Pin::new(read).poll(context) {
                    Poll::Ready((topic, Ok(runs))) if runs.is_empty() => {
                        // This topic is closed.
                        drop(reads.swap_remove(at));
                        let _ = topic;
                    }
                    Poll::Ready(read) => return Poll::Ready(read),
                    Poll::Pending => at += 1,
                }
            }
            Poll::Pending
        })
        .await;
        drop(reads);
        hand_over(&mut self.ready, topic, runs?);
        Ok(())
    }
}

fn hand_over(ready: &mut VecDeque<Delivery>, topic: Topic, runs: Vec<Run>) {
    for Run { partition, records } in runs {
        let mut rest = records;
        while !rest.is_empty() {
            let later = rest.split_off(rest.len().min(MOST_RECORDS));
            ready.push_back(Delivery::Records {
                topic,
                partition,
                records: rest,
            });
            rest = later;
        }
    }
}

impl Consumer for LocalConsumer {
    async fn next(&mut self, wait: Duration) -> Result<Option<Delivery>, LogError> {
        if self.ready.is_empty() {
            self.read_now()?;
        }
        if self.ready.is_empty() && !wait.is_zero() {
            match timeout(wait, self.read()).await {
                Ok(read) => read?,
                Err(_) => return Ok(None),
            }
        }
        Ok(self.ready.pop_front())
    }

    async fn commit(&mut self, next_offsets: &[(Topic, u16, u64)]) -> Result<(), LogError> {
        let Group { log, name, .. } = &self.group;
        next_offsets
            .iter()
            .try_for_each(|(topic, partition, next)| log.commit(name, *topic, *partition, *next))
    }
}
