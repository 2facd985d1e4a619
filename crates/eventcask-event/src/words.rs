//! Texts that many rows name by an index, so that each stands there once.

use crate::malformed::Malformed;

/// The names of a block's headers and tags, and the values of its tags.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Words {
    /// One a word: where it ends in `bytes`.
    pub ends: Vec<u32>,
    /// Words end to end, UTF-8.
    pub bytes: Vec<u8>,
}

impl Words {
    /// None.
    pub const NONE: Self = Self {
        ends: Vec::new(),
        bytes: Vec::new(),
    };

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The bytes of a word; none of one that is not there.
    #[must_use]
    pub fn bytes_of(&self, word: u32) -> &[u8] {
        let word = word as usize;
        let start = word.checked_sub(1).and_then(|one| self.ends.get(one));
        let end = self.ends.get(word).copied().unwrap_or(0);
        let start = start.copied().unwrap_or(0);
        self.bytes.get(start as usize..end as usize).unwrap_or(&[])
    }

    /// A word.
    #[must_use]
    pub fn get(&self, word: u32) -> &str {
        // Checked when the block was decoded, and short.
        str::from_utf8(self.bytes_of(word)).unwrap_or("\u{fffd}")
    }

    /// Whether a word is there.
    #[must_use]
    pub fn has(&self, word: &str) -> bool {
        let words = 0..self.len() as u32;
        words
            .into_iter()
            .any(|one| self.bytes_of(one) == word.as_bytes())
    }

    /// Adds a word that is not there, and returns its index.
    pub(crate) fn add(&mut self, word: &str) -> u32 {
        self.bytes.extend_from_slice(word.as_bytes());
        self.ends.push(self.bytes.len() as u32);
        (self.ends.len() - 1) as u32
    }

    /// Checks that they are texts of up to `limit` bytes; one of them may be empty.
    ///
    /// # Errors
    /// The first that is wrong.
    pub fn check(&self, limit: usize) -> Result<(), Malformed> {
        let wrong = Malformed("the names of headers and tags are not texts within the limits");
        let Ok(text) = str::from_utf8(&self.bytes) else {
            return Err(wrong);
        };
        let mut start = 0;
        for end in &self.ends {
            let end = *end as usize;
            if end < start || end - start > limit || !text.is_char_boundary(end) {
                return Err(wrong);
            }
            start = end;
        }
        match start == self.bytes.len() {
            true => Ok(()),
            false => Err(wrong),
        }
    }

    /// Removes all and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.ends.clear();
        self.bytes.clear();
    }

    /// Bytes that they take.
    #[must_use]
    pub fn size(&self) -> usize {
        self.ends.len() * 4 + self.bytes.len()
    }
}
