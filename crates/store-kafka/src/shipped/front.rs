//! A journal in front of Kafka, with what of it Kafka does not have yet.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use journal::{Ack, Appended, Journal, Options, Space};
use store::{LogError, Topic};
use telemetry::{JOURNAL_BACKLOG_BYTES, JOURNAL_BACKLOG_RECORDS, Metrics};

use super::frame::Frame;
use super::mark::Mark;
use crate::error::OpenError;

/// Bytes of a segment: what is shipped goes from the disk by segments.
const SEGMENT: u64 = 32 << 20;
/// Bytes read at a time.
const CHUNK: usize = 1 << 20;
/// The part of the limit that only ends of work may use.
const RESERVE: u64 = 16;

pub(super) struct Front {
    pub(super) journal: Journal,
    pub(super) topic: Topic,
    dir: PathBuf,
    mark: Mark,
    most_bytes: u64,
    /// Records that are in it or on their way: the offset of the next one.
    next: AtomicU64,
    /// Bytes that Kafka does not have.
    bytes: AtomicU64,
    /// Records that Kafka does not have, by partition.
    unshipped: Box<[AtomicU64]>,
    metrics: Metrics,
}

impl Front {
    /// Opens it, and looks through what was not shipped.
    pub(super) fn open(
        dir: &Path,
        topic: Topic,
        partitions: u16,
        most_bytes: u64,
        options: Options,
        metrics: Metrics,
    ) -> Result<Self, OpenError> {
        let options = Options {
            lanes: 1,
            segment_bytes: SEGMENT,
            // A record and where it goes.
            max_record: options.max_record + 64,
            ..options
        };
        let (journal, opened) = Journal::open(dir, options)?;
        if opened.cut_bytes > 0 {
            let (dir, bytes) = (dir.display(), opened.cut_bytes);
            tracing::warn!(%dir, bytes, "cut an unfinished end off the journal");
        }
        let mark = Mark::open(&dir.join("shipped")).map_err(|source| OpenError::File {
            file: dir.to_owned(),
            source,
        })?;
        let end = journal.ends().first().copied().unwrap_or(0);
        let front = Self {
            journal,
            topic,
            dir: dir.to_owned(),
            mark,
            most_bytes,
            next: AtomicU64::new(end),
            bytes: AtomicU64::new(0),
            unshipped: (0..partitions).map(|_| AtomicU64::new(0)).collect(),
            metrics,
        };
        let mut reader = front.journal.reader(vec![front.shipped()])?;
        while let Some(records) = reader.next_now(CHUNK)? {
            for record in records {
                front.count(&record.payload);
            }
        }
        front.tell();
        Ok(front)
    }

    /// Queues a record now.
    pub(super) fn append(
        &self,
        frame: &Frame,
        ack: Ack,
        space: Space,
    ) -> Result<Appended, LogError> {
        let waiting = self.bytes.load(Ordering::Acquire);
        let most = match space {
            Space::Admit => self.most_bytes - self.most_bytes / RESERVE,
            Space::Reserve => self.most_bytes,
        };
        if waiting >= most {
            return Err(LogError::NoSpace);
        }
        let bytes = frame.encode();
        // Before it is there: who ships it takes it off again.
        self.count(&bytes);
        self.next.fetch_add(1, Ordering::AcqRel);
        let appended = self.journal.append(0, bytes.clone(), ack, space);
        appended.map_err(|error| {
            self.next.fetch_sub(1, Ordering::AcqRel);
            self.uncount(&bytes);
            store_local::append_error(error)
        })
    }

    /// Kafka has all below this offset, of which these are the last.
    pub(super) fn ship(&self, next: u64, records: &[journal::Record]) -> Result<(), OpenError> {
        for record in records {
            self.uncount(&record.payload);
        }
        let marked = self.mark.set(next);
        let trimmed = marked.and_then(|()| self.journal.trim(&[next], i64::MAX));
        trimmed.map_err(|source| OpenError::File {
            file: self.dir.clone(),
            source,
        })?;
        self.tell();
        Ok(())
    }

    /// The offset of the first record that Kafka may not have. A mark that a power cut took means that
    /// records are shipped again.
    pub(super) fn shipped(&self) -> u64 {
        let [start, end] =
            [self.journal.starts(), self.journal.ends()].map(|of| of.first().copied().unwrap_or(0));
        self.mark.offset().unwrap_or(start).clamp(start, end)
    }

    /// The offset behind all that was appended.
    pub(super) fn next(&self) -> u64 {
        self.next.load(Ordering::Acquire)
    }

    /// Records of a partition that Kafka does not have.
    pub(super) fn unshipped(&self, partition: u16) -> u64 {
        let of = self.unshipped.get(usize::from(partition));
        of.map_or(0, |of| of.load(Ordering::Acquire))
    }

    /// Bytes that Kafka does not have.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Acquire)
    }

    /// Whether nothing new is taken any more.
    pub(super) fn is_full(&self) -> bool {
        self.bytes() >= self.most_bytes - self.most_bytes / RESERVE
            || !self.journal.has_space(Space::Admit)
    }

    /// The partition of the log to which a record of the journal goes.
    fn partition(&self, bytes: &Bytes) -> Option<&AtomicU64> {
        let key = match Frame::decode(bytes)? {
            Frame::Leads(key, _) | Frame::Events(key, _) => key,
            Frame::Vault(..) => return None,
        };
        self.unshipped
            .get((key % self.unshipped.len() as u64) as usize)
    }

    fn count(&self, bytes: &Bytes) {
        self.bytes.fetch_add(bytes.len() as u64, Ordering::AcqRel);
        if let Some(of) = self.partition(bytes) {
            of.fetch_add(1, Ordering::AcqRel);
        }
    }

    fn uncount(&self, bytes: &Bytes) {
        self.bytes.fetch_sub(bytes.len() as u64, Ordering::AcqRel);
        if let Some(of) = self.partition(bytes) {
            of.fetch_sub(1, Ordering::AcqRel);
        }
    }

    fn tell(&self) {
        let records = self.unshipped.iter().map(|of| of.load(Ordering::Acquire));
        let gauge = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let topic = [self.topic.as_str()];
        self.metrics
            .set(JOURNAL_BACKLOG_RECORDS, topic, gauge(records.sum()));
        self.metrics
            .set(JOURNAL_BACKLOG_BYTES, topic, gauge(self.bytes()));
    }
}
