//! What a shard has seen before: ids, and how far sources were consumed.
//!
//! Three ways to know an event again, all of them exact: 1. by its id and key, within a window; 2.
//! by the mark of its source, which has passed it; 3. by its ordinal in a session, whose mark has
//! passed it. The latter two take a few bytes a source or session, and none an event.
//!
//! All of it is derived from the log, but for what a store that was made of another one's events
//! carries of the second and third (`carried`). The ids of sealed segments rest in the tables of those; they
//! are looked up there when an id comes that may be among them.

mod window;
mod id_set;
mod slices;
mod carried;

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::ops::{Range, RangeInclusive};
use std::sync::Arc;

use eventcask_event::{EventBatch, EventId, Events};
use eventcask_log::{Block, ClosedSegment, Error, SourceMark};
use foldhash::fast::RandomState;

use self::slices::Slices;
use self::window::Marks;

pub use self::carried::{CarriedMark, CarriedMarks, CarriedSource, leads};
pub use self::window::DedupWindow;

/// Ids whose memory is asked for together where a block is read back.
const GROUP: usize = 64;

/// How a shard remembers ids.
#[derive(Debug, Clone, Copy)]
pub struct DedupSettings {
    /// How far back.
    pub window: DedupWindow,
    /// Bytes of memory for ids, beyond which those of sealed segments are left to their tables.
    pub memory_bytes: u64,
}

impl Default for DedupSettings {
    fn default() -> Self {
        Self {
            window: DedupWindow::All,
            memory_bytes: u64::MAX,
        }
    }
}

/// The ids that events of the shard came with, and the marks of their sources.
///
/// An id takes about 23 bytes where ids rise with time, up to 45 where they come in any order.
///
/// The key of its aggregate is part of an event's identity. The first event with an id is entered
/// under the id itself, its name. That of another aggregate with the same id is entered under
/// another name, which follows from id and key; what stands under a name is compared, so two that
/// have the same name by chance are told apart, and the later one gets a third.
#[derive(Debug, Default)]
pub struct Dedup {
    slices: Slices,
    settings: DedupSettings,
    window: Marks,
    /// Ids of events before this position are forgotten.
    window_start: u64,
    disk: OnDisk,
    marks: HashMap<String, SourceMark>,
    /// How far sources were consumed before the events came into this store.
    carried: Arc<CarriedMarks>,
    /// The highest number of a name that is not an id itself; 0 where there was none yet.
    last_name: u32,
    hasher: RandomState,
}

/// An id that is about to be looked up: see [`Dedup::probe`].
#[derive(Debug, Clone, Copy, Default)]
pub struct IdProbe(slices::Probe);

/// Which ids may be in the tables of sealed segments and not in memory.
#[derive(Debug, Default)]
struct OnDisk {
    /// Their events lie before this position.
    before: u64,
    /// The highest of those that rise with time: a higher one is new.
    highest: Option<u128>,
    /// Whether there are others.
    others: bool,
}

impl OnDisk {
    fn may_have(&self, id: EventId) -> bool {
        if id.rises_with_time() {
            self.highest.is_some_and(|highest| id.as_u128() <= highest)
        } else {
            self.others
        }
    }
}

impl Dedup {
    /// Nothing was seen yet.
    #[must_use]
    pub fn new(settings: DedupSettings) -> Self {
        let slice_ids = settings.window.slice_ids(settings.memory_bytes);
        Self {
            settings,
            slices: Slices::of(slice_ids),
            window: Marks::of(slice_ids),
            ..Self::default()
        }
    }

    /// Remembers the ids of a block that was read back.
    ///
    /// `is_of` says whether the event at a position is of the aggregate with a key.
    pub(crate) fn enter(
        &mut self,
        block: &Block,
        is_of: &dyn Fn(u64, &str) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        let events = block.events();
        let mut asked = Vec::with_capacity(GROUP);
        for first in (0..events.len()).step_by(GROUP) {
            let rows = first..events.len().min(first + GROUP);
            let ids = rows.filter_map(|row| Some((row, events.given_id(row)?)));
            asked.extend(ids.map(|(row, id)| (row, id, self.probe(id))));
            for (row, id, probe) in asked.drain(..) {
                if !self.insert_new(probe, id, events.position(row)) {
                    self.enter_again(&events, row, id, is_of)?;
                }
            }
        }
        self.note_stored(block);
        Ok(())
    }

    /// Remembers the id of a row that may be known already, if as that of another aggregate. An
    /// aggregate may have an id twice that a window had forgotten: the newest event has it.
    fn enter_again(
        &mut self,
        events: &Events<'_>,
        row: usize,
        id: EventId,
        is_of: &dyn Fn(u64, &str) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        let key = events.key(events.aggregate_index(row));
        for name in self.names() {
            if let Some(older) = self.position(id, key, name)
                && is_of(older, key)?
            {
                self.forget(id, key, older);
            }
        }
        self.insert(id, key, events.position(row));
        Ok(())
    }

    /// Says that the ids of a segment are not in memory, and can be looked up in it.
    pub(crate) fn rest_in(&mut self, segment: &ClosedSegment) {
        let sealed = segment.sealed();
        if segment.has_no_ids() {
            return;
        }
        // What is not said may be any.
        let highest = sealed.highest_id.unwrap_or(u128::MAX);
        self.rest_on_disk(sealed.next_position, Some(highest));
    }

    /// Says that ids of events before `position` are on disk; `highest` is the highest of those
    /// that rise with time.
    fn rest_on_disk(&mut self, position: u64, highest: Option<u128>) {
        // A name has the upper half of its id, and may be lower.
        let highest = highest.map(|highest| match self.last_name {
            0 => highest,
            _ => highest | u128::from(u64::MAX),
        });
        self.disk.before = self.disk.before.max(position);
        self.disk.highest = self.disk.highest.max(highest);
        self.disk.others = true;
    }

    /// Asks for the memory in which an id would be, and says what to [insert](Self::insert_new).
    #[inline]
    #[must_use]
    pub fn probe(&self, id: EventId) -> IdProbe {
        IdProbe(self.slices.probe(id.as_u128()))
    }

    /// Remembers an id as that of the event at `position`, if it is certain that no event came with
    /// it before; says whether it is. It takes one look where it would take two to ask first.
    #[inline]
    pub fn insert_new(&mut self, probe: IdProbe, id: EventId, position: u64) -> bool {
        if self.last_name > 0 || self.on_disk(id).is_some() {
            return false;
        }
        let (bits, start) = (id.as_u128(), self.window_start);
        match self.slices.enter(probe.0, bits, position, start) {
            None => true,
            Some(known) if known >= start => false,
            Some(_) => {
                self.slices.forget(bits);
                self.slices.find_or_insert(bits, position, start);
                true
            }
        }
    }

    /// The numbers of the names under which an id may be entered.
    pub(crate) fn names(&self) -> RangeInclusive<u32> {
        0..=self.last_name
    }

    /// Position of the event that is entered under a name of an id and a key. It may be one of
    /// another key. One that is too old to count is forgotten.
    pub fn position(&mut self, id: EventId, key: &str, name: u32) -> Option<u64> {
        let name = self.name(id, key, name);
        let position = self.slices.position(name)?;
        if position < self.window_start {
            self.slices.forget(name);
            return None;
        }
        Some(position)
    }

    /// The positions on disk at which events with an id may be, whatever is in memory.
    #[inline]
    pub(crate) fn on_disk(&self, id: EventId) -> Option<Range<u64>> {
        if self.disk.before <= self.window_start || !self.disk.may_have(id) {
            return None;
        }
        Some(self.window_start..self.disk.before)
    }

    /// Under what an id and a key are entered. A name has the upper half of its id, so that it
    /// comes into the same slice, or near it, and rises with time if the id does.
    fn name(&self, id: EventId, key: &str, name: u32) -> u128 {
        /// The lower half without the variant of a UUID.
        const HASHED: u128 = (1 << 62) - 1;
        let id = id.as_u128();
        if name == 0 {
            return id;
        }
        let hash = self.hasher.hash_one((id, key, name));
        let other = (id & !HASHED) | (u128::from(hash) & HASHED);
        // 0 is no id.
        other.max(1)
    }

    /// Remembers the id of the event at `position`, which was not known.
    pub fn insert(&mut self, id: EventId, key: &str, position: u64) {
        let start = self.window_start;
        for number in 0.. {
            let name = self.name(id, key, number);
            match self.slices.find_or_insert(name, position, start) {
                Some(old) if old >= start => continue,
                Some(_) => {
                    self.slices.forget(name);
                    self.slices.find_or_insert(name, position, start);
                }
                None => {}
            }
            self.last_name = self.last_name.max(number);
            return;
        }
    }

    /// Forgets the id of an event, which has this position, that was not stored after all.
    pub(crate) fn forget(&mut self, id: EventId, key: &str, position: u64) {
        for number in self.names() {
            let name = self.name(id, key, number);
            if self.slices.position(name) == Some(position) {
                return self.slices.forget(name);
            }
        }
    }

    /// Counts the ids of a block that is stored.
    pub(crate) fn note_stored(&mut self, block: &Block) {
        if !matches!(self.settings.window, DedupWindow::All) {
            let (events, head) = (block.events(), block.head());
            let has_id = |row: &usize| events.given_id(*row).is_some();
            let ids = (0..events.len()).filter(has_id).count();
            self.note_block(ids, head.first_position, head.last_commit);
        }
    }

    /// Counts the ids of a block that begins at `position`.
    pub fn note_block(&mut self, ids: usize, position: u64, commit: i64) {
        if !matches!(self.settings.window, DedupWindow::All) {
            self.window.note(ids as u64, position, commit);
        }
    }

    /// Whether ids may have to be dropped: slices have changed since it was last asked.
    pub fn is_due(&mut self) -> bool {
        self.slices.take_changed()
    }

    /// Drops what is out of the window, and leaves to the tables of sealed segments, which reach up
    /// to `sealed_to`, what there is no room for beside their filters, which take `filter_bytes`.
    pub fn drop_old(&mut self, sealed_to: u64, filter_bytes: u64, now: i64) {
        self.window_start = self
            .window_start
            .max(self.window.start(self.settings.window, now));
        self.slices.drop_before(self.window_start);
        match self.settings.window {
            DedupWindow::Bytes(bytes) => {
                while let Some(start) = self.next_to_drop(bytes, u64::MAX) {
                    self.window_start = start;
                    self.slices.drop_before(start);
                }
            }
            _ => {
                let bytes = self.settings.memory_bytes.saturating_sub(filter_bytes);
                while let Some(start) = self.next_to_drop(bytes, sealed_to) {
                    let highest = self.slices.drop_to_disk(start);
                    self.rest_on_disk(start, highest);
                }
            }
        }
    }

    /// Up to where ids are to be dropped so that the others take at most so many bytes.
    fn next_to_drop(&self, bytes: u64, limit: u64) -> Option<u64> {
        let is_over = self.slices.memory_bytes() as u64 > bytes;
        let from = self.window_start.max(self.disk.before);
        let cut = self.slices.cut(from).filter(|_| is_over)?;
        let start = cut.min(limit);
        (start > from).then_some(start)
    }

    /// How far a source was consumed.
    pub(crate) fn mark(&self, source: &str) -> Option<&SourceMark> {
        self.marks.get(source)
    }

    /// The offset at which the mark of a batch's source stands; 0 without one.
    pub(crate) fn passed(&self, batch: &EventBatch) -> u64 {
        let mark = batch.source().and_then(|rows| self.mark(&rows.source));
        mark.map_or(0, |mark| mark.next)
    }

    /// Takes note of how far sources were consumed before.
    pub(crate) fn carry(&mut self, carried: Arc<CarriedMarks>) {
        self.carried = carried;
    }

    /// What was carried of how far sources were consumed.
    pub(crate) fn carried(&self) -> &Arc<CarriedMarks> {
        &self.carried
    }

    /// Sets the mark of a source; `None` removes it.
    pub(crate) fn set_mark(&mut self, source: &str, mark: Option<SourceMark>) {
        match mark {
            Some(mark) => self.marks.insert(source.to_owned(), mark),
            None => self.marks.remove(source),
        };
    }

    /// Ids in memory.
    #[must_use]
    pub fn ids(&self) -> usize {
        self.slices.len()
    }

    /// Bytes of memory that the ids take.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.slices.memory_bytes()
    }
}
