//! Opening a journal: find the end, cut what a crash left behind, refuse what it cannot explain.
//!
//! The synced mark divides the stream. **Before it** everything has been synced and perhaps
//! acknowledged: a record that does not read there is damage, the start stops and names the place.
//! **After it** nothing was promised to survive a power cut, and the kernel writes pages in any
//! order: the first record that does not read, or a group of one append that is not whole, and
//! everything after it go, valid frames behind a hole included. A killed process leaves no hole, so
//! then at most a half-written batch goes, which was never acknowledged. Zeros to the end of a file are
//! its runway, and nothing.
//!
//! Read are the headers of all segments and the frames of the one that holds the mark and of those
//! after it; older segments are checked when they are read. What is kept is synced before anybody
//! builds on it.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::OpenError;
use crate::frame::{self, Decoded, Group};
use crate::mark::{Mark, MarkFile};
use crate::segment::{self, FIRST, HeaderFault, Segment};
use crate::syncer::sync_dir;

/// Bytes read at a time.
const CHUNK: usize = 1 << 20;
/// Position of a mark that promises nothing: a real one lies behind a header.
const UNSYNCED: u64 = 0;

/// What opening found and did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// First offset kept per lane.
    pub starts: Vec<u64>,
    /// Next offset per lane.
    pub ends: Vec<u64>,
    /// Segments kept.
    pub segments: usize,
    /// Bytes that were read and checked.
    pub checked_bytes: u64,
    /// Bytes after the synced mark that did not read and were cut.
    pub cut_bytes: u64,
}

/// A journal's files in order, ready for the writer.
#[derive(Debug)]
pub(crate) struct Repaired {
    pub(crate) segments: VecDeque<Arc<Segment>>,
    /// The last one, to be written on.
    pub(crate) last: Arc<Segment>,
    pub(crate) file: File,
    pub(crate) mark: MarkFile,
    pub(crate) opened: Opened,
}

pub(crate) fn repair(dir: &Path, lanes: u16) -> Result<Repaired, OpenError> {
    let (mut mark_file, mark) = MarkFile::open(dir).map_err(at(&MarkFile::path_in(dir)))?;
    let sequences = sequences_in(dir)?;
    let first = sequences.first().copied().unwrap_or(FIRST);
    // Without a mark that fits, nothing is known to be synced: everything is read.
    let mark = mark
        .filter(|mark| mark.segment >= first || sequences.is_empty())
        .unwrap_or(Mark {
            segment: first,
            position: UNSYNCED,
        });
    let mut found = Found {
        dir,
        lanes,
        mark,
        segments: VecDeque::new(),
        checked: 0,
        cut: 0,
    };
    let next = found.keep(&sequences)?;

    let last = match found.segments.back() {
        Some(last) => Arc::clone(last),
        None => found.begin()?,
    };
    let file = open_for_append(&last.path).map_err(at(&last.path))?;
    // Before anybody builds on what was found after the mark, it has to last.
    for segment in &found.segments {
        if segment.sequence >= mark.segment {
            File::open(&segment.path)
                .and_then(|file| file.sync_all())
                .map_err(at(&segment.path))?;
        }
    }
    sync_dir(dir).map_err(at(dir))?;
    let synced = Mark {
        segment: last.sequence,
        position: last.length(),
    };
    mark_file.store(synced).map_err(at(mark_file.path()))?;

    let starts = found
        .segments
        .front()
        .map(|first| first.base.to_vec())
        .unwrap_or_default();
    let opened = Opened {
        starts,
        ends: next.into(),
        segments: found.segments.len(),
        checked_bytes: found.checked,
        cut_bytes: found.cut,
    };
    if opened.cut_bytes > 0 {
        tracing::warn!(
            dir = %dir.display(),
            bytes = opened.cut_bytes,
            "journal cut an unfinished tail"
        );
    }
    Ok(Repaired {
        segments: found.segments,
        last,
        file,
        mark: mark_file,
        opened,
    })
}

struct Found<'a> {
    dir: &'a Path,
    lanes: u16,
    mark: Mark,
    segments: VecDeque<Arc<Segment>>,
    checked: u64,
    cut: u64,
}

/// How far the frames of a file read.
struct Scan {
    /// End of the last whole append.
    good: u64,
    /// Where the first frame that does not read begins; the length of the file if all do.
    bad: u64,
    length: u64,
    next: Box<[u64]>,
}

impl Found<'_> {
    /// Goes through the files, oldest first, keeps what is good and cuts the rest. Gives the next
    /// offset per lane.
    fn keep(&mut self, sequences: &[u64]) -> Result<Box<[u64]>, OpenError> {
        let mark = self.mark;
        let mut next: Box<[u64]> = vec![0; usize::from(self.lanes)].into();
        let mut expected = sequences.first().copied().unwrap_or(FIRST);
        for (index, &sequence) in sequences.iter().enumerate() {
            let path = segment::path_in(self.dir, sequence);
            if sequence != expected {
                if expected <= mark.segment {
                    return Err(self.missing(expected));
                }
                return self.cut(sequences.get(index..).unwrap_or_default(), next);
            }
            expected += 1;
            let file = File::open(&path).map_err(at(&path))?;
            let header = segment::read_header(&file, sequence, self.lanes).map_err(at(&path))?;
            let base = match header {
                // The segment at the mark gives the offsets; those after it have to follow on.
                Ok(base) if sequence <= mark.segment || base == next => base,
                Err(HeaderFault::Version(found)) if sequence <= mark.segment => {
                    return Err(OpenError::Version { file: path, found });
                }
                Err(HeaderFault::Lanes(found)) if sequence <= mark.segment => {
                    return Err(OpenError::Lanes {
                        file: path,
                        found,
                        asked: self.lanes,
                    });
                }
                // A first segment that was never synced may have been cut off in its header.
                _ if sequence > mark.segment
                    || (mark.position == UNSYNCED && sequence == FIRST) =>
                {
                    return self.cut(sequences.get(index..).unwrap_or_default(), next);
                }
                _ => return Err(corrupt(path, 0, mark.position)),
            };
            let segment = Segment::new(self.dir, sequence, base);
            if sequence < mark.segment {
                segment.publish(file.metadata().map_err(at(&path))?.len());
            } else {
                let scan = scan(&file, &segment).map_err(at(&path))?;
                self.checked += scan.length;
                if sequence == mark.segment && scan.good < mark.position {
                    return Err(corrupt(path, scan.bad, mark.position));
                }
                segment.publish(scan.good);
                next = scan.next;
                if scan.good < scan.length {
                    let end = end_of_data(&file, scan.good, scan.length).map_err(at(&path))?;
                    if end > scan.good {
                        self.push(segment);
                        let after = sequences.get(index + 1..).unwrap_or_default();
                        let next = self.cut(after, next)?;
                        self.cut += end - scan.good;
                        cut_to(&path, scan.good)?;
                        return Ok(next);
                    }
                    cut_to(&path, scan.good)?;
                }
            }
            self.push(segment);
        }
        if mark.position != UNSYNCED && expected <= mark.segment {
            return Err(self.missing(expected));
        }
        Ok(next)
    }

    fn push(&mut self, segment: Segment) {
        if let Some(before) = self.segments.back() {
            before.seal();
        }
        self.segments.push_back(Arc::new(segment));
    }

    /// Deletes the segments from here on, last one first, so that a crash in between leaves no gap.
    fn cut(&mut self, sequences: &[u64], next: Box<[u64]>) -> Result<Box<[u64]>, OpenError> {
        for &sequence in sequences.iter().rev() {
            let path = segment::path_in(self.dir, sequence);
            self.cut += fs::metadata(&path).map_err(at(&path))?.len();
            fs::remove_file(&path).map_err(at(&path))?;
        }
        Ok(next)
    }

    /// The first segment of a new journal.
    fn begin(&mut self) -> Result<Arc<Segment>, OpenError> {
        let base = vec![0; usize::from(self.lanes)].into();
        let segment = Arc::new(Segment::new(self.dir, FIRST, base));
        segment.create().map_err(at(&segment.path))?;
        self.segments.push_back(Arc::clone(&segment));
        Ok(segment)
    }

    fn missing(&self, sequence: u64) -> OpenError {
        OpenError::Missing {
            file: segment::path_in(self.dir, sequence),
        }
    }
}

/// The segment files by number, oldest first.
fn sequences_in(dir: &Path) -> Result<Vec<u64>, OpenError> {
    let mut sequences = Vec::new();
    for entry in fs::read_dir(dir).map_err(at(dir))? {
        let name = entry.map_err(at(dir))?.file_name();
        sequences.extend(name.to_str().and_then(segment::sequence_of));
    }
    sequences.sort_unstable();
    Ok(sequences)
}

/// Reads frames up to the first that is not what it should be, and fills the segment's index.
fn scan(file: &File, segment: &Segment) -> io::Result<Scan> {
    let length = file.metadata()?.len();
    let start = segment.length();
    let mut scan = Scan {
        good: start,
        bad: start,
        length,
        next: segment.base.clone(),
    };
    let mut next = segment.base.clone();
    let mut chunk = Vec::new();
    let mut wanted = CHUNK;
    while scan.bad < length {
        let size = wanted.min((length - scan.bad) as usize);
        chunk.resize(size, 0);
        file.read_exact_at(&mut chunk, scan.bad)?;
        wanted = CHUNK;
        let mut rest = chunk.as_slice();
        loop {
            match frame::decode(rest) {
                Decoded::Frame(frame) if frame::follows(&mut next, &frame) => {
                    scan.bad += frame.size() as u64;
                    if frame.group == Group::Last {
                        scan.good = scan.bad;
                        scan.next.copy_from_slice(&next);
                        segment.remember(scan.good, &next);
                    }
                    rest = rest.get(frame.size()..).unwrap_or_default();
                }
                Decoded::Short(need) if scan.bad + need as u64 <= length => {
                    wanted = wanted.max(need);
                    break;
                }
                Decoded::Short(_) if rest.is_empty() => break,
                _ => return Ok(scan),
            }
        }
    }
    Ok(scan)
}

/// Where the last byte between these two ends that is not zero.
fn end_of_data(file: &File, from: u64, length: u64) -> io::Result<u64> {
    let mut end = from;
    let mut at = from;
    let mut chunk = Vec::new();
    while at < length {
        chunk.resize(CHUNK.min((length - at) as usize), 0);
        file.read_exact_at(&mut chunk, at)?;
        if let Some(last) = chunk.iter().rposition(|byte| *byte != 0) {
            end = at + last as u64 + 1;
        }
        at += chunk.len() as u64;
    }
    Ok(end)
}

fn cut_to(path: &Path, length: u64) -> Result<(), OpenError> {
    let cut = open_for_append(path).and_then(|file| file.set_len(length));
    cut.map_err(at(path))
}

fn open_for_append(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(path)
}

fn corrupt(file: PathBuf, offset: u64, synced: u64) -> OpenError {
    OpenError::Corrupt {
        file,
        offset,
        synced,
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> OpenError + use<> {
    let file = path.to_owned();
    move |source| OpenError::Io { file, source }
}
