//! One topic: a journal, or the same without files. And a way to read it.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use journal::{AppendError, Journal, ReadError};
use store::{Ack, LogError, Position, Record, StoreError};

use super::memory::{Look, MemoryReader, MemoryTopic};
use crate::error::OpenError;

/// How often, and how many times, a log is looked after that is being synced.
const LOOK: Duration = Duration::from_millis(1);
const LOOKS: u32 = 10_000;

#[derive(Debug, Clone)]
pub(crate) enum Topic {
    Files(Arc<Journal>),
    Memory(Arc<MemoryTopic>),
}

/// Records of one partition, the first at `offset`.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) partition: u16,
    pub(crate) records: Vec<Record>,
}

/// A record on its way.
#[derive(Debug)]
pub(crate) enum Appended {
    /// To the journal.
    Queued {
        partition: u16,
        appended: journal::Appended,
    },
    /// What came of it, until it is told.
    Known(Option<Result<Position, LogError>>),
}

impl Future for Appended {
    type Output = Result<Position, LogError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Self::Queued {
                partition,
                appended,
            } => {
                let partition = *partition;
                let position = move |offset| Position { partition, offset };
                let polled = Pin::new(appended).poll(context);
                polled.map(|result| result.map(position).map_err(append_error))
            }
            Self::Known(known) => match known.take() {
                Some(result) => Poll::Ready(result),
                None => Poll::Pending,
            },
        }
    }
}

impl Topic {
    pub(crate) fn open(dir: &Path, options: journal::Options) -> Result<Self, OpenError> {
        let (journal, opened) = Journal::open(dir, options)?;
        if opened.cut_bytes > 0 {
            tracing::warn!(
                dir = %dir.display(),
                bytes = opened.cut_bytes,
                "cut an unfinished end off the log"
            );
        }
        Ok(Self::Files(Arc::new(journal)))
    }

    /// Queues a record now; the answer comes when it is acknowledged.
    pub(crate) fn append(
        &self,
        partition: u16,
        record: Bytes,
        ack: Ack,
        space: journal::Space,
    ) -> Appended {
        match self {
            Self::Files(journal) => {
                let ack = match ack {
                    Ack::Kernel => journal::Ack::Kernel,
                    Ack::Durable => journal::Ack::Durable,
                };
                match journal.append(partition, record, ack, space) {
                    Ok(appended) => Appended::Queued {
                        partition,
                        appended,
                    },
                    Err(error) => Appended::Known(Some(Err(append_error(error)))),
                }
            }
            Self::Memory(topic) => {
                let position = |offset| Position { partition, offset };
                Appended::Known(Some(topic.append(partition, record).map(position)))
            }
        }
    }

    /// Next offset per partition.
    pub(crate) fn ends(&self) -> Vec<u64> {
        match self {
            Self::Files(journal) => journal.ends(),
            Self::Memory(topic) => topic.ends(),
        }
    }

    /// Next offset per partition that no crash takes.
    pub(crate) fn durable_ends(&self) -> Vec<u64> {
        match self {
            Self::Files(journal) => journal.durable_ends(),
            // There is nothing for it to come back to.
            Self::Memory(topic) => topic.ends(),
        }
    }

    /// First offset kept per partition.
    pub(crate) fn starts(&self) -> Vec<u64> {
        match self {
            Self::Files(journal) => journal.starts(),
            Self::Memory(topic) => topic.starts(),
        }
    }

    /// Waits until a power cut cannot take what is below these offsets, so far as it is there at all.
    pub(crate) fn wait_until_synced(&self, through: &[u64]) -> Result<(), StoreError> {
        let ends = self.ends();
        let least = through.iter().zip(&ends).map(|(one, two)| *one.min(two));
        let least: Vec<u64> = least.collect();
        for _ in 0..LOOKS {
            let synced = self.durable_ends();
            if least.iter().zip(&synced).all(|(least, end)| least <= end) {
                return Ok(());
            }
            // It syncs by itself, some milliseconds after a record at the latest.
            std::thread::sleep(LOOK);
        }
        Err(StoreError::Unavailable("the log is not synced".to_owned()))
    }

    pub(crate) fn reader(&self, from: Vec<u64>) -> Result<Reader, LogError> {
        match self {
            Self::Files(journal) => journal.reader(from).map(Reader::Files).map_err(read_error),
            Self::Memory(topic) => Ok(Reader::Memory(MemoryReader::new(Arc::clone(topic), from))),
        }
    }

    pub(crate) fn close(&self) {
        match self {
            Self::Files(journal) => journal.close(),
            Self::Memory(topic) => topic.close(),
        }
    }
}

#[derive(Debug)]
pub(crate) enum Reader {
    Files(journal::Reader),
    Memory(MemoryReader),
}

impl Reader {
    /// The next records, about `max_bytes` of them; none at the end.
    pub(crate) fn next_now(&mut self, max_bytes: usize) -> Result<Vec<Run>, LogError> {
        match self {
            Self::Files(reader) => Ok(runs(
                reader
                    .next_now(max_bytes)
                    .map_err(read_error)?
                    .unwrap_or_default(),
            )),
            Self::Memory(reader) => match reader.look(max_bytes) {
                Look::Records(partition, offset, payloads) => {
                    Ok(vec![run(partition, offset, payloads)])
                }
                Look::End | Look::Closed => Ok(Vec::new()),
            },
        }
    }

    /// As [`Self::next_now`], but waits at the end; none once the log is closed.
    pub(crate) async fn next(&mut self, max_bytes: usize) -> Result<Vec<Run>, LogError> {
        match self {
            Self::Files(reader) => Ok(runs(
                reader
                    .next(max_bytes)
                    .await
                    .map_err(read_error)?
                    .unwrap_or_default(),
            )),
            Self::Memory(reader) => loop {
                let topic = Arc::clone(&reader.topic);
                let appended = topic.appended.notified();
                match reader.look(max_bytes) {
                    Look::Records(partition, offset, payloads) => {
                        return Ok(vec![run(partition, offset, payloads)]);
                    }
                    Look::Closed => return Ok(Vec::new()),
                    Look::End => appended.await,
                }
            },
        }
    }
}

fn run(partition: u16, offset: u64, payloads: Vec<Bytes>) -> Run {
    let records = payloads
        .into_iter()
        .zip(offset..)
        .map(|(payload, offset)| Record { offset, payload })
        .collect();
    Run { partition, records }
}

/// Sorts records of the stream by their lane.
fn runs(records: Vec<journal::Record>) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for journal::Record {
        lane,
        offset,
        payload,
    } in records
    {
        let record = Record { offset, payload };
        match runs.iter_mut().find(|run| run.partition == lane) {
            Some(run) => run.records.push(record),
            None => runs.push(Run {
                partition: lane,
                records: vec![record],
            }),
        }
    }
    runs
}

/// What a journal's error means to who appends to the log.
pub fn append_error(error: AppendError) -> LogError {
    match error {
        AppendError::Full => LogError::Full,
        AppendError::NoSpace => LogError::NoSpace,
        AppendError::TooLarge => LogError::TooLarge,
        AppendError::NoLane | AppendError::Empty | AppendError::Closed | AppendError::Failed => {
            LogError::Unavailable(error.to_string())
        }
    }
}

fn read_error(error: ReadError) -> LogError {
    LogError::Unavailable(error.to_string())
}
