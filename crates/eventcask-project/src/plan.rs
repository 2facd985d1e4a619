//! What is picked of each payload for a view.

use crate::fields::Fields;

/// Where a definition's fields are found among the picked ones.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Plan {
    pub(crate) fields: Fields,
    /// Slot of the key.
    pub(crate) key: usize,
    /// Slot of the window's time.
    pub(crate) time: Option<usize>,
    /// Slots of the fields that are aggregated, each once.
    pub(crate) values: Vec<usize>,
}

impl Plan {
    /// The index among the values of the field with this path.
    pub(crate) fn value(&mut self, path: &str) -> usize {
        let slot = self.fields.add(path);
        match self.values.iter().position(|known| *known == slot) {
            Some(value) => value,
            None => {
                self.values.push(slot);
                self.values.len() - 1
            }
        }
    }
}
