//! The pen: everything queued becomes one `write` per batch, on the thread of who appended it or on one
//! that is there for it.
//!
//! A copy into the kernel costs less than waking a thread and being woken by it. So who waits for the kernel
//! alone writes himself, if nobody else does and nothing has to be done that may take longer: a new
//! segment, bytes beyond the runway, a sync that somebody waits for.

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
use crate::options::{Options, Syncs};
use crate::queue::{Batch, Next, Waited};
use crate::runway::PIECE;
use crate::segment::Segment;
use crate::shared::{Shared, Watch};
use crate::syncer::Syncer;

/// Free space is measured after as many batches or bytes, and when nothing was written for a while.
const MEASURE_BATCHES: u32 = 64;
const MEASURE_BYTES: u64 = 8 << 20;
const MEASURE_IDLE: Duration = Duration::from_secs(1);

/// The largest batch that is not left to the thread.
const HERE_BYTES: usize = 64 << 10;
/// Batches that are written for others in one go.
const HERE_BATCHES: usize = 4;

/// Where the next bytes go. Who holds it takes the next batch and writes it, so batches keep their order.
#[derive(Debug)]
pub(crate) struct Pen {
    dir: PathBuf,
    segment: Arc<Segment>,
    file: Arc<File>,
    position: u64,
    /// Where the runway ends, or the records where there is none.
    prepared: u64,
    /// More of the runway was asked for, and is not all there yet.
    asked: bool,
    /// Next offset per lane.
    next: Box<[u64]>,
    ticket: u64,
    woken: Vec<Waker>,
    unmeasured: (u32, u64),
}

/// The thread: it does what nobody else has done.
pub(crate) fn run(shared: &Shared, syncer: &Mutex<Syncer>) {
    let _watch = Watch(shared);
    loop {
        match shared.queue.wait(MEASURE_IDLE) {
            Waited::Batches => {
                if let Err(failure) = write(shared, syncer) {
                    shared.fail(&failure);
                    return;
                }
            }
            Waited::Nothing => shared.space.measure(),
            Waited::End => break,
        }
    }
    shared.runway.end();
    // What is left of the runway only costs the next start a look.
    let pen = shared.pen.lock();
    let _ = pen.file.set_len(pen.position);
    shared.commits.end();
    shared.close();
}

/// Writes the next batch, and sees to what the one after it needs.
fn write(shared: &Shared, syncer: &Mutex<Syncer>) -> Result<(), Failure> {
    let mut pen = shared.pen.lock();
    if let Next::Batch(batch) = shared.queue.next(|_| true) {
        if pen.position >= shared.options.segment_bytes {
            pen.roll(shared)?;
        }
        let urgency = batch.urgency;
        pen.write(shared, batch, shared.options.syncs)?;
        drop(pen);
        shared.commits.wait_for_room();
        if urgency.is_met_by_writer(shared.options.syncs) {
            sync(shared, syncer)?;
            shared.appended.notify_waiters();
        }
        pen = shared.pen.lock();
    }
    pen.measure(shared);
    Ok(())
}

/// Syncs, unless another thread is at it: that one looks again when it is done.
fn sync(shared: &Shared, syncer: &Mutex<Syncer>) -> Result<(), Failure> {
    match syncer.try_lock() {
        Some(mut syncer) => syncer.sync(shared),
        None => Ok(()),
    }
}

/// Writes what is queued on this thread, as far as that takes no longer than a copy; the rest is left to the
/// thread that is there for it.
pub(crate) fn write_here(shared: &Shared) {
    let Some(mut pen) = shared.pen.try_lock() else {
        return shared.queue.wake_writer();
    };
    for _ in 0..HERE_BATCHES {
        let next = shared.queue.next(|batch| pen.is_quick(shared, batch));
        let written = match next {
            Next::Batch(batch) => pen.write(shared, batch, Syncs::Beside),
            Next::Nothing => return,
            Next::Refused => break,
        };
        if let Err(failure) = written {
            return shared.fail(&failure);
        }
    }
    drop(pen);
    shared.queue.wake_writer();
}

impl Pen {
    pub(crate) fn new(
        dir: PathBuf,
        segment: Arc<Segment>,
        file: Arc<File>,
        next: Box<[u64]>,
    ) -> Self {
        Self {
            dir,
            position: segment.length(),
            prepared: segment.length(),
            asked: false,
            segment,
            file,
            next,
            ticket: 0,
            woken: Vec::new(),
            unmeasured: (0, 0),
        }
    }

    /// Whether a batch is written by a copy into the kernel, and nothing else is to be done before or after.
    fn is_quick(&self, shared: &Shared, batch: &Batch) -> bool {
        batch.urgency == Urgency::Soon
            && batch.bytes.len() <= HERE_BYTES
            && self.position + batch.bytes.len() as u64 <= self.prepared
            && !self.is_unmeasured()
            && shared.commits.has_room()
    }

    fn write(&mut self, shared: &Shared, batch: Batch, syncs: Syncs) -> Result<(), Failure> {
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
        self.unmeasured.0 += 1;
        self.unmeasured.1 += size;
        self.announce(shared, batch, syncs);
        self.prepared = self.prepared.max(self.position);
        if !self.asked
            && self.prepared < self.reach(&shared.options, shared.options.runway_bytes / 2)
        {
            self.asked = true;
            shared.runway.ask();
        }
        Ok(())
    }

    /// Where a runway ends of which so many bytes lie ahead; it never reaches beyond its segment.
    fn reach(&self, options: &Options, bytes: u64) -> u64 {
        let most = options.segment_bytes.max(self.position);
        most.min(self.position + bytes)
    }

    /// Lays out the next piece of the runway, which is to be synced then; nothing when all of it is there. A disk
    /// that has no room for it may have room for records.
    pub(crate) fn lay(&mut self, options: &Options) -> Option<(Arc<Segment>, Arc<File>)> {
        let missing = self
            .reach(options, options.runway_bytes)
            .saturating_sub(self.prepared);
        let piece = missing.min(PIECE.len() as u64);
        let zeros = PIECE.get(..piece as usize).unwrap_or_default();
        if zeros.is_empty() || self.file.write_all_at(zeros, self.prepared).is_err() {
            self.asked = false;
            return None;
        }
        self.prepared += piece;
        Some((Arc::clone(&self.segment), Arc::clone(&self.file)))
    }

    /// Closes the segment and begins the next one. The syncer makes both last, and moves its mark on
    /// only then: a segment before the mark ends with its last record.
    fn roll(&mut self, shared: &Shared) -> Result<(), Failure> {
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
        shared.segments.push(Arc::clone(&segment));
        self.position = segment.length();
        self.prepared = self.position;
        self.segment = segment;
        self.file = Arc::new(file);
        Ok(())
    }

    /// Tells waiting appends, the syncer and readers.
    fn announce(&mut self, shared: &Shared, batch: Batch, syncs: Syncs) {
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
        shared.commits.written(&written, syncs);
        shared.written.advance(self.ticket, &mut self.woken);
        // Who waits for the sync comes first: readers are told after it.
        if !urgency.is_met_by_writer(syncs) {
            shared.appended.notify_waiters();
        }
    }

    fn is_unmeasured(&self) -> bool {
        self.unmeasured.0 >= MEASURE_BATCHES || self.unmeasured.1 >= MEASURE_BYTES
    }

    fn measure(&mut self, shared: &Shared) {
        if self.is_unmeasured() {
            self.unmeasured = (0, 0);
            shared.space.measure();
        }
    }
}
