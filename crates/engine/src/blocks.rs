//! ClickHouse's own compression, asked for by `compress=1` and `decompress=1`: blocks of at most so many
//! bytes, each with a checksum (CityHash128 of version 1.0.2), a method, and both sizes.

use std::io::{self, Read};

use cityhash_rs::cityhash_102_128;
use lz4_flex::block::{compress_into, decompress_into, get_maximum_output_size};

use crate::exception::{Code, Exception};

const CHECKSUM: usize = 16;
/// A method, and the sizes of the block as it is (with this head) and as it was.
const HEAD: usize = 9;
const PLAIN: u8 = 0x02;
const LZ4: u8 = 0x82;
const ZSTD: u8 = 0x90;
/// What the server puts into one block.
const FULL: usize = 1 << 20;
/// What is taken in one: clients send a megabyte or so. (The server takes a gigabyte.)
const MOST: usize = 128 << 20;

/// Reads the blocks of `from` as what they hold.
pub(crate) struct BlockReader<R> {
    from: R,
    block: Vec<u8>,
    at: usize,
    check: bool,
}

impl<R: Read> BlockReader<R> {
    /// Without `check` the checksums are not looked at, as a setting of the server's allows.
    pub(crate) fn new(from: R, check: bool) -> Self {
        Self {
            from,
            block: Vec::new(),
            at: 0,
            check,
        }
    }

    /// The next block, or `false` at the end.
    fn advance(&mut self) -> io::Result<bool> {
        let mut head = [0; CHECKSUM + HEAD];
        let mut have = 0;
        while have < head.len() {
            match self.from.read(head.get_mut(have..).unwrap_or_default())? {
                0 if have == 0 => return Ok(false),
                0 => return Err(cut_off()),
                more => have += more,
            }
        }
        let (checksum, rest) = head.split_at(CHECKSUM);
        let [method, sizes @ ..] = rest else {
            return Err(cut_off());
        };
        let size = |at: usize| {
            let bytes = sizes.get(at..at + 4).and_then(|four| four.try_into().ok());
            bytes.map_or(0, |four| u32::from_le_bytes(four) as usize)
        };
        let (packed_size, plain_size) = (size(0), size(4));
        if packed_size > MOST || plain_size > MOST {
            return Err(refused(
                Code::TooLargeSizeCompressed,
                format!("Too large size_compressed or size_decompressed: at most {MOST} here"),
            ));
        }
        let Some(data_size) = packed_size.checked_sub(HEAD) else {
            return Err(refused(
                Code::CannotDecompress,
                "Can't decompress data: the compressed data size is less than the header's".into(),
            ));
        };
        let mut packed = rest.to_vec();
        let read = (&mut self.from)
            .take(data_size as u64)
            .read_to_end(&mut packed)?;
        if read < data_size {
            return Err(cut_off());
        }
        if self.check && checksum != sum(&packed) {
            return Err(refused(
                Code::ChecksumDoesntMatch,
                "Checksum doesn't match: corrupted data".into(),
            ));
        }
        let data = packed.get(HEAD..).unwrap_or_default();
        self.block = unpacked(*method, data, plain_size)?;
        self.at = 0;
        Ok(true)
    }
}

impl<R: Read> Read for BlockReader<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.at == self.block.len() {
            if !self.advance()? {
                return Ok(0);
            }
        }
        let rest = self.block.get(self.at..).unwrap_or_default();
        let length = rest.len().min(into.len());
        let (Some(into), Some(from)) = (into.get_mut(..length), rest.get(..length)) else {
            return Ok(0);
        };
        into.copy_from_slice(from);
        self.at += length;
        Ok(length)
    }
}

fn unpacked(method: u8, data: &[u8], size: usize) -> io::Result<Vec<u8>> {
    let broken = |why: String| refused(Code::CannotDecompress, format!("Cannot decompress: {why}"));
    let block = match method {
        PLAIN => data.to_vec(),
        LZ4 => {
            let mut block = vec![0; size];
            let length =
                decompress_into(data, &mut block).map_err(|error| broken(error.to_string()))?;
            block.truncate(length);
            block
        }
        ZSTD => zstd::bulk::decompress(data, size).map_err(|error| broken(error.to_string()))?,
        other => {
            return Err(refused(
                Code::UnknownCompressionMethod,
                format!("Unknown compression method: {other}"),
            ));
        }
    };
    if block.len() == size {
        Ok(block)
    } else {
        Err(broken("it is not as long as it says".to_owned()))
    }
}

/// A refusal that the reader's user finds again in the error.
fn refused(code: Code, text: String) -> io::Error {
    io::Error::other(Exception::new(code, text))
}

fn cut_off() -> io::Error {
    refused(
        Code::CannotReadAllData,
        "Cannot read all data: a compressed block is cut off".into(),
    )
}

fn sum(bytes: &[u8]) -> [u8; CHECKSUM] {
    // The halves stand in the order of the original's pair: the low one is the first.
    cityhash_102_128(bytes).rotate_left(64).to_le_bytes()
}

/// Packs bytes into blocks of LZ4.
#[derive(Default)]
pub(crate) struct BlockWriter {
    pending: Vec<u8>,
}

impl BlockWriter {
    /// Takes `bytes` and gives the blocks that are full.
    pub(crate) fn write(&mut self, mut bytes: &[u8]) -> Vec<u8> {
        let mut ready = Vec::new();
        while self.pending.len() + bytes.len() >= FULL {
            let (now, later) = bytes.split_at(FULL - self.pending.len());
            self.pending.extend_from_slice(now);
            bytes = later;
            pack(&self.pending, &mut ready);
            self.pending.clear();
        }
        self.pending.extend_from_slice(bytes);
        ready
    }

    /// The last block.
    pub(crate) fn finish(self) -> Vec<u8> {
        let mut ready = Vec::new();
        if !self.pending.is_empty() {
            pack(&self.pending, &mut ready);
        }
        ready
    }
}

fn pack(bytes: &[u8], onto: &mut Vec<u8>) {
    let mut data = vec![0; get_maximum_output_size(bytes.len())];
    // There is room for the worst case, so this does not fail; if it did, the bytes would go as they are.
    let (method, data) = match compress_into(bytes, &mut data) {
        Ok(length) => (LZ4, data.get(..length).unwrap_or_default()),
        Err(_) => (PLAIN, bytes),
    };
    let size = |length: usize| u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
    let mut packed = vec![method];
    packed.extend(size(data.len() + HEAD));
    packed.extend(size(bytes.len()));
    packed.extend_from_slice(data);
    onto.extend(sum(&packed));
    onto.extend(packed);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], check: bool) -> Result<Vec<u8>, u32> {
        let mut read = Vec::new();
        match BlockReader::new(bytes, check).read_to_end(&mut read) {
            Ok(_) => Ok(read),
            Err(error) => {
                let exception = error.get_ref().unwrap().downcast_ref::<Exception>();
                Err(exception.unwrap().code())
            }
        }
    }

    #[test]
    fn blocks_hold_what_was_put_in() {
        let bytes: Vec<u8> = (0..700_000_u32).flat_map(u32::to_le_bytes).collect();
        for length in [0, 1, FULL - 1, FULL, FULL + 1, bytes.len()] {
            let mut writer = BlockWriter::default();
            let mut packed = Vec::new();
            for piece in bytes[..length].chunks(300_000) {
                packed.extend(writer.write(piece));
            }
            packed.extend(writer.finish());
            assert!(
                read(&packed, true) == Ok(bytes[..length].to_vec()),
                "{length}"
            );
        }
    }

    #[test]
    fn other_methods_are_read_and_damage_is_seen() {
        let block = |method: u8, data: &[u8], size: u32| {
            let mut packed = vec![method];
            packed.extend((data.len() as u32 + 9).to_le_bytes());
            packed.extend(size.to_le_bytes());
            packed.extend_from_slice(data);
            [sum(&packed).to_vec(), packed].concat()
        };
        let zstd = zstd::bulk::compress(b"zzzzzzzz", 1).unwrap();
        let both = [block(PLAIN, b"plain", 5), block(ZSTD, &zstd, 8)].concat();
        assert_eq!(read(&both, true), Ok(b"plainzzzzzzzz".to_vec()));
        assert_eq!(read(&both[..both.len() - 1], true), Err(33));
        assert_eq!(read(&both[..7], true), Err(33));
        let mut bent = block(PLAIN, b"plain", 5);
        *bent.last_mut().unwrap() ^= 1;
        assert_eq!(read(&bent, true), Err(40));
        assert_eq!(read(&bent, false), Ok(b"plaio".to_vec()));
        assert_eq!(read(&block(0x77, b"x", 1), true), Err(89));
        assert_eq!(read(&block(LZ4, b"\xff\xff", 9), true), Err(271));
        assert_eq!(read(&block(PLAIN, b"x", 9), true), Err(271));
        assert_eq!(read(&block(LZ4, b"x", u32::MAX), true), Err(39));
        let mut short = block(PLAIN, b"", 0);
        short[CHECKSUM + 1] = 3;
        assert_eq!(read(&short, true), Err(271));
    }
}
