//! Many short texts in one buffer.

/// A list of texts that lie end to end in one buffer, so that it grows without an
/// allocation for each.
///
/// ```
/// let mut texts = eventcask_event::Texts::default();
/// texts.push("a");
/// texts.push("bc");
/// assert_eq!((texts.len(), texts.get(1)), (2, "bc"));
/// ```
#[derive(Debug, Clone, Default)]
pub struct Texts {
    ends: Vec<u32>,
    text: String,
}

impl Texts {
    /// Adds a text at the end.
    ///
    /// # Panics
    /// When all texts together pass 4 GiB; a batch closes long before.
    pub fn push(&mut self, text: &str) {
        self.text.push_str(text);
        let end = u32::try_from(self.text.len()).expect("a batch closes far below 4 GiB of keys");
        self.ends.push(end);
    }

    /// The text at `index`.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn get(&self, index: usize) -> &str {
        let start = if index == 0 {
            0
        } else {
            self.ends[index - 1] as usize
        };
        &self.text[start..self.ends[index] as usize]
    }

    /// How many texts there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Removes all texts and keeps the memory.
    pub fn clear(&mut self) {
        self.ends.clear();
        self.text.clear();
    }

    /// Where each text ends in [`text`](Self::text).
    #[must_use]
    pub fn ends(&self) -> &[u32] {
        &self.ends
    }

    /// All texts end to end.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}
