//! Which events of a batch are stored.
//!
//! For each append, in order: 1. a row that a mark of its source has passed is a duplicate;
//! 2. so is an event whose id is known in its aggregate, if its content is the same; 3. the
//! expected version must hold; 4. what is left is admitted: it gets its versions and goes into
//! the block. Nothing is changed before an append has passed all of them.
//!
//! An event of another aggregate with the same id is another event. It is met only where an id was
//! found, when the original is compared; more of the same id are looked for then. The tables of
//! sealed segments have a digest of each original, so it is read only where it is another.

mod asked;
mod pushed;
mod each;

use std::ops::Range;

use eventcask_event::{EventBatch, EventId, Expected, NewEvent, Place};
use eventcask_log::{IdPlace, KeyPlace};

use crate::build::BlockBuilder;
use crate::dedup::{CarriedSource, Dedup};
use crate::directory::{Admitted, AggregateSlot, Directory};
use crate::{AppendError, AppendResult, Appended};

pub(crate) use self::asked::AskedIds;
use self::asked::GROUP;

/// What an event that came with an id before is to one that comes with it now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Original {
    /// It was given up, and its id with it.
    Gone,
    /// It is one of another aggregate, and so another event.
    Other,
    /// It is the same; it has this version.
    Same(u64),
    /// It is of the same aggregate, and has other content.
    Differs,
}

/// What was stored before and is not in memory.
pub(crate) trait History {
    /// What the event at `position`, which came with the id of `event`, is to `event` of the
    /// aggregate with this key.
    fn compare(
        &self,
        position: u64,
        key: &str,
        event: &NewEvent<'_>,
    ) -> Result<Original, AppendError>;

    /// As [`compare`](Self::compare), for an event that was found in a table.
    fn compare_found(
        &self,
        found: &IdPlace,
        key: &str,
        event: &NewEvent<'_>,
    ) -> Result<Original, AppendError>;

    /// Asks for the memory that [`find_id`](Self::find_id) will read.
    fn prefetch_id(&self, id: EventId);

    /// The newest event in this range that came with an id.
    fn find_id(&self, id: EventId, range: Range<u64>) -> Result<Option<IdPlace>, AppendError>;

    /// Where an aggregate stands.
    fn aggregate(&self, key: &str) -> Result<Option<KeyPlace>, AppendError>;
}

/// Decides on the appends of one batch.
pub(crate) struct Admission<'s> {
    pub(crate) shard: u32,
    pub(crate) first_position: u64,
    pub(crate) batch: &'s EventBatch,
    /// The offset that the mark of the batch's source stands at; 0 without one.
    pub(crate) passed: u64,
    /// How far the batch's source was consumed before the events came into this store.
    pub(crate) carried: Option<&'s CarriedSource>,
    pub(crate) directory: &'s mut Directory,
    pub(crate) dedup: &'s mut Dedup,
    pub(crate) builder: &'s mut BlockBuilder,
    pub(crate) history: &'s dyn History,
    pub(crate) asked_ids: AskedIds,
    /// The memory of the rows before this one was asked for, if an append was among them.
    pub(crate) asked: usize,
}

impl Admission<'_> {
    /// Asks for the memory that judging a row and those behind it will read.
    pub(crate) fn ask_ahead(&mut self, row: usize) {
        if row < self.asked {
            return;
        }
        self.asked = self.batch.len().min(row + GROUP);
        self.ask_ids(row);
        for row in row..self.asked {
            self.directory.prefetch(self.batch.hash(row));
        }
        for row in row..self.asked {
            self.directory.prefetch_entry(self.batch.hash(row));
        }
    }

    /// Decides on events of one aggregate that are stored together or not at all.
    pub(crate) fn judge(&mut self, rows: Range<usize>, expected: Expected) -> AppendResult {
        if let Some(answer) = self.stored_before(&rows)? {
            return Ok(answer);
        }
        let slot = self.slot(rows.start, None)?;
        let actual = slot.map_or(0, |slot| self.directory.version(slot));
        if !expected.holds(actual) {
            let key = self.batch.key(rows.start).to_owned();
            return Err(AppendError::Conflict {
                key,
                expected,
                actual,
            });
        }
        Ok(self.admit_all(rows, slot))
    }

    /// The answer to events that were stored before.
    fn stored_before(&mut self, rows: &Range<usize>) -> Result<Option<Appended>, AppendError> {
        debug_assert!(!rows.is_empty());
        if self.is_consumed(rows.end - 1) {
            // Whichever they are, nothing that is not decided on yet is among them.
            let position = self.next_position().saturating_sub(1);
            return Ok(Some(Appended::Duplicate {
                place: Place::new(self.shard, position),
                version: None,
            }));
        }
        self.known(rows)
    }

    /// The slot of a row's aggregate in the directory, which is likely a certain one, brought there
    /// from the disk if need be.
    #[inline]
    fn slot(
        &mut self,
        row: usize,
        likely: Option<AggregateSlot>,
    ) -> Result<Option<AggregateSlot>, AppendError> {
        let (hash, key) = (self.batch.hash(row), self.batch.key(row));
        let slot = likely.filter(|slot| self.directory.is_at(*slot, key));
        match slot.or_else(|| self.directory.find(hash, key)) {
            Some(slot) => Ok(Some(slot)),
            None => self.slot_from_disk(hash, key),
        }
    }

    #[cold]
    fn slot_from_disk(
        &mut self,
        hash: u64,
        key: &str,
    ) -> Result<Option<AggregateSlot>, AppendError> {
        let Some(place) = self.history.aggregate(key)? else {
            return Ok(None);
        };
        let slot = self.directory.add(hash, key);
        self.directory.enter(slot, place.version, place.position);
        self.directory.make_durable(slot, place.position);
        Ok(Some(slot))
    }

    /// Position of the event of a row's aggregate that came with the row's id, and what it is to
    /// it.
    fn original(
        &mut self,
        id: EventId,
        row: usize,
    ) -> Result<Option<(u64, Original)>, AppendError> {
        let key = self.batch.key(row);
        for name in self.dedup.names() {
            let Some(position) = self.dedup.position(id, key, name) else {
                continue;
            };
            match self.compare(position, row)? {
                Original::Gone => self.dedup.forget(id, key, position),
                Original::Other => {}
                found => return Ok(Some((position, found))),
            }
        }
        let Some(mut range) = self.dedup.on_disk(id) else {
            return Ok(None);
        };
        let event = self.batch.event(row);
        while let Some(at) = self.history.find_id(id, range.clone())? {
            match self.history.compare_found(&at, key, &event)? {
                Original::Gone | Original::Other => range.end = at.position,
                found => return Ok(Some((at.position, found))),
            }
        }
        Ok(None)
    }

    /// Whether the source's mark has passed the row.
    #[inline]
    fn is_consumed(&self, row: usize) -> bool {
        let rows = self.batch.source();
        rows.is_some_and(|rows| rows.offsets[row] < self.passed) || self.is_carried(row)
    }

    /// Whether the row was stored before the events came into this store.
    fn is_carried(&self, row: usize) -> bool {
        let (Some(carried), Some(rows)) = (self.carried, self.batch.source()) else {
            return false;
        };
        carried.has(rows.offsets[row], self.batch.key(row))
    }

    /// The answer to events of which some are known already.
    fn known(&mut self, rows: &Range<usize>) -> Result<Option<Appended>, AppendError> {
        if !self.batch.has_ids() {
            return Ok(None);
        }
        self.check_distinct(rows)?;
        let mut known = Vec::new();
        let mut original = (0, 0);
        for row in rows.clone() {
            let Some(id) = self.batch.id(row) else {
                continue;
            };
            match self.original(id, row)? {
                Some((position, Original::Same(version))) => {
                    original = (position, version);
                    known.push(id);
                }
                Some(_) => return Err(AppendError::IdConflict { id }),
                None => {}
            }
        }
        if known.is_empty() {
            Ok(None)
        } else if known.len() == rows.len() {
            let (position, version) = original;
            Ok(Some(Appended::Duplicate {
                place: Place::new(self.shard, position),
                version: Some(version),
            }))
        } else {
            Err(AppendError::PartlyKnown { known })
        }
    }

    /// One id names one event of an aggregate, also within an append.
    fn check_distinct(&self, rows: &Range<usize>) -> Result<(), AppendError> {
        if rows.len() == 1 {
            return Ok(());
        }
        let named = |row| Some((self.batch.id(row)?, self.batch.key(row)));
        let mut ids: Vec<(EventId, &str)> = rows.clone().filter_map(named).collect();
        ids.sort_unstable();
        match ids.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(AppendError::IdConflict { id: pair[0].0 }),
            None => Ok(()),
        }
    }

    fn compare(&self, position: u64, row: usize) -> Result<Original, AppendError> {
        let (key, event) = (self.batch.key(row), self.batch.event(row));
        if position < self.first_position {
            return self.history.compare(position, key, &event);
        }
        let built = (position - self.first_position) as usize;
        let (original, version) = self.builder.built(built);
        let (original_key, original) = (self.batch.key(original), self.batch.event(original));
        Ok(Original::of(
            original_key == key,
            &original,
            &event,
            version,
        ))
    }

    /// Admits rows of one aggregate, and remembers their ids.
    fn admit_all(&mut self, rows: Range<usize>, mut slot: Option<AggregateSlot>) -> Appended {
        let (mut position, mut version) = (0, 0);
        for row in rows {
            position = self.next_position();
            let admitted = self.admit_with_id(row, slot);
            slot = Some(admitted.slot);
            version = admitted.version;
        }
        Appended::Stored {
            place: Place::new(self.shard, position),
            version,
        }
    }

    /// Admits a row, and remembers its id.
    fn admit_with_id(&mut self, row: usize, slot: Option<AggregateSlot>) -> Admitted {
        if let Some(id) = self.batch.id(row) {
            let position = self.next_position();
            self.dedup.insert(id, self.batch.key(row), position);
        }
        self.admit(row, slot)
    }

    /// Gives a row its version and takes it into the block.
    #[inline]
    fn admit(&mut self, row: usize, slot: Option<AggregateSlot>) -> Admitted {
        let slot = slot.unwrap_or_else(|| {
            let (hash, key) = (self.batch.hash(row), self.batch.key(row));
            self.directory.add(hash, key)
        });
        let admitted = self.directory.admit(slot, self.next_position());
        self.builder.add(self.batch, row, &admitted);
        admitted
    }

    /// The position that the next admitted event gets.
    #[inline]
    fn next_position(&self) -> u64 {
        self.first_position + self.builder.rows() as u64
    }
}

impl Original {
    /// What `original`, which has this version, is to `event`.
    pub(crate) fn of(
        has_same_key: bool,
        original: &NewEvent<'_>,
        event: &NewEvent<'_>,
        version: u64,
    ) -> Self {
        match has_same_key {
            false => Self::Other,
            true if same_event(original, event) => Self::Same(version),
            true => Self::Differs,
        }
    }
}

/// Whether two events of an aggregate under one id are the same event.
fn same_event(one: &NewEvent<'_>, other: &NewEvent<'_>) -> bool {
    one.event_type == other.event_type
        && one.schema == other.schema
        && one.encoding == other.encoding
        && one.shape == other.shape
        && one.time == other.time
        && one.payload == other.payload
        && same_metadata(one, other)
}

fn same_metadata(one: &NewEvent<'_>, other: &NewEvent<'_>) -> bool {
    let (one, other) = (one.metadata, other.metadata);
    one.unwrap_or_default().is_same(&other.unwrap_or_default())
}
