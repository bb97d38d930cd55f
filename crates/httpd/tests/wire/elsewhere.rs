//! Connections that are served on a runtime of their own.

use httpd::{Drained, Limits};

use crate::client::{Client, ask};
use crate::lab::{Apart, LIMITS, Lab, SHORT};

/// The thread that answered.
async fn thread(client: &mut Client, request: &str) -> String {
    client.send(request).await;
    client.answer().await.1
}

#[tokio::test]
async fn a_connection_is_served_where_its_first_request_belongs() {
    let apart = Apart::start();
    let lab = Lab::start_with(LIMITS, |server| {
        server.elsewhere(b"POST /thread", apart.handle())
    });
    let here = ask(lab.address, "GET /thread HTTP/1.1\r\n\r\n").await.2;
    assert_ne!(here, "apart\n");

    let post = "POST /thread HTTP/1.1\r\ncontent-length: 0\r\n\r\n";
    let get = "GET /thread HTTP/1.1\r\n\r\n";
    let mut first_a_post = Client::to(lab.address).await;
    let mut first_a_get = Client::to(lab.address).await;
    for request in [post, get, post] {
        assert_eq!(thread(&mut first_a_post, request).await, "apart\n");
    }
    for request in [get, post, get] {
        assert_eq!(thread(&mut first_a_get, request).await, here);
    }
    // Who sends the beginning in pieces is answered like anybody.
    let mut slow = Client::to(lab.address).await;
    slow.send("POST /th").await;
    lab.connections(3).await;
    slow.send("read HTTP/1.1\r\ncontent-length: 0\r\n\r\n")
        .await;
    assert!(slow.answer().await.0.starts_with("http/1.1 200"));

    lab.shutdown.cancel();
    assert!(first_a_post.closed().await);
    assert_eq!(lab.served.await.unwrap(), Drained::Finished);
}

#[tokio::test]
async fn who_says_nothing_is_closed_wherever_it_would_have_been_served() {
    let apart = Apart::start();
    let limits = Limits {
        read_timeout: SHORT,
        ..LIMITS
    };
    let lab = Lab::start_with(limits, |server| server.elsewhere(b"POST ", apart.handle()));
    let mut silent = Client::to(lab.address).await;
    let mut half = Client::to(lab.address).await;
    half.send("POST /ok HTTP/1.1\r\n").await;
    assert!(silent.closed().await);
    lab.connections(0).await;

    // One that has said nothing does not hold up the end.
    let lab = Lab::start_with(LIMITS, |server| server.elsewhere(b"POST ", apart.handle()));
    let mut silent = Client::to(lab.address).await;
    lab.connections(1).await;
    lab.shutdown.cancel();
    assert!(silent.closed().await);
    assert_eq!(lab.served.await.unwrap(), Drained::Finished);
}
