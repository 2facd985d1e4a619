//! The aggregates of a shard: where each one stands.
//!
//! 1. An aggregate's entry and its key lie together, in whole words, so that one or two cache
//!    lines tell all there is to know of it.
//! 2. Entries are carved out of chunks. Nothing is moved when the directory grows, so nobody waits
//!    for that.
//! 3. A table leads from the hash of a key to the place of the entry. Both are asked for before
//!    they are needed, for many rows at a time.

use std::hash::{BuildHasher, Hasher};

use eventcask_event::NO_POSITION;
use eventcask_table::{IndexTable, prefetch};
use foldhash::fast::RandomState;

/// Aggregates whose memory is asked for together, as that of rows is where they are admitted.
const GROUP: usize = 64;
/// Words of a chunk: 256 KiB, so that an empty shard takes little and a large one few chunks.
const CHUNK_WORDS: usize = 1 << CHUNK_BITS;
const CHUNK_BITS: u32 = 15;
/// Words of an entry before its key.
const VERSION: usize = 0;
const LAST: usize = 1;
const DURABLE: usize = 2;
const ENTRY_WORDS: usize = 3;
/// Words of the shortest entry: a key has a byte at least.
const MIN_WORDS: u32 = 4;
/// The word of the version has the key's length above it. A version of 2^48 is that of an aggregate
/// that took a million events a second for nine years.
const VERSION_BITS: u32 = 48;
const VERSION_MASK: u64 = (1 << VERSION_BITS) - 1;

/// Hashes keys for the tables in memory, seeded anew in each process: who chooses keys can
/// not aim them at one place.
#[derive(Debug, Clone, Default)]
pub struct KeyHasher(RandomState);

impl KeyHasher {
    /// The table hash of a key.
    #[must_use]
    pub fn hash(&self, key: &str) -> u64 {
        // Without the length that is hashed along for texts that are parts of something.
        let mut hasher = self.0.build_hasher();
        hasher.write(key.as_bytes());
        hasher.finish()
    }
}

/// Where an aggregate's entry lies in the directory.
pub type AggregateSlot = u32;

/// The number of the aggregate in a slot, which no other one of the directory has.
pub(crate) fn number(slot: AggregateSlot) -> u32 {
    slot / MIN_WORDS
}

/// An event that was admitted to an aggregate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admitted {
    /// The aggregate.
    pub slot: AggregateSlot,
    /// The event's version in it.
    pub version: u64,
    /// The version of the aggregate before.
    pub version_before: u64,
    /// Position of the aggregate's last event before, or [`NO_POSITION`].
    pub last_before: u64,
}

/// The aggregates of a shard by key. About 41 bytes each, and the key.
///
/// Admission runs ahead of the disk, so the newest version and the newest durable event are two
/// things.
#[derive(Debug, Default)]
pub struct Directory {
    chunks: Vec<Box<[u64]>>,
    /// Words of the last chunk that are taken.
    used: usize,
    table: IndexTable,
}

impl Directory {
    /// How many aggregates there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Asks for the memory that leads to aggregates with this hash.
    #[inline]
    pub fn prefetch(&self, hash: u64) {
        self.table.prefetch(hash);
    }

    /// Asks for the memory of the aggregate that likely has this hash, once what leads there has
    /// been [asked for](Self::prefetch), and says which one it is.
    #[inline]
    pub fn prefetch_entry(&self, hash: u64) -> Option<AggregateSlot> {
        let slot = self.table.likely(hash)?;
        self.prefetch_slot(slot);
        Some(slot)
    }

    /// Asks for the memory of an aggregate.
    #[inline]
    pub(crate) fn prefetch_slot(&self, slot: AggregateSlot) {
        let (chunk, word) = place(slot);
        prefetch(&self.chunks[chunk], word);
        prefetch(&self.chunks[chunk], word + ENTRY_WORDS + 1);
    }

    /// The aggregate with this key. The key itself is compared: two keys with one hash are
    /// two aggregates.
    #[inline]
    #[must_use]
    pub fn find(&self, hash: u64, key: &str) -> Option<AggregateSlot> {
        self.table.find(hash, |slot| self.is_at(slot, key))
    }

    /// Whether the aggregate in this slot, which was [found before](Self::prefetch_entry), is the
    /// one with this key.
    #[inline]
    #[must_use]
    pub fn is_at(&self, slot: AggregateSlot, key: &str) -> bool {
        let key = key.as_bytes();
        let (chunk, word) = place(slot);
        let entry = &self.chunks[chunk][word..];
        if entry[VERSION] >> VERSION_BITS != key.len() as u64 {
            return false;
        }
        let (whole, rest) = key.as_chunks::<8>();
        let (words, last) = entry[ENTRY_WORDS..].split_at(whole.len());
        let mut differs = 0;
        for (word, bytes) in words.iter().zip(whole) {
            differs |= word ^ u64::from_le_bytes(*bytes);
        }
        if !rest.is_empty() {
            differs |= last[0] ^ last_word(key);
        }
        differs == 0
    }

    /// Adds an aggregate without events.
    pub fn add(&mut self, hash: u64, key: &str) -> AggregateSlot {
        let key = key.as_bytes();
        let slot = self.take_room(ENTRY_WORDS + key.len().div_ceil(8));
        let (chunk, word) = place(slot);
        let entry = &mut self.chunks[chunk][word..];
        entry[VERSION] = (key.len() as u64) << VERSION_BITS;
        entry[LAST] = NO_POSITION;
        entry[DURABLE] = NO_POSITION;
        let (whole, rest) = key.as_chunks::<8>();
        let (words, last) = entry[ENTRY_WORDS..].split_at_mut(whole.len());
        for (word, bytes) in words.iter_mut().zip(whole) {
            *word = u64::from_le_bytes(*bytes);
        }
        if !rest.is_empty() {
            last[0] = last_word(key);
        }
        self.table.insert(hash, slot);
        slot
    }

    /// The aggregates with these keys; those that are not there are added without events.
    pub(crate) fn find_or_add(&mut self, hasher: &KeyHasher, keys: &[&str]) -> Vec<AggregateSlot> {
        let mut slots = Vec::with_capacity(keys.len());
        for keys in keys.chunks(GROUP) {
            let mut hashes = [0; GROUP];
            for (hash, key) in hashes.iter_mut().zip(keys) {
                *hash = hasher.hash(key);
                self.prefetch(*hash);
            }
            for hash in &hashes[..keys.len()] {
                self.prefetch_entry(*hash);
            }
            slots.extend(keys.iter().zip(hashes).map(|(key, hash)| {
                let found = self.find(hash, key);
                found.unwrap_or_else(|| self.add(hash, key))
            }));
        }
        slots
    }

    fn take_room(&mut self, words: usize) -> AggregateSlot {
        if self.chunks.is_empty() || self.used + words > CHUNK_WORDS {
            self.chunks.push(vec![0; CHUNK_WORDS].into());
            self.used = 0;
        }
        let slot = ((self.chunks.len() - 1) << CHUNK_BITS) + self.used;
        self.used += words;
        u32::try_from(slot).expect("the aggregates of a shard take less than 32 GiB")
    }

    #[inline]
    fn entry(&self, slot: AggregateSlot) -> &[u64] {
        let (chunk, word) = place(slot);
        &self.chunks[chunk][word..word + ENTRY_WORDS]
    }

    #[inline]
    fn entry_mut(&mut self, slot: AggregateSlot) -> &mut [u64] {
        let (chunk, word) = place(slot);
        &mut self.chunks[chunk][word..word + ENTRY_WORDS]
    }

    /// Version after the last admitted event; 0 where all were taken back.
    #[inline]
    pub(crate) fn version(&self, slot: AggregateSlot) -> u64 {
        self.entry(slot)[VERSION] & VERSION_MASK
    }

    /// Admits an event and gives it its version.
    #[inline]
    pub fn admit(&mut self, slot: AggregateSlot, position: u64) -> Admitted {
        let entry = self.entry_mut(slot);
        let version_before = entry[VERSION] & VERSION_MASK;
        // Only a crafted log has so high a version; it must not run over into the key's length.
        entry[VERSION] += u64::from(version_before != VERSION_MASK);
        Admitted {
            slot,
            version: entry[VERSION] & VERSION_MASK,
            version_before,
            last_before: std::mem::replace(&mut entry[LAST], position),
        }
    }

    /// Says where an aggregate stands, from what was read back.
    pub(crate) fn enter(&mut self, slot: AggregateSlot, version: u64, position: u64) {
        let entry = self.entry_mut(slot);
        set_version(&mut entry[VERSION], version);
        entry[LAST] = position;
    }

    /// Takes back admitted events: the aggregate is again as it was.
    pub(crate) fn take_back(&mut self, slot: AggregateSlot, version: u64, last: u64) {
        debug_assert!(
            self.version(slot) > version,
            "only what was admitted is taken back"
        );
        self.enter(slot, version, last);
    }

    /// Says that the event at this position is durable.
    #[inline]
    pub(crate) fn make_durable(&mut self, slot: AggregateSlot, position: u64) {
        self.entry_mut(slot)[DURABLE] = position;
    }

    /// Position of the aggregate's newest durable event.
    pub(crate) fn newest(&self, hash: u64, key: &str) -> Option<u64> {
        let position = self.entry(self.find(hash, key)?)[DURABLE];
        (position != NO_POSITION).then_some(position)
    }

    /// Bytes of memory that the directory takes.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.chunks.len() * CHUNK_WORDS * 8 + self.table.memory_bytes()
    }
}

/// The chunk of an entry, and its first word there.
#[inline]
fn place(slot: AggregateSlot) -> (usize, usize) {
    let slot = slot as usize;
    (slot >> CHUNK_BITS, slot & (CHUNK_WORDS - 1))
}

/// A version from the log may be any number; more than there is room for stays the highest one.
fn set_version(word: &mut u64, version: u64) {
    *word = (*word & !VERSION_MASK) | version.min(VERSION_MASK);
}

/// The bytes of a key behind its last whole word, as a word with zeros after them.
#[inline]
fn last_word(key: &[u8]) -> u64 {
    let rest = key.len() % 8;
    match key.last_chunk::<8>() {
        // One read and a shift, instead of a copy of some bytes.
        Some(bytes) => u64::from_le_bytes(*bytes) >> (8 * (8 - rest)),
        None => {
            let bytes = key.iter().rev();
            bytes.fold(0, |word, byte| (word << 8) | u64::from(*byte))
        }
    }
}
