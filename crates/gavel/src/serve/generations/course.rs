//! Topic `catalog`, read by one node: which generation is in force as far as it has come.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use store::generations::{self, Generations, InForce, Turn};
use store::{EventLog, LogError, Replay as _, Topic};

/// What became of so many of the last records is known.
const TURNS: usize = 64;

/// How far a node is.
#[derive(Clone, Default)]
pub(super) struct Place {
    /// What is read next.
    pub(super) next: u64,
    /// What became of the last records, by offset.
    pub(super) turns: Vec<(u64, Turn)>,
    /// None in an empty topic.
    pub(super) in_force: Option<InForce>,
    /// It, whole.
    pub(super) canonical: Bytes,
}

/// A reading that goes on.
pub(in crate::serve) struct Course<L: EventLog> {
    replay: L::Replay,
    fold: Generations,
    /// The one in force, whole.
    canonical: Bytes,
    /// What is read next.
    next: u64,
    turns: VecDeque<(u64, Turn)>,
    /// Where each generation came into force the last time.
    taken: HashMap<String, u64>,
}

impl<L: EventLog> Course<L> {
    /// Reads all that the topic holds.
    pub(super) async fn read(log: &L) -> Result<Self, LogError> {
        let mut course = Self {
            replay: log.replay(Topic::Catalog).await?,
            fold: Generations::default(),
            canonical: Bytes::new(),
            next: 0,
            turns: VecDeque::new(),
            taken: HashMap::new(),
        };
        course.catch_up().await?;
        Ok(course)
    }

    /// Reads what has come since; whether anything has.
    pub(super) async fn catch_up(&mut self) -> Result<bool, LogError> {
        let before = self.next;
        while let Some((_, records)) = self.replay.next().await? {
            for record in records {
                self.next = record.offset.saturating_add(1);
                match generations::read(&record) {
                    Ok(read) => {
                        let turn = self.fold.fold(&read);
                        if turn == Turn::Taken {
                            self.canonical = read.canonical.into();
                            self.taken.insert(read.generation, record.offset);
                        }
                        self.turns.push_back((record.offset, turn));
                        if self.turns.len() > TURNS {
                            self.turns.pop_front();
                        }
                    }
                    // It is unreadable for every node alike.
                    Err(error) => {
                        let offset = record.offset;
                        tracing::error!(offset, %error, "a record of topic catalog cannot be read");
                    }
                }
            }
        }
        Ok(self.next > before)
    }

    /// What is in force; none in an empty topic.
    pub(super) fn in_force(&self) -> Option<&InForce> {
        self.fold.in_force()
    }

    /// It, whole.
    pub(super) fn canonical(&self) -> &Bytes {
        &self.canonical
    }

    /// What is read next.
    pub(super) const fn next(&self) -> u64 {
        self.next
    }

    /// How far it is.
    pub(super) fn place(&self) -> Place {
        Place {
            next: self.next,
            turns: self.turns.iter().copied().collect(),
            in_force: self.in_force().cloned(),
            canonical: self.canonical.clone(),
        }
    }

    /// Whether this generation came into force at this offset or later.
    pub(super) fn took_since(&self, generation: &str, from: u64) -> bool {
        self.taken.get(generation).is_some_and(|at| *at >= from)
    }
}

/// A generation that is in the log, whole; none if there is none of this id.
pub(super) async fn find(log: &impl EventLog, generation: &str) -> Result<Option<Bytes>, LogError> {
    let mut replay = log.replay(Topic::Catalog).await?;
    while let Some((_, records)) = replay.next().await? {
        let read = records
            .iter()
            .filter_map(|record| generations::read(record).ok());
        let mut found = read.filter(|read| read.generation == generation);
        if let Some(found) = found.next() {
            return Ok(Some(found.canonical.into()));
        }
    }
    Ok(None)
}
