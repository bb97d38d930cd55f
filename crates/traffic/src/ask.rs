//! Asking until there is a complete answer: the same request with the same key, again and again, within
//! a limit.

use domain::Clock;
use http::StatusCode;

use crate::book::{Asked, Book, Told, UnansweredTold};
use crate::gate::Gate;
use crate::{Answered, Call, Patience, Pool, Unanswered};

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
        loop {
            attempts += 1;
            let why = match self.pool.call(call.clone()).await {
                Ok(answered) if !again(answered.status) => {
                    return Some(Heard { answered, attempts });
                }
                Ok(shed) => shed.status.to_string(),
                Err(unanswered) => {
                    let why = unanswered.to_string();
                    // A connection that never came about has carried no request.
                    if !matches!(unanswered, Unanswered::Connect(_)) {
                        let told = UnansweredTold {
                            asked,
                            key: key.to_owned(),
                            why: why.clone(),
                        };
                        self.book.write(Told::Unanswered(told));
                    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;
    use std::sync::Arc;
    use std::time::Duration;

    use domain::{Mono, Timestamp};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    /// Stands still: limits are not what is tested here.
    struct Still;

    impl Clock for Still {
        fn wall(&self) -> Timestamp {
            Timestamp::default()
        }
        fn mono(&self) -> Mono {
            Mono::default()
        }
    }

    /// Answers one connection after the other with these bytes, then closes it.
    async fn server(answers: &'static [&'static str]) -> (SocketAddr, tokio::task::JoinSet<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(async move {
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut head = [0; 1024];
                assert!(stream.read(&mut head).await.unwrap() > 0);
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        (addr, tasks)
    }

    async fn ask(addr: SocketAddr, limit: Duration) -> (Option<Heard>, Vec<Told>) {
        let clock: Arc<dyn Clock> = Arc::new(Still);
        let pool = Pool::new(addr, 1, Duration::from_secs(5), Arc::clone(&clock));
        let dir = tempfile::tempdir().unwrap();
        let book = Book::create(&dir.path().join("book.jsonl")).unwrap();
        let asking = Asking {
            pool: &pool,
            book: &book,
            gate: &Gate::default(),
            patience: Patience {
                pause: Duration::from_millis(1),
                limit,
            },
            clock: clock.as_ref(),
        };
        let heard = asking
            .ask(Asked::Post, "key", "marker", Call::get("/"))
            .await;
        (heard, book.read().unwrap())
    }

    #[tokio::test]
    async fn what_breaks_or_sheds_is_asked_again_until_there_is_an_answer() {
        let (addr, _server) = server(&[
            "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\ncut",
            "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok",
        ])
        .await;
        let (heard, told) = ask(addr, Duration::from_secs(60)).await;
        let heard = heard.unwrap();
        assert_eq!(
            (heard.attempts, heard.answered.body.as_ref()),
            (3, b"ok".as_slice())
        );
        let [Told::Unanswered(first)] = told.as_slice() else {
            panic!("{told:?}")
        };
        assert_eq!((first.asked, first.key.as_str()), (Asked::Post, "key"));
    }

    #[tokio::test]
    async fn patience_ends_and_the_book_says_so() {
        let (addr, server) = server(&[]).await;
        drop(server);
        let (heard, told) = ask(addr, Duration::ZERO).await;
        assert!(heard.is_none());
        assert!(matches!(told.as_slice(), [Told::GivenUp(_)]), "{told:?}");
    }
}
