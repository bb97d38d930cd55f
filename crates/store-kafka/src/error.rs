//! Why the log on Kafka did not open, and what Kafka's errors mean for an append.

use std::fmt;
use std::path::PathBuf;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use store::LogError;

/// Why the log did not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The options or the topics are not as they have to be.
    #[error("kafka is not as it has to be:{0}")]
    Problems(Problems),
    /// It cannot be reached, or refused.
    #[error("cannot {step}: {source}")]
    Kafka {
        /// What was tried.
        step: &'static str,
        /// What Kafka said.
        source: KafkaError,
    },
    /// It was not heard in time.
    #[error("kafka is not heard: {0}")]
    Silent(String),
    /// A file of this node cannot be read or written.
    #[error("{}: {source}", file.display())]
    File {
        /// File or directory.
        file: PathBuf,
        /// Its error.
        source: std::io::Error,
    },
    /// A journal in front of Kafka does not open.
    #[error(transparent)]
    Journal(#[from] journal::OpenError),
    /// What a journal in front of Kafka holds cannot be read.
    #[error(transparent)]
    Read(#[from] journal::ReadError),
    /// The machine refused a thread.
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
}

impl From<store_local::FileError> for OpenError {
    fn from(error: store_local::FileError) -> Self {
        Self::File {
            file: error.file,
            source: error.source,
        }
    }
}

/// All of them, one a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(pub Vec<String>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

/// Names what was tried.
pub(crate) fn during(step: &'static str) -> impl FnOnce(KafkaError) -> OpenError {
    move |source| OpenError::Kafka { step, source }
}

/// What it means for who wanted to append or to read.
pub(crate) fn log_error(error: &KafkaError) -> LogError {
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::QueueFull) => LogError::Full,
        Some(RDKafkaErrorCode::MessageSizeTooLarge) => LogError::TooLarge,
        _ => LogError::Unavailable(format!("kafka: {error}")),
    }
}
