//! One engine a data directory: a lock on a file in it, with the holder's process id inside.
//!
//! The kernel drops the lock when the process is gone, however it went. A starter waits a while,
//! because after kill -9 of a parent its engine needs a moment to notice and to end.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use thiserror::Error;

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
    _file: File,
}

impl DataLock {
    /// Takes the lock, waiting up to `patience`. Makes the directory if it is not there.
    pub(crate) async fn take(directory: &Path, patience: Duration) -> Result<Self, LockError> {
        let failed = |source| LockError::Io {
            directory: directory.to_owned(),
            source,
        };
        std::fs::create_dir_all(directory).map_err(failed)?;
        let path = directory.join(FILE);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed)?;
        let mut waited = Duration::ZERO;
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => break,
                Err(Errno::WOULDBLOCK | Errno::INTR) if waited < patience => {
                    tokio::time::sleep(POLL).await;
                    waited += POLL;
                }
                Err(Errno::WOULDBLOCK | Errno::INTR) => {
                    let mut holder = String::new();
                    file.read_to_string(&mut holder).map_err(failed)?;
                    return Err(LockError::Held {
                        directory: directory.to_owned(),
                        holder: holder.trim().to_owned(),
                        waited,
                    });
                }
                Err(error) => return Err(failed(error.into())),
            }
        }
        file.set_len(0).map_err(failed)?;
        file.rewind().map_err(failed)?;
        writeln!(file, "{}", std::process::id()).map_err(failed)?;
        Ok(Self { _file: file })
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
