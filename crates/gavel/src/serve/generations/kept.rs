//! The catalog that was in force here last, beside the log: what a node obeys that starts while the log cannot
//! be read.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use catalog::Snapshot;

use super::{Desk, read, told};
use crate::serve::whole;

/// The file of the data directory.
const FILE: &str = "catalog.obeyed.toml";

fn path(data: &Path) -> PathBuf {
    data.join(FILE)
}

/// Keeps it.
pub(super) fn keep(data: &Path, canonical: &[u8]) -> io::Result<()> {
    whole::write(&path(data), canonical)
}

/// The one that was kept; the file's on a first start, or if what was kept is not for this version.
pub(in crate::serve) fn last(desk: &Desk, file: &Arc<Snapshot>) -> Arc<Snapshot> {
    let canonical = match std::fs::read(path(&desk.data_dir)) {
        Ok(canonical) => canonical,
        Err(error) => {
            if error.kind() != io::ErrorKind::NotFound {
                tracing::warn!(%error, "the catalog that was obeyed last cannot be read: the file's stands in");
            }
            return Arc::clone(file);
        }
    };
    match read(desk, "catalog obeyed last", &canonical) {
        Ok(snapshot) => Arc::new(snapshot),
        Err(problems) => {
            let why = told(&problems);
            tracing::warn!(
                why,
                "the catalog that was obeyed last is not good here: the file's stands in"
            );
            Arc::clone(file)
        }
    }
}
