//! Where log lines go and what they look like: one line each on standard error.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// What a log line looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For a person at a terminal.
    #[default]
    Text,
    /// One JSON object a line, for a collector.
    Json,
}

/// Logging could not be set up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogsError {
    /// The filter is not of the form `info,edge=debug`.
    #[error("not a log filter: {0}")]
    Filter(String),
    /// It was set up before.
    #[error("logging is set up already")]
    Twice,
}

/// Sends the log lines that `filter` lets through (`info,edge=debug`) to standard error.
/// For the binary to call once, before anything else.
///
/// # Errors
/// The filter does not parse, or this was called before.
pub fn init_logs(format: LogFormat, filter: &str) -> Result<(), LogsError> {
    let filter = EnvFilter::try_new(filter).map_err(|e| LogsError::Filter(e.to_string()))?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    match format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    }
    .map_err(|_| LogsError::Twice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_filter_and_a_second_set_up_are_told() {
        assert!(matches!(
            init_logs(LogFormat::Text, "edge=loud=very"),
            Err(LogsError::Filter(_))
        ));
        assert_eq!(init_logs(LogFormat::Json, "off"), Ok(()));
        assert_eq!(init_logs(LogFormat::Text, "off"), Err(LogsError::Twice));
    }
}
