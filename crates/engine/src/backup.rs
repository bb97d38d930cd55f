//! Backups of a data directory, made while it is served, and directories made of them.
//!
//! The engine makes its own backup, which `RESTORE` of any ClickHouse reads, in a folder; once it is whole a list with
//! checksums is put beside it. A backup without its list is none. What is restored becomes the directory by one
//! renaming, so there is never half of one.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;

use crate::direct::Direct;
use crate::door;
use crate::ffi::EngineError;
use crate::host::BootError;
use crate::lock::{DataLock, LockError};
use crate::manifest::{self, Holds, ManifestError};
use crate::statement::literal;

/// The engine's own files in a backup.
const FILES: &str = "clickhouse";
const LIST: &str = "files.sha256";
/// Stands in a directory that was made of a backup, until whoever fills its tables has seen it: what came in after the
/// backup is not there.
pub const RESTORED: &str = "gavel.restored";
/// Between two looks at who has the directory.
const POLL: Duration = Duration::from_millis(50);

/// Why there is no backup, or nothing was restored.
#[derive(Debug, Error)]
pub enum BackupError {
    #[error("{} is no data directory", .0.display())]
    NoData(PathBuf),
    #[error("{} is not empty", .0.display())]
    NotEmpty(PathBuf),
    #[error("{} is inside of what is to be backed up", .0.display())]
    Inside(PathBuf),
    #[error("there is no directory {}", .0.display())]
    NoParent(PathBuf),
    #[error("the name of {} is not UTF-8", .0.display())]
    Name(PathBuf),
    #[error("{}: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
    #[error("process {process} has the directory and cannot be asked for a backup: {error}")]
    Ask { process: String, error: io::Error },
    #[error("process {process} has the directory and made no backup: {said}")]
    Refused { process: String, said: String },
    #[error("process {0} has the directory and does not say where it answers")]
    NoDoor(String),
    #[error("the engine made no backup: {0}")]
    Backup(EngineError),
    #[error("the engine restored nothing: {0}")]
    Restore(EngineError),
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Boot(#[from] BootError),
    #[error(transparent)]
    Manifest(#[from] ManifestError),
}

impl BackupError {
    /// Whether it was asked for wrongly, and nothing was tried.
    pub fn is_usage(&self) -> bool {
        matches!(
            self,
            Self::NoData(_)
                | Self::NotEmpty(_)
                | Self::Inside(_)
                | Self::NoParent(_)
                | Self::Name(_)
        )
    }
}

/// Backs `data` up into `to`, which must not be there or be empty. The process that has the directory is asked, for up
/// to `patience` if it is just starting; if none has it, this one opens it, and has to go by `exit_at_once` then.
///
/// # Errors
/// There is no whole backup.
pub async fn make(
    library: &Path,
    data: &Path,
    to: &Path,
    patience: Duration,
) -> Result<Holds, BackupError> {
    let data = fs::canonicalize(data).map_err(|_| BackupError::NoData(data.to_owned()))?;
    // One without is a mistake, and would be made a data directory by being opened.
    if !data.join("metadata").is_dir() {
        return Err(BackupError::NoData(data));
    }
    let to = vacant(to)?;
    if to.starts_with(&data) {
        return Err(BackupError::Inside(to));
    }
    let files = to.join(FILES);
    let mut waited = Duration::ZERO;
    loop {
        match DataLock::try_take(&data)? {
            Ok(_lock) => {
                let mut engine = Direct::boot(library, &data)?;
                run(&files, |sql| engine.run(sql))?;
                break;
            }
            Err(holder) => match holder.door {
                Some(door) => {
                    let process = holder.process;
                    let path = files.as_os_str().as_encoded_bytes();
                    match door.ask(door::BACKUP, path) {
                        Ok((200, _)) => break,
                        Ok((_, said)) => return Err(BackupError::Refused { process, said }),
                        Err(error) => return Err(BackupError::Ask { process, error }),
                    }
                }
                None if waited < patience => {
                    tokio::time::sleep(POLL).await;
                    waited += POLL;
                }
                None => return Err(BackupError::NoDoor(holder.process)),
            },
        }
    }
    Ok(manifest::write(&to.join(LIST), &files)?)
}

/// Has an engine back all of itself up.
pub(crate) fn run(
    files: &Path,
    engine: impl FnOnce(&str) -> Result<(), EngineError>,
) -> Result<(), BackupError> {
    let backup = format!("BACKUP ALL TO File({})", quoted(files)?);
    let home = files.parent().unwrap_or(files);
    let made = match fs::create_dir(home) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(at(home, error));
        }
        made => made.is_ok(),
    };
    engine(&backup).map_err(|error| {
        if made {
            // Only if it is empty; and if not, it has no list.
            let _ = fs::remove_dir(home);
        }
        BackupError::Backup(error)
    })
}

/// Makes the directory `data`, which must not be there or be empty, of a whole backup. The engine is booted in this
/// process, which has to go by `exit_at_once` then.
///
/// # Errors
/// The directory is as it was.
pub fn restore(library: &Path, from: &Path, data: &Path) -> Result<Holds, BackupError> {
    let from = fs::canonicalize(from).map_err(|error| at(from, error))?;
    let data = vacant(data)?;
    let files = from.join(FILES);
    let holds = manifest::check(&from.join(LIST), &files)?;
    let parent = data.parent().unwrap_or(&data);
    let stage = tempfile::Builder::new()
        .prefix(".gavel-restoring-")
        .tempdir_in(parent)
        .map_err(|error| at(parent, error))?;
    let mut engine = Direct::boot(library, stage.path())?;
    engine
        .run(&format!("RESTORE ALL FROM File({})", quoted(&files)?))
        .map_err(BackupError::Restore)?;
    drop(engine);
    let moved = || {
        File::create(stage.path().join(RESTORED))?;
        rustix::fs::syncfs(File::open(stage.path())?)?;
        fs::rename(stage.path(), &data)?;
        File::open(parent)?.sync_all()
    };
    moved().map_err(|error| at(&data, error))?;
    // It is somewhere else now.
    let _ = stage.keep();
    Ok(holds)
}

/// A path at which there is nothing, or an empty directory, in a directory that is there.
fn vacant(path: &Path) -> Result<PathBuf, BackupError> {
    let path = std::path::absolute(path).map_err(|error| at(path, error))?;
    match fs::read_dir(&path) {
        Ok(mut entries) => {
            if entries.next().is_some() {
                return Err(BackupError::NotEmpty(path));
            }
            fs::canonicalize(&path).map_err(|error| at(&path, error))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let parent = path.parent().unwrap_or(&path);
            let missing = |_| BackupError::NoParent(parent.to_owned());
            let name = path.file_name().unwrap_or_default();
            Ok(fs::canonicalize(parent).map_err(missing)?.join(name))
        }
        Err(error) => Err(at(&path, error)),
    }
}

fn quoted(path: &Path) -> Result<String, BackupError> {
    let name = || BackupError::Name(path.to_owned());
    path.to_str().map(literal).ok_or_else(name)
}

fn at(path: &Path, error: io::Error) -> BackupError {
    BackupError::Io {
        path: path.to_owned(),
        error,
    }
}
