//! One record on disk: 16 bytes of header and the payload, little endian.
//!
//! ```text
//! 0  crc32 of everything after it      u32
//! 4  payload length                    u32
//! 8  more << 63 | lane << 48 | offset  u64
//! 16 payload
//! ```
//! The offset makes a frame prove its place: a stale block with a valid checksum still has an offset
//! that nobody expects there. `more` says that the next frame belongs to the same append; repair
//! keeps such a group whole or not at all. A run of zeros is never a valid frame.

/// Bytes before the payload.
pub(crate) const HEADER: usize = 16;
/// The format's limit of a payload. Bounds what a bad length can make a reader do.
pub(crate) const MAX_PAYLOAD: usize = 64 << 20;
/// Lanes fit 15 bits.
pub(crate) const MAX_LANES: u16 = 1 << 15;

const OFFSET_BITS: u32 = 48;
const MORE: u64 = 1 << 63;

/// Whether the next frame belongs to the same append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Group {
    More,
    Last,
}

/// A checked frame at the start of a buffer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) lane: u16,
    pub(crate) offset: u64,
    pub(crate) group: Group,
    /// Payload bytes, starting at [`HEADER`].
    pub(crate) payload: usize,
}

impl Frame {
    /// Bytes on disk.
    pub(crate) fn size(&self) -> usize {
        HEADER + self.payload
    }
}

/// What the start of a buffer holds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Decoded {
    Frame(Frame),
    /// At least this many bytes are needed to tell.
    Short(usize),
    Bad,
}

/// Appends one frame to `buffer`. Payloads are at most [`MAX_PAYLOAD`], which the caller has checked.
pub(crate) fn encode(buffer: &mut Vec<u8>, lane: u16, offset: u64, group: Group, payload: &[u8]) {
    let tag = match group {
        Group::More => MORE,
        Group::Last => 0,
    } | (u64::from(lane) << OFFSET_BITS)
        | offset;
    let mut head = [0; HEADER - 4];
    let (length, place) = head.split_at_mut(4);
    length.copy_from_slice(&(payload.len() as u32).to_le_bytes());
    place.copy_from_slice(&tag.to_le_bytes());
    let mut crc = crc32fast::Hasher::new();
    crc.update(&head);
    crc.update(payload);
    buffer.extend_from_slice(&crc.finalize().to_le_bytes());
    buffer.extend_from_slice(&head);
    buffer.extend_from_slice(payload);
}

/// Reads the frame at the start of `bytes`.
pub(crate) fn decode(bytes: &[u8]) -> Decoded {
    let Some((crc, rest)) = bytes.split_first_chunk() else {
        return Decoded::Short(HEADER);
    };
    let Some((length, rest)) = rest.split_first_chunk() else {
        return Decoded::Short(HEADER);
    };
    let Some((tag, rest)) = rest.split_first_chunk() else {
        return Decoded::Short(HEADER);
    };
    let payload = u32::from_le_bytes(*length) as usize;
    if payload > MAX_PAYLOAD {
        return Decoded::Bad;
    }
    if rest.len() < payload {
        return Decoded::Short(HEADER + payload);
    }
    let covered = bytes.get(4..HEADER + payload).unwrap_or_default();
    if crc32fast::hash(covered) != u32::from_le_bytes(*crc) {
        return Decoded::Bad;
    }
    let tag = u64::from_le_bytes(*tag);
    Decoded::Frame(Frame {
        lane: ((tag & !MORE) >> OFFSET_BITS) as u16,
        offset: tag & ((1 << OFFSET_BITS) - 1),
        group: if tag & MORE == 0 {
            Group::Last
        } else {
            Group::More
        },
        payload,
    })
}

/// Whether `frame` is the next one of its lane; if so that lane's next offset moves on.
pub(crate) fn follows(next: &mut [u64], frame: &Frame) -> bool {
    match next.get_mut(usize::from(frame.lane)) {
        Some(expected) if *expected == frame.offset => {
            *expected += 1;
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_encoded_is_decoded() {
        let top = (1 << OFFSET_BITS) - 1;
        for (lane, offset, group, payload) in [
            (0, 0, Group::Last, b"".as_slice()),
            (MAX_LANES - 1, top, Group::More, b"payload".as_slice()),
        ] {
            let mut bytes = Vec::new();
            encode(&mut bytes, lane, offset, group, payload);
            let frame = Frame {
                lane,
                offset,
                group,
                payload: payload.len(),
            };
            assert_eq!(bytes.len(), frame.size());
            assert_eq!(decode(&bytes), Decoded::Frame(frame));
            for short in 0..bytes.len() {
                assert!(matches!(decode(&bytes[..short]), Decoded::Short(need) if need > short));
            }
            for bit in 0..bytes.len() * 8 {
                let mut flipped = bytes.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                assert!(!matches!(decode(&flipped), Decoded::Frame(_)), "bit {bit}");
            }
        }
    }

    #[test]
    fn zeros_are_no_frame() {
        assert_eq!(decode(&[0; 4096]), Decoded::Bad);
    }
}
