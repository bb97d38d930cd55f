//! What the top chooses: where the files are, and the limits.

use std::path::PathBuf;
use std::time::Duration;

pub use journal::OnFailure;
use store::{Limits, Span};

use crate::cold::Sizes;

/// Options of a store. The defaults fit a busy machine.
#[derive(Debug, Clone)]
pub struct LocalOptions {
    /// Where everything is kept; none keeps it in memory.
    pub dir: Option<PathBuf>,
    /// Partitions of topics `events` and `leads`, at most 16. Fixed when the directory is made.
    pub partitions: u16,
    /// How long records stay in the log after everybody has passed them.
    pub retention: Duration,
    /// Free bytes of the disk below which nothing new is admitted.
    pub reserve_bytes: u64,
    /// Size of a file of the log.
    pub segment_bytes: u64,
    /// Memory mode: most bytes of a topic.
    pub memory_bytes: usize,
    /// Most bytes of answers to pings that are kept for retries.
    pub quote_bytes: usize,
    /// How long a lead that has ended stays in memory; then it is on disk alone.
    pub leads_hot: Duration,
    /// Bytes of each write buffer of what is on disk alone.
    pub cold_buffer_bytes: u64,
    /// Bytes of it that are kept in memory because they were read.
    pub cold_cache_bytes: u64,
    /// Rows that are worth a file of their own, past the write buffer, when they come in the order of their keys: of
    /// small files each is soon merged with all that there is.
    pub cold_many_rows: usize,
    /// How long a part of what is on disk alone is written to: it goes as a whole when all of it is over.
    pub cold_part: Duration,
    /// Most requests that wait for news of a lead at a time.
    pub waiters: usize,
    /// Bytes of records after which the leads are snapshotted, unless the last snapshot is more than
    /// twice as large: recovery reads about as much.
    pub snapshot_bytes: u64,
    /// Updates of journeys after which those that are in memory are snapshotted, and those that were
    /// there at the last time and have not been used since go to disk.
    pub snapshot_updates: usize,
    /// How long it takes at most until that is done again, if there was any update.
    pub snapshot_within: Duration,
    /// A journey is forgotten when its last event is older.
    pub journeys_kept: Span,
    /// How much of one identity is kept.
    pub journeys: Limits,
    /// What a failed write or sync does.
    pub on_failure: OnFailure,
}

const DAY: Duration = Duration::from_secs(24 * 3600);

impl Default for LocalOptions {
    fn default() -> Self {
        let log = journal::Options::default();
        Self {
            dir: None,
            partitions: 4,
            retention: 7 * DAY,
            reserve_bytes: log.reserve_bytes,
            segment_bytes: log.segment_bytes,
            memory_bytes: 256 << 20,
            quote_bytes: 64 << 20,
            leads_hot: Duration::from_secs(300),
            cold_buffer_bytes: 2 << 20,
            cold_cache_bytes: 8 << 20,
            cold_many_rows: 10_000,
            cold_part: 28 * DAY,
            waiters: 65_536,
            snapshot_bytes: 64 << 20,
            snapshot_updates: 50_000,
            snapshot_within: Duration::from_secs(300),
            // The longest window, the lateness allowed, and the log's retention.
            journeys_kept: Span::of(44 * DAY),
            journeys: Limits {
                entries: 10_000,
                visitors: 10,
                ties: 1_000,
            },
            on_failure: log.on_failure,
        }
    }
}

impl LocalOptions {
    /// In this directory.
    pub fn in_dir(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: Some(dir.into()),
            ..Self::default()
        }
    }

    /// Of what is on disk alone.
    pub(crate) fn cold(&self) -> Sizes {
        Sizes {
            buffer: self.cold_buffer_bytes,
            cache: self.cold_cache_bytes,
            many: self.cold_many_rows,
            part: self.cold_part,
        }
    }

    /// Of a journal with so many lanes.
    pub(crate) fn journal(&self, lanes: u16) -> journal::Options {
        journal::Options {
            lanes,
            segment_bytes: self.segment_bytes,
            reserve_bytes: self.reserve_bytes,
            on_failure: self.on_failure,
            ..journal::Options::default()
        }
    }

    /// Of the journal of topic `leads`: nearly all that is appended to it is waited for until it is on disk.
    pub(crate) fn leads_journal(&self) -> journal::Options {
        journal::Options {
            syncs: journal::Syncs::Writing,
            ..self.journal(self.partitions)
        }
    }

    /// Of the journal of topic `catalog`, whose records are whole generations.
    pub(crate) fn catalog_journal(&self) -> journal::Options {
        journal::Options {
            max_record: 64 << 20,
            queue_bytes: 128 << 20,
            // It is written when somebody changes the catalog.
            runway_bytes: 0,
            ..self.journal(1)
        }
    }
}
