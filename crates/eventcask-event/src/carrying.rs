//! Which events are wanted, by what they carry beside their payloads.

use crate::{EventId, Metadata, MetadataColumns};

/// What an event must carry: all of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Carrying {
    /// The conversation that it belongs to.
    pub correlation: Option<EventId>,
    /// Names and values of tags.
    pub tags: Vec<(String, String)>,
}

impl Carrying {
    /// Whether it asks for nothing.
    #[must_use]
    pub fn wants_all(&self) -> bool {
        self.correlation.is_none() && self.tags.is_empty()
    }

    /// Whether some event of a block may be wanted, by a look at the words of all.
    #[must_use]
    pub fn may_be_in(&self, columns: &MetadataColumns) -> bool {
        if self.wants_all() {
            return true;
        }
        let has_tag =
            |(name, value): &(String, String)| columns.words.has(name) && columns.words.has(value);
        let has_ids = self.correlation.is_none() || !columns.correlations.is_empty();
        has_ids && self.tags.iter().all(has_tag)
    }

    /// Whether an event that carries this is wanted.
    #[must_use]
    pub fn admits(&self, metadata: Metadata<'_>) -> bool {
        let is_of = |id: EventId| metadata.correlation_id() == Some(id);
        let has_tag =
            |(name, value): &(String, String)| metadata.tags().get(name) == Some(value.as_str());
        self.correlation.is_none_or(is_of) && self.tags.iter().all(has_tag)
    }
}
