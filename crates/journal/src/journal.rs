//! The handle: open, append, read, trim, close.

use std::fs;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::thread::{Builder, JoinHandle};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::commit::Commits;
use crate::error::{AppendError, OpenError, ReadError};
use crate::frame::MAX_LANES;
use crate::lock::DirLock;
use crate::options::{Ack, Options, Space};
use crate::progress::Progress;
use crate::queue::{Place, Queue};
use crate::reader::Reader;
use crate::repair::{Opened, repair};
use crate::runway::{self, Runway};
use crate::segments::Segments;
use crate::shared::Shared;
use crate::space::SpaceGate;
use crate::syncer::{self, Syncer, sync_dir};
use crate::writer::{self, Pen};

/// An open journal. Dropping it closes it.
#[derive(Debug)]
pub struct Journal {
    shared: Arc<Shared>,
    dir: PathBuf,
    running: Mutex<Option<Running>>,
}

#[derive(Debug)]
struct Running {
    threads: Vec<JoinHandle<()>>,
    _lock: DirLock,
}

impl Journal {
    /// Opens the journal in `dir`, or makes one, and repairs what a crash left behind. Reads files
    /// for some tens of milliseconds: not for an async worker.
    pub fn open(dir: &Path, options: Options) -> Result<(Self, Opened), OpenError> {
        if !(1..=MAX_LANES).contains(&options.lanes) {
            return Err(OpenError::LaneCount { max: MAX_LANES });
        }
        let io = |source| OpenError::Io {
            file: dir.to_owned(),
            source,
        };
        fs::create_dir_all(dir).map_err(io)?;
        let lock = DirLock::take(dir)?;
        let repaired = repair(dir, options.lanes)?;
        let ends: Box<[u64]> = repaired.opened.ends.as_slice().into();
        let named = repaired.last.sequence;
        let shared = Arc::new(Shared {
            queue: Queue::new(options.queue_records, options.queue_bytes, ends.clone()),
            pen: Mutex::new(Pen::new(
                dir.to_owned(),
                repaired.last,
                Arc::new(repaired.file),
                ends.clone(),
            )),
            runway: Runway::default(),
            commits: Commits::default(),
            segments: Segments::new(repaired.segments),
            space: SpaceGate::open(dir, options.reserve_bytes).map_err(io)?,
            ends: ends.iter().map(|end| AtomicU64::new(*end)).collect(),
            durable_ends: ends.iter().map(|end| AtomicU64::new(*end)).collect(),
            synced: AtomicU64::new(named),
            written: Progress::default(),
            durable: Progress::default(),
            appended: Notify::new(),
            closed: AtomicBool::new(false),
            telling: AtomicBool::new(false),
            options,
        });
        let syncer = Syncer::new(dir.to_owned(), repaired.mark, named);
        let syncer = Arc::new(Mutex::new(syncer));
        let mut threads = Vec::with_capacity(3);
        if let Err(source) = start(&shared, &syncer, dir, &mut threads) {
            shared.queue.end(AppendError::Closed);
            join(threads);
            return Err(io(source));
        }
        let running = Mutex::new(Some(Running {
            threads,
            _lock: lock,
        }));
        Ok((
            Self {
                shared,
                dir: dir.to_owned(),
                running,
            },
            repaired.opened,
        ))
    }

    /// Queues one record. Queueing is done when this returns, in the order of the calls; the answer
    /// resolves to the record's offset once it is acknowledged, and may be dropped unheard.
    pub fn append(
        &self,
        lane: u16,
        payload: Bytes,
        ack: Ack,
        space: Space,
    ) -> Result<Appended, AppendError> {
        let bytes = self.check(lane, &payload, space)?;
        let place = self
            .shared
            .queue
            .push([(lane, payload)].into_iter(), bytes, ack)?;
        Ok(self.appended(place, ack))
    }

    /// Queues several records as one: next to each other, acknowledged together, and after a crash
    /// all there or none. Resolves to the offset of the last one.
    pub fn append_all(
        &self,
        records: Vec<(u16, Bytes)>,
        ack: Ack,
        space: Space,
    ) -> Result<Appended, AppendError> {
        if records.is_empty() {
            return Err(AppendError::Empty);
        }
        let mut bytes = 0;
        for (lane, payload) in &records {
            bytes += self.check(*lane, payload, space)?;
        }
        let place = self.shared.queue.push(records.into_iter(), bytes, ack)?;
        Ok(self.appended(place, ack))
    }

    fn check(&self, lane: u16, payload: &Bytes, space: Space) -> Result<usize, AppendError> {
        if lane >= self.shared.options.lanes {
            return Err(AppendError::NoLane);
        }
        if payload.len() > self.shared.options.largest_record() {
            return Err(AppendError::TooLarge);
        }
        if !self.shared.space.allows(space) {
            return Err(AppendError::NoSpace);
        }
        Ok(payload.len())
    }

    fn appended(&self, place: Place, ack: Ack) -> Appended {
        Appended {
            shared: Arc::clone(&self.shared),
            place,
            ack,
            handed: Handed::Queued,
        }
    }

    /// Whether there is disk space for `space`, as last measured: for a shell that wants to refuse
    /// work before it begins.
    pub fn has_space(&self, space: Space) -> bool {
        self.shared.space.allows(space)
    }

    /// A reader that gives the records of each lane from that lane's offset on. A lane at `u64::MAX`
    /// (or past the end of `from`) is left out; an offset past the end is waited for.
    pub fn reader(&self, from: Vec<u64>) -> Result<Reader, ReadError> {
        Reader::open(Arc::clone(&self.shared), from)
    }

    /// First offset kept per lane.
    pub fn starts(&self) -> Vec<u64> {
        self.shared.segments.starts()
    }

    /// Next offset per lane: readers can read up to it now.
    pub fn ends(&self) -> Vec<u64> {
        load(&self.shared.ends)
    }

    /// Next offset per lane that a power cut cannot take: every record below it is synced.
    pub fn durable_ends(&self) -> Vec<u64> {
        load(&self.shared.durable_ends)
    }

    /// Deletes whole segments, oldest first, whose records are all below `upto` of their lane and
    /// whose last append is older than `older_than` (microseconds since 1970). Gives how many. The
    /// caller knows who still needs what. The segment being written always stays.
    pub fn trim(&self, upto: &[u64], older_than: i64) -> io::Result<usize> {
        let synced = self.shared.synced.load(Ordering::Acquire);
        let gone = self.shared.segments.trim(upto, older_than, synced)?;
        if gone > 0 {
            sync_dir(&self.dir)?;
        }
        Ok(gone)
    }

    /// Takes no more appends, writes and syncs what is queued, ends its threads and lets go of the
    /// directory. Waits for the disk. Readers get what is left, then `None`.
    pub fn close(&self) {
        let mut running = self.running.lock();
        self.shared.queue.end(AppendError::Closed);
        if let Some(running) = running.take() {
            join(running.threads);
        }
    }
}

/// Starts the writer, whose end is the others', then them.
fn start(
    shared: &Arc<Shared>,
    syncer: &Arc<Mutex<Syncer>>,
    dir: &Path,
    threads: &mut Vec<JoinHandle<()>>,
) -> io::Result<()> {
    let topic = dir.file_name().unwrap_or_default().to_string_lossy();
    let named = |name| Builder::new().name(format!("{name}-{topic}"));
    let (own, sync) = (Arc::clone(shared), Arc::clone(syncer));
    threads.push(named("jwrite").spawn(move || writer::run(&own, &sync))?);
    let (own, sync) = (Arc::clone(shared), Arc::clone(syncer));
    threads.push(named("jsync").spawn(move || syncer::run(&own, &sync))?);
    if shared.options.runway_bytes > 0 {
        shared.runway.ask();
        let own = Arc::clone(shared);
        threads.push(named("jlay").spawn(move || runway::run(&own))?);
    }
    Ok(())
}

fn join(threads: Vec<JoinHandle<()>>) {
    for thread in threads {
        // One that panicked has already failed the journal.
        let _ = thread.join();
    }
}

fn load(ends: &[AtomicU64]) -> Vec<u64> {
    ends.iter().map(|end| end.load(Ordering::Acquire)).collect()
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.close();
    }
}

/// An append on its way: resolves to its offset once it is acknowledged.
///
/// It is queued already, and written when somebody waits for it or drops it: what a task appends before it waits
/// for any of it is one `write`, and one sync. The first that only waits for the kernel lets the tasks that are
/// ready run before it writes, for all that they append meanwhile.
#[derive(Debug)]
#[must_use = "an append counts only once it is acknowledged"]
pub struct Appended {
    shared: Arc<Shared>,
    place: Place,
    ack: Ack,
    handed: Handed,
}

/// Whether somebody sees to it that an append is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Handed {
    /// It is in the queue.
    Queued,
    /// Its task lets the others go first, and then writes for all of them.
    Telling,
    /// It is written, or will be by another.
    Told,
}

impl Appended {
    fn tell(&mut self) {
        if self.handed == Handed::Telling {
            // Before the queue is looked at: who queues after this sees to it again.
            self.shared.telling.swap(false, Ordering::SeqCst);
        }
        self.handed = Handed::Told;
        match self.ack {
            Ack::Kernel => writer::write_here(&self.shared),
            Ack::Durable => self.shared.queue.wake_writer(),
        }
    }
}

impl Future for Appended {
    type Output = Result<u64, AppendError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let progress = self.shared.progress(self.ack);
        match self.handed {
            Handed::Queued if progress.has_passed(self.place.ticket) => self.handed = Handed::Told,
            // The disk takes longer than anything that would be done meanwhile.
            Handed::Queued if self.ack == Ack::Durable => self.tell(),
            Handed::Queued if self.shared.telling.swap(true, Ordering::SeqCst) => {
                self.handed = Handed::Told;
            }
            Handed::Queued => {
                self.handed = Handed::Telling;
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            Handed::Telling => self.tell(),
            Handed::Told => {}
        }
        let progress = self.shared.progress(self.ack);
        progress
            .poll(self.place.ticket, context)
            .map_ok(|()| self.place.offset)
    }
}

impl Drop for Appended {
    fn drop(&mut self) {
        // Unheard appends are written like all others.
        if self.handed != Handed::Told {
            self.tell();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::task::Waker;
    use std::time::Duration;

    use super::*;
    use crate::commit::{Urgency, Written};
    use crate::options::{OnFailure, Syncs};
    use crate::segment::Segment;

    /// A device file cannot be synced: the kernel says EINVAL, as a real file would say EIO.
    #[tokio::test]
    async fn after_a_failed_sync_nothing_is_acknowledged() {
        let dir = tempfile::tempdir().unwrap();
        let options = Options {
            on_failure: OnFailure::Stop,
            ..Options::default()
        };
        let (journal, _) = Journal::open(dir.path(), options).unwrap();
        let append = |ack| journal.append(0, Bytes::from_static(b"x"), ack, Space::Admit);
        assert_eq!(append(Ack::Durable).unwrap().await, Ok(0));
        assert_eq!(journal.durable_ends(), [1, 0, 0, 0]);

        let written = Written {
            segment: &Arc::new(Segment::new(dir.path(), 2, [0; 4].into())),
            file: &Arc::new(File::open("/dev/null").unwrap()),
            position: 0,
            ticket: 1,
            ends: &[2, 0, 0, 0],
            bytes: 1,
            urgency: Urgency::Now,
        };
        journal.shared.commits.written(&written, Syncs::Beside);
        let mut reader = journal.reader(vec![1; 4]).unwrap();
        let end = reader.next(1000);
        let end = tokio::time::timeout(Duration::from_secs(10), end)
            .await
            .unwrap();
        assert_eq!(end.unwrap(), None, "it ends because the journal does");
        for ack in [Ack::Kernel, Ack::Durable] {
            assert_eq!(append(ack).unwrap_err(), AppendError::Failed);
        }
        assert_eq!(
            journal.durable_ends(),
            [1, 0, 0, 0],
            "it is not on the disk"
        );
        journal.close();
    }

    #[tokio::test]
    async fn what_is_queued_before_it_is_awaited_is_synced_together() {
        let dir = tempfile::tempdir().unwrap();
        let (journal, _) = Journal::open(dir.path(), Options::default()).unwrap();
        let queue = || {
            let record = Bytes::from_static(b"x");
            journal
                .append(0, record, Ack::Durable, Space::Admit)
                .unwrap()
        };
        let (first, second) = {
            // Whatever the writer is about to do, it does it with both.
            let _pen = journal.shared.pen.lock();
            (queue(), queue())
        };
        assert_eq!(
            first.handed,
            Handed::Queued,
            "it is told when somebody waits"
        );
        assert_eq!(first.await, Ok(0));
        assert_eq!(journal.durable_ends(), [2, 0, 0, 0]);
        assert_eq!(second.await, Ok(1));
        // What nobody waits for is written all the same.
        drop(queue());
        let mut reader = journal.reader(vec![2, 0, 0, 0]).unwrap();
        let read = tokio::time::timeout(Duration::from_secs(10), reader.next(1000)).await;
        assert_eq!(read.unwrap().unwrap().unwrap()[0].offset, 2);
        journal.close();
    }

    #[tokio::test]
    async fn who_tells_the_writer_for_others_and_goes_away_tells_it_all_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let (journal, _) = Journal::open(dir.path(), Options::default()).unwrap();
        // The writer has nothing to do and sleeps.
        journal
            .append(0, Bytes::from_static(b"x"), Ack::Kernel, Space::Admit)
            .unwrap()
            .await
            .unwrap();
        let telling = || journal.shared.telling.load(Ordering::SeqCst);
        for (goes, still) in [(0, false), (1, true)] {
            let append = || {
                let record = Bytes::from_static(b"x");
                journal
                    .append(0, record, Ack::Kernel, Space::Admit)
                    .unwrap()
            };
            let mut appends = vec![append(), append(), append()];
            let mut nobody = Context::from_waker(Waker::noop());
            for append in &mut appends {
                assert!(Pin::new(append).poll(&mut nobody).is_pending());
            }
            assert!(telling());
            drop(appends.remove(goes));
            assert_eq!(
                telling(),
                still,
                "the next one tells the writer if nobody is about to"
            );
            for append in appends {
                append.await.unwrap();
            }
            assert!(!telling());
        }
        journal.close();
    }
}
