//! A small file that holds one message behind its checksum, whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use prost::Message;

/// What was found in a file.
#[derive(Debug, PartialEq)]
pub(crate) enum Found<M> {
    Nothing,
    Damaged,
    Whole(M),
}

/// What a message that was written survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Survives {
    /// A killed process.
    Kill,
    /// A power cut too.
    PowerCut,
}

/// Reads it. A file that cannot be read is none.
pub(crate) fn read<M: Message + Default>(file: &Path) -> Found<M> {
    let Ok(bytes) = fs::read(file) else {
        return Found::Nothing;
    };
    let message = bytes.split_first_chunk().and_then(|(sum, message)| {
        let whole = crc32fast::hash(message).to_le_bytes() == *sum;
        whole.then(|| M::decode(message).ok()).flatten()
    });
    message.map_or(Found::Damaged, Found::Whole)
}

/// Writes it under another name first, so that there is never half of it.
pub(crate) fn write(file: &Path, message: &impl Message, survives: Survives) -> io::Result<()> {
    let message = message.encode_to_vec();
    let new = file.with_extension("new");
    let mut draft = File::create(&new)?;
    draft.write_all(&crc32fast::hash(&message).to_le_bytes())?;
    draft.write_all(&message)?;
    if survives == Survives::Kill {
        return fs::rename(&new, file);
    }
    draft.sync_all()?;
    fs::rename(&new, file)?;
    match file.parent() {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}
