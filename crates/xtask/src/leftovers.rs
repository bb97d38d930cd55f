//! Processes that outlive the tests: whatever runs from our build folder afterwards was forgotten.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::process;

/// What ran from the build folder when we began; that is somebody else's business.
pub(crate) struct Leftovers {
    target: PathBuf,
    before: BTreeMap<u32, PathBuf>,
}

impl Leftovers {
    /// Remembers what runs now.
    pub(crate) fn watch(target: &Path) -> Self {
        Self {
            target: target.to_owned(),
            before: running_from(target),
        }
    }

    /// Waits `patience` for stragglers, then ends what is left and fails, naming it.
    pub(crate) fn check(&self, patience: Duration) -> Result<()> {
        let started = Instant::now();
        let left = loop {
            let left = self.new_ones();
            if left.is_empty() {
                return Ok(());
            }
            if started.elapsed() > patience {
                break left;
            }
            std::thread::sleep(Duration::from_millis(50));
        };
        for (pid, program) in &left {
            eprintln!("still running: {pid} {}", program.display());
            process::kill(*pid)?;
        }
        bail!("{} process(es) outlived what started them", left.len());
    }

    fn new_ones(&self) -> BTreeMap<u32, PathBuf> {
        let mut now = running_from(&self.target);
        now.retain(|pid, _| !self.before.contains_key(pid));
        now
    }
}

/// All processes but our own whose program lies below `folder`; none where there is no `/proc`.
fn running_from(folder: &Path) -> BTreeMap<u32, PathBuf> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return BTreeMap::new();
    };
    entries
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path())))
        .filter(|(pid, _)| *pid != std::process::id())
        .filter_map(|(pid, entry)| Some((pid, std::fs::read_link(entry.join("exe")).ok()?)))
        .filter(|(_, program)| program.starts_with(folder))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_forgotten_is_named_and_ended() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().canonicalize().unwrap();
        let program = target.join("forgotten");
        std::fs::copy("/bin/sleep", &program).unwrap();
        let sleep = |before: &str| {
            process::command(&target, &program, [before])
                .spawn()
                .unwrap()
        };

        let mut older = sleep("60");
        let watch = Leftovers::watch(&target);
        watch.check(Duration::ZERO).unwrap();

        let mut forgotten = sleep("60");
        let error = watch.check(Duration::ZERO).unwrap_err();
        assert!(error.to_string().contains("1 process(es)"), "{error}");
        assert!(!forgotten.wait().unwrap().success(), "it was to be killed");
        assert!(older.try_wait().unwrap().is_none(), "it was there before");
        older.kill().unwrap();
        older.wait().unwrap();
    }
}
