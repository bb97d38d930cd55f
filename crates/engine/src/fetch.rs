//! `gavel engine fetch`: the engine's library from npm, once a machine and user.
//!
//! The version and the sha512 of its package are part of this binary (`npm/package-lock.json`), so
//! whatever registry npm is set up with can only give the bytes that were pinned. The lock file
//! names no host.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use thiserror::Error;

const MANIFEST: &str = include_str!("../npm/package.json");
const LOCK: &str = include_str!("../npm/package-lock.json");
/// The version in `npm/package.json`; a test keeps the two the same.
pub const VERSION: &str = "26.7.3-stable.1";
const LIBRARY: &str = "libchdb.so";
const POLL: Duration = Duration::from_millis(500);
/// 20 minutes of polls: a slow line needs some.
const MOST_POLLS: u32 = 2400;

#[derive(Debug, Error)]
pub enum FetchError {
    #[error(
        "no ClickHouse engine is pinned for {0}: build or get libchdb {VERSION} for it and name it \
         in GAVEL_LIBCHDB"
    )]
    Platform(String),
    #[error(
        "npm was not found: install it (Debian: apt-get install -y npm) and run `gavel engine \
         fetch` again, or name a libchdb.so {VERSION} in GAVEL_LIBCHDB"
    )]
    NoNpm,
    #[error("`npm ci` failed ({status}):\n{output}")]
    Npm { status: String, output: String },
    #[error("the package holds no {LIBRARY}")]
    NoLibrary,
    #[error("gave up after {} minutes", MOST_POLLS / 120)]
    Slow,
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

#[derive(Debug, Error)]
pub enum LocateError {
    #[error(
        "the ClickHouse engine is not installed: run `gavel engine fetch` (looked for {}), or name \
         a libchdb.so {VERSION} in GAVEL_LIBCHDB",
        .0.display()
    )]
    Missing(PathBuf),
    #[error(
        "GAVEL_LIBCHDB names {}, which is no file: name a libchdb.so {VERSION}, or unset it and \
         run `gavel engine fetch`",
        .0.display()
    )]
    Override(PathBuf),
}

/// Where the library is: the operator's own, or the fetched one below `cache`.
pub fn locate(own: Option<PathBuf>, cache: &Path) -> Result<PathBuf, LocateError> {
    if let Some(own) = own {
        return if own.is_file() {
            Ok(own)
        } else {
            Err(LocateError::Override(own))
        };
    }
    let fetched = home(cache).join(LIBRARY);
    if fetched.is_file() {
        Ok(fetched)
    } else {
        Err(LocateError::Missing(fetched))
    }
}

/// Fetches the library into `cache` if it is not there, telling `progress`. Safe beside itself:
/// the second waits for the first. Blocks.
pub fn fetch(cache: &Path, progress: &mut dyn Write) -> Result<PathBuf, FetchError> {
    let package = package()?;
    let library = home(cache).join(LIBRARY);
    if library.is_file() {
        return Ok(library);
    }
    std::fs::create_dir_all(cache).map_err(at(cache))?;
    let _lock = wait_for_lock(cache, progress)?;
    if library.is_file() {
        return Ok(library);
    }
    let work = cache.join("incoming");
    // What an interrupted fetch left behind.
    remove(&work)?;
    std::fs::create_dir(&work).map_err(at(&work))?;
    for (name, text) in [("package.json", MANIFEST), ("package-lock.json", LOCK)] {
        let path = work.join(name);
        std::fs::write(&path, text).map_err(at(&path))?;
    }
    let unpacked = work.join("node_modules").join(package).join(LIBRARY);
    run_npm(&work, &unpacked, progress)?;
    if !unpacked.is_file() {
        return Err(FetchError::NoLibrary);
    }
    // Synced before it gets its name: after a power cut there is the whole file or none.
    File::open(&unpacked)
        .and_then(|file| file.sync_all())
        .map_err(at(&unpacked))?;
    let ready = work.join("ready");
    std::fs::create_dir(&ready).map_err(at(&ready))?;
    std::fs::rename(&unpacked, ready.join(LIBRARY)).map_err(at(&unpacked))?;
    let home = home(cache);
    remove(&home)?;
    std::fs::rename(&ready, &home).map_err(at(&home))?;
    remove(&work)?;
    tell(
        progress,
        format_args!("ClickHouse engine {VERSION} is at {}\n", library.display()),
    );
    Ok(library)
}

fn home(cache: &Path) -> PathBuf {
    cache.join(VERSION)
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> FetchError {
    let path = path.to_owned();
    move |source| FetchError::Io { path, source }
}

fn remove(path: &Path) -> Result<(), FetchError> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at(path)(error)),
        _ => Ok(()),
    }
}

/// The npm package for this machine.
fn package() -> Result<&'static str, FetchError> {
    if cfg!(all(
        target_os = "linux",
        target_arch = "x86_64",
        target_env = "gnu"
    )) {
        Ok("@chdb/lib-linux-x64-gnu")
    } else {
        let machine = format!("{} on {}", std::env::consts::ARCH, std::env::consts::OS);
        Err(FetchError::Platform(machine))
    }
}

fn wait_for_lock(cache: &Path, progress: &mut dyn Write) -> Result<File, FetchError> {
    let path = cache.join("fetch.lock");
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(at(&path))?;
    for poll in 0..MOST_POLLS {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            Err(Errno::WOULDBLOCK | Errno::INTR) => {}
            Err(error) => return Err(at(&path)(error.into())),
        }
        if poll == 0 {
            tell(
                progress,
                format_args!("another `gavel engine fetch` is under way, waiting\n"),
            );
        }
        std::thread::sleep(POLL);
    }
    Err(FetchError::Slow)
}

/// Runs `npm ci`, telling how much is there every half second: npm itself says nothing until the
/// end when it is not on a terminal.
fn run_npm(work: &Path, unpacked: &Path, progress: &mut dyn Write) -> Result<(), FetchError> {
    let log = work.join("npm.log");
    let output = File::create(&log).map_err(at(&log))?;
    let errors = output.try_clone().map_err(at(&log))?;
    let spawned = Command::new("npm")
        .args([
            "ci",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--no-update-notifier",
        ])
        .current_dir(work)
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .spawn();
    let mut npm = match spawned {
        Ok(npm) => npm,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(FetchError::NoNpm),
        Err(error) => return Err(at(Path::new("npm"))(error)),
    };
    tell(
        progress,
        format_args!("fetching ClickHouse engine {VERSION} by npm (180 MB, 570 MB unpacked)\n"),
    );
    for poll in 1..=MOST_POLLS {
        if let Some(status) = npm.try_wait().map_err(at(Path::new("npm")))? {
            tell(progress, format_args!("\n"));
            if status.success() {
                return Ok(());
            }
            let output = std::fs::read_to_string(&log).unwrap_or_default();
            return Err(FetchError::Npm {
                status: status.to_string(),
                output,
            });
        }
        std::thread::sleep(POLL);
        let unpacked = std::fs::metadata(unpacked).map_or(0, |file| file.len() / 1_000_000);
        tell(
            progress,
            format_args!("\r  {} s, {unpacked} MB unpacked ", poll / 2),
        );
    }
    npm.kill()
        .and_then(|()| npm.wait())
        .map_err(at(Path::new("npm")))?;
    Err(FetchError::Slow)
}

/// Progress that cannot be shown is no reason to fail.
fn tell(progress: &mut dyn Write, line: std::fmt::Arguments<'_>) {
    if progress
        .write_fmt(line)
        .and_then(|()| progress.flush())
        .is_err()
    {
        tracing::debug!("progress could not be written");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pinned_is_pinned_whole() {
        assert!(MANIFEST.contains(&format!("\"{VERSION}\"")));
        assert!(LOCK.contains("\"integrity\": \"sha512-"));
        assert!(!LOCK.contains("\"resolved\"") && !LOCK.contains("://"));
        assert!(LOCK.contains(package().unwrap()));
    }

    #[test]
    fn a_missing_library_names_both_ways_out() {
        let cache = tempfile::tempdir().unwrap();
        let error = locate(None, cache.path()).unwrap_err().to_string();
        assert!(
            error.contains("gavel engine fetch") && error.contains("GAVEL_LIBCHDB"),
            "{error}"
        );
        let error = locate(Some(cache.path().join("x")), cache.path())
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("gavel engine fetch") && error.contains("GAVEL_LIBCHDB"),
            "{error}"
        );
    }

    #[test]
    fn a_fetched_library_is_not_fetched_again() {
        let cache = tempfile::tempdir().unwrap();
        std::fs::create_dir(home(cache.path())).unwrap();
        std::fs::write(home(cache.path()).join(LIBRARY), "x").unwrap();
        let mut progress = Vec::new();
        let library = fetch(cache.path(), &mut progress).unwrap();
        assert_eq!(library, locate(None, cache.path()).unwrap());
        assert!(progress.is_empty());
    }
}
