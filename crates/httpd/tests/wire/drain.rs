//! Stopping: nothing new, everything begun is answered, and not for ever.

use httpd::{Drained, Limits};
use tokio::net::TcpStream;

use crate::client::Client;
use crate::lab::{LIMITS, Lab, SHORT};

#[tokio::test]
async fn a_drain_answers_what_is_in_progress_and_closes_the_rest() {
    let lab = Lab::start(LIMITS);
    let mut idle = Client::to(lab.address).await;
    idle.send("GET /ok HTTP/1.1\r\n\r\n").await;
    idle.answer().await;
    let mut busy = Client::to(lab.address).await;
    busy.send("GET /hold HTTP/1.1\r\n\r\n").await;
    lab.held.notified().await;

    lab.shutdown.cancel();
    assert!(idle.closed().await, "an idle connection is closed at once");
    lab.connections(1).await;
    assert!(
        TcpStream::connect(lab.address).await.is_err(),
        "nobody listens any more"
    );
    assert!(!lab.served.is_finished());

    lab.release.notify_one();
    let (head, body) = busy.answer().await;
    assert_eq!(body, "held\n");
    assert!(head.contains("\r\nconnection: close\r\n"), "{head}");
    assert!(busy.closed().await);
    assert_eq!(lab.served.await.unwrap(), Drained::Finished);
}

#[tokio::test]
async fn a_drain_does_not_wait_for_ever() {
    let lab = Lab::start(Limits {
        drain_timeout: SHORT,
        ..LIMITS
    });
    let mut busy = Client::to(lab.address).await;
    busy.send("GET /hold HTTP/1.1\r\n\r\n").await;
    lab.held.notified().await;
    lab.shutdown.cancel();
    assert_eq!(lab.served.await.unwrap(), Drained::Cut(1));
    assert!(busy.closed().await);
}
