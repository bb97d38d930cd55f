//! The list of a backup's files, with length and SHA-256 of each: written when all of them are there, and held
//! against them before anything is restored.
//!
//! ```text
//! gavel backup 1
//! <sha256> <bytes> <path>
//! ..
//! <sha256 of the lines above> end
//! ```
//!
//! The engine's own list has checksums that it does not look at: it restores what is bent without a word.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use thiserror::Error;

const HEAD: &str = "gavel backup 1\n";
const PIECE: usize = 256 << 10;

/// What a backup holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holds {
    pub files: usize,
    pub bytes: u64,
}

/// Why a list cannot be made or does not hold.
#[derive(Debug, Error)]
pub enum ManifestError {
    #[error("{} is no whole backup: it has no list of its files", backup.display())]
    Unfinished { backup: PathBuf },
    #[error("the list {} is damaged", list.display())]
    Damaged { list: PathBuf },
    #[error("the backup is damaged: {}", problems.join("; "))]
    Differs { problems: Vec<String> },
    #[error("the name of {} is not UTF-8", path.display())]
    Name { path: PathBuf },
    #[error("{}: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
}

/// Of problems so many are told.
const TOLD: usize = 10;

type Files = BTreeMap<String, (u64, String)>;

/// Lists what is below `folder` in `list`, which is there whole or not at all. When this returns, all of it survives
/// a power cut.
pub(crate) fn write(list: &Path, folder: &Path) -> Result<Holds, ManifestError> {
    let mut files = Files::new();
    for (name, path) in walk(folder)? {
        files.insert(name, digest(&path)?);
    }
    let mut text = HEAD.to_owned();
    for (name, (bytes, sum)) in &files {
        text.push_str(&format!("{sum} {bytes} {name}\n"));
    }
    text.push_str(&format!("{} end\n", hex(Sha256::digest(&text).as_slice())));
    let io = |error| at(list, error);
    let parent = list.parent().unwrap_or(folder);
    // The engine has written the files and synced nothing.
    let directory = File::open(parent).map_err(io)?;
    rustix::fs::syncfs(&directory).map_err(|error| io(error.into()))?;
    let mut draft = tempfile::NamedTempFile::new_in(parent).map_err(io)?;
    draft.write_all(text.as_bytes()).map_err(io)?;
    draft.as_file().sync_all().map_err(io)?;
    draft
        .persist_noclobber(list)
        .map_err(|error| io(error.error))?;
    directory.sync_all().map_err(io)?;
    Ok(holds(&files))
}

/// Holds the files below `folder` against their list.
pub(crate) fn check(list: &Path, folder: &Path) -> Result<Holds, ManifestError> {
    let text = match fs::read_to_string(list) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let backup = list.parent().unwrap_or(list).to_owned();
            return Err(ManifestError::Unfinished { backup });
        }
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            let list = list.to_owned();
            return Err(ManifestError::Damaged { list });
        }
        Err(error) => return Err(at(list, error)),
    };
    let listed = parse(&text).ok_or_else(|| ManifestError::Damaged {
        list: list.to_owned(),
    })?;
    let mut problems = Vec::new();
    let mut there = walk(folder)?;
    for (name, expected) in &listed {
        match there.remove(name) {
            None => problems.push(format!("{name} is missing")),
            Some(path) if digest(&path)? != *expected => {
                problems.push(format!("{name} is not as it was"));
            }
            Some(_) => {}
        }
    }
    problems.extend(
        there
            .keys()
            .map(|name| format!("{name} is not in the list")),
    );
    if problems.is_empty() {
        return Ok(holds(&listed));
    }
    let more = problems.len().saturating_sub(TOLD);
    problems.truncate(TOLD);
    if more > 0 {
        problems.push(format!("and {more} more"));
    }
    Err(ManifestError::Differs { problems })
}

fn holds(files: &Files) -> Holds {
    Holds {
        files: files.len(),
        bytes: files.values().map(|(bytes, _)| bytes).sum(),
    }
}

fn parse(text: &str) -> Option<Files> {
    let (last, above) = {
        let text = text.strip_suffix('\n')?;
        let end = text.rfind('\n')? + 1;
        (text.get(end..)?, text.get(..end)?)
    };
    if last.strip_suffix(" end")? != hex(Sha256::digest(above).as_slice()) {
        return None;
    }
    let mut files = Files::new();
    for line in above.strip_prefix(HEAD)?.lines() {
        let (sum, rest) = line.split_once(' ')?;
        let (bytes, name) = rest.split_once(' ')?;
        files.insert(name.to_owned(), (bytes.parse().ok()?, sum.to_owned()));
    }
    Some(files)
}

/// Every file below a folder, by its path in it.
fn walk(folder: &Path) -> Result<BTreeMap<String, PathBuf>, ManifestError> {
    let mut files = BTreeMap::new();
    let mut folders = vec![(String::new(), folder.to_owned())];
    while let Some((prefix, folder)) = folders.pop() {
        let io = |error| at(&folder, error);
        for entry in fs::read_dir(&folder).map_err(io)? {
            let entry = entry.map_err(io)?;
            let path = entry.path();
            let name = entry.file_name();
            let Some(name) = name.to_str().filter(|name| !name.contains('\n')) else {
                return Err(ManifestError::Name { path });
            };
            let name = format!("{prefix}{name}");
            if entry.file_type().map_err(io)?.is_dir() {
                folders.push((format!("{name}/"), path));
            } else {
                files.insert(name, path);
            }
        }
    }
    Ok(files)
}

fn digest(path: &Path) -> Result<(u64, String), ManifestError> {
    let io = |error| at(path, error);
    let mut file = File::open(path).map_err(io)?;
    let (mut bytes, mut sum) = (0, Sha256::new());
    let mut piece = vec![0; PIECE];
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Ok((bytes, hex(sum.finalize().as_slice()))),
            Ok(length) => {
                bytes += length as u64;
                sum.update(piece.get(..length).unwrap_or_default());
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(io(error)),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

fn at(path: &Path, error: io::Error) -> ManifestError {
    ManifestError::Io {
        path: path.to_owned(),
        error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backup() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("files");
        fs::create_dir_all(folder.join("a b/c")).unwrap();
        fs::write(folder.join("one"), "one").unwrap();
        fs::write(folder.join("a b/c/two"), vec![2; PIECE + 1]).unwrap();
        fs::write(folder.join("a b/empty"), "").unwrap();
        let list = home.path().join("list");
        (home, list, folder)
    }

    #[test]
    fn what_was_listed_holds() {
        let (_home, list, folder) = backup();
        let holds = write(&list, &folder).unwrap();
        let (files, bytes) = (3, PIECE as u64 + 4);
        assert_eq!(holds, Holds { files, bytes });
        assert_eq!(check(&list, &folder).unwrap(), holds);
        assert!(write(&list, &folder).is_err(), "a list is written once");
    }

    #[test]
    fn any_damage_is_told() {
        let problems = |damage: fn(&Path)| {
            let (_home, list, folder) = backup();
            write(&list, &folder).unwrap();
            damage(&folder);
            check(&list, &folder).unwrap_err().to_string()
        };
        let said = problems(|folder| {
            fs::write(folder.join("one"), "oNe").unwrap();
            fs::remove_file(folder.join("a b/empty")).unwrap();
            fs::write(folder.join("three"), "").unwrap();
        });
        assert_eq!(
            said,
            "the backup is damaged: a b/empty is missing; one is not as it was; three is not in the list"
        );
        let said = problems(|folder| fs::write(folder.join("a b/c/two"), "2").unwrap());
        assert!(said.contains("a b/c/two is not as it was"), "{said}");
        let said = problems(|folder| fs::remove_dir_all(folder).unwrap());
        assert!(said.contains("files: "), "{said}");
    }

    #[test]
    fn a_list_that_is_not_whole_is_none() {
        let (_home, list, folder) = backup();
        let unfinished = check(&list, &folder).unwrap_err();
        assert!(matches!(unfinished, ManifestError::Unfinished { .. }));
        write(&list, &folder).unwrap();
        let text = fs::read(&list).unwrap();
        for at in 0..text.len() {
            let mut bent = text.clone();
            bent[at] ^= 1;
            fs::write(&list, &bent).unwrap();
            let said = check(&list, &folder);
            assert!(matches!(said, Err(ManifestError::Damaged { .. })), "{at}");
            fs::write(&list, &text[..at]).unwrap();
            let said = check(&list, &folder);
            assert!(matches!(said, Err(ManifestError::Damaged { .. })), "{at}");
        }
    }
}
