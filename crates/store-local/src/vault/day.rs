//! The keys of one day's leads: fixed slots of lead, wrapped key and checksum.
//!
//! A slot of zeros was erased, or is not used yet: zeros are laid out ahead, because a sync of a file
//! that grows waits for the file system to commit its size. One that does not match its checksum was
//! never acknowledged. A lead that comes again gets a new slot, and its old one is zeroed once the new
//! one is safe; if a crash comes in between, it goes when the lead is erased, and the newest counts.
//!
//! Leads come nearly in the order of the times in their ids, so a lead is looked for where leads of its
//! time are: memory holds two times for each stretch of slots, whatever a day brings.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use domain::LeadId;
use store::WrappedKey;

const LEAD: usize = 16;
const SLOT: usize = LEAD + WrappedKey::LEN + 4;
/// Slots laid out at a time.
const RUNWAY: u64 = 4096;
/// Slots that are looked through together.
const STRETCH: u64 = 64;
/// Bytes of a day that are read at a time when it is opened.
const READ: usize = 1 << 20;

#[derive(Debug)]
pub(super) struct Day {
    file: File,
    slots: u64,
    /// Slots that the file has room for.
    prepared: u64,
    /// In the order of their slots, [`STRETCH`] each.
    stretches: Vec<Stretch>,
    /// Slots to zero after the next sync.
    stale: Vec<u64>,
    dirty: bool,
}

/// From when until when the leads of a stretch were minted, in milliseconds.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    first: i64,
    last: i64,
}

impl Stretch {
    const EMPTY: Self = Self {
        first: i64::MAX,
        last: i64::MIN,
    };

    fn take(&mut self, lead: LeadId) {
        let time = lead.time().as_millis();
        self.first = self.first.min(time);
        self.last = self.last.max(time);
    }

    fn may_have(self, lead: LeadId) -> bool {
        (self.first..=self.last).contains(&lead.time().as_millis())
    }
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
        let mut day = Self {
            slots: 0,
            // A slot that was torn at the end is written over by the next.
            prepared: file.metadata()?.len() / SLOT as u64,
            file,
            stretches: Vec::new(),
            stale: Vec::new(),
            dirty: false,
        };
        let mut bytes = [0; SLOT];
        let mut reader = BufReader::with_capacity(READ, day.file.try_clone()?);
        for slot in 0..day.prepared {
            reader.read_exact(&mut bytes)?;
            if bytes.iter().any(|byte| *byte != 0) {
                day.slots = slot + 1;
            }
            if let Some((lead, _)) = decode(&bytes) {
                day.stretch(slot).take(lead);
            }
        }
        Ok(Some(day))
    }

    pub(super) fn get(&self, lead: LeadId) -> io::Result<Option<WrappedKey>> {
        let mut newest = None;
        self.find(lead, |_, key| newest = Some(key))?;
        Ok(newest)
    }

    /// Writes a key; it is safe after [`Self::sync`].
    pub(super) fn put(&mut self, lead: LeadId, key: &WrappedKey) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(SLOT);
        bytes.extend_from_slice(lead.as_bytes());
        bytes.extend_from_slice(&key.0);
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
        let mut earlier = Vec::new();
        self.find(lead, |slot, _| earlier.push(slot))?;
        self.dirty = true;
        if self.slots >= self.prepared {
            let zeros = vec![0; RUNWAY as usize * SLOT];
            self.file.write_all_at(&zeros, self.slots * SLOT as u64)?;
            self.prepared = self.slots + RUNWAY;
        }
        self.file.write_all_at(&bytes, self.slots * SLOT as u64)?;
        self.stretch(self.slots).take(lead);
        self.stale.append(&mut earlier);
        self.slots += 1;
        Ok(())
    }

    /// Zeroes a key wherever it is; it is gone for good after [`Self::sync`].
    pub(super) fn erase(&mut self, lead: LeadId) -> io::Result<()> {
        let mut slots = Vec::new();
        self.find(lead, |slot, _| slots.push(slot))?;
        for slot in slots {
            self.dirty = true;
            self.zero(slot)?;
        }
        Ok(())
    }

    /// Shows the slots of a lead, the oldest first.
    fn find(&self, lead: LeadId, mut found: impl FnMut(u64, WrappedKey)) -> io::Result<()> {
        let mut bytes = [0; STRETCH as usize * SLOT];
        for (number, stretch) in (0..).zip(&self.stretches) {
            if !stretch.may_have(lead) {
                continue;
            }
            let first = number * STRETCH;
            let used = self.slots.saturating_sub(first).min(STRETCH) as usize;
            let Some(bytes) = bytes.get_mut(..used * SLOT) else {
                continue;
            };
            self.file.read_exact_at(bytes, first * SLOT as u64)?;
            for (slot, bytes) in (first..).zip(bytes.chunks_exact(SLOT)) {
                if bytes.starts_with(lead.as_bytes())
                    && let Some((_, key)) = decode(bytes)
                {
                    found(slot, key);
                }
            }
        }
        Ok(())
    }

    /// The stretch that a slot is in.
    fn stretch(&mut self, slot: u64) -> &mut Stretch {
        let number = (slot / STRETCH) as usize;
        if number >= self.stretches.len() {
            self.stretches.resize(number + 1, Stretch::EMPTY);
        }
        &mut self.stretches[number]
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

    /// A lead of a time and a number.
    fn at(millis: u64, number: u64) -> LeadId {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&(millis << 16).to_be_bytes());
        bytes[8..].copy_from_slice(&number.to_be_bytes());
        LeadId::from_bytes(bytes)
    }

    /// Some come late, some come again, some of a time long past; a day is opened anew in between.
    #[test]
    fn a_lead_is_found_wherever_it_came() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("day");
        let open = || Day::open(&path, true).unwrap().unwrap();
        let mut day = open();
        let mut known = std::collections::BTreeMap::new();
        for n in 0..2000_u64 {
            let lead = match n % 10 {
                0 => at(5000 + n - n % 90, n),
                1 => at(40, n),
                2 => at(5000 + n - 2, n - 2),
                _ => at(5000 + n, n),
            };
            let key = key((n % 251) as u8);
            day.put(lead, &key).unwrap();
            known.insert(lead, Some(key));
            if n % 7 == 0 {
                day.erase(lead).unwrap();
                known.insert(lead, None);
            }
            if n % 300 == 0 {
                day.sync().unwrap();
                day = open();
            }
        }
        for _ in 0..2 {
            for (lead, key) in &known {
                assert_eq!(day.get(*lead).unwrap(), *key, "{lead}");
            }
            assert_eq!(day.get(at(5001, 9999)).unwrap(), None);
            day.sync().unwrap();
            day = open();
        }
        // A lead has one slot at most once what came before is zeroed.
        for lead in known.keys() {
            let mut slots = 0;
            day.find(*lead, |_, _| slots += 1).unwrap();
            assert!(slots <= 1, "{lead} has {slots}");
        }
        assert!(day.stretches.len() as u64 <= day.slots.div_ceil(STRETCH));
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
