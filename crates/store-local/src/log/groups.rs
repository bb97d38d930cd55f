//! Where each consumer group goes on after a restart.
//!
//! A group's file has two slots, each in a sector of its own and with a checksum, written in turn: a
//! killed process loses nothing, and a power cut that tears or forgets one slot leaves the one
//! before, which only means that records are delivered again. So a commit costs no sync beside the
//! journal's; files are synced before the log is cut below what they say.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use store::Topic;

const SECTOR: usize = 512;
/// Topic, partition, offset.
const ITEM: usize = 11;
/// Checksum, count of writes, number of items.
const HEAD: usize = 13;
/// Partitions of all topics that fit into a slot.
pub(crate) const MOST_PARTITIONS: u16 = 16;

type Offsets = BTreeMap<(Topic, u16), u64>;

#[derive(Debug)]
pub(crate) struct Groups {
    dir: Option<PathBuf>,
    groups: Mutex<BTreeMap<String, Group>>,
}

#[derive(Debug, Default)]
struct Group {
    file: Option<File>,
    writes: u64,
    offsets: Offsets,
    /// Whether a member lives.
    joined: bool,
}

/// A name that is taken, or a file that cannot be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GroupError {
    #[error("consumer group {0} has a member already")]
    Joined(String),
    #[error("offsets of consumer group {group}: {source}")]
    Io { group: String, source: io::Error },
}

impl Groups {
    /// Without files.
    pub(crate) fn in_memory() -> Self {
        Self {
            dir: None,
            groups: Mutex::default(),
        }
    }

    /// Reads the groups of `dir`. An offset past its partition's end in `ends` is set back to it: a
    /// power cut can take records that were only handed to the kernel.
    pub(crate) fn open(dir: &Path, ends: &BTreeMap<Topic, Vec<u64>>) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        let mut groups = BTreeMap::new();
        for entry in fs::read_dir(dir)? {
            let path = entry?.path();
            if let Some(name) = path.file_name().and_then(|name| name.to_str()) {
                let mut group = Group::open(&path)?;
                let mut cut = false;
                for ((topic, partition), offset) in &mut group.offsets {
                    let ends = ends.get(topic);
                    let end = ends.and_then(|ends| ends.get(usize::from(*partition)));
                    let end = end.copied().unwrap_or(0);
                    cut |= *offset > end;
                    *offset = (*offset).min(end);
                }
                if cut {
                    group.write()?;
                }
                groups.insert(name.to_owned(), group);
            }
        }
        Ok(Self {
            dir: Some(dir.to_owned()),
            groups: Mutex::new(groups),
        })
    }

    /// Sets every group back to at most these offsets of a topic.
    pub(crate) fn rewind(&self, topic: Topic, to: &[u64]) {
        for group in self.groups.lock().values_mut() {
            for (partition, to) in (0..).zip(to) {
                if let Some(offset) = group.offsets.get_mut(&(topic, partition)) {
                    *offset = (*offset).min(*to);
                }
            }
        }
    }

    /// Sets a group back to the beginning. When this returns, it survives a power cut.
    pub(crate) fn restart(&self, name: &str) -> Result<(), GroupError> {
        let mut groups = self.groups.lock();
        let Some(group) = groups.get_mut(name) else {
            return Ok(());
        };
        if group.joined {
            return Err(GroupError::Joined(name.to_owned()));
        }
        group.offsets.values_mut().for_each(|offset| *offset = 0);
        group.write().map_err(io_error(name))?;
        let synced = group.file.as_ref().map_or(Ok(()), File::sync_all);
        synced.map_err(io_error(name))
    }

    /// Makes the caller the group's member; its offsets of a topic are then for [`Self::committed`].
    pub(crate) fn join(&self, name: &str, topics: &[(Topic, usize)]) -> Result<(), GroupError> {
        let mut groups = self.groups.lock();
        if !groups.contains_key(name) {
            let group = match &self.dir {
                Some(dir) => Group::open(&dir.join(name)).map_err(io_error(name))?,
                None => Group::default(),
            };
            groups.insert(name.to_owned(), group);
        }
        let Some(group) = groups.get_mut(name) else {
            return Ok(());
        };
        if group.joined {
            return Err(GroupError::Joined(name.to_owned()));
        }
        for (topic, partitions) in topics {
            for partition in (0..).take(*partitions) {
                group.offsets.entry((*topic, partition)).or_insert(0);
            }
        }
        group.write().map_err(io_error(name))?;
        group.joined = true;
        Ok(())
    }

    pub(crate) fn leave(&self, name: &str) {
        if let Some(group) = self.groups.lock().get_mut(name) {
            group.joined = false;
        }
    }

    /// The next offset a group wants, per partition.
    pub(crate) fn committed(&self, name: &str, topic: Topic, partitions: usize) -> Vec<u64> {
        let groups = self.groups.lock();
        let offset = |partition| Some(*groups.get(name)?.offsets.get(&(topic, partition))?);
        (0..)
            .take(partitions)
            .map(|partition| offset(partition).unwrap_or(0))
            .collect()
    }

    pub(crate) fn commit(
        &self,
        name: &str,
        topic: Topic,
        partition: u16,
        next: u64,
    ) -> Result<(), GroupError> {
        match self.groups.lock().get_mut(name) {
            Some(group) => {
                group.offsets.insert((topic, partition), next);
                group.write().map_err(io_error(name))
            }
            None => Ok(()),
        }
    }

    /// What every group that reads a topic has committed; none if no group reads it.
    pub(crate) fn floor(&self, topic: Topic, partitions: usize) -> Option<Vec<u64>> {
        let groups = self.groups.lock();
        let mut floor: Option<Vec<u64>> = None;
        for group in groups.values() {
            let floor = match group.offsets.contains_key(&(topic, 0)) {
                true => floor.get_or_insert_with(|| vec![u64::MAX; partitions]),
                false => continue,
            };
            for (partition, least) in (0..).zip(floor.iter_mut()) {
                let offset = group.offsets.get(&(topic, partition));
                *least = (*least).min(offset.copied().unwrap_or(0));
            }
        }
        floor
    }

    /// Makes what was committed survive a power cut.
    pub(crate) fn sync(&self) -> io::Result<()> {
        let groups = self.groups.lock();
        let mut files = groups.values().filter_map(|group| group.file.as_ref());
        files.try_for_each(File::sync_all)
    }
}

fn io_error(group: &str) -> impl FnOnce(io::Error) -> GroupError {
    move |source| GroupError::Io {
        group: group.to_owned(),
        source,
    }
}

impl Group {
    fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        let mut bytes = [0; 2 * SECTOR];
        let mut filled = 0;
        while let read @ 1.. = file.read_at(&mut bytes[filled..], filled as u64)? {
            filled += read;
        }
        let (first, second) = bytes.split_at(SECTOR);
        let newest = [decode(first), decode(second)].into_iter().flatten();
        let (writes, offsets) = newest.max_by_key(|(writes, _)| *writes).unwrap_or_default();
        Ok(Self {
            file: Some(file),
            writes,
            offsets,
            joined: false,
        })
    }

    /// Writes the slot that is not the newest.
    fn write(&mut self) -> io::Result<()> {
        let Some(file) = &self.file else {
            return Ok(());
        };
        self.writes += 1;
        let slot = encode(self.writes, &self.offsets);
        file.write_all_at(&slot, (self.writes % 2) * SECTOR as u64)
    }
}

fn encode(writes: u64, offsets: &Offsets) -> Vec<u8> {
    let mut slot = vec![0; 4];
    slot.extend_from_slice(&writes.to_le_bytes());
    slot.push(offsets.len() as u8);
    for ((topic, partition), offset) in offsets {
        slot.push(number(*topic));
        slot.extend_from_slice(&partition.to_le_bytes());
        slot.extend_from_slice(&offset.to_le_bytes());
    }
    let crc = crc32fast::hash(&slot[4..]);
    slot[..4].copy_from_slice(&crc.to_le_bytes());
    slot
}

fn decode(slot: &[u8]) -> Option<(u64, Offsets)> {
    let (crc, body) = slot.split_first_chunk::<4>()?;
    let count = usize::from(*slot.get(HEAD - 1)?);
    let body = body.get(..HEAD - 4 + count * ITEM)?;
    if crc32fast::hash(body) != u32::from_le_bytes(*crc) {
        return None;
    }
    let (writes, items) = body.split_first_chunk::<8>()?;
    let mut offsets = Offsets::new();
    for item in items.get(1..)?.chunks_exact(ITEM) {
        let (head, offset) = item.split_first_chunk::<3>()?;
        let [topic, low, high] = *head;
        let topic = [Topic::Events, Topic::Leads, Topic::Catalog]
            .into_iter()
            .find(|known| number(*known) == topic)?;
        let offset = u64::from_le_bytes(offset.try_into().ok()?);
        offsets.insert((topic, u16::from_le_bytes([low, high])), offset);
    }
    Some((u64::from_le_bytes(*writes), offsets))
}

/// A topic's number in the files.
const fn number(topic: Topic) -> u8 {
    match topic {
        Topic::Events => 1,
        Topic::Leads => 2,
        Topic::Catalog => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_slot_leaves_the_commit_before_it() {
        let dir = tempfile::tempdir().unwrap();
        let ends = BTreeMap::from([(Topic::Leads, vec![100; 4]), (Topic::Events, vec![5; 4])]);
        let open = || {
            let groups = Groups::open(dir.path(), &ends).unwrap();
            groups
                .join("worker", &[(Topic::Leads, 4), (Topic::Events, 4)])
                .unwrap();
            groups
        };
        let groups = open();
        for next in [10, 20, 30] {
            groups.commit("worker", Topic::Leads, 3, next).unwrap();
        }
        assert!(groups.join("worker", &[]).is_err());
        let torn = groups.groups.lock()["worker"].writes % 2;
        drop(groups);
        let file = OpenOptions::new()
            .write(true)
            .open(dir.path().join("worker"))
            .unwrap();
        file.write_all_at(b"xx", torn * SECTOR as u64 + 20).unwrap();

        let groups = open();
        assert_eq!(groups.committed("worker", Topic::Leads, 4), [0, 0, 0, 20]);
        // Records that a power cut took are not skipped when others take their place.
        groups.commit("worker", Topic::Events, 0, 9).unwrap();
        drop(groups);
        let groups = open();
        assert_eq!(groups.committed("worker", Topic::Events, 4), [5, 0, 0, 0]);
        assert_eq!(groups.floor(Topic::Leads, 4), Some(vec![0, 0, 0, 20]));
        assert_eq!(groups.floor(Topic::Catalog, 1), None);
    }

    #[test]
    fn the_largest_group_fits_a_slot() {
        let mut offsets = Offsets::new();
        for topic in [Topic::Events, Topic::Leads, Topic::Catalog] {
            for partition in 0..MOST_PARTITIONS {
                offsets.insert((topic, partition), u64::MAX);
            }
        }
        offsets.retain(|(topic, partition), _| *topic != Topic::Catalog || *partition == 0);
        let slot = encode(1, &offsets);
        assert!(slot.len() <= SECTOR);
        assert_eq!(decode(&slot), Some((1, offsets)));
    }
}
