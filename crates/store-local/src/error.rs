//! What can go wrong while opening and keeping files.

use std::io;
use std::path::{Path, PathBuf};

/// The operating system refused.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", file.display())]
pub struct FileError {
    /// File or directory.
    pub file: PathBuf,
    /// Its error.
    pub source: io::Error,
}

/// Names the file of an error.
pub(crate) fn at(file: &Path) -> impl FnOnce(io::Error) -> FileError {
    move |source| FileError {
        file: file.to_owned(),
        source,
    }
}

/// Why a store did not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The log did not.
    #[error(transparent)]
    Journal(#[from] journal::OpenError),
    /// A file did not.
    #[error(transparent)]
    File(#[from] FileError),
    /// The log could not be read to its end.
    #[error("the log cannot be read: {0}")]
    Log(#[from] store::LogError),
    /// What the log or a snapshot holds makes no sense.
    #[error(transparent)]
    State(#[from] store::StoreError),
    /// Records are gone that no snapshot holds.
    #[error(
        "partition {partition} of {topic} begins at {start}, its last snapshot ends at {through}"
    )]
    Gap {
        /// The topic.
        topic: &'static str,
        /// The partition.
        partition: usize,
        /// Its first record.
        start: u64,
        /// Next offset after the snapshot.
        through: u64,
    },
    /// The rows that are kept on disk did not open.
    #[error("{}: {reason}", dir.display())]
    Cold {
        /// Their directory.
        dir: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The options ask for too many partitions.
    #[error("partitions must be between 1 and {most}")]
    Partitions {
        /// Most that are possible.
        most: u16,
    },
}

impl From<FileError> for store::StoreError {
    fn from(error: FileError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<proto::RecordError> for OpenError {
    fn from(error: proto::RecordError) -> Self {
        Self::State(error.into())
    }
}
