//! A reading of a whole topic.

use std::collections::VecDeque;

use store::{LogError, Record, Replay};

use super::topic::{Reader, Run, Topic};

/// Bytes that are read at a time, about.
const MOST_BYTES: usize = 1 << 20;

/// Reads up to where the topic ended when it began, and then what comes.
pub struct LocalReplay {
    reader: Reader,
    ready: VecDeque<Run>,
    /// What is to be read of each partition: from where, up to where.
    left: Vec<(u64, u64)>,
    /// Whether it was said that all of that is read.
    ended: bool,
}

impl LocalReplay {
    pub(super) fn new(topic: &Topic) -> Result<Self, LogError> {
        let ends = topic.ends();
        let starts = topic.starts();
        Ok(Self {
            reader: topic.reader(starts.clone())?,
            ready: VecDeque::new(),
            left: starts.into_iter().zip(ends).collect(),
            ended: false,
        })
    }
}

impl Replay for LocalReplay {
    async fn next(&mut self) -> Result<Option<(u16, Vec<Record>)>, LogError> {
        let through = self.left.iter().all(|(next, end)| next >= end);
        if self.ready.is_empty() && through && !self.ended {
            self.ended = true;
            return Ok(None);
        }
        if self.ready.is_empty() {
            self.ready.extend(self.reader.next_now(MOST_BYTES)?);
            if self.ready.is_empty() && !through {
                return Err(LogError::Unavailable("the topic was cut".to_owned()));
            }
        }
        let Some(Run { partition, records }) = self.ready.pop_front() else {
            return Ok(None);
        };
        if let (Some((next, _)), Some(last)) =
            (self.left.get_mut(usize::from(partition)), records.last())
        {
            *next = last.offset.saturating_add(1);
        }
        Ok(Some((partition, records)))
    }
}
