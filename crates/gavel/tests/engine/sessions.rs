//! Sessions: what lives on between requests, for whom, and for how long.

use hyper::Method;

use crate::server::{Server, bytes};

#[tokio::test]
async fn a_session_keeps_its_state_and_a_url_only_tells_its_own_query() {
    let data = tempfile::tempdir().unwrap();
    let Some(server) = Server::start(data.path()) else {
        return;
    };
    let within = |sql: &'static str| server.post("/?session_id=a", sql);
    within("CREATE TEMPORARY TABLE t (a UInt8)").await.ok();
    within("INSERT INTO t VALUES (1), (2)").await.ok();
    within("SET max_block_size = 77").await.ok();
    within("CREATE DATABASE d").await.ok();
    within("USE d").await.ok();
    let seen = "SELECT sum(a), getSetting('max_block_size'), getSetting('max_threads') > 2, currentDatabase() FROM t";
    assert_eq!(within(seen).await.ok(), "3\t77\t0\td\n");
    // In the URL it is said for one query, in a session as elsewhere.
    let told = "/?session_id=a&max_block_size=99&max_threads=9&database=default";
    assert_eq!(server.post(told, seen).await.ok(), "3\t99\t1\tdefault\n");
    assert_eq!(within(seen).await.ok(), "3\t77\t0\td\n");
    // A GET and `readonly` bind their query alone, too.
    let target = "/?session_id=a&query=DROP+TABLE+t";
    assert_eq!(
        server
            .get(target)
            .await
            .header("x-clickhouse-exception-code"),
        Some("164")
    );
    let target = "/?session_id=a&readonly=1";
    let answer = server.post(target, "INSERT INTO t VALUES (3)").await;
    assert_eq!(answer.header("x-clickhouse-exception-code"), Some("164"));
    within("INSERT INTO t VALUES (3)").await.ok();
    assert_eq!(within("SELECT sum(a) FROM t").await.ok(), "6\n");
    // An error leaves the session as it was.
    assert_eq!(
        server
            .post("/?session_id=a&max_block_size=5", "SELECT nope")
            .await
            .status,
        404
    );
    assert_eq!(within(seen).await.ok(), "6\t77\t0\td\n");

    assert_eq!(
        server
            .post("/?session_id=b", "SELECT * FROM t")
            .await
            .status,
        404
    );
    assert_eq!(server.post("/", "SELECT * FROM t").await.status, 404);
    let target = "/?session_id=a&close_session=1";
    assert_eq!(server.post(target, "SELECT 1").await.ok(), "1\n");
    let gone = server
        .post("/?session_id=a&session_check=1", "SELECT 1")
        .await;
    assert_eq!(gone.header("x-clickhouse-exception-code"), Some("372"));
}

#[tokio::test]
async fn a_session_is_one_requests_at_a_time_and_ends_in_its_time() {
    let data = tempfile::tempdir().unwrap();
    let Some(server) = Server::start(data.path()) else {
        return;
    };
    let endless = "SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 0";
    let running = "SELECT count() FROM system.processes WHERE query LIKE '%sipHash64%' AND query NOT LIKE '%processes%'";
    {
        let first = server.try_send(Method::POST, "/?session_id=a", &[], bytes(endless));
        tokio::select! {
            answer = first => panic!("an endless query ended: {answer:?}"),
            () = server.wait_for(running, "1") => {}
        }
        // The first client is still there: it is dropped at the end of this block.
    }
    let locked = async {
        loop {
            let answer = server
                .post("/?session_id=a&session_timeout=1", "SELECT 1")
                .await;
            if answer.status == 200 {
                return;
            }
            assert_eq!(answer.header("x-clickhouse-exception-code"), Some("373"));
        }
    };
    tokio::time::timeout(crate::server::PATIENCE, locked)
        .await
        .expect("the session is free again");
    let over = async {
        loop {
            let answer = server
                .post(
                    "/?session_id=a&session_check=1&session_timeout=0",
                    "SELECT 1",
                )
                .await;
            if answer.status != 200 {
                return answer;
            }
            tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        }
    };
    let over = tokio::time::timeout(crate::server::PATIENCE, over)
        .await
        .unwrap();
    assert_eq!(over.header("x-clickhouse-exception-code"), Some("372"));
}
