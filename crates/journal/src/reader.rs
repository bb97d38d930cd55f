//! Reading the stream, from an offset per lane to the end and then along with the writer.
//!
//! Readers take their own way through the files and see only what `write` has returned for. A chunk
//! of at most 1 MiB, which nearly always sits in the page cache, is read and checked per step, on
//! the caller's thread; a longer search yields between chunks. Payloads are slices of that chunk:
//! nothing is copied, and whoever keeps one payload keeps its chunk.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use rustix::buffer::spare_capacity;
use rustix::io::{pread, retry_on_intr};

use crate::error::ReadError;
use crate::frame::{self, Decoded, HEADER};
use crate::segment::Segment;
use crate::shared::Shared;

/// Most bytes read at a time, unless one record is larger.
const CHUNK: u64 = 1 << 20;

/// One record as it was appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its lane.
    pub lane: u16,
    /// Its place in that lane, counted from 0.
    pub offset: u64,
    /// Its bytes.
    pub payload: Bytes,
}

/// A position in the stream. Holds no lock and no memory between calls.
#[derive(Debug)]
pub struct Reader {
    shared: Arc<Shared>,
    segment: Arc<Segment>,
    file: Option<File>,
    position: u64,
    /// Next offset per lane at `position`.
    next: Box<[u64]>,
    /// First offset wanted per lane.
    from: Box<[u64]>,
}

enum Step {
    Records(Vec<Record>),
    /// Read on: this chunk held nothing that is wanted.
    Skipped,
    /// At the end for now.
    End,
    /// At the end of a closed journal.
    Closed,
}

impl Reader {
    pub(crate) fn open(shared: Arc<Shared>, from: Vec<u64>) -> Result<Self, ReadError> {
        let mut from = from;
        from.resize(shared.ends.len(), u64::MAX);
        let segment = shared.segments.seek(&from)?;
        let point = segment.point_before(&from);
        Ok(Self {
            shared,
            segment,
            file: None,
            position: point.position,
            next: point.next,
            from: from.into(),
        })
    }

    /// The next records, in the order of the stream: about `max_bytes`, at least one. Waits at the
    /// end; gives `None` when the journal is closed and everything was read. Dropping the future
    /// loses nothing. After an error the reader stays where it is.
    pub async fn next(&mut self, max_bytes: usize) -> Result<Option<Vec<Record>>, ReadError> {
        let shared = Arc::clone(&self.shared);
        loop {
            // It hears of every write from here on, polled or not.
            let appended = shared.appended.notified();
            match self.step(max_bytes)? {
                Step::Records(records) => return Ok(Some(records)),
                Step::Skipped => tokio::task::yield_now().await,
                Step::End => appended.await,
                Step::Closed => return Ok(None),
            }
        }
    }

    /// As [`Self::next`], but gives `None` at the end instead of waiting.
    pub fn next_now(&mut self, max_bytes: usize) -> Result<Option<Vec<Record>>, ReadError> {
        loop {
            match self.step(max_bytes)? {
                Step::Records(records) => return Ok(Some(records)),
                Step::Skipped => {}
                Step::End | Step::Closed => return Ok(None),
            }
        }
    }

    fn step(&mut self, max_bytes: usize) -> Result<Step, ReadError> {
        loop {
            // Asked in this order: what is final is asked before what it makes final.
            let closed = self.shared.closed.load(Ordering::Acquire);
            let sealed = self.segment.is_sealed();
            let length = self.segment.length();
            if self.position < length {
                return self.read(length, max_bytes);
            }
            if !sealed {
                return Ok(if closed { Step::Closed } else { Step::End });
            }
            self.enter_next()?;
        }
    }

    fn enter_next(&mut self) -> Result<(), ReadError> {
        for (from, next) in self.from.iter_mut().zip(&self.next) {
            *from = (*from).max(*next);
        }
        let next = self
            .shared
            .segments
            .after(self.segment.sequence, &self.from)?;
        if next.sequence == self.segment.sequence + 1 && next.base != self.next {
            // The segment ends too early, between two frames.
            return Err(self.corrupt());
        }
        let point = next.point_before(&self.from);
        self.position = point.position;
        self.next = point.next;
        self.segment = next;
        self.file = None;
        Ok(())
    }

    /// Reads one chunk before `length`, which is beyond the position.
    fn read(&mut self, length: u64, max_bytes: usize) -> Result<Step, ReadError> {
        let left = length - self.position;
        let mut size = (max_bytes.max(HEADER) as u64).min(CHUNK).min(left);
        loop {
            let chunk = self.chunk(size as usize)?;
            match frame::decode(&chunk) {
                Decoded::Short(need) if (size + 1..=left).contains(&(need as u64)) => {
                    size = need as u64;
                }
                Decoded::Frame(_) => return self.frames(&chunk, size == left),
                _ => return Err(self.corrupt()),
            }
        }
    }

    /// Takes the whole frames of a chunk; `last` says that none may be cut off at its end.
    fn frames(&mut self, chunk: &Bytes, last: bool) -> Result<Step, ReadError> {
        let mut records = Vec::new();
        let mut start = 0;
        while let Some(rest) = chunk.get(start..).filter(|rest| !rest.is_empty()) {
            let frame = match frame::decode(rest) {
                Decoded::Frame(frame) => frame,
                Decoded::Short(_) if !last => break,
                // What came before it is good: the next call starts here and says so.
                _ if start > 0 => break,
                _ => return Err(self.corrupt()),
            };
            if !frame::follows(&mut self.next, &frame) {
                if start > 0 {
                    break;
                }
                return Err(self.corrupt());
            }
            let end = start + frame.size();
            if self
                .from
                .get(usize::from(frame.lane))
                .is_some_and(|from| frame.offset >= *from)
            {
                records.push(Record {
                    lane: frame.lane,
                    offset: frame.offset,
                    payload: chunk.slice(start + HEADER..end),
                });
            }
            start = end;
            self.position += frame.size() as u64;
        }
        self.segment.remember(self.position, &self.next);
        Ok(if records.is_empty() {
            Step::Skipped
        } else {
            Step::Records(records)
        })
    }

    fn chunk(&mut self, size: usize) -> Result<Bytes, ReadError> {
        let io = |source| ReadError::Io {
            file: self.segment.path.clone(),
            source,
        };
        let file = match self.file.take() {
            Some(file) => file,
            None => File::open(&self.segment.path).map_err(io)?,
        };
        let bytes = read(&file, self.position, size).map_err(io)?;
        self.file = Some(file);
        Ok(bytes.into())
    }

    fn corrupt(&self) -> ReadError {
        ReadError::Corrupt {
            file: self.segment.path.clone(),
            offset: self.position,
        }
    }
}

/// So many bytes of a file, into memory that nobody has to clear first.
fn read(file: &File, from: u64, size: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(size);
    while bytes.len() < size {
        let at = from + bytes.len() as u64;
        if retry_on_intr(|| pread(file, spare_capacity(&mut bytes), at))? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    bytes.truncate(size);
    Ok(bytes)
}
