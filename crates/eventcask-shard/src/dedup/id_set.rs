//! Some ids and the positions of their events, in the order in which they came.
//!
//! The ids lie in a list; a [`SmallTable`] leads from the hash of an id to its place there. An id
//! takes 16 bytes, its slot in the table 5, and its position nothing for as long as positions rise
//! by one, 4 bytes where they are near each other, and 8 where they are not.

use std::hash::BuildHasher;

use eventcask_event::EventId;
use eventcask_table::SmallTable;
use foldhash::fast::RandomState;

/// The most ids of a set.
pub(super) const MAX_IDS: usize = SmallTable::MAX;
/// Room that a set begins with, unless it is known to need more.
const FIRST_ROOM: usize = 64;
/// Stands in the list for an id that was forgotten; no event comes with it.
const FORGOTTEN: u128 = 0;

/// Up to [`MAX_IDS`] ids.
#[derive(Debug, Default)]
pub(super) struct IdSet {
    ids: Vec<u128>,
    positions: Positions,
    table: SmallTable,
    room: usize,
    forgotten: usize,
}

impl IdSet {
    /// A set with room for so many ids.
    pub(super) fn with_room(room: usize) -> Self {
        Self {
            ids: Vec::with_capacity(room),
            positions: Positions::default(),
            table: SmallTable::with_room(room),
            room,
            forgotten: 0,
        }
    }

    /// The memory of a set that has room for [`MAX_IDS`], empty.
    pub(super) fn emptied(mut self) -> Option<Self> {
        if self.room < MAX_IDS {
            return None;
        }
        self.ids.clear();
        self.positions = Positions::default();
        self.forgotten = 0;
        self.table.clear();
        Some(self)
    }

    /// A set of these ids, which came in this order.
    pub(super) fn of(hasher: &RandomState, ids: &[(u128, u64)]) -> Self {
        let mut set = Self::with_room(ids.len());
        for (id, position) in ids {
            let known = set.find_or_insert(hasher, hasher.hash_one(id), *id, *position);
            debug_assert!(known.is_none(), "an id is stored once");
        }
        set
    }

    /// Places in the list that are taken.
    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    /// How many ids there are.
    pub(super) fn known(&self) -> usize {
        self.ids.len() - self.forgotten
    }

    /// How many of the first ids in the list are of positions before `start`. Positions rise, but
    /// for ids that came again after a refusal, so it is about so many.
    pub(super) fn before(&self, start: u64) -> usize {
        let (mut low, mut high) = (0, self.ids.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.positions.get(middle) < start {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// Position of the event that came last; 0 where none came.
    pub(super) fn newest(&self) -> u64 {
        self.positions.newest
    }

    #[inline]
    pub(super) fn prefetch(&self, hash: u64) {
        self.table.prefetch(hash);
    }

    #[inline]
    pub(super) fn position(&self, hash: u64, id: u128) -> Option<u64> {
        let index = self
            .table
            .find(hash, |index| self.ids[usize::from(index)] == id)?;
        Some(self.positions.get(usize::from(index)))
    }

    /// The position of an id, whose hash this is. Where it is not in the set, which has fewer than
    /// [`MAX_IDS`], it is added.
    #[inline]
    pub(super) fn find_or_insert(
        &mut self,
        hasher: &RandomState,
        hash: u64,
        id: u128,
        position: u64,
    ) -> Option<u64> {
        debug_assert!(self.ids.len() < MAX_IDS && id != FORGOTTEN);
        if self.table.is_full() {
            self.make_room(hasher);
        }
        let (ids, next) = (&self.ids, self.ids.len());
        let is_it = |index| ids[usize::from(index)] == id;
        let found = self.table.find_or_insert(hash, next as u16, is_it);
        if let Some(index) = found {
            return Some(self.positions.get(usize::from(index)));
        }
        self.positions.push(next, position);
        self.ids.push(id);
        None
    }

    /// A table with room for twice as many ids.
    fn make_room(&mut self, hasher: &RandomState) {
        self.room = (self.room * 2).clamp(FIRST_ROOM, MAX_IDS);
        let mut table = SmallTable::with_room(self.room);
        for (index, id) in self.ids.iter().enumerate() {
            if *id != FORGOTTEN {
                table.insert(hasher.hash_one(id), index as u16);
            }
        }
        self.table = table;
    }

    /// Forgets an id; its place is free again once the set is made anew.
    pub(super) fn forget(&mut self, hash: u64, id: u128) -> bool {
        let ids = &self.ids;
        let found = self
            .table
            .remove(hash, |index| ids[usize::from(index)] == id);
        if let Some(index) = found {
            self.ids[usize::from(index)] = FORGOTTEN;
            self.forgotten += 1;
        }
        found.is_some()
    }

    /// The ids that are known, in the order in which they came.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u128, u64)> {
        let all = self.ids.iter().enumerate();
        all.filter(|(_, id)| **id != FORGOTTEN)
            .map(|(index, id)| (*id, self.positions.get(index)))
    }

    /// The highest id of a position before `start` of those that rise with time.
    pub(super) fn highest_rising(&self, start: u64) -> Option<u128> {
        let old = self.iter().filter(|(_, position)| *position < start);
        old.map(|(id, _)| id)
            .filter(|id| EventId::from_u128(*id).rises_with_time())
            .max()
    }

    /// Bytes of memory that the set takes.
    pub(super) fn memory_bytes(&self) -> usize {
        size_of::<Self>()
            + self.ids.capacity() * size_of::<u128>()
            + self.table.memory_bytes()
            + self.positions.memory_bytes()
    }
}

/// The positions of the ids of a set.
#[derive(Debug, Default)]
struct Positions {
    first: u64,
    newest: u64,
    /// How far each is from the first, where they do not rise by one.
    distances: Distances,
}

#[derive(Debug, Default)]
enum Distances {
    #[default]
    ByOne,
    Near(Vec<u32>),
    Far(Vec<u64>),
}

impl Positions {
    #[inline]
    fn get(&self, index: usize) -> u64 {
        let distance = match &self.distances {
            Distances::ByOne => index as u64,
            Distances::Near(near) => u64::from(near[index]),
            Distances::Far(far) => far[index],
        };
        self.first.wrapping_add(distance)
    }

    /// Adds the position of the id at `index`, which is the next one.
    #[inline]
    fn push(&mut self, index: usize, position: u64) {
        if index == 0 {
            self.first = position;
        }
        self.newest = self.newest.max(position);
        let distance = position.wrapping_sub(self.first);
        if matches!(self.distances, Distances::ByOne) && distance == index as u64 {
            return;
        }
        self.push_distance(index, distance);
    }

    fn push_distance(&mut self, index: usize, distance: u64) {
        if matches!(self.distances, Distances::ByOne) {
            self.distances = Distances::Near((0..index as u32).collect());
        }
        if let Distances::Near(near) = &mut self.distances {
            if let Ok(distance) = u32::try_from(distance) {
                return near.push(distance);
            }
            let far = near.iter().map(|distance| u64::from(*distance));
            self.distances = Distances::Far(far.collect());
        }
        if let Distances::Far(far) = &mut self.distances {
            far.push(distance);
        }
    }

    fn memory_bytes(&self) -> usize {
        match &self.distances {
            Distances::ByOne => 0,
            Distances::Near(near) => near.capacity() * size_of::<u32>(),
            Distances::Far(far) => far.capacity() * size_of::<u64>(),
        }
    }
}
