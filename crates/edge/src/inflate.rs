//! Compressed bodies, of which nobody knows how large they get: each has a limit in bytes, in bytes
//! out for bytes in, and in the memory that its format may ask for.

use std::io::Read;

/// Bytes out for each byte in, at most: events repeat themselves, but not that much.
const RATIO: usize = 100;
/// A small body may always grow to this.
const SMALL: usize = 64 << 10;
/// The largest window of a zstd frame: what RFC 8878 asks every decoder to support.
const ZSTD_WINDOW: u64 = 8 << 20;

/// What a body is encoded with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Identity,
    Gzip,
    Zstd,
    Brotli,
}

/// A body that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// It does not decode.
    Broken,
    /// It grows beyond what is allowed.
    TooLarge,
}

impl Encoding {
    /// From a `Content-Encoding`; none for one that is not taken, as a list of several.
    pub(crate) fn of(header: Option<&str>) -> Option<Self> {
        match header
            .map(|name| name.trim().to_ascii_lowercase())
            .as_deref()
        {
            None | Some("" | "identity") => Some(Self::Identity),
            Some("gzip" | "x-gzip") => Some(Self::Gzip),
            Some("zstd") => Some(Self::Zstd),
            Some("br") => Some(Self::Brotli),
            Some(_) => None,
        }
    }

    /// The decoded body, of `most` bytes at most.
    pub(crate) fn inflate(self, body: &[u8], most: usize) -> Result<Vec<u8>, Unreadable> {
        let most = most.min(body.len().saturating_mul(RATIO).max(SMALL));
        match self {
            Self::Identity if body.len() > most => Err(Unreadable::TooLarge),
            Self::Identity => Ok(body.to_vec()),
            Self::Gzip => drain(flate2::bufread::MultiGzDecoder::new(body), most),
            Self::Zstd => zstd(body, most),
            // A window above 16 MiB is an extension of the format, marked in its first byte.
            Self::Brotli if body.first().is_some_and(|first| first & 0x7f == 0x11) => {
                Err(Unreadable::TooLarge)
            }
            Self::Brotli => drain(brotli_decompressor::Decompressor::new(body, 4096), most),
        }
    }
}

/// Reads to the end, or one byte beyond what is allowed.
fn drain(reader: impl Read, most: usize) -> Result<Vec<u8>, Unreadable> {
    let mut out = Vec::new();
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    let read = reader.take(limit).read_to_end(&mut out);
    if out.len() > most {
        return Err(Unreadable::TooLarge);
    }
    read.map(|_| out).map_err(|_| Unreadable::Broken)
}

/// One frame, whose window is looked at before anything is reserved for it.
fn zstd(mut body: &[u8], most: usize) -> Result<Vec<u8>, Unreadable> {
    if zstd_window(body).ok_or(Unreadable::Broken)? > ZSTD_WINDOW {
        return Err(Unreadable::TooLarge);
    }
    let decoder = ruzstd::decoding::StreamingDecoder::new(&mut body);
    let out = drain(decoder.map_err(|_| Unreadable::Broken)?, most)?;
    body.is_empty().then_some(out).ok_or(Unreadable::Broken)
}

/// The window of a frame (RFC 8878, 3.1.1.1).
fn zstd_window(frame: &[u8]) -> Option<u64> {
    let [0x28, 0xb5, 0x2f, 0xfd, descriptor, rest @ ..] = frame else {
        return None;
    };
    if descriptor & 0x20 == 0 {
        let byte = *rest.first()?;
        let base = 1_u64 << (10 + (byte >> 3));
        return Some(base + base / 8 * u64::from(byte & 7));
    }
    // A frame in a single segment: its window is its content, whose size is told.
    let skip = [0, 1, 2, 4].get(usize::from(descriptor & 3))?;
    let size = rest.get(*skip..)?;
    match descriptor >> 6 {
        0 => Some(u64::from(*size.first()?)),
        1 => Some(u64::from(u16::from_le_bytes(*size.first_chunk()?)) + 256),
        2 => Some(u64::from(u32::from_le_bytes(*size.first_chunk()?))),
        _ => Some(u64::from_le_bytes(*size.first_chunk()?)),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd_of(text: &[u8]) -> Vec<u8> {
        let level = ruzstd::encoding::CompressionLevel::Fastest;
        ruzstd::encoding::compress_to_vec(text, level)
    }

    #[test]
    fn what_was_packed_comes_out() {
        let text = b"[{\"type\":\"click\"},{\"type\":\"click\"}]".as_slice();
        // `printf '[{"type":"click"},{"type":"click"}]' | brotli`
        for (name, body) in [
            (None, text.to_vec()),
            (Some("identity"), text.to_vec()),
            (Some("GZIP"), gzip(text)),
            (
                Some("x-gzip"),
                [gzip(&text[..9]), gzip(&text[9..])].concat(),
            ),
            (Some(" zstd "), zstd_of(text)),
        ] {
            let encoding = Encoding::of(name).unwrap();
            assert_eq!(
                encoding.inflate(&body, 1 << 20).as_deref(),
                Ok(text),
                "{name:?}"
            );
        }
        for name in ["deflate", "gzip, br", "compress"] {
            assert_eq!(Encoding::of(Some(name)), None);
        }
    }

    #[test]
    fn a_bomb_is_too_large_and_rubbish_is_broken() {
        let zeros = vec![0; 4 << 20];
        assert_eq!(
            Encoding::Gzip.inflate(&gzip(&zeros), 8 << 20),
            Err(Unreadable::TooLarge)
        );
        assert_eq!(
            Encoding::Zstd.inflate(&zstd_of(&zeros), 8 << 20),
            Err(Unreadable::TooLarge)
        );
        assert_eq!(
            Encoding::Gzip.inflate(&gzip(&zeros[..100]), 99),
            Err(Unreadable::TooLarge)
        );
        assert_eq!(
            Encoding::Identity.inflate(&zeros[..100], 99),
            Err(Unreadable::TooLarge)
        );
        for encoding in [Encoding::Gzip, Encoding::Zstd, Encoding::Brotli] {
            for rubbish in [&b""[..], b"rubbish, and more of it", &gzip(b"abc")[..12]] {
                assert_eq!(
                    encoding.inflate(rubbish, 999),
                    Err(Unreadable::Broken),
                    "{encoding:?}"
                );
            }
        }
        let (whole, half) = (zstd_of(b"abcabcabc"), zstd_of(b"abcabcabc").len() / 2);
        assert_eq!(
            Encoding::Zstd.inflate(&whole[..half], 999),
            Err(Unreadable::Broken)
        );
        assert_eq!(
            Encoding::Zstd.inflate(&[whole, vec![1]].concat(), 999),
            Err(Unreadable::Broken)
        );
        // Windows that nobody needs: 2 GiB of zstd, 1 GiB of brotli.
        let huge = [0x28, 0xb5, 0x2f, 0xfd, 0, 21 << 3, 1, 0, 0];
        assert_eq!(
            Encoding::Zstd.inflate(&huge, 999),
            Err(Unreadable::TooLarge)
        );
        assert_eq!(
            Encoding::Brotli.inflate(&[0x11, 0x1e], 999),
            Err(Unreadable::TooLarge)
        );
    }
}
