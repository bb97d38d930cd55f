//! The schema's migrations: numbered, applied once each, safe to run again after a crash in the
//! middle of one because every statement can be repeated.
//!
//! How to add one: put `migrations/<number>_<name>.sql` beside the others, with statements that say
//! `IF NOT EXISTS` or `OR REPLACE`, and add its line to [`MIGRATIONS`]. One that shipped is never
//! edited.

use crate::{Layout, Table, Warehouse, WarehouseError};

struct Migration {
    version: u32,
    name: &'static str,
    sql: &'static str,
}

const MIGRATIONS: [Migration; 2] = [
    Migration {
        version: 1,
        name: "tables",
        sql: include_str!("../migrations/0001_tables.sql"),
    },
    Migration {
        version: 2,
        name: "views",
        sql: include_str!("../migrations/0002_views.sql"),
    },
];

/// The version of the schema that this program writes.
pub const SCHEMA_VERSION: u32 = 2;

const BOOKKEEPING: &str = "CREATE TABLE IF NOT EXISTS schema_migrations (
    version UInt32, name String, applied_at DateTime64(6, 'UTC') DEFAULT now64(6)
) ENGINE = ReplacingMergeTree(applied_at) ORDER BY version
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1";

/// Of a table whose host syncs the file system.
const UNSYNCED: &str = "fsync_after_insert = 0, fsync_part_directory = 0, \
    min_rows_to_fsync_after_merge = 0, max_suspicious_broken_parts = 100000";

impl Migration {
    /// Its statements; comments and blank lines are none.
    fn statements(&self) -> impl Iterator<Item = &'static str> {
        self.sql.split(";\n").map(str::trim).filter(|statement| {
            let mut lines = statement.lines().map(str::trim);
            lines.any(|line| !line.is_empty() && !line.starts_with("--"))
        })
    }
}

/// The statements that make the tables, as a server that keeps them so is told them.
pub fn schema(layout: Layout) -> impl Iterator<Item = String> {
    let migrations = MIGRATIONS.iter().flat_map(Migration::statements);
    let all = std::iter::once(BOOKKEEPING).chain(migrations);
    all.map(move |statement| layout.of(statement).into_owned())
}

impl Warehouse {
    /// Fails unless its schema has all that this program knows.
    ///
    /// # Errors
    /// ClickHouse does not answer, or nobody has migrated it yet.
    pub async fn is_migrated(&self) -> Result<(), WarehouseError> {
        let applied = self.applied().await?;
        match applied >= SCHEMA_VERSION {
            true => Ok(()),
            false => Err(WarehouseError::Mismatch(format!(
                "the schema is of version {applied}, not {SCHEMA_VERSION}"
            ))),
        }
    }

    async fn applied(&self) -> Result<u32, WarehouseError> {
        let applied = self.count("SELECT toUInt64(max(version)) FROM schema_migrations");
        Ok(u32::try_from(applied.await?).unwrap_or(u32::MAX))
    }

    /// Makes the database and brings its schema to [`SCHEMA_VERSION`]; returns how many migrations
    /// that took. Two programs that do so at once do no harm.
    ///
    /// # Errors
    /// ClickHouse refuses a statement, or its schema is newer than this program.
    pub async fn migrate(&self) -> Result<usize, WarehouseError> {
        let layout = self.layout().await?;
        self.create_database(layout).await?;
        self.define(layout, BOOKKEEPING).await?;
        let applied = self.applied().await?;
        if applied > SCHEMA_VERSION {
            return Err(WarehouseError::TooNew {
                found: applied,
                known: SCHEMA_VERSION,
            });
        }
        let missing = MIGRATIONS
            .iter()
            .filter(|migration| migration.version > applied);
        let mut ran = 0;
        for migration in missing {
            for statement in migration.statements() {
                self.define(layout, statement).await?;
            }
            let Migration { version, name, .. } = migration;
            let done =
                format!("INSERT INTO schema_migrations (version, name) SELECT {version}, '{name}'");
            self.execute(&done).await?;
            tracing::info!(version, name, ?layout, "schema migrated");
            ran += 1;
        }
        Ok(ran)
    }

    /// Leaves syncing to whoever owns the disk: a part is not synced one by one, and one that a
    /// power cut took is no reason not to start. Its rows have to come again.
    ///
    /// # Errors
    /// ClickHouse refuses a statement.
    pub async fn leave_unsynced(&self) -> Result<(), WarehouseError> {
        for table in Table::ALL {
            let table = table.name();
            let alter = format!("ALTER TABLE {table} MODIFY SETTING {UNSYNCED}");
            self.execute(&alter).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_count_up_and_every_statement_can_be_repeated() {
        for (index, migration) in MIGRATIONS.iter().enumerate() {
            assert_eq!(migration.version as usize, index + 1, "{}", migration.name);
            assert!(migration.statements().count() > 0, "{}", migration.name);
            for statement in migration.statements() {
                let repeatable =
                    statement.contains("IF NOT EXISTS") || statement.contains("OR REPLACE");
                assert!(repeatable, "{statement}");
            }
        }
        assert_eq!(
            MIGRATIONS.last().map(|last| last.version),
            Some(SCHEMA_VERSION)
        );
    }

    #[test]
    fn every_table_and_view_is_made_and_synced() {
        let all: String = MIGRATIONS.iter().map(|migration| migration.sql).collect();
        for table in Table::ALL {
            assert!(all.contains(&format!("CREATE TABLE IF NOT EXISTS {} (", table.name())));
            assert!(all.contains(&format!("CREATE OR REPLACE VIEW {} AS", table.view())));
        }
        assert_eq!(
            all.matches("fsync_after_insert = 1").count(),
            Table::ALL.len()
        );
    }
}
