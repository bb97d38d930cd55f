//! Queries beside each other: they overlap, they end with their clients, and there is a limit.

use std::time::{Duration, Instant};

use hyper::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::connections::post;
use crate::server::{Server, bytes};

/// How long a query may outlive its client: long for a machine that stands still meanwhile, and nothing beside what
/// the query would take.
const GONE: Duration = Duration::from_secs(20);

/// Nobody lives to see its end.
pub(crate) const ENDLESS: &str =
    "SELECT count() FROM numbers(1000000000000000) WHERE sipHash64(number) = 0";

#[tokio::test]
async fn queries_overlap_and_end_when_their_clients_leave() {
    let data = tempfile::tempdir().unwrap();
    let Some(server) = Server::start(data.path()) else {
        return;
    };
    let endless = || server.try_send(Method::POST, "/", &[], bytes(ENDLESS));
    let four = async { tokio::join!(endless(), endless(), endless(), endless()) };
    let all = running("sipHash64");
    tokio::select! {
        answers = four => panic!("an endless query ended: {answers:?}"),
        () = server.wait_for(&all, "4") => {}
    }
    // The four connections are dropped here.
    server.wait_for(&running("sipHash64"), "0").await;
}

#[tokio::test]
async fn a_query_that_still_aggregates_is_gone_with_its_client() {
    let data = tempfile::tempdir().unwrap();
    let Some(server) = Server::start(data.path()) else {
        return;
    };
    let one = running("sipHash64");
    tokio::select! {
        answer = server.try_send(Method::POST, "/", &[], bytes(ENDLESS)) => {
            panic!("an endless query ended: {answer:?}")
        }
        () = server.wait_for(&one, "1") => {}
    }
    gone_in_time(&server, "sipHash64", Instant::now()).await;
}

#[tokio::test]
async fn a_query_whose_result_streams_is_gone_with_its_client() {
    let data = tempfile::tempdir().unwrap();
    let Some(server) = Server::start(data.path()) else {
        return;
    };
    // One always has more to say; the other says a few megabytes, and then looks for a row that is not there.
    let flows = "SELECT number, 'flows' FROM system.numbers";
    let falls_silent = "SELECT number, 'falls silent' FROM numbers(1000000000000000) \
        WHERE number < 1000000 OR sipHash64(number) = 0";
    for (query, word, reads) in [
        (flows, "flows", 12),
        (flows, "flows", 20_000_000),
        (falls_silent, "falls silent", 3 << 20),
    ] {
        let mut stream = tokio::net::TcpStream::connect(server.address)
            .await
            .unwrap();
        let request = post("/", "", query);
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut start = vec![0; reads];
        stream.read_exact(&mut start).await.unwrap();
        assert!(start.starts_with(b"HTTP/1.1 200"));
        server.wait_for(&running(word), "1").await;
        drop(stream);
        gone_in_time(&server, word, Instant::now()).await;
    }
}

/// Counts the queries that have a word in them.
pub(crate) fn running(word: &str) -> String {
    format!(
        "SELECT count() FROM system.processes \
         WHERE query LIKE '%{word}%' AND query NOT LIKE '%system.processes%'"
    )
}

/// No query with this word is there any more soon after its client's last breath.
async fn gone_in_time(server: &Server, word: &str, breath: Instant) {
    server.wait_for(&running(word), "0").await;
    let after = breath.elapsed();
    eprintln!("{word}: gone after {after:?}");
    assert!(after < GONE, "{word}: gone after {after:?}");
}

#[tokio::test]
async fn over_the_limit_a_query_is_refused_as_the_server_does() {
    let data = tempfile::tempdir().unwrap();
    let Some(server) = Server::start(data.path()) else {
        return;
    };
    let sleeper = "SELECT sleepEachRow(3) FROM numbers(1000) SETTINGS max_block_size = 1";
    let mut sleepers = tokio::task::JoinSet::new();
    for _ in 0..engine::server::Limits::default().queries {
        let address = server.address;
        sleepers.spawn(async move {
            let send = || crate::server::send(address, Method::POST, "/", &[], bytes(sleeper));
            // Who is refused because of the looks below comes again.
            while send().await.is_ok_and(|answer| answer.status == 500) {}
        });
    }
    let refused = async {
        loop {
            let answer = server.post("/", "SELECT 1").await;
            if answer.status != 200 {
                return answer;
            }
        }
    };
    let refused = tokio::time::timeout(crate::server::PATIENCE, refused)
        .await
        .expect("no room");
    let got = (
        refused.status,
        refused.header("x-clickhouse-exception-code"),
    );
    assert_eq!(got, (500, Some("202")), "{}", refused.text());
    assert_eq!(server.get("/ping").await.ok(), "Ok.\n");
    sleepers.shutdown().await;
    let freed = async {
        while server.post("/", "SELECT 1").await.status != 200 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(crate::server::PATIENCE, freed)
        .await
        .expect("room again");
}

#[tokio::test]
async fn no_two_queries_have_one_name_but_a_new_one_may_take_its_place() {
    let data = tempfile::tempdir().unwrap();
    let Some(server) = Server::start(data.path()) else {
        return;
    };
    let first = server.try_send(Method::POST, "/?query_id=mine", &[], bytes(ENDLESS));
    let others = async {
        server.wait_for(&running("sipHash64"), "1").await;
        let answer = server.post("/?query_id=mine", "SELECT 1").await;
        let code = answer.header("x-clickhouse-exception-code");
        assert_eq!((answer.status, code), (500, Some("216")));
        let target = "/?query_id=mine&replace_running_query=1";
        assert_eq!(server.post(target, "SELECT 2").await.ok(), "2\n");
    };
    let (first, ()) = tokio::join!(first, others);
    let first = first.unwrap();
    let code = first.header("x-clickhouse-exception-code");
    assert_eq!((first.status, code), (500, Some("394")), "{}", first.text());
}
