//! How fast bytes are checked and compressed.

use std::hint::black_box;

use serde::Serialize;
use zstd::bulk::Compressor;

use super::rate::rate_of;

const CHECKSUM_BYTES: usize = 64 << 10;
/// A batch as it crosses the queue.
const BLOCK_BYTES: usize = 256 << 10;

/// Limits of checksum and compression.
#[derive(Debug, Serialize)]
pub(crate) struct Codecs {
    /// Of 64 KiB at a time.
    pub(crate) crc32c_gb_per_second: f64,
    pub(crate) zstd_level: i32,
    /// Of 256 KiB of generated payloads at a time.
    pub(crate) zstd_mb_per_second: f64,
    /// Bytes before through bytes after.
    pub(crate) zstd_gain: f64,
}

impl Codecs {
    pub(crate) fn measure(payloads: &[u8], zstd_level: i32) -> Self {
        let block = &payloads[..payloads.len().min(BLOCK_BYTES)];
        let bytes = vec![7_u8; CHECKSUM_BYTES];
        let checks = rate_of(|| {
            black_box(crc32c::crc32c(black_box(&bytes)));
        });
        let mut compressor = Compressor::new(zstd_level).expect("a level that is a codec's");
        let mut out = vec![0; zstd::zstd_safe::compress_bound(block.len())];
        let mut length = 0;
        let blocks = rate_of(|| {
            let compressed = compressor.compress_to_buffer(block, &mut out);
            length = compressed.expect("there is room for the worst case");
        });
        Self {
            crc32c_gb_per_second: checks * CHECKSUM_BYTES as f64 / 1e9,
            zstd_level,
            zstd_mb_per_second: blocks * block.len() as f64 / 1e6,
            zstd_gain: block.len() as f64 / length.max(1) as f64,
        }
    }
}
