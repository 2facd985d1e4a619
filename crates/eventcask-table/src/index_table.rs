//! From hashes to the indexes of entries.
//!
//! 1. The upper half of a hash is its *tag*. A bucket is one cache line with the tags and indexes
//!    of eight entries.
//! 2. An entry lies in its home bucket, chosen by the tag, or where that was full in the first one
//!    behind it with a free slot. A search ends at a bucket with a free slot.
//! 3. The table has 64 parts, by the highest bits of the tag. Each grows by itself, by a quarter,
//!    so that no single insertion waits for the whole table to be moved.
//! 4. Buckets follow the order of the tags, so a part is moved in one pass from front to back, and
//!    neither hashes nor keys are needed for it.

use crate::lanes::{Lanes, Matches};
use crate::prefetch;

/// Bits of a tag.
const TAG: u32 = u32::BITS;
/// Slots of a bucket: what a cache line holds.
const SLOTS: usize = Lanes::<TAG>::COUNT;
const PARTS: usize = 64;
const PART_BITS: u32 = PARTS.trailing_zeros();
/// The tag of a slot that was never taken, and of one that was given up.
const EMPTY: u32 = 0;
const GONE: u32 = 1;

/// Indexes of up to 2^32 entries by their hashes. Two entries may have one hash.
///
/// An entry takes 11 to 13 bytes, and each of the 64 parts at least 64.
#[derive(Debug)]
pub struct IndexTable {
    parts: Box<[Part]>,
    len: usize,
}

#[derive(Debug, Clone, Default)]
struct Part {
    buckets: Vec<Bucket>,
    /// Slots that are taken or were.
    used: usize,
}

#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
struct Bucket {
    tags: Lanes<TAG>,
    indexes: [u32; SLOTS],
}

impl Default for IndexTable {
    fn default() -> Self {
        Self {
            parts: vec![Part::default(); PARTS].into(),
            len: 0,
        }
    }
}

/// The tag of a hash; two values are taken.
#[inline]
fn tag_of(hash: u64) -> u32 {
    ((hash >> 32) as u32).max(GONE + 1)
}

impl IndexTable {
    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Asks for the memory in which entries with this hash would be.
    #[inline]
    pub fn prefetch(&self, hash: u64) {
        let tag = tag_of(hash);
        let part = self.part(tag);
        prefetch(&part.buckets, part.home(tag));
    }

    /// The entry that likely has this hash, so that its memory can be prefetched.
    #[inline]
    #[must_use]
    pub fn likely(&self, hash: u64) -> Option<u32> {
        let tag = tag_of(hash);
        let part = self.part(tag);
        let bucket = part.buckets.get(part.home(tag))?;
        bucket.matches(tag).next().map(|slot| bucket.indexes[slot])
    }

    /// The entry with this hash that is the one looked for.
    #[inline]
    pub fn find(&self, hash: u64, mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        let (part, at, slot) = self.place(hash, &mut is_it)?;
        Some(self.parts[part].buckets[at].indexes[slot])
    }

    #[inline]
    fn place(
        &self,
        hash: u64,
        mut is_it: impl FnMut(u32) -> bool,
    ) -> Option<(usize, usize, usize)> {
        let tag = tag_of(hash);
        let number = part_of(tag);
        let part = &self.parts[number];
        let mut at = part.home(tag);
        loop {
            let bucket = part.buckets.get(at)?;
            for slot in bucket.matches(tag) {
                if bucket.tag(slot) == tag && is_it(bucket.indexes[slot]) {
                    return Some((number, at, slot));
                }
            }
            if !bucket.matches(EMPTY).is_empty() {
                return None;
            }
            at = part.next(at);
        }
    }

    /// Adds an entry. One that is there already is there twice then.
    pub fn insert(&mut self, hash: u64, index: u32) {
        let tag = tag_of(hash);
        let part = &mut self.parts[part_of(tag)];
        if part.is_full() {
            part.grow();
        }
        part.insert(tag, index);
        self.len += 1;
    }

    /// Removes the entry with this hash that is the one looked for, and returns its index.
    pub fn remove(&mut self, hash: u64, is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        let (part, at, slot) = self.place(hash, is_it)?;
        let bucket = &mut self.parts[part].buckets[at];
        bucket.tags.set(slot, GONE.into());
        self.len -= 1;
        Some(bucket.indexes[slot])
    }

    /// Bytes of memory that the table takes.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let buckets: usize = self.parts.iter().map(|part| part.buckets.capacity()).sum();
        buckets * size_of::<Bucket>() + PARTS * size_of::<Part>()
    }

    #[inline]
    fn part(&self, tag: u32) -> &Part {
        &self.parts[part_of(tag)]
    }
}

#[inline]
fn part_of(tag: u32) -> usize {
    (tag >> (u32::BITS - PART_BITS)) as usize
}

impl Part {
    /// The bucket in which a tag belongs; buckets are in the order of the tags.
    #[inline]
    fn home(&self, tag: u32) -> usize {
        let within = u64::from(tag << PART_BITS);
        ((within * self.buckets.len() as u64) >> u32::BITS) as usize
    }

    #[inline]
    fn next(&self, at: usize) -> usize {
        if at + 1 == self.buckets.len() {
            0
        } else {
            at + 1
        }
    }

    /// Whether one more entry would fill more than three quarters. Measured: fuller buckets push
    /// every sixth entry into a second cache line.
    fn is_full(&self) -> bool {
        (self.used + 1) * 4 > self.buckets.len() * SLOTS * 3
    }

    fn grow(&mut self) {
        let live: usize = self.buckets.iter().map(|one| one.live().count()).sum();
        let wanted = (live + 1) * 4 / (SLOTS * 3);
        let grown = (wanted + wanted / 4 + 1).max(1);
        let old = std::mem::replace(&mut self.buckets, vec![Bucket::EMPTY; grown]);
        self.used = 0;
        for bucket in old {
            for (tag, index) in bucket.live() {
                self.insert(tag, index);
            }
        }
    }

    #[inline]
    fn insert(&mut self, tag: u32, index: u32) {
        let mut at = self.home(tag);
        loop {
            let bucket = &mut self.buckets[at];
            if let Some(slot) = bucket.free() {
                self.used += usize::from(bucket.tag(slot) == EMPTY);
                bucket.tags.set(slot, tag.into());
                bucket.indexes[slot] = index;
                return;
            }
            at = self.next(at);
        }
    }
}

impl Bucket {
    const EMPTY: Self = Self {
        tags: Lanes::zero(),
        indexes: [0; SLOTS],
    };

    #[inline]
    fn tag(&self, slot: usize) -> u32 {
        self.tags.get(slot) as u32
    }

    #[inline]
    fn matches(&self, tag: u32) -> Matches<TAG> {
        self.tags.matches(tag.into())
    }

    /// A slot that can be taken.
    #[inline]
    fn free(&self) -> Option<usize> {
        let empty = self.matches(EMPTY);
        empty.or(self.matches(GONE)).next()
    }

    /// Tags and indexes of the slots that are taken.
    fn live(&self) -> impl Iterator<Item = (u32, u32)> {
        let all = (0..SLOTS).map(|slot| (self.tag(slot), self.indexes[slot]));
        all.filter(|(tag, _)| *tag > GONE)
    }
}
