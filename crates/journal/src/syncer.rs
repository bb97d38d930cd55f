//! The thread that syncs: one `fdatasync` for everything written since the last one began.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Waker;

use crate::commit::Commit;
use crate::error::Failure;
use crate::mark::{Mark, MarkFile};
use crate::shared::{Shared, Watch};

#[derive(Debug)]
pub(crate) struct Syncer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) dir: PathBuf,
    pub(crate) mark: MarkFile,
    /// Sequence of the last segment whose name is known to be on disk.
    pub(crate) named: u64,
    pub(crate) woken: Vec<Waker>,
}

impl Syncer {
    pub(crate) fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        let _watch = Watch(&shared);
        let mut commit = Commit::default();
        while let Some(next) = shared.commits.take(commit, shared.options.sync_within) {
            if let Err(failure) = self.commit(&next) {
                shared.fail(&failure);
                return;
            }
            commit = next;
        }
    }

    fn commit(&mut self, commit: &Commit) -> Result<(), Failure> {
        for dirty in &commit.files {
            dirty.file.sync_data().map_err(|source| Failure {
                during: "sync of",
                file: dirty.segment.path.clone(),
                source,
            })?;
        }
        let Some(last) = commit.files.last() else {
            return Ok(());
        };
        let segment = last.segment.sequence;
        if segment > self.named {
            sync_dir(&self.dir).map_err(|source| Failure {
                during: "sync of",
                file: self.dir.clone(),
                source,
            })?;
            self.named = segment;
        }
        self.mark
            .store(Mark {
                segment,
                position: commit.position,
            })
            .map_err(|source| Failure {
                during: "write of",
                file: self.mark.path().to_owned(),
                source,
            })?;
        self.shared.synced.store(segment, Ordering::Release);
        for (end, next) in self.shared.durable_ends.iter().zip(&commit.ends) {
            end.store(*next, Ordering::Release);
        }
        self.shared.durable.advance(commit.ticket, &mut self.woken);
        Ok(())
    }
}

/// Makes names that came or went in `dir` last.
pub(crate) fn sync_dir(dir: &std::path::Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}
