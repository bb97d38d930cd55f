//! How far this node's files of keys are, in a small file beside them. It is written after they are
//! synced, so it never says more than they hold.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use domain::Timestamp;

use crate::error::OpenError;

#[derive(Debug)]
pub(super) struct Places {
    file: PathBuf,
    next: Vec<u64>,
}

impl Places {
    /// Reads it. Files that are not known to be younger than `longest` may hold keys that were erased
    /// meanwhile without a trace: all are removed, and read anew.
    pub(super) fn open(
        dir: &Path,
        partitions: u16,
        now: Timestamp,
        longest: Duration,
    ) -> Result<Self, OpenError> {
        let io = |source| OpenError::File {
            file: dir.to_owned(),
            source,
        };
        fs::create_dir_all(dir).map_err(io)?;
        let file = dir.join("read");
        let read = match fs::read_to_string(&file) {
            Ok(text) => parse(&text, partitions),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(io(error)),
        };
        let fresh = read.filter(|(at, _)| now.since(*at) < longest);
        let next = match fresh {
            Some((_, next)) => next,
            None => {
                for entry in fs::read_dir(dir).map_err(io)? {
                    fs::remove_file(entry.map_err(io)?.path()).map_err(io)?;
                }
                vec![0; usize::from(partitions)]
            }
        };
        Ok(Self { file, next })
    }

    /// The next offset of each partition.
    pub(super) fn next(&self) -> &[u64] {
        &self.next
    }

    pub(super) fn reach(&mut self, next: &[u64]) {
        self.next.clear();
        self.next.extend_from_slice(next);
    }

    /// Writes it.
    pub(super) fn note(&self, now: Timestamp) -> Result<(), OpenError> {
        let next = self.next.iter().map(u64::to_string);
        let next: Vec<String> = next.collect();
        let text = format!("{}\n{}\n", now.as_micros(), next.join(" "));
        let new = self.file.with_extension("new");
        let written = fs::write(&new, text).and_then(|()| fs::rename(&new, &self.file));
        written.map_err(|source| OpenError::File {
            file: self.file.clone(),
            source,
        })
    }
}

fn parse(text: &str, partitions: u16) -> Option<(Timestamp, Vec<u64>)> {
    let (at, next) = text.trim_end().split_once('\n')?;
    let next: Option<Vec<u64>> = next.split(' ').map(|it| it.parse().ok()).collect();
    let next = next.filter(|next| next.len() == usize::from(partitions))?;
    Some((Timestamp::from_micros(at.parse().ok()?), next))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_a_node_that_was_away_too_long_are_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let day = Duration::from_secs(24 * 3600);
        let now = Timestamp::from_micros(0).plus(day * 100);
        let open = |now, partitions| Places::open(dir.path(), partitions, now, day).unwrap();
        let key = dir.path().join("20261126.keys");
        let mut places = open(now, 2);
        assert_eq!(places.next(), [0, 0]);
        places.reach(&[7, 9]);
        places.note(now).unwrap();
        fs::write(&key, "key").unwrap();
        assert_eq!(open(now.plus(day / 2), 2).next(), [7, 9]);
        assert!(key.exists());
        assert_eq!(open(now.plus(day), 2).next(), [0, 0]);
        assert!(!key.exists());
        places.note(now).unwrap();
        assert_eq!(open(now, 3).next(), [0, 0, 0], "made for other partitions");
    }
}
