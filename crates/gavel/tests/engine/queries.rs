//! Reading: where the query stands, parameters, settings, formats, compression, and what is held back.

use std::io::{Read as _, Write as _};

use hyper::Method;

use crate::server::{Server, encoded};

#[tokio::test]
async fn the_query_stands_in_the_url_in_the_body_or_in_both() {
    let data = tempfile::tempdir().unwrap();
    let Some(server) = Server::start(data.path()) else {
        return;
    };
    for probe in ["/ping", "/", "/replicas_status"] {
        assert_eq!(server.get(probe).await.ok(), "Ok.\n", "{probe}");
    }
    assert_eq!(server.get("/?query=SELECT%201").await.ok(), "1\n");
    assert_eq!(server.get("/?query=SELECT+%272+2%27").await.ok(), "2 2\n");
    assert_eq!(server.post("/", "SELECT 3;").await.ok(), "3\n");
    assert_eq!(server.post("/?query=SELECT", "4").await.ok(), "4\n");
    let answer = server.post("/?query_id=mine", "SELECT 5 FORMAT CSV").await;
    assert_eq!(answer.ok(), "5\n");
    assert_eq!(answer.header("x-clickhouse-query-id"), Some("mine"));
    assert_eq!(answer.header("x-clickhouse-format"), Some("CSV"));
    let name = answer.header("x-clickhouse-server-display-name");
    assert_eq!(name, Some("gavel"));
    let zone = server.run("SELECT serverTimezone()").await;
    let told = answer.header("x-clickhouse-timezone");
    assert_eq!(told, Some(zone.trim_end()));
    assert_eq!(
        answer.header("content-type"),
        Some("text/csv; charset=UTF-8; header=absent")
    );
    assert!(
        answer
            .header("x-clickhouse-summary")
            .is_some_and(|s| s.contains("\"read_rows\":\"1\""))
    );
}

#[tokio::test]
async fn parameters_settings_database_and_format() {
    let data = tempfile::tempdir().unwrap();
    let Some(server) = Server::start(data.path()) else {
        return;
    };
    let select = "SELECT {text:String} AS t, {number:UInt64} AS n";
    let target = "/?param_text=it%27s+%5C%5C+one&param_number=7&default_format=JSONEachRow";
    assert_eq!(
        server.post(target, select).await.ok(),
        "{\"t\":\"it's \\\\ one\",\"n\":7}\n"
    );

    let setting = "SELECT getSetting('max_block_size'), getSetting('log_comment')";
    let target = "/?max_block_size=77&log_comment=a%27b%5C";
    assert_eq!(server.post(target, setting).await.ok(), "77\ta\\'b\\\\\n");

    server.run("CREATE DATABASE `odd ``name`").await;
    server
        .run("CREATE TABLE `odd ``name`.t (a UInt8) ENGINE = MergeTree ORDER BY a")
        .await;
    server
        .post("/?database=odd+%60name", "INSERT INTO t VALUES (1)")
        .await
        .ok();
    let by_header = [("x-clickhouse-database", "odd `name")];
    let answer = server
        .send(Method::POST, "/", &by_header, "SELECT a FROM t")
        .await;
    assert_eq!(answer.ok(), "1\n");

    // A request has a session of its own.
    server.run("SET max_block_size = 5").await;
    assert_ne!(
        server.run("SELECT getSetting('max_block_size')").await,
        "5\n"
    );
    for text in [
        "SHOW DATABASES",
        "DESCRIBE TABLE system.one",
        "EXISTS system.one",
        "EXPLAIN SELECT 1",
    ] {
        assert!(!server.run(text).await.is_empty(), "{text}");
    }
}

/// The engine writes every chunk of a streamed result as a document of its own. However many chunks
/// there were, the client must see one document.
#[tokio::test]
async fn a_result_of_many_chunks_is_one_document() {
    let data = tempfile::tempdir().unwrap();
    let Some(server) = Server::start(data.path()) else {
        return;
    };
    let formats = [
        "TSV",
        "TSVRaw",
        "TSVWithNames",
        "TSVWithNamesAndTypes",
        "CSV",
        "CSVWithNames",
        "CSVWithNamesAndTypes",
        "JSONEachRow",
        "JSONStringsEachRow",
        "JSONCompactEachRow",
        "JSONCompactEachRowWithNames",
        "JSONCompactEachRowWithNamesAndTypes",
        "JSONCompactStringsEachRowWithNamesAndTypes",
        "RowBinary",
        "RowBinaryWithNames",
        "RowBinaryWithNamesAndTypes",
        "JSONColumns",
        "Values",
        "MsgPack",
    ];
    for format in formats {
        let select = format!(
            "SELECT number AS n, concat('a\\n\"', toString(number)) AS `s \" x` FROM numbers(5000) \
             FORMAT {format}"
        );
        let chunks = server
            .post("/?max_block_size=100&max_threads=1", select.clone())
            .await;
        let one = server
            .post("/?max_block_size=100000&max_threads=1", select)
            .await;
        assert!(one.ok().len() > 10_000, "{format}");
        assert!(
            chunks.body == one.body,
            "{format} differs:\n{}",
            &chunks.text()[..200]
        );
    }
    // A format that only a whole document is: the result is held, and says how many rows it has.
    let select = "SELECT number FROM numbers(5000) FORMAT JSON";
    let json = server.post("/?max_block_size=100", select).await.ok();
    assert_eq!(json.matches("\"meta\"").count(), 1);
    assert!(json.contains("\"rows\": 5000"));
    let totals =
        "SELECT number % 2 AS k, count() FROM numbers(9) GROUP BY k WITH TOTALS ORDER BY k";
    assert_eq!(server.run(totals).await, "0\t5\n1\t4\n\n0\t9\n");
    let array = server
        .post(
            "/?output_format_json_array_of_rows=1&max_block_size=2",
            "SELECT 1 AS a FROM numbers(4) FORMAT JSONEachRow",
        )
        .await
        .ok();
    assert_eq!(
        array,
        "[\n{\"a\":1},\n{\"a\":1},\n{\"a\":1},\n{\"a\":1}\n]\n"
    );
}

#[tokio::test]
async fn a_large_result_is_streamed_within_bounded_memory() {
    let data = tempfile::tempdir().unwrap();
    let Some(server) = Server::start(data.path()) else {
        return;
    };
    server
        .run("SELECT number, toString(number) FROM numbers(100000)")
        .await;
    let before = server.peak_memory();
    let answer = server
        .post(
            "/",
            "SELECT number, toString(number) FROM numbers(20000000)",
        )
        .await;
    assert!(
        answer.whole && answer.body.len() > 300_000_000,
        "{}",
        answer.body.len()
    );
    let grown = (server.peak_memory() - before) / 1024;
    assert!(
        grown < 100,
        "the peak grew by {grown} MiB for a result of 300 MB"
    );
}

#[tokio::test]
async fn gzip_in_both_directions() {
    let data = tempfile::tempdir().unwrap();
    let Some(server) = Server::start(data.path()) else {
        return;
    };
    server
        .run("CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a")
        .await;

    let mut rows = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    for row in 0..100_000_u64 {
        rows.write_all(&row.to_le_bytes()).unwrap();
    }
    let rows = rows.finish().unwrap();
    let target = format!("/?query={}", encoded("INSERT INTO t FORMAT RowBinary"));
    let zipped = [("content-encoding", "gzip")];
    let answer = server
        .send(Method::POST, &target, &zipped, rows.clone())
        .await;
    assert_eq!(answer.ok(), "");
    assert_eq!(
        server.run("SELECT count(), sum(a) FROM t").await,
        "100000\t4999950000\n"
    );

    for (what, damaged) in [
        ("cut off", rows[..rows.len() / 2].to_vec()),
        ("cut off in its trailer", rows[..rows.len() - 3].to_vec()),
        ("no gzip", b"1234567890123456".to_vec()),
    ] {
        let answer = server.send(Method::POST, &target, &zipped, damaged).await;
        assert_eq!(
            answer.header("x-clickhouse-exception-code"),
            Some("354"),
            "{what}"
        );
    }
    server.wait_for("SELECT count() FROM t", "100000").await;

    let accepts = [("accept-encoding", "gzip")];
    for rows in [10, 1_000_000] {
        let select = format!("SELECT number FROM numbers({rows})");
        let plain = server.post("/", select.clone()).await;
        let target = "/?enable_http_compression=1";
        let answer = server.send(Method::POST, target, &accepts, select).await;
        assert!(answer.whole && answer.status == 200);
        assert_eq!(answer.header("content-encoding"), Some("gzip"));
        let mut unzipped = Vec::new();
        flate2::read::GzDecoder::new(answer.body.as_slice())
            .read_to_end(&mut unzipped)
            .unwrap();
        assert!(unzipped == plain.body, "{rows} rows differ");
    }
}

#[tokio::test]
async fn an_answer_in_any_encoding_can_be_sent_back_as_rows() {
    let data = tempfile::tempdir().unwrap();
    let Some(server) = Server::start(data.path()) else {
        return;
    };
    server
        .run("CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a")
        .await;
    let insert = encoded("INSERT INTO t FORMAT RowBinary");
    // A few rows are an answer at once, many are streamed.
    for rows in [10, 1_000_000] {
        let select = format!("SELECT number FROM numbers({rows}) FORMAT RowBinary");
        for (encoding, blocks) in [
            ("zstd", 0),
            ("br", 0),
            ("lz4", 0),
            ("gzip", 0),
            ("deflate", 0),
            ("identity", 1),
            ("gzip", 1),
        ] {
            let accepts = [("accept-encoding", encoding)];
            let target = format!("/?compress={blocks}");
            let packed = server
                .send(Method::POST, &target, &accepts, select.clone())
                .await;
            assert!(packed.status == 200 && packed.whole, "{encoding}");
            let told = packed.header("content-encoding");
            let expected = (encoding != "identity").then_some(encoding);
            assert_eq!(told, expected);
            assert!(rows == 10 || packed.body.len() < 8 * rows, "{encoding}");

            let sent = [("content-encoding", encoding)];
            let target = format!("/?decompress={blocks}&query={insert}");
            let whole = packed.body.clone();
            let answer = server.send(Method::POST, &target, &sent, whole).await;
            assert_eq!(answer.ok(), "", "{encoding} {blocks}");
            let found = server.run("SELECT count(), sum(a) FROM t").await;
            let sum = rows * (rows - 1) / 2;
            assert_eq!(found, format!("{rows}\t{sum}\n"), "{encoding} {blocks}");
            server.run("TRUNCATE TABLE t").await;

            let half = packed.body[..packed.body.len() / 2].to_vec();
            let answer = server.send(Method::POST, &target, &sent, half).await;
            let code = answer.header("x-clickhouse-exception-code");
            let codes = ["561", "448", "618", "354", "33"].map(Some);
            assert!(codes.contains(&code), "{encoding}: {code:?}");
            server.wait_for("SELECT count() FROM t", "0").await;
        }
    }
    // An error, too, comes as it was asked for.
    let accepts = [("accept-encoding", "gzip")];
    let answer = server
        .send(Method::POST, "/", &accepts, "SELECT nope")
        .await;
    assert_eq!(
        (answer.status, answer.header("content-encoding")),
        (404, Some("gzip"))
    );
    let mut text = String::new();
    flate2::read::GzDecoder::new(answer.body.as_slice())
        .read_to_string(&mut text)
        .unwrap();
    assert!(text.starts_with("Code: 47. DB::Exception: "), "{text}");
    let target = "/?enable_http_compression=0";
    let answer = server
        .send(Method::POST, target, &accepts, "SELECT 1")
        .await;
    assert_eq!(answer.ok(), "1\n");
}

#[tokio::test]
async fn what_is_held_back_whole_has_its_length_and_its_summary() {
    let data = tempfile::tempdir().unwrap();
    let Some(server) = Server::start(data.path()) else {
        return;
    };
    let select = "SELECT number FROM numbers(1000000) FORMAT JSONEachRow";
    let streamed = server.post("/", select).await;
    // Of one that streams it says how far it was when the answer began, or what it was if it had ended by then.
    let so_far = streamed.header("x-clickhouse-summary").unwrap_or_default();
    let read = so_far.split("\"read_rows\":\"").nth(1).unwrap_or_default();
    let read: u64 = read.split('"').next().unwrap_or_default().parse().unwrap();
    assert!(read > 0 && read <= 1_000_000, "{so_far}");
    assert!(so_far.contains("\"elapsed_ns\":\""), "{so_far}");
    for target in ["/?wait_end_of_query=1", "/?buffer_size=50000000"] {
        let before = server.peak_memory();
        let held = server.post(target, select).await;
        assert!(held.body == streamed.body, "{target}");
        let summary = held.header("x-clickhouse-summary").unwrap_or_default();
        assert!(summary.contains("\"read_rows\":\"1000000\""), "{summary}");
        let grown = (server.peak_memory() - before) / 1024;
        assert!(grown < 100, "{target}: the peak grew by {grown} MiB");
    }
}

#[tokio::test]
async fn every_format_is_streamed_as_one_document() {
    let data = tempfile::tempdir().unwrap();
    let Some(server) = Server::start(data.path()) else {
        return;
    };
    server.run("SELECT 1 FORMAT JSON").await;
    let before = server.peak_memory();
    let select = "SELECT number, toString(number) AS s FROM numbers(5000000)";
    let json = server.post("/", format!("{select} FORMAT JSON")).await.ok();
    assert!(json.len() > 200 << 20, "{}", json.len());
    assert_eq!(json.matches("\"meta\"").count(), 1);
    assert!(json.contains("\"rows\": 5000000,"));
    let grown = (server.peak_memory() - before) / 1024;
    assert!(grown < 100, "the peak grew by {grown} MiB");
    for (format, begins, ends) in [
        ("Parquet", "PAR1", "PAR1"),
        ("Arrow", "ARROW1", "ARROW1"),
        ("XML", "<?xml", "</result>\n"),
    ] {
        let select = format!("{select} LIMIT 300000 FORMAT {format}");
        let body = server.post("/", select).await.body;
        assert!(body.starts_with(begins.as_bytes()), "{format}");
        assert!(body.ends_with(ends.as_bytes()), "{format}");
    }
}

#[tokio::test]
async fn progress_goes_ahead_of_the_answer_and_a_summary_with_it() {
    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

    let data = tempfile::tempdir().unwrap();
    let Some(server) = Server::start(data.path()) else {
        return;
    };
    // It sleeps until it is asked to end, or for long enough that it is told of.
    let sleeper = |rows: u32| {
        format!(
            "SELECT count() FROM numbers({rows}) WHERE sleepEachRow(0.02) = 0 SETTINGS max_block_size = 1, max_threads = 1"
        )
    };
    let target = "/?send_progress_in_http_headers=1&http_headers_progress_interval_ms=20";
    let stream = tokio::net::TcpStream::connect(server.address)
        .await
        .unwrap();
    let mut stream = BufReader::new(stream);
    let endless = sleeper(1_000_000);
    let request = format!(
        "POST {target}&query_id=slow HTTP/1.1\r\nhost: engine\r\ncontent-length: {}\r\n\r\n{endless}",
        endless.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut lines = String::new();
    let telling = async {
        while lines.matches("X-ClickHouse-Progress").count() < 3 {
            stream.read_line(&mut lines).await.unwrap();
        }
    };
    tokio::time::timeout(crate::server::PATIENCE, telling)
        .await
        .expect("it tells while it runs");
    assert!(
        lines.starts_with("HTTP/1.1 200 OK\r\nX-ClickHouse-Progress: {\"read_rows\":\""),
        "{lines}"
    );
    assert!(
        lines.contains("\"total_rows_to_read\":\"1000000\""),
        "{lines}"
    );
    // It fails: the status is said, and the other headers still tell.
    let replaced = server.post("/?query_id=slow&replace_running_query=1", "SELECT 1");
    assert_eq!(replaced.await.ok(), "1\n");
    let mut rest = String::new();
    while !rest.ends_with("\r\n\r\n") {
        stream.read_line(&mut rest).await.unwrap();
    }
    assert!(!rest.contains("HTTP/1.1"), "{rest}");
    assert!(
        rest.contains("x-clickhouse-exception-code: 394\r\n"),
        "{rest}"
    );

    // Not too often: a client takes so many headers and no more.
    let target = "/?send_progress_in_http_headers=1&http_headers_progress_interval_ms=200";
    let answer = server.post(target, sleeper(200)).await;
    assert_eq!(answer.ok(), "200\n");
    let told = |name: &str| {
        answer
            .headers
            .iter()
            .filter(|(have, _)| have == name)
            .count()
    };
    assert!(told("x-clickhouse-progress") >= 2, "{:?}", answer.headers);
    let summary = answer.header("x-clickhouse-summary").unwrap();
    for known in [
        "\"read_rows\":\"200\"",
        "\"result_rows\":\"1\"",
        "\"result_bytes\":\"8\"",
    ] {
        assert!(summary.contains(known), "{summary}");
    }
    let elapsed = summary.split("\"elapsed_ns\":\"").nth(1).unwrap();
    let elapsed: u64 = elapsed.trim_end_matches("\"}").parse().unwrap();
    assert!(elapsed >= 4_000_000_000, "{summary}");
    // Nobody asked, nothing is told; the connection's next answer has a status again.
    let answer = server.post("/", sleeper(10)).await;
    assert_eq!(answer.header("x-clickhouse-progress"), None);
    server.run("CREATE TABLE t (a UInt8) ENGINE = Memory").await;
    let answer = server.post("/", "INSERT INTO t VALUES (1), (2)").await;
    let summary = answer.header("x-clickhouse-summary").unwrap();
    assert!(summary.contains("\"written_rows\":\"2\""), "{summary}");
    assert!(summary.contains("\"result_rows\":\"2\""), "{summary}");
}
