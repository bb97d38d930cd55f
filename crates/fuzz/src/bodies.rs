//! Compressed bodies: gzip, zstd and brotli, of which nobody knows how large they get.

pub(crate) fn run(data: &[u8]) {
    edge::fuzzing::inflate(data, 1 << 16);
}
