//! Reading everything: config file, environment and flags, then the catalog file.

use std::collections::BTreeMap;
use std::path::Path;

use crate::{Config, Problem, Snapshot};

/// Values that come before those of the config file.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// The environment: `GAVEL_LISTEN_PUBLIC` is `listen.public`. Other variables are ignored.
    pub env: BTreeMap<String, String>,
    /// Flags by the path of the value: `listen.public`, `catalog.vars.NAME`. They come first.
    pub flags: BTreeMap<String, String>,
}

/// Reads a config file and the catalog it names. On failure every problem of both.
pub fn load(_config: &Path, _overrides: &Overrides) -> Result<(Config, Snapshot), Vec<Problem>> {
    Err(Vec::new())
}

/// Reads a catalog from the text of a file or from [`Snapshot::canonical`]. `name` is what problems
/// call it.
pub fn load_catalog(
    _name: &str,
    _text: &str,
    _vars: &BTreeMap<String, String>,
) -> Result<Snapshot, Vec<Problem>> {
    Err(Vec::new())
}
