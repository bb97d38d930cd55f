//! Up to where a journal is shipped: a file of two slots, each in a sector of its own and with a checksum,
//! written in turn. A killed process loses nothing; a power cut that tears or forgets one slot leaves the
//! one before, which only means that records are shipped again. So a mark costs no sync.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use parking_lot::Mutex;

const SECTOR: u64 = 512;
/// An offset and its checksum.
const SLOT: usize = 12;

#[derive(Debug)]
pub(super) struct Mark(Mutex<State>);

#[derive(Debug)]
struct State {
    file: File,
    /// The slot that is written next.
    slot: u64,
    offset: Option<u64>,
}

impl Mark {
    /// Opens it, or makes one that says nothing.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        let slots = [read(&file, 0)?, read(&file, 1)?];
        let offset = slots.into_iter().flatten().max();
        // The next one goes to where the present one is not.
        let slot = u64::from(offset.is_some() && offset == slots[0]);
        Ok(Self(Mutex::new(State { file, slot, offset })))
    }

    /// What it says.
    pub(super) fn offset(&self) -> Option<u64> {
        self.0.lock().offset
    }

    /// Moves it on.
    pub(super) fn set(&self, offset: u64) -> io::Result<()> {
        let mut state = self.0.lock();
        let bytes = offset.to_le_bytes();
        let mut slot = [0; SLOT];
        let (body, checksum) = slot.split_at_mut(8);
        body.copy_from_slice(&bytes);
        checksum.copy_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
        state.file.write_all_at(&slot, state.slot * SECTOR)?;
        state.slot ^= 1;
        state.offset = Some(offset);
        Ok(())
    }
}

fn read(file: &File, slot: u64) -> io::Result<Option<u64>> {
    let mut bytes = [0; SLOT];
    match file.read_exact_at(&mut bytes, slot * SECTOR) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let (body, checksum) = bytes.split_at(8);
    let whole = crc32fast::hash(body).to_le_bytes() == checksum;
    let offset = body.try_into().ok().filter(|_| whole);
    Ok(offset.map(u64::from_le_bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_slot_leaves_the_one_before() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("shipped");
        assert_eq!(Mark::open(&path).unwrap().offset(), None);
        let mark = Mark::open(&path).unwrap();
        for offset in [3, 300] {
            mark.set(offset).unwrap();
            assert_eq!(mark.offset(), Some(offset));
        }
        // Opened again, it goes on in turn.
        Mark::open(&path).unwrap().set(70_000).unwrap();
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        assert_eq!(Mark::open(&path).unwrap().offset(), Some(70_000));
        file.write_all_at(&[9], 4).unwrap();
        assert_eq!(Mark::open(&path).unwrap().offset(), Some(300));
        file.write_all_at(&[9], SECTOR + 4).unwrap();
        assert_eq!(Mark::open(&path).unwrap().offset(), None);
    }
}
