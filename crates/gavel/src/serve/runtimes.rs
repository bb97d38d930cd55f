//! One runtime each for connections and clicks, for leads, and for the worker, so that a batch of
//! the worker never shows in an auction.

use std::num::NonZero;
use std::time::Duration;

use anyhow::Context as _;
use tokio::runtime::{Builder, Runtime};

/// The worker yields to everybody else.
const NICE: i32 = 10;

/// The runtimes of a process.
pub(super) struct Runtimes {
    /// Connections, clicks, postbacks. Where one thread has to do, it is the one that blocks on this: it has
    /// nobody to share its tasks with.
    pub(super) front: Runtime,
    /// Auctions.
    pub(super) leads: Runtime,
    /// Batches.
    pub(super) work: Runtime,
}

impl Runtimes {
    pub(super) fn start() -> anyhow::Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        let half = cores.div_ceil(2);
        Ok(Self {
            front: match half {
                1 => build("front", &mut Builder::new_current_thread(), || {})?,
                threads => build("front", &mut pool(threads), || {})?,
            },
            leads: build("leads", &mut pool(half), || {})?,
            work: build("work", &mut pool(half.min(2)), lower_priority)?,
        })
    }

    /// Ends them; what still runs gets a moment.
    pub(super) fn stop(self) {
        const MOMENT: Duration = Duration::from_secs(1);
        self.leads.shutdown_timeout(MOMENT);
        self.work.shutdown_timeout(MOMENT);
        self.front.shutdown_timeout(MOMENT);
    }
}

fn pool(threads: usize) -> Builder {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(threads);
    builder
}

fn build(
    name: &'static str,
    builder: &mut Builder,
    on_start: impl Fn() + Send + Sync + 'static,
) -> anyhow::Result<Runtime> {
    builder
        .thread_name(name)
        .on_thread_start(on_start)
        .enable_all()
        .build()
        .with_context(|| format!("cannot start the runtime {name}"))
}

fn lower_priority() {
    // On Linux a nice value belongs to the thread.
    if let Err(error) = rustix::process::nice(NICE) {
        tracing::warn!(%error, "cannot lower the worker's priority");
    }
}
