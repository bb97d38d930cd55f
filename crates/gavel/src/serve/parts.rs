//! Files that the embedded engine has written, on their way to the disk before the file system is synced.
//!
//! A sync that finds the files of half a minute has to write them all, and the journal's syncs, for which leads
//! wait, stand behind it (seen: 50 to 150 ms). So the kernel is asked after each batch to begin with new ones, part by
//! part, without anybody waiting for it: the sync then finds little left. This is a hint, and what it cannot read it
//! leaves to the sync.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs::{DirEntry, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{Advice, fadvise};

/// Where the engine keeps its tables, below its folder: each in a folder of a folder.
const STORE: &str = "store";
/// How the names of parts begin that are being written.
const UNFINISHED: &str = "tmp";

/// The parts that the kernel has heard of, by table.
#[derive(Debug, Default)]
pub(super) struct Parts(HashMap<PathBuf, HashSet<OsString>>);

impl Parts {
    /// Asks for the files of the parts that are new in the engine's folder since it was last looked at, with a pause
    /// after each part; gives the number of files.
    pub(super) fn begin(&mut self, engine: &Path, pause: Duration) -> usize {
        let mut before = std::mem::take(&mut self.0);
        let mut begun = 0;
        for table in folders(&engine.join(STORE)).flat_map(|shelf| folders(&shelf.path())) {
            let table = table.path();
            let known = before.remove(&table);
            let parts: HashSet<OsString> = folders(&table)
                .map(|part| part.file_name())
                .filter(|name| !is_unfinished(name))
                .collect();
            // Who asks for a file that is on the disk has it forgotten: what was there at first is left alone.
            for part in known.iter().flat_map(|known| parts.difference(known)) {
                begun += begin(&table.join(part));
                std::thread::sleep(pause);
            }
            self.0.insert(table, parts);
        }
        begun
    }
}

/// Asks for the files of a part.
fn begin(part: &Path) -> usize {
    let files = entries(part).filter_map(|entry| File::open(entry.path()).ok());
    files
        .filter(|file| fadvise(file, 0, None, Advice::DontNeed).is_ok())
        .count()
}

fn is_unfinished(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(UNFINISHED.as_bytes())
}

fn folders(of: &Path) -> impl Iterator<Item = DirEntry> + use<> {
    entries(of).filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
}

fn entries(of: &Path) -> impl Iterator<Item = DirEntry> + use<> {
    std::fs::read_dir(of).into_iter().flatten().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_new_parts_are_asked_for_once() {
        let engine = tempfile::tempdir().unwrap();
        let table = engine.path().join("store/abc/abc-1");
        let write = |part: &str, files: &[&str]| {
            let part = table.join(part);
            std::fs::create_dir_all(&part).unwrap();
            for file in files {
                std::fs::write(part.join(file), "rows").unwrap();
            }
        };
        let mut parts = Parts::default();
        let begin = |parts: &mut Parts| parts.begin(engine.path(), Duration::ZERO);
        assert_eq!(begin(&mut parts), 0, "there is no table");
        write("202611_0_0_1", &["data.bin"]);
        assert_eq!(begin(&mut parts), 0, "it was there before");
        write("202611_1_1_1", &["data.bin", "count.txt"]);
        write("tmp_insert_202611_2_2_1", &["data.bin"]);
        assert_eq!(begin(&mut parts), 2, "one is unfinished");
        assert_eq!(begin(&mut parts), 0);

        let (from, to) = ("tmp_insert_202611_2_2_1", "202611_2_2_1");
        std::fs::rename(table.join(from), table.join(to)).unwrap();
        std::fs::remove_dir_all(table.join("202611_1_1_1")).unwrap();
        assert_eq!(begin(&mut parts), 1);
        assert_eq!(parts.0[&table].len(), 2, "what is gone is forgotten");
        std::fs::remove_dir_all(&table).unwrap();
        assert_eq!(begin(&mut parts), 0);
        assert!(parts.0.is_empty());
    }
}
