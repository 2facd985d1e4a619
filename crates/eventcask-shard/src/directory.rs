//! The aggregates of a shard: where each one stands.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use eventcask_event::NO_POSITION;

/// Hashes keys for the tables in memory, seeded anew in each process: who chooses keys can
/// not aim them at one place.
#[derive(Debug, Clone, Default)]
pub struct KeyHasher(RandomState);

impl KeyHasher {
    /// The table hash of a key.
    #[must_use]
    pub fn hash(&self, key: &str) -> u64 {
        self.0.hash_one(key.as_bytes())
    }
}

/// Number of an aggregate in the directory.
pub(crate) type AggregateSlot = u32;

/// What is known of one aggregate. Admission runs ahead of the disk, so the newest version
/// and the newest durable event are two things.
#[derive(Debug, Clone, Copy)]
struct Entry {
    hash: u64,
    key_start: u64,
    key_bytes: u16,
    /// Version after the last admitted event; 0 where all were taken back.
    version: u64,
    /// Position of the last admitted event.
    last: u64,
    /// Position of the last durable event.
    durable: u64,
}

/// The aggregates of a shard by key. About 46 bytes each, and the key.
#[derive(Debug, Default)]
pub struct Directory {
    entries: Vec<Entry>,
    keys: String,
    table: HashTable<AggregateSlot>,
}

impl Directory {
    fn key_of(&self, slot: AggregateSlot) -> &str {
        let entry = &self.entries[slot as usize];
        let start = entry.key_start as usize;
        &self.keys[start..start + usize::from(entry.key_bytes)]
    }

    /// The aggregate with this key. The key itself is compared: two keys with one hash are
    /// two aggregates.
    pub(crate) fn find(&self, hash: u64, key: &str) -> Option<AggregateSlot> {
        self.table
            .find(hash, |slot| {
                self.entries[*slot as usize].hash == hash && self.key_of(*slot) == key
            })
            .copied()
    }

    /// Adds an aggregate without events.
    pub(crate) fn add(&mut self, hash: u64, key: &str) -> AggregateSlot {
        let slot =
            u32::try_from(self.entries.len()).expect("a shard has fewer than 2^32 aggregates");
        self.entries.push(Entry {
            hash,
            key_start: self.keys.len() as u64,
            key_bytes: key.len() as u16,
            version: 0,
            last: NO_POSITION,
            durable: NO_POSITION,
        });
        self.keys.push_str(key);
        let entries = &self.entries;
        self.table
            .insert_unique(hash, slot, |slot| entries[*slot as usize].hash);
        slot
    }

    pub(crate) fn version(&self, slot: AggregateSlot) -> u64 {
        self.entries[slot as usize].version
    }

    pub(crate) fn last(&self, slot: AggregateSlot) -> u64 {
        self.entries[slot as usize].last
    }

    /// Admits an event and returns its version.
    pub(crate) fn admit(&mut self, slot: AggregateSlot, position: u64) -> u64 {
        let entry = &mut self.entries[slot as usize];
        entry.last = position;
        entry.version += 1;
        entry.version
    }

    /// Says where an aggregate stands, from what was read back.
    pub(crate) fn enter(&mut self, slot: AggregateSlot, version: u64, position: u64) {
        let entry = &mut self.entries[slot as usize];
        (entry.version, entry.last) = (version, position);
    }

    /// Takes back admitted events: the aggregate is again as it was.
    pub(crate) fn take_back(&mut self, slot: AggregateSlot, version: u64, last: u64) {
        let entry = &mut self.entries[slot as usize];
        debug_assert!(
            entry.version > version,
            "only what was admitted is taken back"
        );
        entry.version = version;
        entry.last = last;
    }

    /// Says that the event at this position is durable.
    pub(crate) fn make_durable(&mut self, slot: AggregateSlot, position: u64) {
        self.entries[slot as usize].durable = position;
    }

    /// Position of the aggregate's newest durable event.
    pub(crate) fn newest(&self, hash: u64, key: &str) -> Option<u64> {
        let position = self.entries[self.find(hash, key)? as usize].durable;
        (position != NO_POSITION).then_some(position)
    }

    /// Bytes of memory that the directory takes.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.entries.capacity() * size_of::<Entry>()
            + self.keys.capacity()
            + self.table.allocation_size()
    }
}
