//! The live line on standard error: what clients were told so far.

use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use traffic::Driver;

/// Where nobody watches, a line of its own every so many seconds is enough.
const UNWATCHED: u64 = 5;

/// Shows the counts once a second until it is told to stop.
pub(super) async fn show(driver: Arc<Driver>, seconds: u64, stop: CancellationToken) {
    let watched = std::io::stderr().is_terminal();
    let mut second = 0;
    loop {
        let stopped = tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(1)) => false,
            () = stop.cancelled() => true,
        };
        second += 1;
        let counts = driver.live.counts();
        let line = format!(
            "{:>3}/{seconds} s  clicks {}  pings {} (quoted {})  leads {} (sold {}, pending {})  \
             conversions {}  refused {}",
            second.min(seconds),
            counts.clicks,
            counts.pings,
            counts.quoted,
            counts.leads,
            counts.sold,
            counts.pending,
            counts.conversions,
            counts.refused,
        );
        let mut err = std::io::stderr();
        // A progress line that cannot be shown is no reason to stop.
        let _ = if watched {
            write!(err, "\r{line}{}", if stopped { "\n" } else { "" }).and_then(|()| err.flush())
        } else if stopped || second % UNWATCHED == 0 {
            writeln!(err, "{line}")
        } else {
            Ok(())
        };
        if stopped {
            return;
        }
    }
}
