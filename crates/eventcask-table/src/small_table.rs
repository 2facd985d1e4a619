//! From hashes to the indexes of at most 65,536 entries: as `IndexTable`, with 16 slots of four
//! bytes in a cache line.

use crate::lanes::{Lanes, Matches};
use crate::prefetch;

/// Bits of a tag.
const TAG: u32 = u16::BITS;
const SLOTS: usize = Lanes::<TAG>::COUNT;
/// The tag of a slot that was never taken, and of one that was given up.
const EMPTY: u16 = 0;
const GONE: u16 = 1;

/// Indexes of up to 65,536 entries by their hashes, in about five bytes each where it is full.
///
/// It is made for a number of entries, and grows by a quarter where there are more.
#[derive(Debug, Clone, Default)]
pub struct SmallTable {
    buckets: Vec<Bucket>,
    /// Slots that are taken or were.
    used: usize,
}

#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
struct Bucket {
    tags: Lanes<TAG>,
    indexes: [u16; SLOTS],
}

/// The home bucket comes from the upper half of the hash, the tag from the lowest bits.
#[inline]
fn tag_of(hash: u64) -> u16 {
    (hash as u16).max(GONE + 1)
}

impl SmallTable {
    /// The most entries.
    pub const MAX: usize = 1 << 16;

    /// A table with room for so many entries.
    #[must_use]
    pub fn with_room(entries: usize) -> Self {
        Self {
            buckets: vec![Bucket::EMPTY; buckets_for(entries)],
            used: 0,
        }
    }

    /// Removes all entries and keeps the memory.
    pub fn clear(&mut self) {
        self.buckets.fill(Bucket::EMPTY);
        self.used = 0;
    }

    /// Whether one more entry would fill more than four fifths of its slots, and the table is to be
    /// made anew with more room.
    #[must_use]
    pub fn is_full(&self) -> bool {
        (self.used + 1) * 5 > self.buckets.len() * SLOTS * 4
    }

    /// Asks for the memory in which entries with this hash would be.
    #[inline]
    pub fn prefetch(&self, hash: u64) {
        prefetch(&self.buckets, self.home(hash));
    }

    #[inline]
    fn home(&self, hash: u64) -> usize {
        (((hash >> 32) * self.buckets.len() as u64) >> 32) as usize
    }

    /// The entry with this hash that is the one looked for.
    #[inline]
    pub fn find(&self, hash: u64, is_it: impl FnMut(u16) -> bool) -> Option<u16> {
        let (at, slot) = self.place(hash, is_it)?;
        Some(self.buckets[at].indexes[slot])
    }

    #[inline]
    fn place(&self, hash: u64, mut is_it: impl FnMut(u16) -> bool) -> Option<(usize, usize)> {
        let tag = tag_of(hash);
        let mut at = self.home(hash);
        loop {
            let bucket = self.buckets.get(at)?;
            for slot in bucket.matches(tag) {
                if bucket.tag(slot) == tag && is_it(bucket.indexes[slot]) {
                    return Some((at, slot));
                }
            }
            if !bucket.matches(EMPTY).is_empty() {
                return None;
            }
            at = self.next(at);
        }
    }

    #[inline]
    fn next(&self, at: usize) -> usize {
        if at + 1 == self.buckets.len() {
            0
        } else {
            at + 1
        }
    }

    /// Adds an entry.
    ///
    /// # Panics
    /// When the table [is full](Self::is_full). The owner of the hashes makes a larger one.
    #[inline]
    pub fn insert(&mut self, hash: u64, index: u16) {
        assert!(!self.is_full(), "a table that is full is made anew");
        let mut at = self.home(hash);
        loop {
            let bucket = &mut self.buckets[at];
            if let Some(slot) = bucket.free() {
                self.used += usize::from(bucket.tag(slot) == EMPTY);
                bucket.tags.set(slot, tag_of(hash).into());
                bucket.indexes[slot] = index;
                return;
            }
            at = self.next(at);
        }
    }

    /// The entry with this hash that is the one looked for. Where there is none, `index` is added.
    ///
    /// # Panics
    /// As [`insert`](Self::insert).
    #[inline]
    pub fn find_or_insert(
        &mut self,
        hash: u64,
        index: u16,
        mut is_it: impl FnMut(u16) -> bool,
    ) -> Option<u16> {
        assert!(!self.is_full(), "a table that is full is made anew");
        let tag = tag_of(hash);
        let mut at = self.home(hash);
        loop {
            let bucket = &mut self.buckets[at];
            for slot in bucket.matches(tag) {
                if bucket.tag(slot) == tag && is_it(bucket.indexes[slot]) {
                    return Some(bucket.indexes[slot]);
                }
            }
            // A freed slot further in front is not used: the entry may lie behind it.
            if let Some(slot) = bucket.matches(EMPTY).next() {
                self.used += 1;
                bucket.tags.set(slot, tag.into());
                bucket.indexes[slot] = index;
                return None;
            }
            at = self.next(at);
        }
    }

    /// Removes the entry with this hash that is the one looked for, and returns its index.
    pub fn remove(&mut self, hash: u64, is_it: impl FnMut(u16) -> bool) -> Option<u16> {
        let (at, slot) = self.place(hash, is_it)?;
        let bucket = &mut self.buckets[at];
        bucket.tags.set(slot, GONE.into());
        Some(bucket.indexes[slot])
    }

    /// Bytes of memory that the table takes.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.buckets.capacity() * size_of::<Bucket>()
    }
}

/// Buckets so that so many entries fill at most four fifths of the slots.
fn buckets_for(entries: usize) -> usize {
    (entries * 5).div_ceil(SLOTS * 4).max(1)
}

impl Bucket {
    const EMPTY: Self = Self {
        tags: Lanes::zero(),
        indexes: [0; SLOTS],
    };

    #[inline]
    fn tag(&self, slot: usize) -> u16 {
        self.tags.get(slot) as u16
    }

    #[inline]
    fn matches(&self, tag: u16) -> Matches<TAG> {
        self.tags.matches(tag.into())
    }

    /// A slot that can be taken.
    #[inline]
    fn free(&self) -> Option<usize> {
        let empty = self.matches(EMPTY);
        empty.or(self.matches(GONE)).next()
    }
}
