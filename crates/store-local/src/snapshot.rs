//! Snapshot files: a list of encoded items and the offsets they are a fold of, under one checksum.
//!
//! A file is written beside, synced, and renamed. The two newest are kept: a power cut can take
//! records that were only handed to the kernel, and a snapshot that holds them is then ahead of the
//! log, so the one before is used. What lies below that one may be cut off the log.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use prost::Message;

use crate::error::{FileError, at};

const MAGIC: &[u8; 8] = b"gvsnap01";
const TEMPORARY: &str = "new";

/// What a snapshot says.
#[derive(Debug, Default)]
pub(crate) struct Content {
    /// Next offset per partition.
    pub(crate) through: Vec<u64>,
    /// Encoded items.
    pub(crate) items: Vec<Bytes>,
}

#[derive(Clone, PartialEq, Message)]
struct Head {
    #[prost(uint64, repeated, tag = "1")]
    through: Vec<u64>,
    #[prost(uint64, tag = "2")]
    items: u64,
}

/// The snapshots of one state.
#[derive(Debug)]
pub(crate) struct Snapshots {
    dir: PathBuf,
    /// Kept files, oldest first, with what they reach through once that is known.
    kept: Vec<(u64, Option<Vec<u64>>)>,
}

impl Snapshots {
    pub(crate) fn open(dir: PathBuf) -> Result<Self, FileError> {
        fs::create_dir_all(&dir).map_err(at(&dir))?;
        let mut kept = Vec::new();
        for entry in fs::read_dir(&dir).map_err(at(&dir))? {
            let path = entry.map_err(at(&dir))?.path();
            let number = path
                .file_name()
                .and_then(|name| name.to_str()?.parse().ok());
            kept.extend(number.map(|number| (number, None)));
        }
        kept.sort();
        Ok(Self { dir, kept })
    }

    fn path(&self, number: u64) -> PathBuf {
        self.dir.join(format!("{number:012}"))
    }

    /// The newest snapshot that reads and reaches no further than `ends`. Others are deleted: the
    /// log may grow past them again, with other records.
    pub(crate) fn newest(&mut self, ends: &[u64]) -> Result<Option<Content>, FileError> {
        while let Some((number, _)) = self.kept.last() {
            let path = self.path(*number);
            let content = decode(fs::read(&path).map_err(at(&path))?.into());
            if let Some(content) = content {
                let past = |(through, end): (&u64, &u64)| through > end;
                if !content.through.iter().zip(ends).any(past) {
                    self.know(&content.through, ends)?;
                    return Ok(Some(content));
                }
            }
            tracing::warn!(file = %path.display(), "a snapshot is damaged or ahead of the log");
            fs::remove_file(&path).map_err(at(&path))?;
            self.kept.pop();
        }
        Ok(None)
    }

    /// Notes how far the newest reaches, and the one before it.
    fn know(&mut self, newest: &[u64], ends: &[u64]) -> Result<(), FileError> {
        let mut before = Vec::new();
        if let [.., (number, _), _] = self.kept.as_slice() {
            let path = self.path(*number);
            let content = decode(fs::read(&path).map_err(at(&path))?.into());
            before = content.map_or_else(|| vec![0; ends.len()], |content| content.through);
        }
        if let [.., one, two] = self.kept.as_mut_slice() {
            one.1 = Some(before);
            two.1 = Some(newest.to_vec());
        } else if let [one] = self.kept.as_mut_slice() {
            one.1 = Some(newest.to_vec());
        }
        Ok(())
    }

    /// What both kept snapshots hold; none while there are not two.
    pub(crate) fn covered(&self) -> Option<Vec<u64>> {
        match self.kept.as_slice() {
            [(_, Some(one)), (_, Some(two))] => Some(
                one.iter()
                    .zip(two)
                    .map(|(one, two)| *one.min(two))
                    .collect(),
            ),
            _ => None,
        }
    }

    /// Writes a snapshot and deletes all but the one before. Gives its size.
    pub(crate) fn write(&mut self, content: Content) -> Result<u64, FileError> {
        let number = self.kept.last().map_or(1, |(number, _)| number + 1);
        let (new, path) = (self.dir.join(TEMPORARY), self.path(number));
        let size = write(&new, &content).map_err(at(&new))?;
        fs::rename(&new, &path).map_err(at(&path))?;
        let synced = File::open(&self.dir).and_then(|dir| dir.sync_all());
        synced.map_err(at(&self.dir))?;
        self.kept.push((number, Some(content.through)));
        while self.kept.len() > 2 {
            let (oldest, _) = self.kept.remove(0);
            let path = self.path(oldest);
            fs::remove_file(&path).map_err(at(&path))?;
        }
        Ok(size)
    }
}

/// A file as it is written, and its checksum on the way.
struct Summed<W> {
    out: W,
    crc: crc32fast::Hasher,
    size: u64,
}

impl<W: Write> Summed<W> {
    fn put(&mut self, item: &[u8]) -> io::Result<()> {
        let mut length = Vec::with_capacity(10);
        prost::encoding::encode_varint(item.len() as u64, &mut length);
        for part in [&length, item] {
            self.crc.update(part);
            self.out.write_all(part)?;
            self.size += part.len() as u64;
        }
        Ok(())
    }
}

fn write(path: &Path, content: &Content) -> io::Result<u64> {
    let mut file = Summed {
        out: BufWriter::with_capacity(1 << 20, File::create(path)?),
        crc: crc32fast::Hasher::new(),
        size: 0,
    };
    file.out.write_all(MAGIC)?;
    let head = Head {
        through: content.through.clone(),
        items: content.items.len() as u64,
    };
    file.put(&head.encode_to_vec())?;
    content.items.iter().try_for_each(|item| file.put(item))?;
    let crc = file.crc.finalize().to_le_bytes();
    file.out.write_all(&crc)?;
    file.out.into_inner()?.sync_all()?;
    Ok(file.size)
}

fn decode(mut file: Bytes) -> Option<Content> {
    let body = file.strip_prefix(MAGIC)?;
    let (body, crc) = body.split_last_chunk::<4>()?;
    if crc32fast::hash(body) != u32::from_le_bytes(*crc) {
        return None;
    }
    let mut body = file.split_off(MAGIC.len());
    body.truncate(body.len() - 4);
    let head = Head::decode(next(&mut body)?).ok()?;
    let items: Option<Vec<Bytes>> = (0..head.items).map(|_| next(&mut body)).collect();
    Some(Content {
        through: head.through,
        items: items?,
    })
}

fn next(body: &mut Bytes) -> Option<Bytes> {
    let length = usize::try_from(prost::encoding::decode_varint(body).ok()?).ok()?;
    (length <= body.len()).then(|| body.split_to(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(through: u64) -> Content {
        Content {
            through: vec![through; 2],
            items: vec![Bytes::from_static(b"a"), Bytes::new(), vec![7; 300].into()],
        }
    }

    #[test]
    fn the_newest_that_reads_and_is_not_ahead_of_the_log_is_used() {
        let dir = tempfile::tempdir().unwrap();
        let open = || Snapshots::open(dir.path().to_owned()).unwrap();
        let through = |ends: u64| {
            let newest = open().newest(&[ends; 2]).unwrap();
            newest.map(|content| (content.through[0], content.items.len()))
        };
        assert_eq!(through(9), None);
        for reached in [1, 5, 9] {
            open().write(content(reached)).unwrap();
        }
        let mut snapshots = open();
        assert_eq!(snapshots.covered(), None);
        snapshots.newest(&[9; 2]).unwrap();
        assert_eq!(snapshots.covered(), Some(vec![5, 5]));
        // The log lost records 7 and 8.
        assert_eq!(through(7), Some((5, 3)));
        assert_eq!(through(9), Some((5, 3)), "and the snapshot of them with it");

        open().write(content(8)).unwrap();
        let newest = open().path(open().kept.last().unwrap().0);
        let mut bytes = fs::read(&newest).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&newest, bytes).unwrap();
        assert_eq!(through(9), Some((5, 3)));
    }
}
