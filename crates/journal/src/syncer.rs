//! One `fdatasync` for everything written since the last one began, and the thread that does it within
//! the time that is allowed, or at once for those who wait.
//!
//! Where appends wait for the disk, the thread that wrote them syncs them as well ([`Syncs::Writing`]), if no
//! sync is under way: each thread less that they go through is a wake less.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Waker;

use parking_lot::Mutex;

use crate::commit::Commit;
use crate::error::Failure;
use crate::mark::{Mark, MarkFile};
#[cfg(doc)]
use crate::options::Syncs;
use crate::shared::{Shared, Watch};

/// What a sync needs. Who holds it is the only one that syncs, so marks never go back.
#[derive(Debug)]
pub(crate) struct Syncer {
    dir: PathBuf,
    mark: MarkFile,
    /// Sequence of the last segment whose name is known to be on disk.
    named: u64,
    woken: Vec<Waker>,
    commit: Commit,
}

/// The thread.
pub(crate) fn run(shared: &Arc<Shared>, syncer: &Mutex<Syncer>) {
    let _watch = Watch(shared);
    while shared.commits.wait(shared.options.sync_within) {
        if let Err(failure) = syncer.lock().sync(shared) {
            shared.fail(&failure);
            return;
        }
    }
}

impl Syncer {
    pub(crate) fn new(dir: PathBuf, mark: MarkFile, named: u64) -> Self {
        Self {
            dir,
            mark,
            named,
            woken: Vec::new(),
            commit: Commit::default(),
        }
    }

    /// Syncs what is written and not synced, if there is something.
    pub(crate) fn sync(&mut self, shared: &Shared) -> Result<(), Failure> {
        if !shared.commits.take(&mut self.commit) {
            return Ok(());
        }
        for dirty in &self.commit.files {
            dirty.file.sync_data().map_err(|source| Failure {
                during: "sync of",
                file: dirty.segment.path.clone(),
                source,
            })?;
        }
        let Some(last) = self.commit.files.last() else {
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
                position: self.commit.position,
            })
            .map_err(|source| Failure {
                during: "write of",
                file: self.mark.path().to_owned(),
                source,
            })?;
        shared.synced.store(segment, Ordering::Release);
        for (end, next) in shared.durable_ends.iter().zip(&self.commit.ends) {
            end.store(*next, Ordering::Release);
        }
        shared.durable.advance(self.commit.ticket, &mut self.woken);
        shared.commits.done();
        Ok(())
    }
}

/// Makes names that came or went in `dir` last.
pub(crate) fn sync_dir(dir: &std::path::Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}
