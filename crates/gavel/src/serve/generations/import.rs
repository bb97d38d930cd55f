//! When the catalog file of a node is put into the log: when it has changed since this node did so last.
//!
//! A node that starts again with the file of last month must not undo what was put since; but an operator
//! who edits the file of the only node, even back to what it was, means it. So a node notes in its data
//! directory what it has put and how far the log went then.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::serve::whole;

/// The file of the data directory.
const FILE: &str = "catalog.imported.json";

/// What was put from the file, and what was next in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Note {
    pub(super) generation: String,
    pub(super) next: u64,
}

/// What a node does with its file at the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Import {
    /// It is in force.
    Nothing,
    /// It is put into the log.
    Put,
    /// Others have put something newer since, which stands.
    Old,
}

/// The decision. `since`: whether the file's generation came into force at this offset or later.
pub(super) fn decide(
    file: &str,
    in_force: Option<&str>,
    note: Option<&Note>,
    since: impl Fn(u64) -> bool,
) -> Import {
    match in_force {
        None => Import::Put,
        Some(is) if is == file => Import::Nothing,
        Some(_) => {
            let unchanged = note.is_some_and(|note| note.generation == file);
            // Another node with the same new file was earlier.
            let known = since(note.map_or(0, |note| note.next));
            match unchanged || known {
                true => Import::Old,
                false => Import::Put,
            }
        }
    }
}

fn path(data: &Path) -> PathBuf {
    data.join(FILE)
}

/// What this node has noted. One that cannot be read is none.
pub(super) fn noted(data: &Path) -> Option<Note> {
    let bytes = std::fs::read(path(data)).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// Notes it.
pub(super) fn note(data: &Path, note: &Note) -> io::Result<()> {
    whole::write(&path(data), &serde_json::to_vec(note)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(generation: &str, next: u64) -> Note {
        Note {
            generation: generation.to_owned(),
            next,
        }
    }

    #[test]
    fn a_file_is_put_when_it_has_changed_since_it_was_put() {
        let nowhere = |_| false;
        assert_eq!(decide("a", None, None, nowhere), Import::Put);
        assert_eq!(decide("a", Some("a"), None, nowhere), Import::Nothing);
        // A new file of a new node.
        assert_eq!(decide("b", Some("a"), None, nowhere), Import::Put);
        // Edited, and edited back: the log has it from before the note.
        let at = |offset: u64| move |from| offset >= from;
        let note = noted("b", 2);
        assert_eq!(decide("a", Some("b"), Some(&note), at(0)), Import::Put);
    }

    #[test]
    fn a_file_that_has_not_changed_undoes_nothing() {
        let at = |offset: u64| move |from| offset >= from;
        let note = noted("a", 1);
        assert_eq!(decide("a", Some("c"), Some(&note), at(0)), Import::Old);
        // The data directory is new, the file is not.
        assert_eq!(decide("a", Some("c"), None, at(0)), Import::Old);
        // Two nodes have the same new file; the first one's was replaced before the second started.
        assert_eq!(decide("b", Some("c"), Some(&note), at(1)), Import::Old);
    }
}
