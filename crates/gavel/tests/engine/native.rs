//! Blocks in the form of the revision that a client asks for, as clickhouse-go does: each is held against what the
//! engine writes for every one of its columns alone, where nothing has to be found.

use crate::server::{Answer, Server};

/// What clickhouse-go asks for.
const REVISION: u64 = 54_460;
/// Before each block: no overflow row, of no bucket.
const INFO: [u8; 8] = [1, 0, 2, 255, 255, 255, 255, 0];

/// A column each, of every family of types, over `number`.
const COLUMNS: [&str; 46] = [
    "number::UInt8",
    "-number::Int128",
    "number::UInt256",
    "number / 2",
    "number::BFloat16",
    "number % 2 = 0",
    "number::Decimal(9, 2)",
    "number::Decimal(76, 10)",
    "toDate(number)",
    "toDate32(number)",
    "toDateTime(number)",
    "toDateTime(number, 'Asia/Tokyo')",
    "[toDateTime(number, 'Asia/Tokyo')]",
    "toDateTime64(number, 6, 'UTC')",
    "number::Time",
    "number::Time64(3)",
    "toIntervalMonth(number)",
    "reinterpret(number::UInt128, 'UUID')",
    "number::UInt32::IPv4",
    "toIPv6('2001:db8::1')",
    "'b'::Enum8('a\\'),' = 1, 'b' = -2)",
    "toFixedString(toString(number), 3)",
    "repeat('long ', number * 40)",
    "NULL",
    "[NULL, 'a', 'long'][number % 3 + 1]",
    "range(number)",
    "arrayMap(n -> range(n), range(number))",
    "map(toString(number), [number], '', [])",
    "()",
    "(number, 'x')::Tuple(`a b` UInt8, b String)",
    "[(number, 'x'), (1, 'y')]::Nested(a UInt8, b String)",
    "toLowCardinality(toString(number % 2))",
    "arrayMap(n -> (n % 2 ? NULL : toString(n))::LowCardinality(Nullable(String)), range(number))",
    "toLowCardinality(number::UInt16)",
    "multiIf(number % 3 = 0, NULL::Variant(Array(String), UInt64), number % 3 = 1, number::Variant(Array(String), \
     UInt64), ['a']::Variant(Array(String), UInt64))",
    "multiIf(number % 3 = 0, NULL::Dynamic, number % 3 = 1, number::Dynamic, ['a']::Dynamic)",
    "multiIf(number % 2 = 0, 'x'::Dynamic(max_types=1), number::Dynamic(max_types=1))",
    "concat('{\"a\": {\"b\": 1}, \"c\": [', toString(number), '], \"d\": [{\"e\": null}]}')::JSON",
    "concat('{\"a\": {\"b\": 1}, \"c\": ', number % 2 ? '1' : '\"x\"', ', \"d\": 1.5}')::JSON(max_dynamic_paths=1, \
     a.b UInt8, SKIP x.y, SKIP REGEXP 'z,.*')",
    "[concat('{\"a\": ', toString(number), '}')::JSON]",
    "(number, 1)::Point",
    "[[[(number, 1)::Point]]]::MultiPolygon",
    "readWKT(number % 2 ? 'POINT (1 2)' : 'POLYGON ((1 0, 10 0, 10 10, 0 10, 1 0))')",
    "[1, 2, number]::QBit(Float64, 3)",
    "CAST(number, 'SimpleAggregateFunction(sum, UInt64)')",
    "[toNullable(number), NULL]",
];

const SETTINGS: &str = "max_threads=1&max_block_size=4&allow_suspicious_low_cardinality_types=1\
                        &allow_suspicious_types_in_group_by=1";

fn number(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

fn text(text: &str) -> Vec<u8> {
    [number(text.len()), text.as_bytes().to_vec()].concat()
}

async fn ask(server: &Server, settings: &str, sql: &str) -> Answer {
    let target = format!("/?default_format=Native&{settings}");
    server.post(&target, sql.to_owned()).await
}

/// The columns' types as the engine says them in full.
async fn types(server: &Server) -> Vec<String> {
    let columns = COLUMNS.map(|column| format!("toTypeName({column})"));
    let columns = columns.join(", ");
    let sql = format!("SELECT {columns} FROM numbers(1) FORMAT TSVRaw");
    let settings = format!("{SETTINGS}&print_pretty_type_names=0");
    let answer = ask(server, &settings, &sql).await.ok();
    answer.trim_end().split('\t').map(str::to_owned).collect()
}

/// The block of these rows in the form of a revision, from its columns asked for one by one.
async fn block(server: &Server, types: &[String], settings: &str, start: u8, rows: u8) -> Vec<u8> {
    let mut block = [&INFO[..], &number(COLUMNS.len()), &[rows]].concat();
    for (at, (column, kind)) in COLUMNS.iter().zip(types).enumerate() {
        let name = format!("c{at}");
        let sql = format!("SELECT {column} AS {name} FROM numbers({start}, {rows})");
        let alone = ask(server, settings, &sql).await;
        alone.ok();
        // The form of a file cuts off the time zone.
        let cut_off = kind.starts_with("DateTime(");
        let written = if cut_off { "DateTime" } else { kind };
        let head = [&[1, rows], &text(&name)[..], &text(written)].concat();
        let values = alone.body.strip_prefix(&head[..]);
        let values = values.unwrap_or_else(|| panic!("{kind}: {}", alone.text()));
        block.extend([&text(&name)[..], &text(kind), &[0], values].concat());
    }
    block
}

#[tokio::test]
async fn columns_end_where_the_engine_ends_them() {
    let data = tempfile::tempdir().unwrap();
    let Some(server) = Server::start(data.path()) else {
        return;
    };
    let types = types(&server).await;
    assert_eq!(types.len(), COLUMNS.len());
    let columns = COLUMNS.iter().enumerate();
    let columns: Vec<String> = columns
        .map(|(at, column)| format!("{column} AS c{at}"))
        .collect();
    let all = format!("SELECT {} FROM numbers(10)", columns.join(", "));
    for form in [
        "use_flattened_dynamic_and_json_serialization=0",
        "use_flattened_dynamic_and_json_serialization=1",
        "write_json_as_string=1",
    ] {
        let settings = format!("{SETTINGS}&output_format_native_{form}");
        let mut expected = Vec::new();
        for (start, rows) in [(0, 4), (4, 4), (8, 2)] {
            expected.extend(block(&server, &types, &settings, start, rows).await);
        }
        let settings = format!("{settings}&client_protocol_version={REVISION}");
        let found = ask(&server, &settings, &all).await;
        found.ok();
        let same = found
            .body
            .iter()
            .zip(&expected)
            .take_while(|(found, expected)| found == expected);
        let same = same.count();
        let near =
            |bytes: &[u8]| String::from_utf8_lossy(&bytes[same.saturating_sub(40)..]).into_owned();
        assert!(
            found.body == expected,
            "{form}: alike to {same} of {}; then {:?}",
            expected.len(),
            near(&found.body),
        );
    }
}

#[tokio::test]
async fn the_form_is_that_of_the_revision_and_of_format_native_alone() {
    let data = tempfile::tempdir().unwrap();
    let Some(server) = Server::start(data.path()) else {
        return;
    };
    let (head, custom, value) = (b"\x01\x01\x01a\x05UInt8".as_slice(), &[0][..], &[7][..]);
    let (info, ended) = INFO.split_at(7);
    for (revision, expected) in [
        (0, [head, value].concat()),
        (54_405, [&INFO, head, value].concat()),
        (54_453, [&INFO, head, value].concat()),
        (54_454, [&INFO, head, custom, value].concat()),
        (54_480, [info, &[3, 0], ended, head, custom, value].concat()),
        (54_491, [info, &[3, 0], ended, head, custom, value].concat()),
    ] {
        let version = format!("client_protocol_version={revision}");
        for sql in [
            "SELECT 7 AS a",
            "SELECT 7 AS a FORMAT native -- x",
            "(SELECT 7 AS a);",
        ] {
            let answer = ask(&server, &version, sql).await;
            answer.ok();
            assert_eq!(answer.body, expected, "{revision} {sql}");
        }
        assert_eq!(
            ask(&server, &version, "SELECT 7 FORMAT TSV").await.ok(),
            "7\n"
        );
        assert_eq!(ask(&server, &version, "SELECT 7 WHERE 0").await.ok(), "");
    }
    // Statements that are no SELECT, and what is sent, which has the form of a file whatever is asked for.
    let version = "client_protocol_version=54460";
    let rows = [b"INSERT INTO t FORMAT Native\n".as_slice(), head, value].concat();
    server.run("CREATE TABLE t (a UInt8) ENGINE = Memory").await;
    let target = format!("/?{version}");
    server.post(&target, rows).await.ok();
    assert_eq!(server.run("SELECT a FROM t").await, "7\n");
    let shown = ask(&server, version, "EXISTS TABLE t").await;
    let expected = [&INFO[..], b"\x01\x01\x06result\x05UInt8\x00\x01"].concat();
    assert_eq!(shown.body, expected);
}

#[tokio::test]
async fn what_has_no_form_is_refused_and_an_error_in_mid_stream_is_in_its_frame() {
    let data = tempfile::tempdir().unwrap();
    let Some(server) = Server::start(data.path()) else {
        return;
    };
    let version = "client_protocol_version=54460";
    // Before the first byte, however long the column before it is.
    let long =
        "SELECT repeat('x', 1000000) AS a, sumState(number) AS b FROM numbers(2) GROUP BY number";
    let refused = ask(&server, version, long).await;
    assert_eq!(
        (
            refused.status,
            refused.header("x-clickhouse-exception-code")
        ),
        (501, Some("48"))
    );
    let said = refused.text();
    for part in [
        "Code: 48. DB::Exception: Column b has type AggregateFunction(sum, UInt64)",
        "Cast it",
    ] {
        assert!(said.contains(part), "{said}");
    }
    for revision in ["1", "54404", "54492", "99999"] {
        let refused = ask(
            &server,
            &format!("client_protocol_version={revision}"),
            "SELECT 1",
        )
        .await;
        assert_eq!(refused.status, 501, "{revision}: {}", refused.text());
    }
    let refused = ask(&server, "client_protocol_version=x", "SELECT 1").await;
    assert_eq!(refused.status, 400, "{}", refused.text());
    // The engine's own error about what it cannot describe.
    let unknown = ask(&server, version, "SELECT nope").await;
    assert_eq!(
        (
            unknown.status,
            unknown.header("x-clickhouse-exception-code")
        ),
        (404, Some("47"))
    );
    let late = "SELECT number, throwIf(number = 5000000) FROM numbers(10000000)";
    let late = ask(&server, version, late).await;
    assert!(late.status == 200 && !late.whole);
    let tail = String::from_utf8_lossy(&late.body[late.body.len() - 600..]).into_owned();
    assert!(
        tail.contains("\r\n__exception__\r\n") && tail.contains("Code: 395. "),
        "{tail}"
    );
}
