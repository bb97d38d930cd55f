//! What can go wrong, one enum per operation.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why a journal did not open. None of these changes anything on disk.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Another process, or another `Journal` in this one, has the directory open.
    #[error("{} is in use by {holder}", file.display())]
    Locked {
        /// The lock file.
        file: PathBuf,
        /// `process <pid>` as the holder wrote it down.
        holder: String,
    },
    /// A record that had been synced is not readable any more.
    #[error("{}: bad record at byte {offset}, before the synced position {synced}", file.display())]
    Corrupt {
        /// The segment file.
        file: PathBuf,
        /// Where in that file.
        offset: u64,
        /// Up to where it had been synced.
        synced: u64,
    },
    /// A segment that had been synced is gone.
    #[error("{} is missing", file.display())]
    Missing {
        /// The segment file that should be there.
        file: PathBuf,
    },
    /// The journal was made with another number of lanes.
    #[error("{}: made with {found} lanes, opened with {asked}", file.display())]
    Lanes {
        /// The segment file that says so.
        file: PathBuf,
        /// What it was made with.
        found: u16,
        /// What the options say.
        asked: u16,
    },
    /// A segment file of a version this program does not know.
    #[error("{}: format version {found} is not known", file.display())]
    Version {
        /// The segment file.
        file: PathBuf,
        /// Its version.
        found: u16,
    },
    /// The options ask for what the format cannot hold.
    #[error("lanes must be between 1 and {max}")]
    LaneCount {
        /// Most lanes the format can hold.
        max: u16,
    },
    /// The operating system refused.
    #[error("{}: {source}", file.display())]
    Io {
        /// File or directory.
        file: PathBuf,
        /// Its error.
        source: io::Error,
    },
}

/// Why an append was not taken, or not acknowledged.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
pub enum AppendError {
    /// The queue is at its limit: shed load, the disk does not keep up.
    #[error("the journal's queue is full")]
    Full,
    /// A payload above `max_record`, or an append larger than the whole queue.
    #[error("the record is larger than the journal takes")]
    TooLarge,
    /// Free space is below the reserve.
    #[error("free disk space is below the reserve")]
    NoSpace,
    /// No such lane.
    #[error("the journal has no such lane")]
    NoLane,
    /// An append of no records.
    #[error("there is nothing to append")]
    Empty,
    /// The journal was closed.
    #[error("the journal is closed")]
    Closed,
    /// A write or a sync failed ([`crate::OnFailure::Stop`]); whether the record is on disk is
    /// unknown.
    #[error("the journal has failed")]
    Failed,
}

/// Why a reader cannot go on. Asking again gives the same answer.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The records asked for were deleted.
    #[error("lane {lane}: offset {asked} is gone, the first one kept is {start}")]
    Trimmed {
        /// Lane.
        lane: u16,
        /// Offset asked for.
        asked: u64,
        /// First offset that is still there.
        start: u64,
    },
    /// A record is not what was written.
    #[error("{}: bad record at byte {offset}", file.display())]
    Corrupt {
        /// The segment file.
        file: PathBuf,
        /// Where in that file.
        offset: u64,
    },
    /// The operating system refused.
    #[error("{}: {source}", file.display())]
    Io {
        /// File.
        file: PathBuf,
        /// Its error.
        source: io::Error,
    },
}

/// A write or a sync that failed.
#[derive(Debug, Error)]
#[error("{during} {}: {source}", file.display())]
pub(crate) struct Failure {
    pub(crate) during: &'static str,
    pub(crate) file: PathBuf,
    pub(crate) source: io::Error,
}
