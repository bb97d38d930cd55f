//! The first wait for what nodes share. The first node that starts on an empty Redis finds one that may have lost
//! something, and makes it again from the log; who is at work before that is done would complain of what is no fault.

use std::future::Future;
use std::time::Duration;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// After this who waits begins all the same, as if the loss had come later. It is longer than most logs and the
/// quiet that they are read after take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until it is at hand, and says whether there is something to begin: not if `end` came first.
pub(super) async fn wait(
    who: &'static str,
    at_hand: impl Future<Output = ()>,
    end: &CancellationToken,
) -> bool {
    within(PATIENCE, who, at_hand, end).await
}

async fn within(
    patience: Duration,
    who: &'static str,
    at_hand: impl Future<Output = ()>,
    end: &CancellationToken,
) -> bool {
    let waited = end.run_until_cancelled(timeout(patience, at_hand)).await;
    if let Some(Err(_)) = waited {
        tracing::warn!(
            who,
            "what nodes share is not made again yet: this begins, and gets on when it is"
        );
    }
    waited.is_some()
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    const LONG: Duration = Duration::from_secs(600);

    #[tokio::test]
    async fn who_waits_begins_at_once_or_when_patience_is_over_and_never_after_the_end() {
        let end = CancellationToken::new();
        assert!(within(LONG, "worker", ready(()), &end).await);
        assert!(within(Duration::ZERO, "worker", pending(), &end).await);
        end.cancel();
        assert!(!within(LONG, "worker", pending(), &end).await);
    }
}
