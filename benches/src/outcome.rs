//! What a benchmark did, in one number.

use std::fmt;

use eventcask_event::{EventBatch, murmur2};

/// A hash of what came out, to tell that two runs did the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcome(u64);

impl Outcome {
    /// Takes in some bytes.
    pub fn add_bytes(&mut self, bytes: &[u8]) {
        self.add(u64::from(murmur2(bytes)));
    }

    /// Takes in keys and payloads.
    pub fn add_batch(&mut self, batch: &EventBatch) {
        for row in 0..batch.len() {
            self.add_bytes(batch.key(row).as_bytes());
            self.add_bytes(batch.payload(row));
        }
    }

    /// Takes in a number.
    pub fn add(&mut self, number: u64) {
        // The steps of FNV-1a, with a word for each byte.
        self.0 = (self.0 ^ number).wrapping_mul(0x0100_0000_01b3);
    }

    /// Prints a line with what was worked on, and the hash.
    pub fn print(&self, name: &str, parameters: impl fmt::Display) {
        println!("{name}: {parameters}, seed {:#x}, hash {self}", crate::SEED);
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}
