//! What a buyer answered, one JSON line per request, handed to the kernel before the answer leaves.
//!
//! The file `NAME.jsonl` of a buyer is the truth about what that buyer believes it has bought. It holds
//! ids, prices and times, and of the lead only the marker field.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

/// A journal cannot be opened or read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file system refused.
    #[error("{path}: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A line before the last is not an entry.
    #[error("{path}, line {line}: {source}")]
    Line {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// Why.
        source: serde_json::Error,
    },
}

/// Which request it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A ping.
    Ping,
    /// A post.
    Post,
}

/// What the buyer decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// A bid on a ping.
    Bid,
    /// No bid on a ping.
    NoBid,
    /// The buyer has bought the lead.
    Accepted,
    /// The buyer does not want it.
    Rejected,
    /// The buyer has it already.
    Duplicate,
    /// The buyer will say later.
    Pending,
}

/// What the caller hears of the decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// The answer, in the buyer's usual time.
    Answered,
    /// The answer, after the time the caller named.
    Late,
    /// Nothing.
    Never,
    /// A reset connection.
    Reset,
    /// A status 500.
    ServerError,
    /// A 200 that is no JSON.
    Garbage,
    /// The answer, cut short of its length.
    Truncated,
}

/// One line of a journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// When the request was read, in microseconds since 1970.
    pub received_us: i64,
    /// From the request read to the answer written, in microseconds; none for an answer that never
    /// leaves, planned for one that leaves late.
    pub service_us: Option<u64>,
    /// The buyer's name.
    pub buyer: String,
    /// Ping or post.
    pub kind: Kind,
    /// As in the request.
    pub campaign: String,
    /// As in the request.
    pub contract: String,
    /// As in the request.
    pub test: bool,
    /// As in the request.
    pub ping_id: String,
    /// As in the request: how long the caller waits.
    pub tmax_ms: u32,
    /// Of a post.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lead_id: Option<String>,
    /// Of a post.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// The lead field that joins this with a client's request; empty if the lead has none.
    pub marker: String,
    /// What was decided.
    pub answer: Answer,
    /// What the caller hears of it.
    pub delivery: Delivery,
    /// The bid, or the price at which the lead was posted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<String>,
    /// A post with a key that was seen before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub repeat: bool,
}

/// One buyer's journal, open for appending.
pub(crate) struct Journal {
    path: PathBuf,
    file: Mutex<File>,
}

impl Journal {
    /// Opens or creates the journal of buyer `name`; a line that a crash cut short is closed.
    pub(crate) fn open(dir: &Path, name: &str) -> Result<(Self, Vec<Entry>), JournalError> {
        let path = dir.join(format!("{name}.jsonl"));
        let io = |source| JournalError::Io {
            path: path.clone(),
            source,
        };
        std::fs::create_dir_all(dir).map_err(io)?;
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .read(true)
            .open(&path)
            .map_err(io)?;
        let (entries, whole) = read(&path)?;
        if whole == Tail::Cut {
            file.write_all(b"\n").map_err(io)?;
        }
        Ok((
            Self {
                path: path.clone(),
                file: Mutex::new(file),
            },
            entries,
        ))
    }

    /// Hands one line to the kernel in one write.
    pub(crate) fn append(&self, entry: &Entry) -> Result<(), JournalError> {
        let io = |source| JournalError::Io {
            path: self.path.clone(),
            source,
        };
        let mut line = serde_json::to_vec(entry).map_err(|error| io(error.into()))?;
        line.push(b'\n');
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(&line).map_err(io)
    }
}

#[derive(PartialEq)]
enum Tail {
    Whole,
    Cut,
}

/// All entries of all journals in a directory.
pub fn read_journals(dir: &Path) -> Result<Vec<Entry>, JournalError> {
    let io = |source| JournalError::Io {
        path: dir.to_owned(),
        source,
    };
    let mut paths = Vec::new();
    for found in std::fs::read_dir(dir).map_err(io)? {
        let path = found.map_err(io)?.path();
        if path.extension().is_some_and(|ext| ext == "jsonl") {
            paths.push(path);
        }
    }
    paths.sort();
    let mut entries = Vec::new();
    for path in paths {
        entries.append(&mut read(&path)?.0);
    }
    Ok(entries)
}

/// The entries of one journal. A last line without an end was cut by a crash: nobody was answered.
fn read(path: &Path) -> Result<(Vec<Entry>, Tail), JournalError> {
    let io = |source| JournalError::Io {
        path: path.to_owned(),
        source,
    };
    let mut reader = BufReader::new(File::open(path).map_err(io)?);
    let (mut entries, mut text, mut line) = (Vec::new(), Vec::new(), 0);
    loop {
        text.clear();
        if reader.read_until(b'\n', &mut text).map_err(io)? == 0 {
            return Ok((entries, Tail::Whole));
        }
        line += 1;
        let whole = text.last() == Some(&b'\n');
        match serde_json::from_slice(text.trim_ascii_end()) {
            Ok(entry) => entries.push(entry),
            // A cut line that was closed at the next start is followed by others.
            Err(error) if whole && !error.is_eof() => {
                return Err(JournalError::Line {
                    path: path.to_owned(),
                    line,
                    source: error,
                });
            }
            Err(_) => {}
        }
        if !whole {
            return Ok((entries, Tail::Cut));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(n: u64) -> Entry {
        Entry {
            received_us: 1,
            service_us: Some(n),
            buyer: "b".into(),
            kind: Kind::Post,
            campaign: "auto-us".into(),
            contract: "ct".into(),
            test: false,
            ping_id: "bp_1".into(),
            tmax_ms: 100,
            lead_id: Some("ld_1".into()),
            idempotency_key: Some("bk_1".into()),
            marker: "m".into(),
            answer: Answer::Accepted,
            delivery: Delivery::Answered,
            price: Some("14.00".into()),
            repeat: false,
        }
    }

    #[test]
    fn a_cut_line_is_left_out_and_the_journal_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let (journal, none) = Journal::open(dir.path(), "b").unwrap();
        assert_eq!(none, []);
        journal.append(&entry(1)).unwrap();
        journal
            .file
            .lock()
            .unwrap()
            .write_all(br#"{"received_us":1,"serv"#)
            .unwrap();
        drop(journal);
        let (journal, before) = Journal::open(dir.path(), "b").unwrap();
        assert_eq!(before, [entry(1)]);
        journal.append(&entry(2)).unwrap();
        assert_eq!(read_journals(dir.path()).unwrap(), [entry(1), entry(2)]);
    }

    #[test]
    fn a_bad_line_is_named() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("b.jsonl"), "{}\n").unwrap();
        let error = read_journals(dir.path()).unwrap_err().to_string();
        assert!(error.contains("b.jsonl, line 1"), "{error}");
    }
}
