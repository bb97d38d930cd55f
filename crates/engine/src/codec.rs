//! `Content-Encoding` and `Accept-Encoding`: what the server speaks, but for what no client sends any more
//! (xz, bz2, snappy).

use std::io::{self, Read, Write};

use brotli::CompressorWriter;
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use lz4_flex::frame::{FrameDecoder, FrameEncoder};

use crate::exception::{Code, Exception};

/// A way of compressing a whole body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Zstd,
    Brotli,
    Lz4,
    Gzip,
    /// With zlib's frame, as HTTP means it.
    Deflate,
}

/// In the order in which the server prefers them.
const ALL: [Encoding; 5] = [
    Encoding::Zstd,
    Encoding::Brotli,
    Encoding::Lz4,
    Encoding::Gzip,
    Encoding::Deflate,
];

/// Brotli's window and buffer: the defaults of its other implementations.
const BROTLI_WINDOW: u32 = 22;
const BROTLI_BUFFER: usize = 64 << 10;

impl Encoding {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Brotli => "br",
            Self::Lz4 => "lz4",
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
        }
    }

    /// What a `Content-Encoding` names; `None` for none.
    pub(crate) fn of_content(header: &str) -> Result<Option<Self>, Exception> {
        let name = header.trim();
        if name.is_empty() || name.eq_ignore_ascii_case("identity") {
            return Ok(None);
        }
        let named = |encoding: &Self| name.eq_ignore_ascii_case(encoding.name());
        ALL.into_iter().find(named).map(Some).ok_or_else(|| {
            Exception::new(
                Code::NotImplemented,
                format!(
                    "Unknown compression method: {name}. Supported here: zstd, br, lz4, gzip, deflate"
                ),
            )
        })
    }

    /// The best of what an `Accept-Encoding` lists; a weight only tells whether it is wanted at all.
    pub(crate) fn accepted(header: &str) -> Option<Self> {
        let listed = |encoding: &Self| {
            header.split(',').any(|method| {
                let (method, weight) = method.split_once(';').unwrap_or((method, ""));
                let refused = matches!(weight.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000");
                method.trim().eq_ignore_ascii_case(encoding.name()) && !refused
            })
        };
        ALL.into_iter().find(listed)
    }

    /// Decodes what `from` gives.
    pub(crate) fn reader(self, from: Box<dyn Read>) -> io::Result<Box<dyn Read>> {
        Ok(match self {
            Self::Zstd => Box::new(zstd::stream::read::Decoder::new(from)?),
            Self::Brotli => Box::new(brotli::Decompressor::new(from, BROTLI_BUFFER)),
            Self::Lz4 => Box::new(Lz4Reader::new(from)),
            Self::Gzip => Box::new(flate2::read::MultiGzDecoder::new(from)),
            Self::Deflate => Box::new(flate2::read::ZlibDecoder::new(from)),
        })
    }

    /// The code the server raises for a body that is damaged.
    pub(crate) fn damaged(self) -> Code {
        match self {
            Self::Zstd => Code::ZstdDecoderFailed,
            Self::Brotli => Code::BrotliReadFailed,
            Self::Lz4 => Code::Lz4DecoderFailed,
            Self::Gzip | Self::Deflate => Code::ZlibInflateFailed,
        }
    }

    /// Starts an encoder. `level` is the server's `http_zlib_compression_level`, which it means for all.
    pub(crate) fn encoder(self, level: u32) -> io::Result<Encoder> {
        let into = Vec::new();
        Ok(match self {
            Self::Zstd => Encoder::Zstd(zstd::stream::write::Encoder::new(
                into,
                i32::try_from(level).unwrap_or(3),
            )?),
            Self::Brotli => Encoder::Brotli(Box::new(CompressorWriter::new(
                into,
                BROTLI_BUFFER,
                level,
                BROTLI_WINDOW,
            ))),
            Self::Lz4 => Encoder::Lz4(Box::new(FrameEncoder::new(into))),
            Self::Gzip => Encoder::Gzip(GzEncoder::new(into, Compression::new(level))),
            Self::Deflate => Encoder::Deflate(ZlibEncoder::new(into, Compression::new(level))),
        })
    }
}

/// Frames of LZ4, whose decoder takes a body that ends between two blocks for a whole one.
struct Lz4Reader {
    decoder: FrameDecoder<Tailed>,
}

/// Remembers the last bytes that came.
struct Tailed {
    from: Box<dyn Read>,
    tail: [u8; 8],
}

impl Lz4Reader {
    fn new(from: Box<dyn Read>) -> Self {
        let tail = [u8::MAX; 8];
        Self {
            decoder: FrameDecoder::new(Tailed { from, tail }),
        }
    }
}

impl Read for Lz4Reader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = self.decoder.read(into)?;
        // A frame ends with four zeros, and may have a checksum after them.
        let [a, b, c, d, rest @ ..] = self.decoder.get_ref().tail;
        let ended = [a, b, c, d] == [0; 4] || rest == [0; 4];
        if length == 0 && !into.is_empty() && !ended {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(length)
    }
}

impl Read for Tailed {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = self.from.read(into)?;
        let came = into.get(..length).unwrap_or_default();
        let last = came.get(length.saturating_sub(8)..).unwrap_or_default();
        self.tail.rotate_left(last.len());
        if let Some(room) = self.tail.get_mut(8 - last.len()..) {
            room.copy_from_slice(last);
        }
        Ok(length)
    }
}

/// Compresses piece by piece.
pub(crate) enum Encoder {
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
    Brotli(Box<CompressorWriter<Vec<u8>>>),
    Lz4(Box<FrameEncoder<Vec<u8>>>),
    Gzip(GzEncoder<Vec<u8>>),
    Deflate(ZlibEncoder<Vec<u8>>),
}

impl Encoder {
    /// Takes `bytes` and gives what is ready to go, which may be nothing yet.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            Self::Zstd(encoder) => encoder.write_all(bytes),
            Self::Brotli(encoder) => encoder.write_all(bytes),
            Self::Lz4(encoder) => encoder.write_all(bytes),
            Self::Gzip(encoder) => encoder.write_all(bytes),
            Self::Deflate(encoder) => encoder.write_all(bytes),
        }?;
        Ok(std::mem::take(self.ready()))
    }

    fn ready(&mut self) -> &mut Vec<u8> {
        match self {
            Self::Zstd(encoder) => encoder.get_mut(),
            Self::Brotli(encoder) => encoder.get_mut(),
            Self::Lz4(encoder) => encoder.get_mut(),
            Self::Gzip(encoder) => encoder.get_mut(),
            Self::Deflate(encoder) => encoder.get_mut(),
        }
    }

    /// The rest.
    pub(crate) fn finish(self) -> io::Result<Vec<u8>> {
        match self {
            Self::Zstd(encoder) => encoder.finish(),
            Self::Brotli(encoder) => Ok(encoder.into_inner()),
            Self::Lz4(encoder) => encoder.finish().map_err(io::Error::other),
            Self::Gzip(encoder) => encoder.finish(),
            Self::Deflate(encoder) => encoder.finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_servers() {
        for (header, expected) in [
            ("gzip", Ok(Some(Encoding::Gzip))),
            ("BR", Ok(Some(Encoding::Brotli))),
            ("identity", Ok(None)),
            ("", Ok(None)),
            ("snappy", Err(48)),
            ("gzip, br", Err(48)),
        ] {
            let read = Encoding::of_content(header).map_err(|error| error.code());
            assert_eq!(read, expected, "{header}");
        }
        for (header, expected) in [
            ("gzip, deflate, br", Some(Encoding::Brotli)),
            ("gzip;q=1.0, zstd;q=0.1", Some(Encoding::Zstd)),
            ("gzip;q=0, deflate", Some(Encoding::Deflate)),
            ("lz4,gzip", Some(Encoding::Lz4)),
            ("*", None),
        ] {
            assert_eq!(Encoding::accepted(header), expected, "{header}");
        }
    }

    #[test]
    fn what_is_encoded_in_pieces_is_decoded_and_half_of_it_is_not_taken_for_the_whole() {
        let text = (0..200_000_u32).map(|n| n.to_string()).collect::<String>();
        let text = text.into_bytes();
        for encoding in ALL {
            let mut encoder = encoding.encoder(3).unwrap();
            let mut encoded = Vec::new();
            for piece in text.chunks(70_001) {
                encoded.extend(encoder.write(piece).unwrap());
            }
            encoded.extend(encoder.finish().unwrap());
            let decode = |bytes: Vec<u8>| {
                let mut reader = encoding.reader(Box::new(io::Cursor::new(bytes))).unwrap();
                let mut decoded = Vec::new();
                reader.read_to_end(&mut decoded).map(|_| decoded)
            };
            assert!(encoded.len() < text.len(), "{encoding:?}");
            assert!(decode(encoded.clone()).unwrap() == text, "{encoding:?}");
            for cut in [1, encoded.len() / 2, encoded.len() - 1] {
                let cut_off = decode(encoded[..cut].to_vec());
                assert!(cut_off.is_err(), "{encoding:?} cut at {cut}");
            }
        }
    }
}
