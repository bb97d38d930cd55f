//! What a caller chooses: sizes and limits of a journal, and the promise behind one append.

use std::time::Duration;

use crate::frame::MAX_PAYLOAD;

/// When an append counts as done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ack {
    /// `write` has returned: a killed process loses nothing, a power cut may lose the last
    /// [`Options::sync_within`].
    Kernel,
    /// `fdatasync` has returned: a power cut loses nothing.
    Durable,
}

/// Which part of the disk an append may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Space {
    /// New work: refused as soon as free space falls under [`Options::reserve_bytes`].
    Admit,
    /// The end of work that was admitted before: may use the reserve, all but its last sixteenth.
    Reserve,
}

/// Which thread syncs for appends that wait for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syncs {
    /// The one that wrote them. They are acknowledged sooner; an append that waits for the kernel alone
    /// may have to wait for a sync under way.
    Writing,
    /// One beside it, so that appends that wait for the kernel never wait for the disk.
    Beside,
}

/// What happens when a write or a sync fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// Log the file and the error, then abort the process. After a failed sync the kernel may have
    /// dropped the pages and marked them clean, so a second try that succeeds proves nothing.
    Abort,
    /// Log, answer every pending and later append with `Failed`, go on without the journal. For
    /// tests and for tools that only look.
    Stop,
}

/// Sizes and limits. The defaults fit a topic of a busy node.
#[derive(Debug, Clone)]
pub struct Options {
    /// Number of lanes. Fixed when the journal is created.
    pub lanes: u16,
    /// A segment that has reached this size is closed and the next one begins.
    pub segment_bytes: u64,
    /// Zeros kept laid out ahead of the records. When half of them are used up the rest is laid out again.
    pub runway_bytes: u64,
    /// Records that may wait for the writer; one more is `Full`.
    pub queue_records: usize,
    /// Payload bytes that may wait for the writer; more is `Full`.
    pub queue_bytes: usize,
    /// How long written data with no durable append behind it may stay unsynced.
    pub sync_within: Duration,
    /// Who syncs what is waited for.
    pub syncs: Syncs,
    /// Largest payload in bytes, at most 64 MiB.
    pub max_record: usize,
    /// Free bytes of the file system below which nothing new is admitted.
    pub reserve_bytes: u64,
    /// What a failed write or sync does.
    pub on_failure: OnFailure,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            lanes: 4,
            segment_bytes: 128 << 20,
            runway_bytes: 8 << 20,
            queue_records: 65_536,
            queue_bytes: 64 << 20,
            sync_within: Duration::from_millis(5),
            syncs: Syncs::Beside,
            max_record: 1 << 20,
            reserve_bytes: 256 << 20,
            on_failure: OnFailure::Abort,
        }
    }
}

impl Options {
    /// The largest payload these options allow.
    pub(crate) fn largest_record(&self) -> usize {
        self.max_record.min(MAX_PAYLOAD)
    }
}
