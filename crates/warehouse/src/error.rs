//! What can go wrong with ClickHouse, and who has to act.

/// Who has to act on an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Nobody: try again.
    Transient,
    /// A person: the same request will fail again.
    Permanent,
}

/// A request to ClickHouse failed.
#[derive(Debug, thiserror::Error)]
pub enum WarehouseError {
    /// It could not be reached, or broke off.
    #[error("clickhouse is unreachable: {0}")]
    Unreachable(String),
    /// It answered with an error.
    #[error("clickhouse refused: {0}")]
    Refused(String),
    /// Rows do not fit the tables, or an answer does not fit what was asked for.
    #[error("clickhouse and this program disagree: {0}")]
    Mismatch(String),
    /// The database was migrated by a newer program.
    #[error("the schema is at version {found}, this program knows {known}: use the newer program")]
    TooNew {
        /// What the database says.
        found: u32,
        /// What this program knows.
        known: u32,
    },
}

impl WarehouseError {
    /// Who has to act. A refusal counts as transient: too many parts, no memory, a table that is
    /// being made; whoever retries does so with a growing pause.
    pub const fn class(&self) -> Class {
        match self {
            Self::Unreachable(_) | Self::Refused(_) => Class::Transient,
            Self::Mismatch(_) | Self::TooNew { .. } => Class::Permanent,
        }
    }
}

impl From<clickhouse::error::Error> for WarehouseError {
    fn from(error: clickhouse::error::Error) -> Self {
        use clickhouse::error::Error;
        match error {
            Error::Network(_) | Error::TimedOut => Self::Unreachable(chain(&error)),
            Error::BadResponse(text) => Self::Refused(text),
            other => Self::Mismatch(chain(&other)),
        }
    }
}

/// An error with its causes: "network error" alone helps nobody.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}
