//! A value for each aggregate of a shard.
//!
//! All aggregates of a block are looked up together, in passes over groups of them, so
//! that the memory of one is on its way while others are looked at: 1. hash the key and ask for its
//! bucket; 2. ask for the entry that is likely the one; 3. ask for its key; 4. compare the keys, and
//! add those that are new.
//!
//! An aggregate that came in a block that was just written has a number. Once it was looked up, the
//! number leads to its entry, without its key.

use std::hash::{BuildHasher, Hasher};
use std::ops::{Index, IndexMut};

use eventcask_event::{AggregateNumbers, same_bytes};
use eventcask_table::{IndexTable, prefetch};
use foldhash::fast::RandomState;

use crate::Batch;

/// Aggregates that are looked up together. Measured on tables that no cache holds: from 16 on it
/// makes little difference, and 64 hashes still stay in the nearest cache.
const GROUP: usize = 64;
/// The slot of an aggregate that has no event in the batch.
const NONE: u32 = u32::MAX;
/// The slot of one that has, before it is looked up.
const ASKED: u32 = NONE - 1;

/// A value for each aggregate that has an event, by key: the state of a projection that keeps one
/// thing for each aggregate.
///
/// An aggregate takes 16 bytes, its key, its value, about 12 bytes of a table whose hash is seeded
/// anew in each process, and some 6 bytes more once it has new events. [`of`](Self::of) looks up all aggregates of a batch at once.
#[derive(Debug)]
pub struct PerAggregate<V> {
    hasher: RandomState,
    table: IndexTable,
    entries: Vec<Entry<V>>,
    keys: String,
    /// The slots of the batch in hand, kept for its memory.
    slots: Vec<u32>,
    /// The slots of aggregates by their numbers, which are of one opening of the shard.
    by_number: Vec<u32>,
    opening: u64,
}

/// The place of a key and its value: side by side, so that they are one access to memory.
#[derive(Debug)]
struct Entry<V> {
    key_start: u64,
    key_bytes: u32,
    value: V,
}

impl<V> Default for PerAggregate<V> {
    fn default() -> Self {
        Self {
            hasher: RandomState::default(),
            table: IndexTable::default(),
            entries: Vec::new(),
            keys: String::new(),
            slots: Vec::new(),
            by_number: Vec::new(),
            opening: 0,
        }
    }
}

/// An aggregate that is being looked up.
#[derive(Debug, Clone, Copy, Default)]
struct Probe {
    hash: u64,
    aggregate: u32,
    /// The one it likely is.
    slot: u32,
}

/// The values of a batch's aggregates, by their index in the batch.
#[derive(Debug)]
pub struct BatchEntries<'k, V> {
    entries: &'k mut [Entry<V>],
    slots: &'k [u32],
}

impl<V> PerAggregate<V> {
    /// The value of an aggregate; none where no event of it was applied.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&V> {
        let slot = self.find(self.hash(key.as_bytes()), key.as_bytes())?;
        Some(&self.entries[slot as usize].value)
    }

    /// All aggregates and their values, in the order in which they came up first.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &V)> {
        let pair = |entry| (self.key(entry), &entry.value);
        self.entries.iter().map(pair)
    }

    /// How many aggregates there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of memory that it takes, besides what the values hold elsewhere.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.entries.capacity() * size_of::<Entry<V>>()
            + self.keys.capacity()
            + self.table.memory_bytes()
            + (self.slots.capacity() + self.by_number.capacity()) * size_of::<u32>()
    }

    /// Adds an aggregate with its value; says whether it was not there yet.
    pub(crate) fn put(&mut self, key: &str, value: V) -> bool {
        let hash = self.hash(key.as_bytes());
        if self.find(hash, key.as_bytes()).is_some() {
            return false;
        }
        self.add(hash, key, value);
        true
    }

    fn add(&mut self, hash: u64, key: &str, value: V) -> u32 {
        let slot = u32::try_from(self.entries.len()).ok();
        let slot = slot.filter(|slot| *slot < ASKED);
        let slot = slot.expect("a shard has fewer than 2^32 - 2 aggregates");
        self.entries.push(Entry {
            key_start: self.keys.len() as u64,
            key_bytes: key.len() as u32,
            value,
        });
        self.keys.push_str(key);
        self.table.insert(hash, slot);
        slot
    }

    #[inline]
    fn hash(&self, key: &[u8]) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(key);
        hasher.finish()
    }

    #[inline]
    fn key(&self, entry: &Entry<V>) -> &str {
        &self.keys[entry.key_start as usize..][..entry.key_bytes as usize]
    }

    /// The key itself is compared: two keys with one hash are two aggregates.
    #[inline]
    fn find(&self, hash: u64, key: &[u8]) -> Option<u32> {
        self.table.find(hash, |slot| self.is_key(slot, key))
    }

    #[inline]
    fn is_key(&self, slot: u32, key: &[u8]) -> bool {
        let Some(entry) = self.entries.get(slot as usize) else {
            return false;
        };
        let start = entry.key_start as usize;
        // Of bytes, not of text: whether characters begin and end there is not asked each time.
        same_bytes(
            &self.keys.as_bytes()[start..][..entry.key_bytes as usize],
            key,
        )
    }
}

impl<V: Default> PerAggregate<V> {
    /// The values of all aggregates that have an event in the batch, to be read and changed by
    /// [`Batch::aggregate_index`]; those that are new have the default value.
    ///
    /// # Panics
    /// Where there are 2^32 - 2 aggregates.
    pub fn of(&mut self, batch: &Batch<'_>) -> BatchEntries<'_, V> {
        let mut slots = std::mem::take(&mut self.slots);
        slots.clear();
        if batch.has_all_aggregates() {
            slots.resize(batch.aggregates(), ASKED);
        } else {
            slots.resize(batch.aggregates(), NONE);
            for row in batch.rows() {
                slots[batch.aggregate_index(row)] = ASKED;
            }
        }
        let numbers = batch.numbers();
        let are_known = numbers.is_some_and(|numbers| self.take_known(&numbers, &mut slots));
        if !are_known {
            self.look_up(batch, &mut slots);
            if let Some(numbers) = &numbers {
                self.note_numbers(numbers, &slots);
            }
        }
        self.slots = slots;
        BatchEntries {
            entries: &mut self.entries,
            slots: &self.slots,
        }
    }

    /// Fills in the slots that are asked for of aggregates whose numbers are known, and says whether
    /// all of them are.
    fn take_known(&mut self, of: &AggregateNumbers<'_>, slots: &mut [u32]) -> bool {
        let mut are_known = true;
        if of.opening != self.opening {
            self.by_number.clear();
            self.opening = of.opening;
        }
        let groups = slots.chunks_mut(GROUP).zip(of.numbers.chunks(GROUP));
        for (slots, numbers) in groups {
            for number in numbers {
                prefetch(&self.by_number, *number as usize);
            }
            for (slot, number) in slots.iter_mut().zip(numbers) {
                if *slot != ASKED {
                    continue;
                }
                match self.by_number.get(*number as usize) {
                    Some(known) if *known != NONE => {
                        *slot = *known;
                        prefetch(&self.entries, *known as usize);
                    }
                    _ => are_known = false,
                }
            }
        }
        are_known
    }

    /// Notes which aggregates have which numbers.
    fn note_numbers(&mut self, of: &AggregateNumbers<'_>, slots: &[u32]) {
        let highest = of.numbers.iter().max().copied().unwrap_or(0) as usize;
        if self.by_number.len() <= highest {
            self.by_number.resize(highest + 1, NONE);
        }
        for (slot, number) in slots.iter().zip(of.numbers) {
            if *slot != NONE {
                self.by_number[*number as usize] = *slot;
            }
        }
    }

    /// Fills in the slots that are asked for.
    fn look_up(&mut self, batch: &Batch<'_>, slots: &mut [u32]) {
        let mut group = [Probe::default(); GROUP];
        let mut next = 0;
        loop {
            let mut filled = 0;
            while filled < GROUP && next < slots.len() {
                if slots[next] == ASKED {
                    let hash = self.hash(batch.key_bytes(next));
                    self.table.prefetch(hash);
                    group[filled] = Probe {
                        hash,
                        aggregate: next as u32,
                        slot: NONE,
                    };
                    filled += 1;
                }
                next += 1;
            }
            let group = &mut group[..filled];
            for probe in &mut *group {
                probe.slot = self.table.likely(probe.hash).unwrap_or(NONE);
                prefetch(&self.entries, probe.slot as usize);
            }
            for probe in &*group {
                if let Some(entry) = self.entries.get(probe.slot as usize) {
                    prefetch(self.keys.as_bytes(), entry.key_start as usize);
                }
            }
            for probe in &*group {
                slots[probe.aggregate as usize] = self.slot(probe, batch);
            }
            if filled < GROUP {
                return;
            }
        }
    }

    #[inline]
    fn slot(&mut self, probe: &Probe, batch: &Batch<'_>) -> u32 {
        let aggregate = probe.aggregate as usize;
        let key = batch.key_bytes(aggregate);
        if self.is_key(probe.slot, key) {
            return probe.slot;
        }
        match self.find(probe.hash, key) {
            Some(slot) => slot,
            None => self.add(probe.hash, batch.key(aggregate), V::default()),
        }
    }
}

impl<V> Index<usize> for BatchEntries<'_, V> {
    type Output = V;

    /// # Panics
    /// Where the aggregate has no event in the batch.
    #[inline]
    fn index(&self, aggregate: usize) -> &V {
        &self.entries[self.slots[aggregate] as usize].value
    }
}

impl<V> IndexMut<usize> for BatchEntries<'_, V> {
    #[inline]
    fn index_mut(&mut self, aggregate: usize) -> &mut V {
        &mut self.entries[self.slots[aggregate] as usize].value
    }
}
