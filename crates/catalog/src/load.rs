//! Reading everything: config file, environment and flags, then the catalog file.

use std::collections::BTreeMap;
use std::path::Path;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::reader::{Cursor, Sink};
use crate::tree::Node;
use crate::{Config, KeyDigest, Problem, Snapshot, compile, lists, read_config, vars};

/// Values that come before those of the config file.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// The environment: `GAVEL_LISTEN_PUBLIC` is `listen.public`, `GAVEL_CATALOG_VARS_X` is
    /// `catalog.vars.x`. Other variables are ignored: a cluster sets `GAVEL_PORT` and the like for
    /// a service of this name.
    pub env: BTreeMap<String, String>,
    /// Flags by the path of the value: `listen.public`, `catalog.vars.x`. They win over both.
    pub flags: BTreeMap<String, String>,
}

/// The largest file that is read.
const FILE_BYTES: u64 = 64 << 20;

/// Reads a config file and the catalog it names. On failure every problem of both.
pub fn load(config: &Path, overrides: &Overrides) -> Result<(Config, Snapshot), Vec<Problem>> {
    let name = config.display().to_string();
    let text = read(config).map_err(|problem| vec![problem])?;
    let mut root = Node::read(&name, &text).map_err(|problem| vec![problem])?;
    let mut problems = read_config::overlay(&mut root, overrides);
    let sink = Sink::new(name);
    let folder = config.parent().unwrap_or(Path::new(""));
    let read_config = read_config::config(&root, folder, &sink);
    // A catalog is looked at even if the rest of the configuration is not good.
    let source = match &read_config {
        Some(config) => Some(config.catalog.clone()),
        None => read_config::catalog_only(&root, folder),
    };
    problems.extend(sink.into_problems());
    let admin_keys = read_config
        .as_ref()
        .map_or(&[][..], |config| &config.admin_keys);
    let snapshot = source.and_then(|source| {
        read(&source.file)
            .map_err(|problem| vec![problem])
            .and_then(|text| {
                let name = source.file.display().to_string();
                let folder = source.file.parent().unwrap_or(Path::new(""));
                load_from(&name, &text, &source.vars, admin_keys, Some(folder))
            })
            .map_err(|more| problems.extend(more))
            .ok()
    });
    match (read_config, snapshot) {
        (Some(config), Some(snapshot)) if problems.is_empty() => Ok((config, snapshot)),
        _ => Err(problems),
    }
}

/// Every problem of a config file and the catalog it names; none if a service can start with them.
pub fn check(config: &Path, overrides: &Overrides) -> Vec<Problem> {
    load(config, overrides).err().unwrap_or_default()
}

/// Reads a catalog from the text of a file or from [`Snapshot::canonical`]. `name` is what problems
/// call it; `vars` are the values of its variables, `admin_keys` come from the configuration.
pub fn load_catalog(
    name: &str,
    text: &str,
    vars: &BTreeMap<String, String>,
    admin_keys: &[KeyDigest],
) -> Result<Snapshot, Vec<Problem>> {
    load_from(name, text, vars, admin_keys, None)
}

/// `folder` is where the catalog's own files are: lists that are too long to be written in it.
fn load_from(
    name: &str,
    text: &str,
    vars: &BTreeMap<String, String>,
    admin_keys: &[KeyDigest],
    folder: Option<&Path>,
) -> Result<Snapshot, Vec<Problem>> {
    let mut root = Node::read(name, text).map_err(|problem| vec![problem])?;
    let sink = Sink::new(name);
    vars::complain(&Cursor::root(&root, &sink), &root, vars);
    vars::resolve(&mut root, vars);
    if let Some(folder) = folder {
        lists::read(&mut root, folder, &sink);
    }
    compile::hide_keys(&mut root);
    let parts = compile::catalog(&root, admin_keys, &sink);
    let problems = sink.into_problems();
    match parts {
        Some(parts) if problems.is_empty() => {
            let canonical = root.canonical();
            let hash = Sha256::digest(&canonical);
            let short = hash.first_chunk::<16>().map_or(&[][..], |half| half);
            Ok(parts.into_snapshot(HEXLOWER.encode(short), canonical))
        }
        _ => Err(problems),
    }
}

fn read(path: &Path) -> Result<String, Problem> {
    let problem = |message: String| Problem {
        file: path.display().to_string(),
        line: None,
        path: String::new(),
        message,
    };
    let cannot = |error: std::io::Error| problem(format!("cannot be read: {error}"));
    if std::fs::metadata(path).map_err(cannot)?.len() > FILE_BYTES {
        return Err(problem(format!("is larger than {FILE_BYTES} bytes")));
    }
    std::fs::read_to_string(path).map_err(cannot)
}
