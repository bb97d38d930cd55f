//! Whether the ClickHouse engine is on this machine: tests skip themselves without it, but not in CI.

use std::path::PathBuf;

/// The engine's library, or a skip said aloud.
pub(crate) fn library() -> Option<PathBuf> {
    let own = std::env::var_os("GAVEL_LIBCHDB").map(PathBuf::from);
    let data = std::env::var_os("XDG_DATA_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/share")))
        .unwrap_or_default();
    match engine::fetch::locate(own, &data.join("gavel/engine")) {
        Ok(library) => Some(library),
        Err(error) => {
            assert!(
                std::env::var("CI").is_err(),
                "the engine must be there in CI: {error}"
            );
            eprintln!("SKIPPED: {error}");
            None
        }
    }
}
