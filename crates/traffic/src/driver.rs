//! The driver: starts visitors at their times, whatever became of those before, and lets each live its
//! story.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use domain::Clock;
use tokio_util::task::TaskTracker;

use crate::ask::Asking;
use crate::book::Book;
use crate::control::Control;
use crate::gate::Gate;
use crate::live::Live;
use crate::{Dice, Mix, Pace, Patience, Pool, World};

/// Visitors under way at once, at most; the driver counts those it could not start.
const VISITORS: usize = 50_000;

/// Everything a story needs.
pub struct Driver {
    /// The visitors' connections to the service's public port.
    pub browsers: Pool,
    /// Those of the publishers' servers.
    pub publishers: Pool,
    /// Who takes part.
    pub world: World,
    /// What happens how often.
    pub mix: Mix,
    /// How long a request is repeated.
    pub patience: Patience,
    /// What clients were told.
    pub book: Book,
    /// Stories that must not repeat their request yet.
    pub gate: Arc<Gate>,
    /// Counts for a progress line.
    pub live: Live,
    /// Direct calls to buyers, one per auction.
    pub control: Option<Arc<Control>>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Visitors so far.
    pub visitors: AtomicU64,
}

/// How a stretch of traffic went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// Visitors that could not be started because too many were under way.
    pub not_started: u64,
    /// The most by which the driver itself was late with a start.
    pub latest_start: Duration,
}

impl Driver {
    /// Sends visitors for `length`, then waits until the last one's story has ended. `stop` may become
    /// true to send no more.
    pub async fn run(
        self: &Arc<Self>,
        mut dice: Dice,
        length: Duration,
        stop: &tokio_util::sync::CancellationToken,
    ) -> Stretch {
        let visitors_per_s = self.mix.leads_per_s / self.mix.lead_share.max(f64::EPSILON);
        let mut pace = Pace::new(dice.fork(), visitors_per_s, self.clock.mono(), length);
        let stories = TaskTracker::new();
        let mut stretch = Stretch {
            not_started: 0,
            latest_start: Duration::ZERO,
        };
        loop {
            let due = tokio::select! {
                due = pace.next(self.clock.as_ref()) => due,
                () = stop.cancelled() => None,
            };
            let Some(due) = due else { break };
            stretch.latest_start = stretch.latest_start.max(self.clock.mono().since(due));
            let dice = dice.fork();
            if stories.len() >= VISITORS {
                stretch.not_started += 1;
                continue;
            }
            let driver = Arc::clone(self);
            let number = self.visitors.fetch_add(1, Relaxed);
            stories.spawn(async move { driver.visit(number, dice).await });
        }
        stories.close();
        stories.wait().await;
        stretch
    }

    pub(crate) fn asking<'a>(&'a self, pool: &'a Pool) -> Asking<'a> {
        Asking {
            pool,
            book: &self.book,
            gate: &self.gate,
            patience: self.patience,
            clock: self.clock.as_ref(),
        }
    }
}
