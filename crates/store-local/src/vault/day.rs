//! The keys of one day's leads: fixed slots of lead, wrapped key and checksum.
//!
//! A slot of zeros was erased, or is not used yet: zeros are laid out ahead, because a sync of a file
//! that grows waits for the file system to commit its size. One that does not match its checksum was
//! never acknowledged. A lead that comes again gets a new slot, and its old one is zeroed once the new
//! one is safe.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use domain::LeadId;
use store::WrappedKey;

const LEAD: usize = 16;
const SLOT: usize = LEAD + WrappedKey::LEN + 4;
/// Slots laid out at a time.
const RUNWAY: u64 = 4096;

#[derive(Debug)]
pub(super) struct Day {
    file: File,
    slots: u64,
    /// Slots that the file has room for.
    prepared: u64,
    index: HashMap<LeadId, u64>,
    /// Slots to zero after the next sync.
    stale: Vec<u64>,
    dirty: bool,
}

impl Day {
    /// Opens a day's file; none if there is none and `create` does not ask for one.
    pub(super) fn open(path: &Path, create: bool) -> io::Result<Option<Self>> {
        let opened = OpenOptions::new()
            .read(true)
            .write(true)
            .create(create)
            .truncate(false)
            .mode(0o600)
            .open(path);
        let file = match opened {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        // A slot that was torn at the end is written over by the next.
        let prepared = file.metadata()?.len() / SLOT as u64;
        let mut bytes = vec![0; prepared as usize * SLOT];
        file.read_exact_at(&mut bytes, 0)?;
        let used = bytes.rchunks_exact(SLOT);
        let free = used
            .take_while(|slot| slot.iter().all(|byte| *byte == 0))
            .count();
        let mut day = Self {
            file,
            slots: prepared - free as u64,
            prepared,
            index: HashMap::new(),
            stale: Vec::new(),
            dirty: false,
        };
        for (slot, bytes) in (0..).zip(bytes.chunks_exact(SLOT)) {
            if let Some((lead, _)) = decode(bytes)
                && let Some(older) = day.index.insert(lead, slot)
            {
                day.stale.push(older);
                day.dirty = true;
            }
        }
        Ok(Some(day))
    }

    pub(super) fn get(&self, lead: LeadId) -> io::Result<Option<WrappedKey>> {
        let Some(slot) = self.index.get(&lead) else {
            return Ok(None);
        };
        let mut bytes = [0; SLOT];
        self.file.read_exact_at(&mut bytes, slot * SLOT as u64)?;
        Ok(decode(&bytes).map(|(_, key)| key))
    }

    /// Writes a key; it is safe after [`Self::sync`].
    pub(super) fn put(&mut self, lead: LeadId, key: &WrappedKey) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(SLOT);
        bytes.extend_from_slice(lead.as_bytes());
        bytes.extend_from_slice(&key.0);
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
        self.dirty = true;
        if self.slots >= self.prepared {
            let zeros = vec![0; RUNWAY as usize * SLOT];
            self.file.write_all_at(&zeros, self.slots * SLOT as u64)?;
            self.prepared = self.slots + RUNWAY;
        }
        self.file.write_all_at(&bytes, self.slots * SLOT as u64)?;
        self.stale.extend(self.index.insert(lead, self.slots));
        self.slots += 1;
        Ok(())
    }

    /// Zeroes a key; it is gone for good after [`Self::sync`].
    pub(super) fn erase(&mut self, lead: LeadId) -> io::Result<()> {
        if let Some(slot) = self.index.remove(&lead) {
            self.dirty = true;
            self.zero(slot)?;
        }
        Ok(())
    }

    fn zero(&self, slot: u64) -> io::Result<()> {
        self.file.write_all_at(&[0; SLOT], slot * SLOT as u64)
    }

    /// Whether something waits for [`Self::sync`].
    pub(super) fn is_dirty(&self) -> bool {
        self.dirty
    }

    pub(super) fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()?;
        if !self.stale.is_empty() {
            for slot in std::mem::take(&mut self.stale) {
                self.zero(slot)?;
            }
            self.file.sync_data()?;
        }
        self.dirty = false;
        Ok(())
    }
}

fn decode(slot: &[u8]) -> Option<(LeadId, WrappedKey)> {
    let (body, crc) = slot.split_last_chunk::<4>()?;
    let (lead, key) = body.split_first_chunk::<LEAD>()?;
    let whole = crc32fast::hash(body) == u32::from_le_bytes(*crc);
    let key = WrappedKey(key.try_into().ok()?);
    (whole && *lead != [0; LEAD]).then(|| (LeadId::from_bytes(*lead), key))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lead(byte: u8) -> LeadId {
        LeadId::from_bytes([byte; 16])
    }

    fn key(byte: u8) -> WrappedKey {
        WrappedKey([byte; WrappedKey::LEN])
    }

    #[test]
    fn keys_survive_a_torn_end_and_erased_ones_leave_no_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("day");
        assert!(Day::open(&path, false).unwrap().is_none());
        let open = || Day::open(&path, true).unwrap().unwrap();
        let mut day = open();
        for byte in 1..=3 {
            day.put(lead(byte), &key(byte)).unwrap();
        }
        day.put(lead(1), &key(11)).unwrap();
        day.erase(lead(2)).unwrap();
        day.sync().unwrap();
        assert!(!day.is_dirty());
        let end = std::fs::metadata(&path).unwrap().len();
        day.file.write_all_at(&[9; SLOT / 2], end).unwrap();
        drop(day);

        let mut day = open();
        day.put(lead(4), &key(4)).unwrap();
        let mut damaged = [5; SLOT];
        damaged[SLOT - 1] = 0;
        day.file
            .write_all_at(&damaged, day.slots * SLOT as u64)
            .unwrap();
        drop(day);
        let day = open();
        let got: Vec<_> = (1..=5).map(|byte| day.get(lead(byte)).unwrap()).collect();
        assert_eq!(got, [Some(key(11)), None, Some(key(3)), Some(key(4)), None]);
        let bytes = std::fs::read(&path).unwrap();
        for gone in [1, 2] {
            assert!(!bytes.windows(LEAD).any(|w| w == [gone; LEAD] && gone != 1));
            assert!(!bytes.windows(20).any(|w| w == [gone; 20]));
        }
    }
}
