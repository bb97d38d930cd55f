//! The environment: every variable Gavel reads, read here and nowhere else.

#![expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the environment"
)]

use std::collections::BTreeMap;
use std::path::PathBuf;

use telemetry::LogFormat;

/// `GAVEL_LOG`: which log lines to show (`info`, `info,edge=debug`).
pub(crate) fn log_filter() -> String {
    std::env::var("GAVEL_LOG").unwrap_or_else(|_| "info".to_owned())
}

/// `GAVEL_LOG_FORMAT`: `text` for a person (the default), `json` for a collector.
pub(crate) fn log_format() -> Result<LogFormat, String> {
    match std::env::var("GAVEL_LOG_FORMAT").as_deref() {
        Err(_) | Ok("" | "text") => Ok(LogFormat::Text),
        Ok("json") => Ok(LogFormat::Json),
        Ok(other) => Err(format!(
            "GAVEL_LOG_FORMAT is {other:?}: expected \"text\" or \"json\""
        )),
    }
}

/// `GAVEL_LIBCHDB`: the operator's own `libchdb.so`.
pub(crate) fn own_engine() -> Option<PathBuf> {
    std::env::var_os("GAVEL_LIBCHDB")
        .filter(|path| !path.is_empty())
        .map(PathBuf::from)
}

/// Where fetched engines are kept: `$XDG_DATA_HOME/gavel/engine`, else
/// `~/.local/share/gavel/engine`.
pub(crate) fn engine_cache() -> Option<PathBuf> {
    let absolute = |name| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let data = absolute("XDG_DATA_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/share")))?;
    Some(data.join("gavel/engine"))
}

/// All `GAVEL_..` variables: those that name a setting come before the configuration file.
pub(crate) fn settings() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
        .filter(|(name, _)| name.starts_with("GAVEL_"))
        .map(|(name, value)| (name, value.to_string_lossy().into_owned()))
        .collect()
}
