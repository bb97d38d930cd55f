//! Where tables are kept: by one server, or by every replica of a shard. The server decides, by what it
//! offers when the tables are made; tables that are there stay as they are.
//!
//! Replicas are offered by a server with a Keeper (table `system.zookeeper`) and the macros `cluster`, `shard`
//! and `replica`, which operators of ClickHouse set alike, or by a database of engine `Replicated`. Paths in the
//! Keeper are the server's `default_replica_path`. A service like ClickHouse Cloud, whose databases have an engine
//! of their own, makes of plain tables what it wants.
//!
//! Rows are replaced within one shard, and whoever writes speaks to one server: a cluster of several shards is
//! refused.

use std::borrow::Cow;

use crate::{Warehouse, WarehouseError};

/// The table that says how far the schema is, and how tables are kept.
pub(crate) const BOOKKEEPING: &str = "schema_migrations";

/// How long a statement may wait for replicas; those that are away run it when they come back.
const REPLICAS: [(&str, &str); 2] = [
    ("distributed_ddl_output_mode", "null_status_on_timeout"),
    ("distributed_ddl_task_timeout", "20"),
];

/// The server knows its own cluster.
const ON_CLUSTER: &str = "ON CLUSTER '{cluster}'";

const DATABASE: &str = "SELECT engine FROM system.databases WHERE name = {database:String}";
const TABLE: &str = "SELECT engine FROM system.tables \
    WHERE database = {database:String} AND name = {table:String}";
const MACROS: &str =
    "SELECT toString(count()) FROM system.macros WHERE macro IN ('cluster', 'shard', 'replica')";
const KEEPER: &str =
    "SELECT toString(count()) FROM system.tables WHERE database = 'system' AND name = 'zookeeper'";
/// A database that replicates is a cluster of its own name.
const SHARDS_OF_DATABASE: &str =
    "SELECT toString(uniqExact(shard_num)) FROM system.clusters WHERE cluster = {database:String}";
const SHARDS_OF_CLUSTER: &str = "SELECT toString(uniqExact(shard_num)) FROM system.clusters \
    WHERE cluster IN (SELECT substitution FROM system.macros WHERE macro = 'cluster')";

/// How tables are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// By this server, as it sees fit.
    One,
    /// By all replicas; each statement is run on all of them.
    Cluster,
    /// By all replicas; the database runs each statement on all of them.
    Database,
}

impl Layout {
    /// What is sent with a statement.
    pub(crate) fn settings(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Cluster => &REPLICAS,
            Self::One | Self::Database => &[],
        }
    }

    /// The statement that makes the database of this name.
    pub(crate) fn database(self, name: &str) -> String {
        let quoted = name.replace('\\', "\\\\").replace('`', "\\`");
        let made = format!("CREATE DATABASE IF NOT EXISTS `{quoted}`");
        match self {
            Self::One | Self::Database => made,
            Self::Cluster => format!("{made} {ON_CLUSTER}"),
        }
    }

    /// A statement of the migrations, as it has to be here.
    pub(crate) fn of(self, statement: &str) -> Cow<'_, str> {
        let replicated = || statement.replace("ENGINE = Replacing", "ENGINE = ReplicatedReplacing");
        match self {
            Self::One => statement.into(),
            Self::Database => replicated().into(),
            Self::Cluster => on_cluster(&replicated()).into(),
        }
    }
}

/// Behind the name of what is made.
fn on_cluster(statement: &str) -> String {
    let named = |head: &str| {
        let at = statement.find(head)? + head.len();
        let name = statement.get(at..)?;
        let end = name.find([' ', '\n']).unwrap_or(name.len());
        let (name, rest) = name.split_at_checked(end)?;
        let head = statement.get(..at)?;
        Some(format!("{head}{name} {ON_CLUSTER}{rest}"))
    };
    let heads = ["CREATE TABLE IF NOT EXISTS ", "CREATE OR REPLACE VIEW "];
    let placed = heads.into_iter().find_map(named);
    placed.unwrap_or_else(|| statement.to_owned())
}

/// By the engine of the database and of the bookkeeping, where they are there, and by what is offered.
fn choose(database: Option<&str>, table: Option<&str>, offered: bool) -> Layout {
    match (database, table) {
        (Some("Replicated"), _) => Layout::Database,
        (Some("Atomic") | None, Some(table)) if table.starts_with("Replicated") => Layout::Cluster,
        (Some("Atomic") | None, None) if offered => Layout::Cluster,
        _ => Layout::One,
    }
}

impl Warehouse {
    /// How its tables are kept, or will be.
    pub(crate) async fn layout(&self) -> Result<Layout, WarehouseError> {
        let database = self.word(DATABASE).await?;
        let table = self.word(TABLE).await?;
        let offered = self.offers_replicas().await?;
        let layout = choose(database.as_deref(), table.as_deref(), offered);
        let shards = match layout {
            Layout::One if offered => {
                tracing::warn!("the tables are kept by one server, though it has replicas");
                return Ok(layout);
            }
            Layout::One => return Ok(layout),
            Layout::Cluster => self.word(SHARDS_OF_CLUSTER).await?,
            Layout::Database => self.word(SHARDS_OF_DATABASE).await?,
        };
        match shards.as_deref() {
            None | Some("0" | "1") => Ok(layout),
            Some(shards) => Err(WarehouseError::Mismatch(format!(
                "its cluster has {shards} shards, and rows are replaced within one: each shard is a server of \
                 its own to the service"
            ))),
        }
    }

    async fn offers_replicas(&self) -> Result<bool, WarehouseError> {
        for (asked, all) in [(MACROS, "3"), (KEEPER, "1")] {
            if self.word(asked).await?.as_deref() != Some(all) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The one text of a query, if it has a row.
    async fn word(&self, sql: &str) -> Result<Option<String>, WarehouseError> {
        let query = self.server().query_raw(sql);
        let query = query
            .param("database", self.database())
            .param("table", BOOKKEEPING);
        crate::client::limited(query.fetch_optional::<String>()).await
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::schema;

    /// Where statements differ: their heads and engines.
    fn check(layout: Layout, expected: Expect) {
        let differs = |line: &&str| line.starts_with("CREATE") || line.starts_with(") ENGINE");
        let mut shown = layout.database("a`b");
        for statement in schema(layout) {
            for line in statement.lines().filter(differs) {
                shown.push('\n');
                shown.push_str(line.trim_end_matches(" ("));
            }
        }
        expected.assert_eq(&shown);
    }

    #[test]
    fn tables_stay_as_they_are_and_the_server_decides_where_there_are_none() {
        let (plain, replicated) = (
            Some("ReplacingMergeTree"),
            Some("ReplicatedReplacingMergeTree"),
        );
        for (database, table, offered, layout) in [
            (None, None, false, Layout::One),
            (None, None, true, Layout::Cluster),
            (Some("Atomic"), None, true, Layout::Cluster),
            (Some("Atomic"), plain, true, Layout::One),
            (Some("Atomic"), replicated, true, Layout::Cluster),
            // Its Keeper is away: nothing is made that others would not see.
            (Some("Atomic"), replicated, false, Layout::Cluster),
            (Some("Replicated"), None, false, Layout::Database),
            (Some("Replicated"), replicated, true, Layout::Database),
            // A service's own.
            (Some("Shared"), None, true, Layout::One),
            (
                Some("Shared"),
                Some("SharedReplacingMergeTree"),
                true,
                Layout::One,
            ),
        ] {
            let chosen = choose(database, table, offered);
            assert_eq!(chosen, layout, "{database:?} {table:?} {offered}");
        }
    }

    #[test]
    fn one_server_is_told_what_the_migrations_say() {
        let written = [
            include_str!("../migrations/0001_tables.sql"),
            include_str!("../migrations/0002_views.sql"),
        ];
        for statement in schema(Layout::One).skip(1) {
            assert!(written.iter().any(|file| file.contains(&statement)));
        }
    }

    #[test]
    fn a_cluster_is_told_where_and_that_there_are_replicas() {
        check(
            Layout::Cluster,
            expect![[r#"
            CREATE DATABASE IF NOT EXISTS `a\`b` ON CLUSTER '{cluster}'
            CREATE TABLE IF NOT EXISTS schema_migrations ON CLUSTER '{cluster}'
            ) ENGINE = ReplicatedReplacingMergeTree(applied_at) ORDER BY version
            CREATE TABLE IF NOT EXISTS events ON CLUSTER '{cluster}'
            ) ENGINE = ReplicatedReplacingMergeTree(version)
            CREATE TABLE IF NOT EXISTS leads ON CLUSTER '{cluster}'
            ) ENGINE = ReplicatedReplacingMergeTree(version)
            CREATE TABLE IF NOT EXISTS posts ON CLUSTER '{cluster}'
            ) ENGINE = ReplicatedReplacingMergeTree(version)
            CREATE TABLE IF NOT EXISTS auctions ON CLUSTER '{cluster}'
            ) ENGINE = ReplicatedReplacingMergeTree(version)
            CREATE TABLE IF NOT EXISTS pings ON CLUSTER '{cluster}'
            ) ENGINE = ReplicatedReplacingMergeTree(version)
            CREATE TABLE IF NOT EXISTS conversions ON CLUSTER '{cluster}'
            ) ENGINE = ReplicatedReplacingMergeTree(version)
            CREATE TABLE IF NOT EXISTS credits ON CLUSTER '{cluster}'
            ) ENGINE = ReplicatedReplacingMergeTree(version)
            CREATE TABLE IF NOT EXISTS refusals ON CLUSTER '{cluster}'
            ) ENGINE = ReplicatedReplacingMergeTree(version)
            CREATE TABLE IF NOT EXISTS postbacks ON CLUSTER '{cluster}'
            ) ENGINE = ReplicatedReplacingMergeTree(version)
            CREATE TABLE IF NOT EXISTS dead_letters ON CLUSTER '{cluster}'
            ) ENGINE = ReplicatedReplacingMergeTree
            CREATE OR REPLACE VIEW v_events ON CLUSTER '{cluster}' AS SELECT * FROM events FINAL
            CREATE OR REPLACE VIEW v_leads ON CLUSTER '{cluster}' AS SELECT * FROM leads FINAL WHERE NOT test
            CREATE OR REPLACE VIEW v_posts ON CLUSTER '{cluster}' AS SELECT * FROM posts FINAL WHERE NOT test
            CREATE OR REPLACE VIEW v_auctions ON CLUSTER '{cluster}' AS SELECT * FROM auctions FINAL WHERE NOT test
            CREATE OR REPLACE VIEW v_pings ON CLUSTER '{cluster}' AS SELECT * FROM pings FINAL WHERE NOT test
            CREATE OR REPLACE VIEW v_conversions ON CLUSTER '{cluster}' AS SELECT * FROM conversions FINAL WHERE merged_into = ''
            CREATE OR REPLACE VIEW v_conversion_history ON CLUSTER '{cluster}' AS
            CREATE OR REPLACE VIEW v_payables ON CLUSTER '{cluster}' AS
            CREATE OR REPLACE VIEW v_credits ON CLUSTER '{cluster}' AS
            CREATE OR REPLACE VIEW v_refusals ON CLUSTER '{cluster}' AS SELECT * FROM refusals FINAL WHERE NOT test
            CREATE OR REPLACE VIEW v_postbacks ON CLUSTER '{cluster}' AS SELECT * FROM postbacks FINAL
            CREATE OR REPLACE VIEW v_dead_letters ON CLUSTER '{cluster}' AS SELECT * FROM dead_letters FINAL"#]],
        );
    }

    #[test]
    fn a_database_that_replicates_is_told_that_there_are_replicas() {
        check(
            Layout::Database,
            expect![[r#"
            CREATE DATABASE IF NOT EXISTS `a\`b`
            CREATE TABLE IF NOT EXISTS schema_migrations
            ) ENGINE = ReplicatedReplacingMergeTree(applied_at) ORDER BY version
            CREATE TABLE IF NOT EXISTS events
            ) ENGINE = ReplicatedReplacingMergeTree(version)
            CREATE TABLE IF NOT EXISTS leads
            ) ENGINE = ReplicatedReplacingMergeTree(version)
            CREATE TABLE IF NOT EXISTS posts
            ) ENGINE = ReplicatedReplacingMergeTree(version)
            CREATE TABLE IF NOT EXISTS auctions
            ) ENGINE = ReplicatedReplacingMergeTree(version)
            CREATE TABLE IF NOT EXISTS pings
            ) ENGINE = ReplicatedReplacingMergeTree(version)
            CREATE TABLE IF NOT EXISTS conversions
            ) ENGINE = ReplicatedReplacingMergeTree(version)
            CREATE TABLE IF NOT EXISTS credits
            ) ENGINE = ReplicatedReplacingMergeTree(version)
            CREATE TABLE IF NOT EXISTS refusals
            ) ENGINE = ReplicatedReplacingMergeTree(version)
            CREATE TABLE IF NOT EXISTS postbacks
            ) ENGINE = ReplicatedReplacingMergeTree(version)
            CREATE TABLE IF NOT EXISTS dead_letters
            ) ENGINE = ReplicatedReplacingMergeTree
            CREATE OR REPLACE VIEW v_events AS SELECT * FROM events FINAL
            CREATE OR REPLACE VIEW v_leads AS SELECT * FROM leads FINAL WHERE NOT test
            CREATE OR REPLACE VIEW v_posts AS SELECT * FROM posts FINAL WHERE NOT test
            CREATE OR REPLACE VIEW v_auctions AS SELECT * FROM auctions FINAL WHERE NOT test
            CREATE OR REPLACE VIEW v_pings AS SELECT * FROM pings FINAL WHERE NOT test
            CREATE OR REPLACE VIEW v_conversions AS SELECT * FROM conversions FINAL WHERE merged_into = ''
            CREATE OR REPLACE VIEW v_conversion_history AS
            CREATE OR REPLACE VIEW v_payables AS
            CREATE OR REPLACE VIEW v_credits AS
            CREATE OR REPLACE VIEW v_refusals AS SELECT * FROM refusals FINAL WHERE NOT test
            CREATE OR REPLACE VIEW v_postbacks AS SELECT * FROM postbacks FINAL
            CREATE OR REPLACE VIEW v_dead_letters AS SELECT * FROM dead_letters FINAL"#]],
        );
    }

    #[test]
    fn no_statement_is_left_as_it_was() {
        for (one, cluster) in schema(Layout::One).zip(schema(Layout::Cluster)) {
            assert_eq!(cluster.matches(ON_CLUSTER).count(), 1, "{cluster}");
            assert_eq!(
                one.contains("CREATE TABLE"),
                cluster.contains("ReplicatedReplacingMergeTree"),
                "{cluster}"
            );
        }
    }
}
