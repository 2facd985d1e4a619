//! How fast memory is copied, and reached at random.

use std::hint::black_box;
use std::time::Instant;

use serde::Serialize;

use super::rate::rate_of;
use crate::generate::Random;

/// More than any cache holds.
const BYTES: usize = 256 << 20;
/// Bytes of a cache line.
const LINE: usize = 64;
/// Steps from line to line, each of which has to wait for the one before.
const STEPS: u64 = 2_000_000;

/// Limits of the memory.
#[derive(Debug, Serialize)]
pub(crate) struct Memory {
    /// On one thread; bytes that are copied, not read and written.
    pub(crate) copy_gb_per_second: f64,
    /// A line of 64 bytes out of 256 MiB, after the one before is there.
    pub(crate) random_64_bytes_ns: f64,
}

impl Memory {
    pub(crate) fn measure() -> Self {
        let (from, mut to) = (vec![1_u8; BYTES / 2], vec![0_u8; BYTES / 2]);
        let copies = rate_of(|| to.copy_from_slice(black_box(&from)));
        drop((from, to));
        Self {
            copy_gb_per_second: copies * (BYTES / 2) as f64 / 1e9,
            random_64_bytes_ns: random_access(),
        }
    }
}

/// Walks along lines that each name the next: a single cycle through all of them (Sattolo's
/// shuffle), so that nothing can be foreseen.
fn random_access() -> f64 {
    let mut lines = vec![[0_u64; LINE / 8]; BYTES / LINE];
    for (at, line) in lines.iter_mut().enumerate() {
        line[0] = at as u64;
    }
    let mut random = Random::new(1);
    for at in (1..lines.len()).rev() {
        let other = random.below(at as u64) as usize;
        lines.swap(at, other);
    }
    let mut at = 0;
    let started = Instant::now();
    for _ in 0..STEPS {
        at = lines[at as usize][0];
    }
    black_box(at);
    started.elapsed().as_secs_f64() * 1e9 / STEPS as f64
}
