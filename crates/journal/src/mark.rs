//! The synced mark: up to where the segments are known to be on the platter.
//!
//! A file of two slots, each in a sector of its own and with a checksum, written in turn: a torn
//! write costs one slot and the other, older one still holds. The mark itself is not synced on every
//! commit. A mark that a power cut sets back only makes repair milder (it cuts where it might have
//! refused), never wrong; it is synced when it moves to another segment, so that it always points to
//! a segment that is still there.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// A position in the stream: every byte before it is synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mark {
    /// Sequence number of the segment.
    pub(crate) segment: u64,
    /// Bytes of it.
    pub(crate) position: u64,
}

const SLOT: usize = 20;
const SECTOR: u64 = 512;

impl Mark {
    fn encode(self) -> [u8; SLOT] {
        let mut slot = [0; SLOT];
        let (body, crc) = slot.split_at_mut(SLOT - 4);
        let (segment, position) = body.split_at_mut(8);
        segment.copy_from_slice(&self.segment.to_le_bytes());
        position.copy_from_slice(&self.position.to_le_bytes());
        crc.copy_from_slice(&crc32fast::hash(body).to_le_bytes());
        slot
    }

    fn decode(slot: &[u8; SLOT]) -> Option<Self> {
        let (body, crc) = slot.split_last_chunk::<4>()?;
        if crc32fast::hash(body) != u32::from_le_bytes(*crc) {
            return None;
        }
        let (segment, position) = body.split_first_chunk::<8>()?;
        Some(Self {
            segment: u64::from_le_bytes(*segment),
            position: u64::from_le_bytes(*position.first_chunk()?),
        })
    }
}

/// The file that keeps the mark.
#[derive(Debug)]
pub(crate) struct MarkFile {
    file: File,
    path: PathBuf,
    slot: u64,
    last: Option<Mark>,
}

impl MarkFile {
    pub(crate) fn path_in(dir: &Path) -> PathBuf {
        dir.join("synced")
    }

    /// Opens or creates it. The mark read is absent in a new journal.
    pub(crate) fn open(dir: &Path) -> io::Result<(Self, Option<Mark>)> {
        let path = Self::path_in(dir);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)?;
        let slots = [read(&file, 0)?, read(&file, 1)?];
        let mark = slots.into_iter().flatten().max();
        // The next write goes to the slot that does not hold what was just read.
        let slot = u64::from(mark.is_some() && mark == slots[0]);
        Ok((
            Self {
                file,
                path,
                slot,
                last: mark,
            },
            mark,
        ))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Moves the mark on.
    pub(crate) fn store(&mut self, mark: Mark) -> io::Result<()> {
        self.file.write_all_at(&mark.encode(), self.slot * SECTOR)?;
        self.slot ^= 1;
        if self.last.is_none_or(|last| last.segment != mark.segment) {
            self.file.sync_all()?;
        }
        self.last = Some(mark);
        Ok(())
    }
}

fn read(file: &File, slot: u64) -> io::Result<Option<Mark>> {
    let mut bytes = [0; SLOT];
    match file.read_exact_at(&mut bytes, slot * SECTOR) {
        Ok(()) => Ok(Mark::decode(&bytes)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_slot_leaves_the_mark_before_it() {
        let dir = tempfile::tempdir().unwrap();
        let mark = |position| Mark {
            segment: 1,
            position,
        };
        let (mut file, read) = MarkFile::open(dir.path()).unwrap();
        assert_eq!(read, None);
        for position in [10, 20, 30] {
            file.store(mark(position)).unwrap();
        }
        let (mut file, read) = MarkFile::open(dir.path()).unwrap();
        assert_eq!(read, Some(mark(30)));
        file.store(mark(40)).unwrap();
        assert_eq!(MarkFile::open(dir.path()).unwrap().1, Some(mark(40)));

        file.file.write_all_at(b"x", SECTOR + 3).unwrap();
        assert_eq!(MarkFile::open(dir.path()).unwrap().1, Some(mark(30)));
        file.file.write_all_at(b"x", 3).unwrap();
        assert_eq!(MarkFile::open(dir.path()).unwrap().1, None);
    }
}
