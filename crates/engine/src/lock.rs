//! One engine a data directory: a lock on a file in it, with the holder's process id inside, and how to ask it for
//! what its clients may not, which only those learn who may read the file: its owner.
//!
//! The kernel drops the lock when the process is gone, however it went. A starter waits a while,
//! because after kill -9 of a parent its engine needs a moment to notice and to end.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use thiserror::Error;

use crate::door::Door;

const FILE: &str = "gavel.lock";
const POLL: Duration = Duration::from_millis(50);

#[derive(Debug, Error)]
pub enum LockError {
    #[error(
        "data directory {} is in use by process {holder}; it was waited for {} s",
        directory.display(),
        waited.as_secs()
    )]
    Held {
        directory: PathBuf,
        holder: String,
        waited: Duration,
    },
    #[error("cannot lock data directory {}: {source}", directory.display())]
    Io {
        directory: PathBuf,
        source: io::Error,
    },
}

/// Held until dropped.
#[derive(Debug)]
pub(crate) struct DataLock {
    file: File,
    directory: PathBuf,
}

/// The process that has a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) process: String,
    /// Not yet there while the engine starts.
    pub(crate) door: Option<Door>,
}

impl DataLock {
    /// Takes the lock, waiting up to `patience`. Makes the directory if it is not there.
    pub(crate) async fn take(directory: &Path, patience: Duration) -> Result<Self, LockError> {
        let failed = |source| io_error(directory, source);
        std::fs::create_dir_all(directory).map_err(failed)?;
        let mut waited = Duration::ZERO;
        loop {
            match Self::try_take(directory)? {
                Ok(lock) => return Ok(lock),
                Err(_) if waited < patience => {
                    tokio::time::sleep(POLL).await;
                    waited += POLL;
                }
                Err(holder) => {
                    return Err(LockError::Held {
                        directory: directory.to_owned(),
                        holder: holder.process,
                        waited,
                    });
                }
            }
        }
    }

    /// Takes the lock of a directory that is there, or says who has it.
    pub(crate) fn try_take(directory: &Path) -> Result<Result<Self, Holder>, LockError> {
        let failed = |source| io_error(directory, source);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(directory.join(FILE))
            .map_err(failed)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK | Errno::INTR) => {
                let mut text = String::new();
                file.read_to_string(&mut text).map_err(failed)?;
                return Ok(Err(Holder::parse(&text)));
            }
            Err(error) => return Err(failed(error.into())),
        }
        // One that was made for all to read is not any more.
        let owner = std::fs::Permissions::from_mode(0o600);
        file.set_permissions(owner).map_err(failed)?;
        let mut lock = Self {
            file,
            directory: directory.to_owned(),
        };
        lock.write("")?;
        Ok(Ok(lock))
    }

    /// Tells who may read the file how to ask this process.
    pub(crate) fn publish(&mut self, door: &Door) -> Result<(), LockError> {
        self.write(&door.to_string())
    }

    fn write(&mut self, door: &str) -> Result<(), LockError> {
        let text = format!("{}\n{door}", std::process::id());
        let mut write = || {
            self.file.set_len(0)?;
            self.file.rewind()?;
            self.file.write_all(text.as_bytes())
        };
        write().map_err(|source| io_error(&self.directory, source))
    }
}

impl Holder {
    fn parse(text: &str) -> Self {
        let (process, door) = text.split_once('\n').unwrap_or((text, ""));
        Self {
            process: process.to_owned(),
            door: Door::parse(door),
        }
    }
}

fn io_error(directory: &Path, source: io::Error) -> LockError {
    LockError::Io {
        directory: directory.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_second_taker_is_told_who_holds_it() {
        let directory = tempfile::tempdir().unwrap();
        let held = DataLock::take(directory.path(), Duration::ZERO)
            .await
            .unwrap();
        let error = DataLock::take(directory.path(), Duration::from_millis(100))
            .await
            .unwrap_err();
        assert!(
            error
                .to_string()
                .contains(&format!("process {};", std::process::id())),
            "{error}"
        );
        drop(held);
        DataLock::take(directory.path(), Duration::ZERO)
            .await
            .unwrap();
    }

    #[test]
    fn who_holds_it_says_how_to_be_asked_to_its_owner_alone() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join(FILE);
        std::fs::write(&file, "77\n127.0.0.1:1 stale\n").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        let mut held = DataLock::try_take(directory.path()).unwrap().unwrap();
        let holder = || DataLock::try_take(directory.path()).unwrap().unwrap_err();
        let process = std::process::id().to_string();
        assert_eq!(
            holder(),
            Holder {
                process: process.clone(),
                door: None
            }
        );
        let door = Door::new("127.0.0.1:8123".parse().unwrap(), [7; 32]);
        held.publish(&door).unwrap();
        assert_eq!(
            holder(),
            Holder {
                process,
                door: Some(door)
            }
        );
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[tokio::test]
    async fn a_taker_waits_for_the_holder_to_go() {
        let directory = tempfile::tempdir().unwrap();
        let held = DataLock::take(directory.path(), Duration::ZERO)
            .await
            .unwrap();
        let release = async {
            tokio::task::yield_now().await;
            drop(held);
        };
        let patience = Duration::from_secs(10);
        let (taken, ()) = tokio::join!(DataLock::take(directory.path(), patience), release);
        taken.unwrap();
    }
}
