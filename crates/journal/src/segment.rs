//! One segment file: a header that places it in the stream, then frames.
//!
//! ```text
//! 0  magic "GAVELJNL"
//! 8  crc32 of everything after it   u32
//! 12 version                        u16
//! 14 lanes                          u16
//! 16 sequence number                u64
//! 24 next offset per lane           u64 each
//! ```
//! The offsets in the header let a journal open without reading the segments before, and let a
//! reader find the segment of an offset.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;

const MAGIC: [u8; 8] = *b"GAVELJNL";
const VERSION: u16 = 1;
const SUFFIX: &str = ".seg";
/// Distance between two points of the sparse index: a reader skips at most this much.
const POINT_STEP: u64 = 1 << 20;

/// Sequence number of the first segment of a journal.
pub(crate) const FIRST: u64 = 1;

/// A place in a segment where a reader can start.
#[derive(Debug, Clone)]
pub(crate) struct Point {
    pub(crate) position: u64,
    /// Next offset per lane.
    pub(crate) next: Box<[u64]>,
}

/// Why the start of a file is no header.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum HeaderFault {
    Bad,
    Version(u16),
    Lanes(u16),
}

/// A segment as readers and the writer share it.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) sequence: u64,
    pub(crate) path: PathBuf,
    /// Next offset per lane at its start.
    pub(crate) base: Box<[u64]>,
    /// Bytes that readers may see.
    length: AtomicU64,
    sealed: AtomicBool,
    /// The sparse index, built by whoever passes: the writer, repair, or a reader.
    points: Mutex<Vec<Point>>,
}

impl Segment {
    pub(crate) fn new(dir: &Path, sequence: u64, base: Box<[u64]>) -> Self {
        Self {
            sequence,
            path: path_in(dir, sequence),
            length: AtomicU64::new(header_size(base.len())),
            base,
            sealed: AtomicBool::new(false),
            points: Mutex::new(Vec::new()),
        }
    }

    /// Makes the file of a new segment, which must not exist.
    pub(crate) fn create(&self) -> io::Result<File> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&self.path)?;
        file.write_all_at(&encode_header(self.sequence, &self.base), 0)?;
        Ok(file)
    }

    pub(crate) fn length(&self) -> u64 {
        self.length.load(Ordering::Acquire)
    }

    /// Lets readers see everything before `length`.
    pub(crate) fn publish(&self, length: u64) {
        self.length.store(length, Ordering::Release);
    }

    /// Whether the length is final and the next segment is listed. Ask before the length.
    pub(crate) fn is_sealed(&self) -> bool {
        self.sealed.load(Ordering::Acquire)
    }

    pub(crate) fn seal(&self) {
        self.sealed.store(true, Ordering::Release);
    }

    /// Adds a point if it is far enough from the last one.
    pub(crate) fn remember(&self, position: u64, next: &[u64]) {
        let mut points = self.points.lock();
        let last = points.last().map_or(0, |point| point.position);
        if position >= last + POINT_STEP {
            points.push(Point {
                position,
                next: next.into(),
            });
        }
    }

    /// The last known point from which nothing at or after `from` is missed.
    pub(crate) fn point_before(&self, from: &[u64]) -> Point {
        let points = self.points.lock();
        let after = points.partition_point(|point| reaches(&point.next, from));
        match after.checked_sub(1).and_then(|index| points.get(index)) {
            Some(point) => point.clone(),
            None => Point {
                position: header_size(self.base.len()),
                next: self.base.clone(),
            },
        }
    }
}

/// Whether a start at `next` misses nothing of `from`.
pub(crate) fn reaches(next: &[u64], from: &[u64]) -> bool {
    next.iter().zip(from).all(|(next, from)| next <= from)
}

/// Path of a segment file.
pub(crate) fn path_in(dir: &Path, sequence: u64) -> PathBuf {
    dir.join(format!("{sequence:016}{SUFFIX}"))
}

/// The sequence number in a segment file's name.
pub(crate) fn sequence_of(name: &str) -> Option<u64> {
    name.strip_suffix(SUFFIX)?.parse().ok()
}

/// Bytes of a header.
pub(crate) fn header_size(lanes: usize) -> u64 {
    24 + 8 * lanes as u64
}

fn encode_header(sequence: u64, base: &[u64]) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend_from_slice(&VERSION.to_le_bytes());
    body.extend_from_slice(&(base.len() as u16).to_le_bytes());
    body.extend_from_slice(&sequence.to_le_bytes());
    for offset in base {
        body.extend_from_slice(&offset.to_le_bytes());
    }
    let mut header = MAGIC.to_vec();
    header.extend_from_slice(&crc32fast::hash(&body).to_le_bytes());
    header.extend_from_slice(&body);
    header
}

/// Reads the header of segment `sequence`: the next offset per lane at its start.
pub(crate) fn read_header(
    file: &File,
    sequence: u64,
    lanes: u16,
) -> io::Result<Result<Box<[u64]>, HeaderFault>> {
    let mut bytes = vec![0; header_size(usize::from(lanes)) as usize];
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, filled as u64)? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(decode_header(
        bytes.get(..filled).unwrap_or_default(),
        sequence,
        lanes,
    ))
}

fn decode_header(bytes: &[u8], sequence: u64, lanes: u16) -> Result<Box<[u64]>, HeaderFault> {
    let bad = HeaderFault::Bad;
    let body = bytes.strip_prefix(&MAGIC).ok_or(bad)?;
    let (crc, body) = body.split_first_chunk().ok_or(HeaderFault::Bad)?;
    let (version, rest) = body.split_first_chunk().ok_or(HeaderFault::Bad)?;
    let (count, rest) = rest.split_first_chunk().ok_or(HeaderFault::Bad)?;
    // Both are looked at before the checksum, whose reach depends on them.
    match (u16::from_le_bytes(*version), u16::from_le_bytes(*count)) {
        (VERSION, count) if count == lanes => {}
        (VERSION, count) => return Err(HeaderFault::Lanes(count)),
        (version, _) => return Err(HeaderFault::Version(version)),
    }
    if crc32fast::hash(body) != u32::from_le_bytes(*crc) {
        return Err(HeaderFault::Bad);
    }
    let (found, base) = rest.split_first_chunk().ok_or(HeaderFault::Bad)?;
    let (base, _) = base.as_chunks();
    if u64::from_le_bytes(*found) != sequence || base.len() != usize::from(lanes) {
        return Err(HeaderFault::Bad);
    }
    Ok(base
        .iter()
        .map(|offset| u64::from_le_bytes(*offset))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_reads_back_and_a_flipped_bit_shows() {
        let bytes = encode_header(7, &[1, 2, 3]);
        assert_eq!(bytes.len() as u64, header_size(3));
        assert_eq!(decode_header(&bytes, 7, 3).unwrap().as_ref(), [1, 2, 3]);
        assert_eq!(decode_header(&bytes, 8, 3), Err(HeaderFault::Bad));
        assert_eq!(decode_header(&bytes, 7, 4), Err(HeaderFault::Lanes(3)));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(decode_header(&flipped, 7, 3).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn the_index_never_starts_too_late() {
        let segment = Segment::new(Path::new("x"), 1, [10, 20].into());
        segment.remember(POINT_STEP, &[15, 20]);
        segment.remember(POINT_STEP + 1, &[16, 20]);
        segment.remember(2 * POINT_STEP, &[15, 40]);
        let at = |from: [u64; 2]| segment.point_before(&from).position;
        assert_eq!(at([10, 20]), header_size(2));
        assert_eq!(at([15, 20]), POINT_STEP);
        assert_eq!(at([15, 40]), 2 * POINT_STEP);
        assert_eq!(at([u64::MAX, 39]), POINT_STEP);
        assert_eq!(at([14, 90]), header_size(2));
    }
}
