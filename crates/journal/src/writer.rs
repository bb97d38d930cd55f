//! The thread that writes: everything queued becomes one `write` per batch.
//!
//! Ahead of what is written lies a runway of zeros. A file that grows has its new size and blocks
//! committed by the file system with each sync, behind whatever else that has to commit; in a file that
//! does not grow a sync costs what the disk costs (seen: p99 3.7 against 0.6 ms).

use std::collections::VecDeque;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Waker;
use std::time::Duration;

use parking_lot::Mutex;

use crate::commit::{Urgency, Written};
use crate::error::Failure;
use crate::options::Syncs;
use crate::queue::{Batch, Taken};
use crate::segment::Segment;
use crate::shared::{Shared, Watch};
use crate::syncer::Syncer;

static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// Free space is measured after as many batches or bytes, and when nothing was written for a while.
const MEASURE_BATCHES: u32 = 64;
const MEASURE_BYTES: u64 = 8 << 20;
const MEASURE_IDLE: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Writer {
    shared: Arc<Shared>,
    syncer: Arc<Mutex<Syncer>>,
    dir: PathBuf,
    segment: Arc<Segment>,
    file: Arc<File>,
    position: u64,
    /// Where the runway ends.
    prepared: u64,
    /// Next offset per lane.
    next: Box<[u64]>,
    ticket: u64,
    pending: VecDeque<Batch>,
    woken: Vec<Waker>,
    unmeasured: (u32, u64),
}

impl Writer {
    pub(crate) fn new(
        shared: Arc<Shared>,
        syncer: Arc<Mutex<Syncer>>,
        dir: PathBuf,
        segment: Arc<Segment>,
        file: Arc<File>,
        next: Box<[u64]>,
    ) -> Self {
        Self {
            shared,
            syncer,
            dir,
            position: segment.length(),
            prepared: segment.length(),
            segment,
            file,
            next,
            ticket: 0,
            pending: VecDeque::new(),
            woken: Vec::new(),
            unmeasured: (0, 0),
        }
    }

    pub(crate) fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        let _watch = Watch(&shared);
        loop {
            match shared.queue.take(&mut self.pending, MEASURE_IDLE) {
                Taken::Batches => {
                    while let Some(batch) = self.pending.pop_front() {
                        if let Err(failure) = self.write(batch) {
                            shared.fail(&failure);
                            return;
                        }
                    }
                }
                Taken::Nothing => shared.space.measure(),
                Taken::End => break,
            }
        }
        // What is left of the runway only costs the next start a look.
        let _ = self.file.set_len(self.position);
        shared.commits.end();
        shared.close();
    }

    fn write(&mut self, batch: Batch) -> Result<(), Failure> {
        if self.position >= self.shared.options.segment_bytes {
            self.roll()?;
        }
        self.file
            .write_all_at(&batch.bytes, self.position)
            .map_err(|source| Failure {
                during: "write of",
                file: self.segment.path.clone(),
                source,
            })?;
        let size = batch.bytes.len() as u64;
        self.position += size;
        self.ticket += batch.records as u64;
        self.next.copy_from_slice(&batch.next);
        let urgency = batch.urgency;
        self.announce(batch);
        self.sync(urgency)?;
        self.prepare();
        self.measure(size);
        Ok(())
    }

    /// Syncs for those who wait, unless another thread is at it: that one looks again when it is done.
    fn sync(&mut self, urgency: Urgency) -> Result<(), Failure> {
        if (urgency, self.shared.options.syncs) != (Urgency::Now, Syncs::Writing) {
            return Ok(());
        }
        match self.syncer.try_lock() {
            Some(mut syncer) => syncer.sync(&self.shared),
            None => Ok(()),
        }
    }

    /// Lays out the next piece of the runway. A disk that has no room for it may have room for records.
    fn prepare(&mut self) {
        if self.position < self.prepared {
            return;
        }
        let options = &self.shared.options;
        let most = options.segment_bytes.max(self.position);
        let upto = most.min(self.position + options.runway_bytes);
        self.prepared = self.position;
        while self.prepared < upto {
            let piece = (upto - self.prepared).min(ZEROS.len() as u64);
            let zeros = ZEROS.get(..piece as usize).unwrap_or_default();
            if self.file.write_all_at(zeros, self.prepared).is_err() {
                break;
            }
            self.prepared += piece;
        }
    }

    /// Closes the segment and begins the next one. The syncer makes both last, and moves its mark on
    /// only then: a segment before the mark ends with its last record.
    fn roll(&mut self) -> Result<(), Failure> {
        self.file.set_len(self.position).map_err(|source| Failure {
            during: "cut of",
            file: self.segment.path.clone(),
            source,
        })?;
        let sequence = self.segment.sequence + 1;
        let segment = Arc::new(Segment::new(&self.dir, sequence, self.next.clone()));
        let file = segment.create().map_err(|source| Failure {
            during: "creation of",
            file: segment.path.clone(),
            source,
        })?;
        self.shared.segments.push(Arc::clone(&segment));
        self.position = segment.length();
        self.prepared = self.position;
        self.segment = segment;
        self.file = Arc::new(file);
        Ok(())
    }

    /// Tells readers, waiting appends and the syncer.
    fn announce(&mut self, batch: Batch) {
        let shared = &self.shared;
        let (bytes, urgency) = (batch.bytes.len() as u64, batch.urgency);
        self.segment.remember(self.position, &self.next);
        for (end, next) in shared.ends.iter().zip(&self.next) {
            end.store(*next, Ordering::Release);
        }
        self.segment.publish(self.position);
        shared.queue.release(batch);
        let written = Written {
            segment: &self.segment,
            file: &self.file,
            position: self.position,
            ticket: self.ticket,
            ends: &self.next,
            bytes,
            urgency,
        };
        shared.commits.written(&written, shared.options.syncs);
        shared.written.advance(self.ticket, &mut self.woken);
        shared.appended.notify_waiters();
        shared.commits.wait_for_room();
    }

    fn measure(&mut self, size: u64) {
        self.unmeasured.0 += 1;
        self.unmeasured.1 += size;
        if self.unmeasured.0 >= MEASURE_BATCHES || self.unmeasured.1 >= MEASURE_BYTES {
            self.unmeasured = (0, 0);
            self.shared.space.measure();
        }
    }
}
