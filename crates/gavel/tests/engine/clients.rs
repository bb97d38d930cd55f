//! The crate `clickhouse`, as the worker uses it, without compression, and as it is otherwise, with LZ4.

use clickhouse::{Client, Compression, Row};
use serde::{Deserialize, Serialize};

use crate::server::Server;

#[derive(Debug, Clone, PartialEq, Row, Serialize, Deserialize)]
struct Sale {
    id: u64,
    name: String,
    price: Option<i64>,
    tags: Vec<String>,
}

#[tokio::test]
async fn the_clickhouse_crate_inserts_and_selects() {
    let data = tempfile::tempdir().unwrap();
    let Some(server) = Server::start(data.path()) else {
        return;
    };
    for compression in [Compression::None, Compression::Lz4] {
        let client = Client::default()
            .with_url(format!("http://{}", server.address))
            .with_compression(compression);
        inserts_and_selects(&client).await;
    }
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
    let named: Vec<Sale> = client
        .query("SELECT ?fields FROM sales WHERE name = {name:String}")
        .param("name", "sale \n\t7")
        .fetch_all()
        .await
        .unwrap();
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
    let error = client
        .query("SELECT nope")
        .fetch_one::<u8>()
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("Code: 47. DB::Exception: "), "{error}");
    let late = client
        .query("SELECT throwIf(number = 5000000) FROM numbers(10000000)")
        .fetch_all::<u8>()
        .await
        .unwrap_err()
        .to_string();
    assert!(late.contains("Code: 395. DB::Exception: "), "{late}");
    let count: u64 = client
        .query("SELECT count() FROM sales")
        .fetch_one()
        .await
        .unwrap();
    assert_eq!(count, 150_000);
}
