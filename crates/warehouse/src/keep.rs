//! How long rows stay that no money depends on. A part is dropped when its last row may go, so nothing is
//! written again for it; parts are at most a month.

use std::time::Duration;

use crate::{Table, Warehouse, WarehouseError};

const WHOLE_PARTS: &str = "MODIFY SETTING ttl_only_drop_parts = 1";

impl Table {
    /// The time a row's age is counted from, where rows may go: money depends on those of the others.
    const fn ages_by(self) -> Option<&'static str> {
        match self {
            Self::Events => Some("ts"),
            Self::Auctions => Some("ended_at"),
            Self::Pings => Some("started_at"),
            Self::Refusals => Some("refused_at"),
            Self::Leads
            | Self::Posts
            | Self::Conversions
            | Self::Credits
            | Self::Postbacks
            | Self::DeadLetters => None,
        }
    }
}

impl Warehouse {
    /// From now on rows of these tables stay for that long, and without it for ever. A rule that somebody
    /// gave a table in other words stays.
    ///
    /// # Errors
    /// ClickHouse refuses a statement.
    pub async fn keep(&self, spans: &[(Table, Option<Duration>)]) -> Result<(), WarehouseError> {
        for (table, span) in spans {
            let Some(column) = table.ages_by() else {
                continue;
            };
            let name = table.name();
            let begin = format!("TTL toDateTime({column}) + toIntervalSecond(");
            let rule = span.map(|span| format!("{begin}{})", span.as_secs()));
            let sought = rule.as_deref().unwrap_or(&begin);
            let there = format!(
                "SELECT count() FROM system.tables WHERE database = currentDatabase() \
                 AND name = '{name}' AND position(engine_full, '{sought}') > 0"
            );
            let there = self.count(&there).await? > 0;
            let changes = match &rule {
                Some(rule) if !there => vec![WHOLE_PARTS.to_owned(), format!("MODIFY {rule}")],
                None if there => vec!["REMOVE TTL".to_owned()],
                _ => continue,
            };
            for change in changes {
                self.execute(&format!("ALTER TABLE {name} {change}"))
                    .await?;
            }
            tracing::info!(table = name, ?span, "how long rows stay has changed");
        }
        Ok(())
    }
}
