//! The crate `clickhouse`, as the worker uses it, without compression, and as it is otherwise, with LZ4: as one who
//! writes, and as one who only reads.

use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use clickhouse::types::{BFloat16, Int256, UInt256};
use clickhouse::{Client, Compression, Row};
use engine::Access;
use engine::users::User;
use serde::{Deserialize, Serialize};

use crate::server::Server;

#[derive(Debug, Clone, PartialEq, Row, Serialize, Deserialize)]
struct Sale {
    id: u64,
    name: String,
    price: Option<i64>,
    tags: Vec<String>,
}

/// A column each, of every family of types that the crate has a Rust type for.
#[derive(Debug, Clone, PartialEq, Row, Serialize, Deserialize)]
struct Families {
    i8: i8,
    i16: i16,
    i32: i32,
    i64: i64,
    i128: i128,
    i256: Int256,
    u8: u8,
    u16: u16,
    u32: u32,
    u64: u64,
    u128: u128,
    u256: UInt256,
    f32: f32,
    f64: f64,
    bf16: BFloat16,
    boolean: bool,
    d32: i32,
    d64: i64,
    d128: i128,
    text: String,
    fixed: [u8; 4],
    day: u16,
    day32: i32,
    at: u32,
    at64: i64,
    id: (u64, u64),
    #[serde(with = "clickhouse::serde::ipv4")]
    v4: Ipv4Addr,
    v6: Ipv6Addr,
    kind: i8,
    list: Vec<Vec<i32>>,
    map: HashMap<String, u64>,
    tuple: (i32, String),
    nothing: Option<i64>,
    low: Option<String>,
    json: String,
    variant: Either,
}

/// As the type lists them: by name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Either {
    String(String),
    UInt64(u64),
}

/// Their types, and after them those that come as texts.
const TYPES: &str = "i8 Int8, i16 Int16, i32 Int32, i64 Int64, i128 Int128, i256 Int256, u8 UInt8, u16 UInt16, u32 UInt32, \
    u64 UInt64, u128 UInt128, u256 UInt256, f32 Float32, f64 Float64, bf16 BFloat16, boolean Bool, d32 Decimal(9, 2), \
    d64 Decimal(18, 2), d128 Decimal(38, 2), text String, fixed FixedString(4), day Date, day32 Date32, \
    at DateTime('UTC'), at64 DateTime64(6, 'UTC'), id UUID, v4 IPv4, v6 IPv6, kind Enum8('a' = 1, 'b' = -2), \
    list Array(Array(Int32)), map Map(String, UInt64), tuple Tuple(Int32, String), nothing Nullable(Int64), \
    low LowCardinality(Nullable(String)), json JSON, variant Variant(String, UInt64), \
    d256 Decimal(76, 10) DEFAULT '123456789012345678901234567890.0123456789', dynamic Dynamic DEFAULT 'anything'";

fn families() -> Vec<Families> {
    let one = Families {
        i8: i8::MIN,
        i16: i16::MIN,
        i32: i32::MIN,
        i64: i64::MIN,
        i128: i128::MIN,
        i256: Int256::MIN,
        u8: u8::MAX,
        u16: u16::MAX,
        u32: u32::MAX,
        u64: u64::MAX,
        u128: u128::MAX,
        u256: UInt256::MAX,
        f32: 1.5,
        f64: -0.5,
        bf16: BFloat16::from_f32(1.5),
        boolean: true,
        d32: -123_456_789,
        d64: -1,
        d128: i128::from(i64::MIN) * 1000,
        text: "a\tb\n\\'\u{fc}".to_owned(),
        fixed: *b"abcd",
        day: 65_535,
        day32: -25_567,
        at: 1_767_323_045,
        at64: 1_767_323_045_678_901,
        id: (0x61f0_c404_5cb3_11e7, 0x907b_a600_6ad3_dba0),
        v4: Ipv4Addr::LOCALHOST,
        v6: "2001:db8::1".parse().unwrap(),
        kind: -2,
        list: vec![vec![1, 2], vec![]],
        map: [("a".to_owned(), 1), ("b".to_owned(), 2)].into(),
        tuple: (-1, "x".to_owned()),
        nothing: None,
        low: Some("few".to_owned()),
        json: r#"{"a":{"b":"c"},"n":5}"#.to_owned(),
        variant: Either::String("either".to_owned()),
    };
    let other = Families {
        i8: 1,
        nothing: Some(-7),
        low: None,
        variant: Either::UInt64(7),
        ..one.clone()
    };
    vec![one, other]
}

#[tokio::test]
async fn the_clickhouse_crate_inserts_and_selects() {
    let home = tempfile::tempdir().unwrap();
    let users = home.path().join("users");
    let writer = User::open("default", Access::ReadWrite).line();
    let reader = User::new("reader", "reads", Access::ReadOnly).line();
    std::fs::write(&users, format!("{writer}{reader}")).unwrap();
    let arguments = ["--users", users.to_str().unwrap()];
    let Some(server) = Server::start_with(&home.path().join("data"), &arguments) else {
        return;
    };
    for compression in [Compression::None, Compression::Lz4] {
        let client = Client::default()
            .with_url(format!("http://{}", server.address))
            .with_compression(compression);
        every_family_of_types(&client).await;
        inserts_and_selects(&client).await;
        only_reads(&client.with_user("reader").with_password("reads")).await;
    }
}

async fn every_family_of_types(client: &Client) {
    let create =
        format!("CREATE OR REPLACE TABLE families ({TYPES}) ENGINE = MergeTree ORDER BY i8");
    client.query(&create).execute().await.unwrap();
    let documents = client
        .clone()
        .with_setting("input_format_binary_read_json_as_string", "1");
    let mut insert = documents.insert::<Families>("families").await.unwrap();
    for row in families() {
        insert.write(&row).await.unwrap();
    }
    insert.end().await.unwrap();
    families_come_back(client).await;
}

async fn families_come_back(client: &Client) {
    let documents = client
        .clone()
        .with_setting("output_format_binary_write_json_as_string", "1");
    let select = "SELECT ?fields FROM families ORDER BY i8";
    let found: Vec<Families> = documents.query(select).fetch_all().await.unwrap();
    assert_eq!(found, families());
    let select = "SELECT toString(d256), dynamic::String FROM families LIMIT 1";
    let texts: (String, String) = client.query(select).fetch_one().await.unwrap();
    let (decimal, dynamic) = (texts.0.as_str(), texts.1.as_str());
    assert_eq!(decimal, "123456789012345678901234567890.0123456789");
    assert_eq!(dynamic, "anything");
}

async fn called(client: &Client, name: &str) -> Vec<Sale> {
    let select = "SELECT ?fields FROM sales WHERE name = {name:String}";
    let query = client.query(select).param("name", name);
    query.fetch_all().await.unwrap()
}

/// One who may not write finds what was written, and is refused all else.
async fn only_reads(client: &Client) {
    families_come_back(client).await;
    let named = called(client, "sale \n\t7").await;
    assert_eq!(named.len(), 1);
    let mut cursor = client.query("SELECT id FROM sales").fetch::<u64>().unwrap();
    let mut count = 0;
    while cursor.next().await.unwrap().is_some() {
        count += 1;
    }
    assert_eq!(count, 150_000);
    let mut insert = client.insert::<Sale>("sales").await.unwrap();
    let written = match insert.write(&named[0]).await {
        Ok(()) => insert.end().await,
        Err(error) => Err(error),
    };
    let error = written.unwrap_err().to_string();
    assert!(error.contains("Code: 164. DB::Exception: "), "{error}");
    for sql in [
        "CREATE TABLE mine (a UInt8) ENGINE = Memory",
        "DROP TABLE sales",
        "SET readonly = 0",
        "SELECT * FROM file('/etc/passwd', 'LineAsString')",
    ] {
        let error = client.query(sql).execute().await.unwrap_err().to_string();
        assert!(
            error.contains("Code: 164. DB::Exception: "),
            "{sql}: {error}"
        );
    }
    fails(client).await;
}

/// An error before the first row, and one after five million.
async fn fails(client: &Client) {
    let early = client.query("SELECT nope").fetch_one::<u8>().await;
    let early = early.unwrap_err().to_string();
    assert!(early.contains("Code: 47. DB::Exception: "), "{early}");
    let late = "SELECT throwIf(number = 5000000) FROM numbers(10000000)";
    let late = client.query(late).fetch_all::<u8>().await;
    let late = late.unwrap_err().to_string();
    assert!(late.contains("Code: 395. DB::Exception: "), "{late}");
}

async fn inserts_and_selects(client: &Client) {
    client
        .query(
            "CREATE OR REPLACE TABLE sales (id UInt64, name String, price Nullable(Int64), tags Array(String)) \
             ENGINE = MergeTree ORDER BY id",
        )
        .execute()
        .await
        .unwrap();
    let sales: Vec<Sale> = (0..150_000)
        .map(|id| Sale {
            id,
            name: format!("sale \n\t{id}"),
            price: (id % 3 != 0).then_some(-i64::try_from(id).unwrap()),
            tags: vec!["a'b".to_owned(); usize::try_from(id % 3).unwrap()],
        })
        .collect();
    let mut insert = client.insert::<Sale>("sales").await.unwrap();
    for sale in &sales {
        insert.write(sale).await.unwrap();
    }
    insert.end().await.unwrap();

    let count: u64 = client
        .query("SELECT count() FROM sales")
        .fetch_one()
        .await
        .unwrap();
    assert_eq!(count, 150_000);
    let found: Vec<Sale> = client
        .query("SELECT ?fields FROM sales ORDER BY id")
        .fetch_all()
        .await
        .unwrap();
    assert!(found == sales);
    let named = called(client, "sale \n\t7").await;
    assert_eq!(named, sales[7..8]);
    let none: Option<Sale> = client
        .query("SELECT ?fields FROM sales WHERE id = ?")
        .bind(1_000_000)
        .fetch_optional()
        .await
        .unwrap();
    assert_eq!(none, None);

    // An insert that is dropped before its end leaves nothing.
    let mut dropped = client.insert::<Sale>("sales").await.unwrap();
    dropped.write(&sales[0]).await.unwrap();
    drop(dropped);
    fails(client).await;
    let count: u64 = client
        .query("SELECT count() FROM sales")
        .fetch_one()
        .await
        .unwrap();
    assert_eq!(count, 150_000);
}
