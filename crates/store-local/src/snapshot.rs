//! Snapshot files: the offsets that a state is a fold of and its encoded items, under one checksum. They
//! are written and read item by item, so a snapshot takes no memory, however large it is.
//!
//! A file is written beside, synced, and renamed. The two newest are kept: a power cut can take
//! records that were only handed to the kernel, and a snapshot that holds them is then ahead of the
//! log, so the one before is used. What lies below that one may be cut off the log.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use prost::Message;

use crate::error::{FileError, at};

const MAGIC: &[u8; 8] = b"gvsnap01";
const TEMPORARY: &str = "new";
/// Bytes of the checksum at the end.
const SUM: u64 = 4;
const BUFFER: usize = 256 << 10;

/// What a snapshot says.
#[derive(Debug)]
pub(crate) struct Content {
    /// Next offset per partition.
    pub(crate) through: Vec<u64>,
    /// Encoded items.
    pub(crate) items: Items,
}

#[derive(Clone, PartialEq, Message)]
struct Head {
    #[prost(uint64, repeated, tag = "1")]
    through: Vec<u64>,
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
            if let Some(content) = read(&path)? {
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
            let content = read(&self.path(*number))?;
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
    pub(crate) fn write(
        &mut self,
        through: Vec<u64>,
        items: impl Iterator<Item = Vec<u8>>,
    ) -> Result<u64, FileError> {
        let number = self.kept.last().map_or(1, |(number, _)| number + 1);
        let (new, path) = (self.dir.join(TEMPORARY), self.path(number));
        let size = write(&new, &through, items).map_err(at(&new))?;
        fs::rename(&new, &path).map_err(at(&path))?;
        let synced = File::open(&self.dir).and_then(|dir| dir.sync_all());
        synced.map_err(at(&self.dir))?;
        self.kept.push((number, Some(through)));
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

fn write(
    path: &Path,
    through: &[u64],
    mut items: impl Iterator<Item = Vec<u8>>,
) -> io::Result<u64> {
    let mut file = Summed {
        out: BufWriter::with_capacity(BUFFER, File::create(path)?),
        crc: crc32fast::Hasher::new(),
        size: 0,
    };
    file.out.write_all(MAGIC)?;
    let head = Head {
        through: through.to_vec(),
    };
    file.put(&head.encode_to_vec())?;
    items.try_for_each(|item| file.put(&item))?;
    let crc = file.crc.finalize().to_le_bytes();
    file.out.write_all(&crc)?;
    file.out.into_inner()?.sync_all()?;
    Ok(file.size)
}

/// The items of a snapshot whose checksum was right, one after the other.
#[derive(Debug)]
pub(crate) struct Items {
    path: PathBuf,
    file: io::Take<BufReader<File>>,
}

impl Items {
    /// The next one; none at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Vec<u8>>, FileError> {
        if self.file.limit() == 0 {
            return Ok(None);
        }
        read_item(&mut self.file).map(Some).map_err(at(&self.path))
    }
}

/// Reads a snapshot through once and gives what it says; none if it is damaged.
fn read(path: &Path) -> Result<Option<Content>, FileError> {
    check(path).map_err(at(path))
}

fn check(path: &Path) -> io::Result<Option<Content>> {
    let Some(mut summed) = body(path)? else {
        return Ok(None);
    };
    let mut crc = crc32fast::Hasher::new();
    loop {
        let part = summed.fill_buf()?;
        if part.is_empty() {
            break;
        }
        crc.update(part);
        let length = part.len();
        summed.consume(length);
    }
    let mut sum = [0; SUM as usize];
    summed.into_inner().read_exact(&mut sum)?;
    if crc.finalize() != u32::from_le_bytes(sum) {
        return Ok(None);
    }
    let Some(mut file) = body(path)? else {
        return Ok(None);
    };
    let head = read_item(&mut file).and_then(|head| Ok(Head::decode(&*head)?));
    Ok(head.ok().map(|head| Content {
        through: head.through,
        items: Items {
            path: path.to_owned(),
            file,
        },
    }))
}

/// What lies between the magic and the checksum.
fn body(path: &Path) -> io::Result<Option<io::Take<BufReader<File>>>> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    let Some(length) = length.checked_sub(MAGIC.len() as u64 + SUM) else {
        return Ok(None);
    };
    let mut file = BufReader::with_capacity(BUFFER, file);
    let mut magic = [0; MAGIC.len()];
    file.read_exact(&mut magic)?;
    Ok((magic == *MAGIC).then(|| file.take(length)))
}

fn read_item(file: &mut io::Take<BufReader<File>>) -> io::Result<Vec<u8>> {
    let mut length = 0_u64;
    for shift in (0..u64::BITS).step_by(7) {
        let mut byte = [0];
        file.read_exact(&mut byte)?;
        let [byte] = byte;
        length |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    // No longer than what is left of the file, whatever it says.
    let length = usize::try_from(length.min(file.limit())).unwrap_or(usize::MAX);
    let mut item = vec![0; length];
    file.read_exact(&mut item)?;
    Ok(item)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(snapshots: &mut Snapshots, through: u64) {
        let items = [vec![b'a'], Vec::new(), vec![7; 300]];
        let written = snapshots.write(vec![through; 2], items.into_iter());
        written.unwrap();
    }

    fn count(mut content: Content) -> (u64, Vec<usize>) {
        let next = || content.items.next().unwrap();
        let lengths = std::iter::from_fn(next).map(|item| item.len());
        (content.through[0], lengths.collect())
    }

    #[test]
    fn the_newest_that_reads_and_is_not_ahead_of_the_log_is_used() {
        let dir = tempfile::tempdir().unwrap();
        let open = || Snapshots::open(dir.path().to_owned()).unwrap();
        let through = |ends: u64| {
            let newest = open().newest(&[ends; 2]).unwrap();
            newest.map(count)
        };
        assert_eq!(through(9), None);
        for reached in [1, 5, 9] {
            write(&mut open(), reached);
        }
        let mut snapshots = open();
        assert_eq!(snapshots.covered(), None);
        snapshots.newest(&[9; 2]).unwrap();
        assert_eq!(snapshots.covered(), Some(vec![5, 5]));
        // The log lost records 7 and 8.
        assert_eq!(through(7), Some((5, vec![1, 0, 300])));
        assert_eq!(
            through(9),
            Some((5, vec![1, 0, 300])),
            "and the snapshot of them with it"
        );

        write(&mut open(), 8);
        let newest = open().path(open().kept.last().unwrap().0);
        let mut bytes = fs::read(&newest).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&newest, bytes).unwrap();
        assert_eq!(through(9), Some((5, vec![1, 0, 300])));
    }
}
