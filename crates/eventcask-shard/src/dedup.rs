//! What a shard has seen before: ids, and how far sources were consumed.

use std::collections::HashMap;
use std::hash::BuildHasher;

use eventcask_event::EventId;
use eventcask_log::SourceMark;
use foldhash::fast::RandomState;
use hashbrown::HashTable;

/// An id and the position of its event. Two halves instead of a `u128` keep it at 24 bytes.
#[derive(Debug, Clone, Copy)]
struct Known {
    high: u64,
    low: u64,
    position: u64,
}

impl Known {
    fn id(&self) -> EventId {
        EventId::from_u128(u128::from(self.high) << 64 | u128::from(self.low))
    }
}

/// All ids that events of the shard came with, and the marks of their sources. Both are
/// derived from the log. The window is the whole log; an id takes about 28 bytes of memory.
#[derive(Debug, Default)]
pub(crate) struct Dedup {
    ids: HashTable<Known>,
    hasher: RandomState,
    marks: HashMap<String, SourceMark>,
}

impl Dedup {
    /// The position of the event with this id.
    pub(crate) fn position(&self, id: EventId) -> Option<u64> {
        let known = self
            .ids
            .find(self.hasher.hash_one(id), |known| known.id() == id)?;
        Some(known.position)
    }

    pub(crate) fn insert(&mut self, id: EventId, position: u64) {
        debug_assert!(self.position(id).is_none(), "an id is stored once");
        let bits = id.as_u128();
        let known = Known {
            high: (bits >> 64) as u64,
            low: bits as u64,
            position,
        };
        let hasher = &self.hasher;
        self.ids.insert_unique(hasher.hash_one(id), known, |known| {
            hasher.hash_one(known.id())
        });
    }

    /// Forgets the id of an event that was not stored after all.
    pub(crate) fn forget(&mut self, id: EventId) {
        if let Ok(entry) = self
            .ids
            .find_entry(self.hasher.hash_one(id), |known| known.id() == id)
        {
            entry.remove();
        }
    }

    /// How far a source was consumed.
    pub(crate) fn mark(&self, source: &str) -> Option<&SourceMark> {
        self.marks.get(source)
    }

    /// Sets the mark of a source; `None` removes it.
    pub(crate) fn set_mark(&mut self, source: &str, mark: Option<SourceMark>) {
        match mark {
            Some(mark) => self.marks.insert(source.to_owned(), mark),
            None => self.marks.remove(source),
        };
    }

    pub(crate) fn ids(&self) -> usize {
        self.ids.len()
    }
}
