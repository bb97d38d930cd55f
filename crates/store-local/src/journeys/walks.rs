//! How far the journeys of each partition are judged anew by the newest rules.
//!
//! It is a file of its own: what it says was done is done, whatever a crash takes back of the journeys, for that is
//! delivered again and its rows are made again. Without the file, or with half of one, all are walked over once more.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use prost::Message;
use store::{Place, StoreError};

use crate::framed::{self, Found, Survives};

const FILE: &str = "walks";

/// The walks.
#[derive(Debug, Clone, Default)]
pub(super) struct Walks {
    of: BTreeMap<u16, Walk>,
    /// Whether there were journeys before this process: else the first rules have nothing to walk over.
    before: bool,
}

#[derive(Debug, Clone)]
struct Walk {
    /// The newest rules by which rows are made.
    rules: u32,
    next: Place,
}

/// The file's content.
#[derive(Clone, PartialEq, Message)]
struct Written {
    #[prost(message, repeated, tag = "1")]
    walks: Vec<WrittenWalk>,
}

#[derive(Clone, PartialEq, Message)]
struct WrittenWalk {
    #[prost(uint32, tag = "1")]
    partition: u32,
    #[prost(uint32, tag = "2")]
    rules: u32,
    #[prost(bytes = "vec", tag = "3")]
    at: Vec<u8>,
    #[prost(bool, tag = "4")]
    end: bool,
}

impl Walks {
    /// Whoever makes rows of a partition does so by these rules. Gives where their walk is.
    pub(super) fn judged_by(&mut self, partition: u16, rules: u32) -> Result<&Place, StoreError> {
        let start = Walk {
            rules,
            next: Place::At(Vec::new()),
        };
        let first = || match self.before {
            true => start.clone(),
            false => Walk {
                rules,
                next: Place::End,
            },
        };
        let walk = self.of.entry(partition).or_insert_with(first);
        if rules < walk.rules {
            return Err(StoreError::Outdated(walk.rules));
        }
        if rules > walk.rules {
            *walk = start;
        }
        Ok(&walk.next)
    }

    /// The walk of these rules has come so far.
    pub(super) fn walked(
        &mut self,
        partition: u16,
        rules: u32,
        next: Place,
    ) -> Result<(), StoreError> {
        self.judged_by(partition, rules)?;
        self.of.insert(partition, Walk { rules, next });
        Ok(())
    }

    /// What the file says, where there were journeys or not.
    pub(super) fn read(dir: &Path, before: bool) -> Self {
        let written = match framed::read(&path(dir)) {
            Found::Whole(written) => written,
            Found::Nothing | Found::Damaged => Written::default(),
        };
        let walks = written.walks.into_iter();
        let walks = walks.filter_map(|walk| {
            let next = match walk.end {
                true => Place::End,
                false => Place::At(walk.at),
            };
            let rules = walk.rules;
            Some((walk.partition.try_into().ok()?, Walk { rules, next }))
        });
        Self {
            of: walks.collect(),
            before,
        }
    }

    /// Writes it, whole.
    pub(super) fn write(&self, dir: &Path) -> Result<(), StoreError> {
        let walks = self.of.iter().map(|(partition, walk)| WrittenWalk {
            partition: u32::from(*partition),
            rules: walk.rules,
            at: match &walk.next {
                Place::At(at) => at.clone(),
                Place::End => Vec::new(),
            },
            end: walk.next == Place::End,
        });
        let written = Written {
            walks: walks.collect(),
        };
        framed::write(&path(dir), &written, Survives::PowerCut)
            .map_err(|error| StoreError::Unavailable(format!("{}: {error}", path(dir).display())))
    }
}

fn path(dir: &Path) -> PathBuf {
    dir.join(FILE)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_walk_is_found_again_and_a_damaged_file_says_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let mut walks = Walks::default();
        walks.walked(0, 7, Place::At(vec![1, 2])).unwrap();
        walks.walked(3, 7, Place::End).unwrap();
        walks.write(dir.path()).unwrap();
        let mut read = Walks::read(dir.path(), true);
        assert_eq!(read.judged_by(0, 7), Ok(&Place::At(vec![1, 2])));
        assert_eq!(read.judged_by(3, 7), Ok(&Place::End));
        assert_eq!(read.judged_by(3, 6), Err(StoreError::Outdated(7)));
        assert_eq!(read.judged_by(3, 8), Ok(&Place::At(Vec::new())));
        fs::write(path(dir.path()), b"half of it").unwrap();
        let mut read = Walks::read(dir.path(), true);
        assert_eq!(read.judged_by(0, 7), Ok(&Place::At(Vec::new())));
        let mut none = Walks::read(&dir.path().join("none"), false);
        assert_eq!(none.judged_by(0, 7), Ok(&Place::End));
        assert_eq!(none.judged_by(0, 8), Ok(&Place::At(Vec::new())));
    }
}
