//! The runway: zeros ahead of the records, and the thread that lays them out.
//!
//! A file that grows has its new size and blocks committed by the file system with each sync, behind whatever
//! else that has to commit; in a file that does not grow a sync costs what the disk costs (seen: p99 3.7 against
//! 0.6 ms). Zeros have to be written and committed too. So they come in pieces, each synced by the thread that
//! laid it out, before the pen gets there: who waits for a record waits at most for the rest of one piece.

use parking_lot::{Condvar, Mutex};

use crate::error::Failure;
use crate::shared::{Shared, Watch};

/// What the pen lays out at a time.
pub(crate) static PIECE: [u8; 256 << 10] = [0; 256 << 10];

/// Whether there is something to do.
#[derive(Debug, Default)]
pub(crate) struct Runway {
    state: Mutex<State>,
    told: Condvar,
}

#[derive(Debug, Default)]
struct State {
    asked: bool,
    ended: bool,
}

impl Runway {
    /// Asks for what is missing: the pen has come near its end.
    pub(crate) fn ask(&self) {
        self.state.lock().asked = true;
        self.told.notify_one();
    }

    /// Nothing is laid out any more.
    pub(crate) fn end(&self) {
        self.state.lock().ended = true;
        self.told.notify_one();
    }

    /// Waits until somebody asks; false at the end.
    fn wait(&self) -> bool {
        let mut state = self.state.lock();
        while !state.asked && !state.ended {
            self.told.wait(&mut state);
        }
        state.asked = false;
        !state.ended
    }

    fn has_ended(&self) -> bool {
        self.state.lock().ended
    }
}

/// The thread.
pub(crate) fn run(shared: &Shared) {
    let _watch = Watch(shared);
    while shared.runway.wait() {
        if let Err(failure) = lay(shared) {
            shared.fail(&failure);
            return;
        }
    }
}

/// Lays out what is missing. The pen is held for the copy of a piece into the kernel, and not for its sync.
fn lay(shared: &Shared) -> Result<(), Failure> {
    loop {
        let mut pen = shared.pen.lock();
        // With the pen in hand: the writer cuts the runway at the end, and nothing grows it again.
        if shared.runway.has_ended() {
            return Ok(());
        }
        let Some((segment, file)) = pen.lay(&shared.options) else {
            return Ok(());
        };
        drop(pen);
        // The file is the syncer's too: an error that is told here is not told there.
        file.sync_data().map_err(|source| Failure {
            during: "sync of",
            file: segment.path.clone(),
            source,
        })?;
    }
}
