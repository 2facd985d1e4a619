//! All ids that are in memory, in slices by their own order.
//!
//! 1. A slice holds the ids from its first one up to the next slice's first one, in an [`IdSet`].
//! 2. Ids that rise with time, as version 7 UUIDs do, all go to the newest slice: its table is
//!    warm, and none of the others is touched. It is closed when it is nearly full; the next one
//!    begins behind its highest id.
//! 3. Other ids go to the slice that they belong to. One that is full is made anew without the ids
//!    that nobody needs any more, and divided in two in the middle of its ids where that is not
//!    enough.
//!
//! So the same id is always looked for in the same place, in whatever order ids come.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;

use super::id_set::{IdSet, MAX_IDS};

/// The fewest ids that a slice has room for: smaller ones would be more work than they save.
const FEWEST_IDS: usize = 32;

/// Ids and the positions of their events.
#[derive(Debug)]
pub(super) struct Slices {
    slices: Vec<Slice>,
    /// The most ids of a slice.
    room: usize,
    hasher: RandomState,
    ids: usize,
    changed: bool,
    /// Which ids a slice has room for changes with it.
    layout: u32,
    /// The memory of a slice that was dropped, for the next one: asking the system for as much
    /// again would take longer than all else.
    spare: Option<IdSet>,
}

/// What is known of an id before its memory is there: its hash, and the slice that it belonged to
/// in a layout of the slices.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Probe {
    hash: u64,
    slice: u32,
    layout: u32,
}

#[derive(Debug, Default)]
struct Slice {
    /// The lowest id that belongs here.
    first: u128,
    /// The highest one that came.
    highest: u128,
    set: IdSet,
}

impl Default for Slices {
    fn default() -> Self {
        Self {
            slices: vec![Slice::default()],
            room: MAX_IDS,
            hasher: RandomState::default(),
            ids: 0,
            changed: false,
            layout: 0,
            spare: None,
        }
    }
}

impl Slices {
    /// Slices of so many ids each, within limits: what is dropped is dropped by the slice.
    pub(super) fn of(ids: u64) -> Self {
        let most = usize::try_from(ids).unwrap_or(MAX_IDS);
        Self {
            room: most.clamp(FEWEST_IDS, MAX_IDS),
            ..Self::default()
        }
    }

    /// How many ids there are.
    pub(super) fn len(&self) -> usize {
        self.ids
    }

    /// The slice that an id belongs to; the newest one is looked at first.
    #[inline]
    fn slice_of(&self, id: u128) -> usize {
        let newest = self.slices.len() - 1;
        if id >= self.slices[newest].first {
            return newest;
        }
        // The first slice begins at 0, so there is always one.
        self.slices.partition_point(|slice| slice.first <= id) - 1
    }

    /// Asks for the memory in which an id would be, and says what to [look for](Self::enter).
    #[inline]
    pub(super) fn probe(&self, id: u128) -> Probe {
        let (slice, hash) = (self.slice_of(id), self.hasher.hash_one(id));
        self.slices[slice].set.prefetch(hash);
        Probe {
            hash,
            slice: slice as u32,
            layout: self.layout,
        }
    }

    /// Position of the event with this id.
    #[inline]
    pub(super) fn position(&self, id: u128) -> Option<u64> {
        let slice = &self.slices[self.slice_of(id)];
        slice.set.position(self.hasher.hash_one(id), id)
    }

    /// Position of the event with this id. Where there is none, the id is added with `position`;
    /// those of positions before `start` may be dropped for it.
    pub(super) fn find_or_insert(&mut self, id: u128, position: u64, start: u64) -> Option<u64> {
        self.enter(self.probe(id), id, position, start)
    }

    /// As [`find_or_insert`](Self::find_or_insert), for an id whose memory was asked for.
    #[inline]
    pub(super) fn enter(
        &mut self,
        probe: Probe,
        id: u128,
        position: u64,
        start: u64,
    ) -> Option<u64> {
        let mut at = probe.slice as usize;
        if probe.layout != self.layout {
            at = self.slice_of(id);
        }
        if self.is_full(at) {
            if let Some(known) = self.slices[at].set.position(probe.hash, id) {
                return Some(known);
            }
            self.make_room(at, start);
            at = self.slice_of(id);
        }
        let slice = &mut self.slices[at];
        let known = slice
            .set
            .find_or_insert(&self.hasher, probe.hash, id, position);
        if known.is_none() {
            slice.highest = slice.highest.max(id);
            self.ids += 1;
        }
        known
    }

    /// Whether slices have changed since it was last asked.
    pub(super) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    #[inline]
    fn is_full(&self, at: usize) -> bool {
        let is_newest = at + 1 == self.slices.len();
        // The newest slice is closed before it is full: the rest is for those that come late.
        let kept_free = if is_newest { self.room / 16 } else { 0 };
        self.slices[at].set.len() >= self.room - kept_free
    }

    fn make_room(&mut self, at: usize, start: u64) {
        self.changed = true;
        self.layout = self.layout.wrapping_add(1);
        let is_newest = at + 1 == self.slices.len();
        let next = self.slices[at].highest.checked_add(1);
        match next.filter(|_| is_newest) {
            Some(first) => self.slices.push(Slice {
                first,
                highest: first,
                set: self
                    .spare
                    .take()
                    .unwrap_or_else(|| IdSet::with_room(self.room)),
            }),
            None => self.divide(at, start),
        }
    }

    /// Makes a slice anew without the ids of positions before `start`, or two of it.
    fn divide(&mut self, at: usize, start: u64) {
        let all: Vec<(u128, u64)> = self.kept(at, start);
        if all.len() <= self.room / 2 {
            self.slices[at].set = IdSet::of(&self.hasher, &all);
            return;
        }
        let mut order: Vec<u128> = all.iter().map(|(id, _)| *id).collect();
        let (_, middle, _) = order.select_nth_unstable(all.len() / 2);
        let first = *middle;
        let (low, high): (Vec<_>, Vec<_>) = all.into_iter().partition(|(id, _)| *id < first);
        let highest = |ids: &[(u128, u64)]| ids.iter().map(|(id, _)| *id).max();
        let above = Slice {
            first,
            highest: highest(&high).unwrap_or(first),
            set: IdSet::of(&self.hasher, &high),
        };
        self.slices[at].set = IdSet::of(&self.hasher, &low);
        self.slices[at].highest = highest(&low).unwrap_or(self.slices[at].first);
        self.slices.insert(at + 1, above);
    }

    /// The ids of a slice from `start` on; the others are not counted any more.
    fn kept(&mut self, at: usize, start: u64) -> Vec<(u128, u64)> {
        let mut dropped = 0;
        let set = &self.slices[at].set;
        if set.newest() < start {
            self.ids -= set.known();
            return Vec::new();
        }
        let ids = set.iter().filter(|(_, position)| {
            dropped += usize::from(*position < start);
            *position >= start
        });
        let kept = ids.collect();
        self.ids -= dropped;
        kept
    }

    /// Forgets an id.
    pub(super) fn forget(&mut self, id: u128) {
        let at = self.slice_of(id);
        let hash = self.hasher.hash_one(id);
        self.ids -= usize::from(self.slices[at].set.forget(hash, id));
    }

    /// Drops the slices whose ids are all of positions before `start`. Where those of others are
    /// more than an eighth of all ids, as where ids come in any order, slices that have many of
    /// them are made anew without; where ids rise with time only one slice has any, and is gone
    /// soon.
    pub(super) fn drop_before(&mut self, start: u64) {
        self.drop_and_tell(start, |_| {});
    }

    /// As [`drop_before`](Self::drop_before); returns the highest id of those slices that rises with
    /// time.
    pub(super) fn drop_to_disk(&mut self, start: u64) -> Option<u128> {
        let mut highest = None;
        self.drop_and_tell(start, |set| {
            highest = highest.max(set.highest_rising(start));
        });
        highest
    }

    fn drop_and_tell(&mut self, start: u64, mut tell: impl FnMut(&IdSet)) {
        let olds = self.slices.iter().map(|slice| slice.set.before(start));
        let others: usize = olds
            .zip(&self.slices)
            .filter(|(_, slice)| slice.set.newest() >= start)
            .map(|(old, _)| old)
            .sum();
        let is_worth_it = others > self.ids / 8;
        let mut at = 0;
        while at < self.slices.len() {
            let set = &self.slices[at].set;
            let has_many = || is_worth_it && set.before(start) * 4 > set.len();
            if set.newest() >= start && !has_many() {
                at += 1;
                continue;
            }
            tell(set);
            let is_empty = self.drop_of(at, start);
            // The first slice stays, so that each id has one; so does the newest.
            let is_between = at > 0 && at + 1 < self.slices.len();
            if is_empty && is_between {
                self.slices.remove(at);
                self.layout = self.layout.wrapping_add(1);
            } else {
                at += 1;
            }
        }
    }

    /// Makes a slice anew without the ids of positions before `start`, and says whether none is
    /// left.
    fn drop_of(&mut self, at: usize, start: u64) -> bool {
        let kept = self.kept(at, start);
        let set = IdSet::of(&self.hasher, &kept);
        let old = std::mem::replace(&mut self.slices[at].set, set);
        self.spare = self.spare.take().or_else(|| old.emptied());
        kept.is_empty()
    }

    /// The position before which ids are to go when there are too many from `from` on: with all of
    /// the oldest slice, where that leaves a third of them at least; otherwise, as where ids come
    /// in any order and each slice has new ones, with the oldest third of all.
    pub(super) fn cut(&self, from: u64) -> Option<u64> {
        let newest = || {
            let full = self.slices.iter().filter(|slice| slice.set.len() > 0);
            let newest = full.map(|slice| slice.set.newest());
            newest.filter(|newest| *newest >= from)
        };
        let span = newest().max()? - from;
        let oldest_slice = newest().min()? - from;
        let cut = if oldest_slice <= span / 3 * 2 {
            oldest_slice
        } else {
            span / 3
        };
        Some(from + cut + 1)
    }

    /// Bytes of memory that the ids take.
    pub(super) fn memory_bytes(&self) -> usize {
        self.slices
            .iter()
            .map(|slice| slice.set.memory_bytes())
            .sum()
    }
}
