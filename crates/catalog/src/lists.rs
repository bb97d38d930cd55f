//! Suppression lists in files of their own: one hash a line, `#` begins a remark. What a file holds is put
//! in the place of its name, so that a generation is whole and known by its content.

use std::path::Path;

use crate::reader::{Cursor, Sink};
use crate::tree::{Node, Value};

/// The largest list: the catalog travels whole in a record of the log.
const LIST_BYTES: u64 = 1 << 20;

/// Reads the file of every `[suppression.*]` that names one.
pub(crate) fn read(root: &mut Node, folder: &Path, sink: &Sink) {
    let Value::Table(sections) = &mut root.value else {
        return;
    };
    let Some(Value::Table(lists)) = sections.get_mut("suppression").map(|it| &mut it.value) else {
        return;
    };
    for list in lists.values_mut() {
        let Value::Table(members) = &mut list.value else {
            continue;
        };
        // Both of them are complained of later.
        if members.contains_key("hashes") {
            continue;
        }
        let Some(Value::Text(name)) = members.get("file").map(|it| &it.value) else {
            continue;
        };
        match hashes(&folder.join(name)) {
            Ok(text) => {
                let Some(mut node) = members.remove("file") else {
                    continue;
                };
                let lines = text
                    .lines()
                    .map(|line| line.split('#').next().unwrap_or_default());
                let lines = lines.map(str::trim).filter(|line| !line.is_empty());
                let entry =
                    |line: &str| Node::new(Value::Text(line.to_owned()), node.place.clone());
                node.value = Value::List(lines.map(entry).collect());
                members.insert("hashes".to_owned(), node);
            }
            Err(message) => {
                if let Some(node) = members.get("file") {
                    Cursor::root(node, sink).complain::<()>(message);
                }
            }
        }
    }
}

fn hashes(path: &Path) -> Result<String, String> {
    let cannot = |error: std::io::Error| format!("{} cannot be read: {error}", path.display());
    if std::fs::metadata(path).map_err(cannot)?.len() > LIST_BYTES {
        return Err(format!("{} is larger than 1MiB", path.display()));
    }
    std::fs::read_to_string(path).map_err(cannot)
}
