//! Asking until there is a complete answer: the same request with the same key, again and again, within
//! a limit.

use domain::Clock;
use http::StatusCode;

use crate::book::{Asked, Book, Told, UnansweredTold};
use crate::gate::Gate;
use crate::{Answered, Call, Patience, Pool};

/// A complete answer that is the last word on a request.
pub(crate) struct Heard {
    pub(crate) answered: Answered,
    pub(crate) attempts: u32,
}

/// What a request goes through.
pub(crate) struct Asking<'a> {
    pub(crate) pool: &'a Pool,
    pub(crate) book: &'a Book,
    pub(crate) gate: &'a Gate,
    pub(crate) patience: Patience,
    pub(crate) clock: &'a dyn Clock,
}

impl Asking<'_> {
    /// Asks until answered. 429 and 503 are complete answers that say "come again", so it comes again.
    pub(crate) async fn ask(
        &self,
        asked: Asked,
        key: &str,
        marker: &str,
        call: Call,
    ) -> Option<Heard> {
        let until = self.clock.mono().plus(self.patience.limit);
        let mut attempts = 0;
        let mut asked_again = false;
        loop {
            attempts += 1;
            let why = match self.pool.call(call.clone()).await {
                Ok(answered) if !again(answered.status) => {
                    return Some(Heard { answered, attempts });
                }
                Ok(shed) => shed.status.to_string(),
                Err(unanswered) => {
                    let why = unanswered.to_string();
                    let told = UnansweredTold {
                        asked,
                        key: key.to_owned(),
                        why: why.clone(),
                    };
                    // A refused connection never carried the request.
                    if !matches!(unanswered, crate::Unanswered::Connect(_)) || !asked_again {
                        self.book.write(Told::Unanswered(told));
                    }
                    asked_again = true;
                    why
                }
            };
            if self.clock.mono() >= until {
                let told = UnansweredTold {
                    asked,
                    key: key.to_owned(),
                    why,
                };
                self.book.write(Told::GivenUp(told));
                return None;
            }
            self.gate.pass(marker).await;
            tokio::time::sleep(self.patience.pause).await;
        }
    }
}

fn again(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
    )
}
