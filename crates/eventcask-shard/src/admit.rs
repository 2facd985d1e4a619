//! Which events of a batch are stored.
//!
//! For each append, in order: 1. a row that its source's mark has passed is a duplicate;
//! 2. so is an event whose id is known, if its content is the same; 3. the expected version
//! must hold; 4. what is left is admitted: it gets its versions and goes into the block.
//! Nothing is changed before an append has passed all of them.

use std::ops::Range;

use eventcask_event::{EventBatch, EventId, Expected, NewEvent, Place};
use eventcask_log::KeyPlace;

use crate::build::BlockBuilder;
use crate::dedup::{Dedup, Seen};
use crate::directory::{Admitted, AggregateSlot, Directory};
use crate::{Answer, Outcome, Refused};

/// What was stored before and is not in memory.
pub(crate) trait History {
    /// The version of the event at `position`, and whether it is the same as `event`; `None`
    /// where it is gone.
    fn compare(
        &self,
        position: u64,
        key: &str,
        event: &NewEvent<'_>,
    ) -> Result<Option<(u64, bool)>, Refused>;

    /// Position of the event that came with an id, if it lies in this range.
    fn position_of(&self, id: EventId, range: Range<u64>) -> Result<Option<u64>, Refused>;

    /// Where an aggregate stands.
    fn aggregate(&self, key: &str) -> Result<Option<KeyPlace>, Refused>;
}

/// Decides on the appends of one batch.
pub(crate) struct Admission<'s> {
    pub(crate) shard: u32,
    pub(crate) first_position: u64,
    pub(crate) batch: &'s EventBatch,
    /// The offset that the mark of the batch's source stands at; 0 without one.
    pub(crate) passed: u64,
    pub(crate) directory: &'s mut Directory,
    pub(crate) dedup: &'s mut Dedup,
    pub(crate) builder: &'s mut BlockBuilder,
    pub(crate) history: &'s dyn History,
    /// Where the aggregates of the next rows likely are; row n is at n modulo the length.
    pub(crate) likely: [Option<AggregateSlot>; ROWS_AHEAD],
}

/// Rows whose memory is asked for together. Measured: the lines of 64 rows and of those behind them
/// push each other out of the first cache.
pub(crate) const ROWS_AHEAD: usize = 16;

impl Admission<'_> {
    /// Asks for the memory by which the rows from `row` on will be judged: of the next ones, what
    /// their aggregates are, which was found by what was asked for when those before were judged; of
    /// those behind, where to look.
    pub(crate) fn prefetch(&mut self, row: usize) {
        let next = row + ROWS_AHEAD;
        if row == 0 {
            self.prefetch_places(row..next);
        }
        self.prefetch_places(next..next + ROWS_AHEAD);
        for row in row..next.min(self.batch.len()) {
            let likely = self.directory.prefetch_entry(self.batch.hash(row));
            self.likely[row % ROWS_AHEAD] = likely;
        }
    }

    fn prefetch_places(&self, rows: Range<usize>) {
        for row in rows.start..rows.end.min(self.batch.len()) {
            self.directory.prefetch(self.batch.hash(row));
            if let Some(id) = self.batch.id(row) {
                self.dedup.prefetch(id);
            }
        }
    }

    /// Decides on events of one aggregate that are stored together or not at all.
    pub(crate) fn judge(&mut self, rows: Range<usize>, expected: Expected) -> Outcome {
        debug_assert!(!rows.is_empty());
        if self.is_consumed(rows.end - 1) {
            // Whichever they are, nothing that is not decided on yet is among them.
            let position = self.next_position().saturating_sub(1);
            return Ok(Answer::Duplicate {
                place: Place::new(self.shard, position),
                version: None,
            });
        }
        if let Some(answer) = self.known(&rows)? {
            return Ok(answer);
        }
        let slot = self.slot(rows.start)?;
        let actual = slot.map_or(0, |slot| self.directory.version(slot));
        if !expected.holds(actual) {
            let key = self.batch.key(rows.start).to_owned();
            return Err(Refused::Conflict {
                key,
                expected,
                actual,
            });
        }
        Ok(self.admit_all(rows, slot))
    }

    /// Decides on an event that was pushed by itself with any version; says whether it is stored now.
    #[inline]
    pub(crate) fn judge_pushed(&mut self, row: usize) -> Result<bool, Refused> {
        let id = self.batch.id(row);
        let position = self.next_position();
        let is_new = !self.is_consumed(row)
            && id.is_none_or(|id| self.dedup.seen_or_insert(id, position) == Seen::New);
        if !is_new {
            let outcome = self.judge(row..row + 1, Expected::Any)?;
            return Ok(!outcome.is_duplicate());
        }
        let slot = self.slot(row).inspect_err(|_| {
            id.into_iter().for_each(|id| self.dedup.forget(id));
        })?;
        self.admit(row, slot);
        Ok(true)
    }

    /// The slot of a row's aggregate in the directory, brought there from the disk if need be.
    #[inline]
    fn slot(&mut self, row: usize) -> Result<Option<AggregateSlot>, Refused> {
        let (hash, key) = (self.batch.hash(row), self.batch.key(row));
        let likely = self.likely[row % ROWS_AHEAD];
        let slot = likely.filter(|slot| self.directory.is_at(*slot, key));
        match slot.or_else(|| self.directory.find(hash, key)) {
            Some(slot) => Ok(Some(slot)),
            None => self.slot_from_disk(hash, key),
        }
    }

    #[cold]
    fn slot_from_disk(&mut self, hash: u64, key: &str) -> Result<Option<AggregateSlot>, Refused> {
        let Some(place) = self.history.aggregate(key)? else {
            return Ok(None);
        };
        let slot = self.directory.add(hash, key);
        self.directory.enter(slot, place.version, place.position);
        self.directory.make_durable(slot, place.position);
        Ok(Some(slot))
    }

    /// Position of the event that came with an id.
    fn position_of(&mut self, id: EventId) -> Result<Option<u64>, Refused> {
        match self.dedup.seen(id) {
            Seen::At(position) => Ok(Some(position)),
            Seen::MaybeOnDisk { from, before } => self.history.position_of(id, from..before),
            Seen::New => Ok(None),
        }
    }

    /// Whether the source's mark has passed the row.
    #[inline]
    fn is_consumed(&self, row: usize) -> bool {
        let rows = self.batch.source();
        rows.is_some_and(|rows| rows.offsets[row] < self.passed)
    }

    /// The answer to events of which some are known already.
    fn known(&mut self, rows: &Range<usize>) -> Result<Option<Answer>, Refused> {
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
            let Some(position) = self.position_of(id)? else {
                continue;
            };
            let Some((version, same)) = self.compare(position, row)? else {
                // The event was given up, and its id with it.
                self.dedup.forget(id);
                continue;
            };
            if !same {
                return Err(Refused::IdConflict { id });
            }
            original = (position, version);
            known.push(id);
        }
        if known.is_empty() {
            Ok(None)
        } else if known.len() == rows.len() {
            let (position, version) = original;
            Ok(Some(Answer::Duplicate {
                place: Place::new(self.shard, position),
                version: Some(version),
            }))
        } else {
            Err(Refused::PartlyKnown { known })
        }
    }

    /// One id names one event, also within an append.
    fn check_distinct(&self, rows: &Range<usize>) -> Result<(), Refused> {
        if rows.len() == 1 {
            return Ok(());
        }
        let mut ids: Vec<EventId> = rows.clone().filter_map(|row| self.batch.id(row)).collect();
        ids.sort_unstable();
        match ids.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(Refused::IdConflict { id: pair[0] }),
            None => Ok(()),
        }
    }

    fn compare(&self, position: u64, row: usize) -> Result<Option<(u64, bool)>, Refused> {
        let (key, event) = (self.batch.key(row), self.batch.event(row));
        if position < self.first_position {
            return self.history.compare(position, key, &event);
        }
        let built = (position - self.first_position) as usize;
        let (original, version) = self.builder.built(built);
        let same =
            self.batch.key(original) == key && same_event(&self.batch.event(original), &event);
        Ok(Some((version, same)))
    }

    /// Admits rows of one aggregate, and remembers their ids.
    fn admit_all(&mut self, rows: Range<usize>, mut slot: Option<AggregateSlot>) -> Answer {
        let (mut position, mut version) = (0, 0);
        for row in rows {
            position = self.next_position();
            if let Some(id) = self.batch.id(row) {
                self.dedup.insert(id, position);
            }
            let admitted = self.admit(row, slot);
            slot = Some(admitted.slot);
            version = admitted.version;
        }
        Answer::Stored {
            place: Place::new(self.shard, position),
            version,
        }
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

/// Whether two events under one id are the same event.
pub(crate) fn same_event(one: &NewEvent<'_>, other: &NewEvent<'_>) -> bool {
    one.event_type == other.event_type
        && one.schema == other.schema
        && one.encoding == other.encoding
        && one.time == other.time
        && one.payload == other.payload
}
