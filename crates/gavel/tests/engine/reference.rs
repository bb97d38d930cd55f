//! `docs/reference/tables.md`, made from what the migrated engine itself says of its tables.

use std::fmt::Write as _;
use std::path::Path;

use expect_test::expect_file;
use serde_json::Value;
use warehouse::{Address, Table, Warehouse};

use crate::server::Server;

const HEAD: &str = "# Tables

Made from the comments of the schema (`crates/warehouse/migrations`), as ClickHouse shows them. Rows are written at
least once and replaced by version: read the views, in which every row is there once, in its last version. Money is
`Decimal(18, 6)`; times are UTC; `_us` is microseconds. Sort keys hold ids; tables are partitioned by the month of the
row's own event time.
";

fn text<'v>(row: &'v Value, name: &str) -> &'v str {
    row[name].as_str().unwrap()
}

async fn columns(warehouse: &Warehouse, table: &str) -> Vec<Value> {
    let columns = format!(
        "SELECT name, type, comment FROM system.columns
        WHERE database = 'gavel' AND table = '{table}' ORDER BY position"
    );
    warehouse.rows(&columns).await.unwrap()
}

#[tokio::test]
async fn the_page_of_tables_says_what_the_engine_says() {
    let dir = tempfile::tempdir().unwrap();
    let Some(server) = Server::start(dir.path()) else {
        return;
    };
    let address = format!("http://{}", server.address);
    let warehouse = Warehouse::connect(Address::new(&address, "gavel")).unwrap();
    warehouse.migrate().await.unwrap();
    let tables = "SELECT name, comment, sorting_key FROM system.tables
        WHERE database = 'gavel' AND engine LIKE '%MergeTree' AND name != 'schema_migrations'";
    let tables: Vec<Value> = warehouse.rows(tables).await.unwrap();
    assert_eq!(tables.len(), Table::ALL.len());
    let mut page = HEAD.to_owned();
    for table in Table::ALL {
        let name = table.name();
        let row = tables.iter().find(|row| text(row, "name") == name).unwrap();
        let (about, key) = (text(row, "comment"), text(row, "sorting_key"));
        assert!(!about.is_empty(), "table {name} has no comment");
        let view = table.view();
        let _ = write!(
            page,
            "\n## `{view}`\n\n{about} Table `{name}`, one row per `({key})`.\n\n| column | type | meaning |\n|---|---|---|\n"
        );
        for column in &columns(&warehouse, name).await {
            let [column, kind, about] = ["name", "type", "comment"].map(|part| text(column, part));
            assert!(!about.is_empty(), "column {name}.{column} has no comment");
            let _ = writeln!(page, "| `{column}` | `{kind}` | {about} |");
        }
    }
    let more = "SELECT name, comment FROM system.tables
        WHERE database = 'gavel' AND engine = 'View' ORDER BY name";
    let more: Vec<Value> = warehouse.rows(more).await.unwrap();
    let own = |row: &&Value| {
        Table::ALL
            .iter()
            .all(|table| table.view() != text(row, "name"))
    };
    for row in more.iter().filter(own) {
        let (name, about) = (text(row, "name"), text(row, "comment"));
        assert!(!about.is_empty(), "view {name} has no comment");
        let _ = write!(
            page,
            "\n## `{name}`\n\n{about}\n\n| column | type |\n|---|---|\n"
        );
        for column in columns(&warehouse, name).await {
            let [column, kind] = ["name", "type"].map(|part| text(&column, part).to_owned());
            let _ = writeln!(page, "| `{column}` | `{kind}` |");
        }
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/tables.md");
    expect_file![file].assert_eq(&page);
    server.terminate();
}
