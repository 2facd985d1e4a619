//! A running hash of all rows read so far.

/// The hash of the rows of a file up to and with some row, in 64 bits.
///
/// A store keeps it beside the number of rows it has of a source, so that another file under
/// the same name is noticed. The construction is therefore fixed:
///
/// * the state begins as `0x9e3779b97f4a7c15`;
/// * a word `w` goes in by `state = (state ^ w) * 0xff51afd7ed558ccd` modulo 2^64, then
///   `state ^= state >> 32`;
/// * a row goes in as the little-endian 64-bit words of its bytes, the last one filled up
///   with zero bytes, followed by the count of its bytes;
/// * a row that is too long to be held goes in as the bitwise complement of its count of
///   bytes alone.
///
/// Each step is a bijection of the state, so two files that differ in one row never agree
/// again by what equal rows follow.
///
/// ```
/// let mut check = eventcask_cli::input::RowCheck::default();
/// check.row(b"a,1");
/// assert_eq!(check.value(), 0xb9ee_e3ba_eb3b_0876);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct RowCheck(u64);

impl Default for RowCheck {
    fn default() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }
}

impl RowCheck {
    /// Adds the bytes of a row.
    pub fn row(&mut self, bytes: &[u8]) {
        let (words, tail) = bytes.as_chunks::<8>();
        for word in words {
            self.word(u64::from_le_bytes(*word));
        }
        if !tail.is_empty() {
            let mut last = [0; 8];
            last[..tail.len()].copy_from_slice(tail);
            self.word(u64::from_le_bytes(last));
        }
        self.word(bytes.len() as u64);
    }

    /// Adds a row that is too long to be held.
    pub fn long_row(&mut self, bytes: u64) {
        self.word(!bytes);
    }

    /// The hash of everything added so far.
    #[must_use]
    pub fn value(self) -> u64 {
        self.0
    }

    fn word(&mut self, word: u64) {
        let mixed = (self.0 ^ word).wrapping_mul(0xff51_afd7_ed55_8ccd);
        self.0 = mixed ^ mixed >> 32;
    }
}
