//! What is not as on a server, as `docs/guides/query-with-your-tools.md` lists it: a probe for each line. One that
//! fails after a new version of the engine is good news, and the guide's line goes.

use hyper::Method;

use crate::server::Server;

#[tokio::test]
async fn the_guide_says_what_the_engine_cannot() {
    let data = tempfile::tempdir().unwrap();
    let Some(server) = Server::start(data.path()) else {
        return;
    };
    let said = async |target: &str, sql: &str| server.post(target, sql.to_owned()).await.ok();
    // It makes its own query ids and keeps no log of them.
    let own = said("/?query_id=mine", "SELECT queryID()").await;
    assert_ne!(own, "mine\n");
    assert_eq!(said("/", "EXISTS system.query_log").await, "0\n");
    // It has no users.
    assert_eq!(said("/", "SELECT currentUser()").await, "default\n");
    // A SELECT is seen with the way its result goes.
    let own = "SELECT query LIKE '%INTO OUTFILE%' FROM system.processes";
    assert_eq!(said("/", own).await, "1\n");
    // It does not say what it was to read.
    let one = server.post("/", "SELECT count() FROM numbers(10)").await;
    let summary = one.header("x-clickhouse-summary").unwrap();
    assert!(!summary.contains("total_rows_to_read"), "{summary}");
    // Its states have no form for clients of a version.
    let target = "/?client_protocol_version=54460";
    let states = server.post(target, "SELECT sumState(1) FORMAT Native");
    let states = states.await;
    assert_eq!(states.header("x-clickhouse-exception-code"), Some("48"));

    let refused = async |sql: &str| {
        let answer = server.post("/", sql.to_owned()).await;
        let code = answer.header("x-clickhouse-exception-code");
        code.and_then(|code| code.parse::<u32>().ok())
    };
    for (sql, code) in [
        ("CREATE USER somebody", 497),
        ("BACKUP ALL TO File('/tmp/x')", 344),
        ("SYSTEM SHUTDOWN", 344),
        ("SELECT 1 INTO OUTFILE '/tmp/x'", 358),
    ] {
        assert_eq!(refused(sql).await, Some(code), "{sql}");
    }
    for encoding in ["xz", "bz2", "snappy"] {
        let headers = [("content-encoding", encoding)];
        let answer = server.send(Method::POST, "/", &headers, "SELECT 1");
        assert_eq!(answer.await.status, 501, "{encoding}");
    }
    // A thousand headers, of which a client's own are two.
    let names: Vec<String> = (0..1001).map(|number| format!("x-{number}")).collect();
    for (more, status) in [(998, 200), (1001, 431)] {
        let headers: Vec<_> = names[..more]
            .iter()
            .map(|name| (name.as_str(), "x"))
            .collect();
        let answer = server.send(Method::POST, "/", &headers, "SELECT 1");
        assert_eq!(answer.await.status, status, "{more}");
    }
    // No pages, and none that comes from elsewhere may ask.
    assert_eq!(server.get("/play").await.status, 404);
    let asks = [("origin", "http://elsewhere.example")];
    let ahead = server.send(Method::OPTIONS, "/", &asks, "");
    assert_eq!(ahead.await.status, 501);
    let answer = server.send(Method::POST, "/?add_http_cors_header=1", &asks, "SELECT 1");
    let answer = answer.await;
    assert_eq!(answer.ok(), "1\n");
    assert_eq!(answer.header("access-control-allow-origin"), None);
}
