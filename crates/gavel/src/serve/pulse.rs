//! Whether ClickHouse answers: asked all the time, because the worker asks only when it has rows.
//!
//! A service that has not seen its tables yet is not ready: they may be of another version. One that
//! has goes on when it is away, as auctions and clicks do not need it; readiness says so, and since when.

use std::sync::Arc;
use std::time::Duration;

use domain::Clock;
use httpd::Standing;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use warehouse::Warehouse;

/// Between two questions, and before the first answer.
const EVERY: Duration = Duration::from_secs(2);
const AT_FIRST: Duration = Duration::from_millis(100);
/// An answer that takes longer is none.
const PATIENCE: Duration = Duration::from_secs(2);

/// Asks until `end`, and tells how it stands.
pub(super) async fn watch(
    warehouse: Warehouse,
    clock: Arc<dyn Clock>,
    standing: watch::Sender<Standing>,
    end: CancellationToken,
) {
    loop {
        let first = matches!(*standing.borrow(), Standing::Missing { .. });
        let asked = async {
            match first {
                true => warehouse.is_migrated().await,
                false => warehouse.ping().await,
            }
        };
        let asked = tokio::time::timeout(PATIENCE, asked);
        let answered = tokio::select! {
            () = end.cancelled() => return,
            answered = asked => answered,
        };
        let wrong = match answered {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some("no answer in time".to_owned()),
        };
        standing.send_modify(|standing| *standing = next(standing, wrong, clock.as_ref()));
        let pause = match *standing.borrow() {
            Standing::Missing { .. } => AT_FIRST,
            Standing::Ok | Standing::Away { .. } => EVERY,
        };
        tokio::select! {
            () = end.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

fn next(before: &Standing, wrong: Option<String>, clock: &dyn Clock) -> Standing {
    match (before, wrong) {
        (_, None) => Standing::Ok,
        (Standing::Missing { .. }, Some(what)) => Standing::Missing { what },
        (Standing::Ok, Some(what)) => Standing::Away {
            what,
            since: clock.wall(),
        },
        (Standing::Away { since, .. }, Some(what)) => Standing::Away {
            what,
            since: *since,
        },
    }
}

#[cfg(test)]
mod tests {
    use domain::{Mono, Timestamp};

    use super::*;

    struct At(i64);

    impl Clock for At {
        fn wall(&self) -> Timestamp {
            Timestamp::from_micros(self.0)
        }

        fn mono(&self) -> Mono {
            Mono::default()
        }
    }

    #[test]
    fn who_has_answered_once_is_away_since_the_first_silence() {
        let told = |text: &str| Some(text.to_owned());
        let mut standing = Standing::missing("nothing heard yet");
        let mut steps = Vec::new();
        for (at, wrong) in [
            (1, told("refused")),
            (2, None),
            (3, told("reset")),
            (4, told("refused")),
            (5, None),
        ] {
            standing = next(&standing, wrong, &At(at));
            steps.push(standing.clone());
        }
        let away = |what: &str| Standing::Away {
            what: what.to_owned(),
            since: Timestamp::from_micros(3),
        };
        assert_eq!(
            steps,
            [
                Standing::missing("refused"),
                Standing::Ok,
                away("reset"),
                away("refused"),
                Standing::Ok
            ]
        );
    }
}
