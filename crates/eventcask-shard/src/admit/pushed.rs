//! Events that were pushed one by one with any version, as nearly all are.
//!
//! They are decided on by stretches, stage after stage, so that the memory of many rows is on its
//! way at once while each stage has its tables and instructions at hand:
//!
//! 1. The ids of the rows are entered, up to the first row that is not plain: its id is in memory
//!    already, or may be on disk. The rows before it, or as many as there may be, are a stretch.
//! 2. The aggregates of the stretch are found and its events admitted.
//! 3. The row that is not plain is judged by itself, by all the rules. The next stretch begins
//!    behind it.
//!
//! So each row is judged after all that came before it, as if they came one by one.

use std::ops::Range;

use eventcask_event::{EventId, Expected};

use super::Admission;
use super::asked::{AskedIds, GROUP};
use crate::{AppendError, Flushed};

/// Rows of a stretch at most. Where an aggregate can not be read, the ids behind it in its stretch
/// are entered once more; without a bound that is the square of a batch's rows. Four groups are
/// enough for a stage to have its tables at hand.
const STRETCH: usize = 4 * GROUP;

impl Admission<'_> {
    /// Decides on events that were pushed one by one, and counts what becomes of them. Returns the
    /// first refusal that is not an event's own fault.
    pub(crate) fn judge_pushed(
        &mut self,
        rows: Range<usize>,
        counted: &mut Flushed,
    ) -> Option<AppendError> {
        let (mut row, mut failed) = (rows.start, None);
        while row < rows.end {
            let end = rows.end.min(row + STRETCH);
            let plain = self.admit_plain(row..end);
            counted.stored += plain as u64;
            row += plain;
            if row < end {
                let judged = self.judge(row..row + 1, Expected::Any);
                let is_stored = judged.map(|outcome| !outcome.is_duplicate());
                if let Err(refused) = counted.count(is_stored) {
                    failed.get_or_insert(refused);
                }
                row += 1;
            }
        }
        failed
    }

    /// Admits rows up to the first one that is not plain, and says how many.
    fn admit_plain(&mut self, rows: Range<usize>) -> usize {
        // The rows that the shard's mark has passed are the first of its batch; those that were
        // carried may be any.
        if self.is_consumed(rows.start) {
            return 0;
        }
        let rows = rows.start..self.next_carried(&rows);
        let first = self.next_position();
        let new = self.enter_ids(rows.clone(), first);
        let stretch = rows.start..rows.start + new;
        let admitted = self.admit_stretch(stretch.clone());
        if admitted < new {
            self.forget_ids(
                stretch.start + admitted..stretch.end,
                first + admitted as u64,
            );
        }
        admitted
    }

    /// Takes back the ids of rows, the first of which was to get the position `first`. Where an
    /// aggregate can not be read, the rows behind it are looked at once more.
    #[cold]
    fn forget_ids(&mut self, rows: Range<usize>, first: u64) {
        for (row, position) in rows.zip(first..) {
            if let Some(id) = self.batch.id(row) {
                self.dedup.forget(id, self.batch.key(row), position);
            }
        }
        // The ids that were asked for last are those of rows further behind.
        self.asked_ids = AskedIds::default();
    }

    /// The first row that was stored before the events came into this store, or the end.
    fn next_carried(&self, rows: &Range<usize>) -> usize {
        match (self.carried, self.batch.source()) {
            (Some(carried), Some(source)) if source.offsets[rows.start] < carried.end() => {
                let mut rest = rows.clone();
                let found = rest.find(|row| self.is_carried(*row));
                found.unwrap_or(rows.end)
            }
            _ => rows.end,
        }
    }

    /// Enters the ids of rows, the first of which gets the position `first`, up to the first one
    /// that may be known. Says how many rows there are before it.
    fn enter_ids(&mut self, rows: Range<usize>, first: u64) -> usize {
        if !self.batch.has_ids() {
            return rows.len();
        }
        for row in rows.clone() {
            if row >= self.asked_ids.end {
                self.ask_ids(row);
            }
            let Some(id) = self.batch.id(row) else {
                continue;
            };
            let (index, probe) = (row - rows.start, self.asked_ids.probes[row % GROUP]);
            if !self.dedup.insert_new(probe, id, first + index as u64) {
                return index;
            }
        }
        rows.len()
    }

    /// Asks for the memory of the ids of a row and those behind it.
    pub(super) fn ask_ids(&mut self, row: usize) {
        if !self.batch.has_ids() {
            return;
        }
        let end = self.batch.len().min(row + GROUP);
        for row in row..end {
            let id = self.batch.id(row).unwrap_or(EventId::from_u128(0));
            self.asked_ids.probes[row % GROUP] = self.dedup.probe(id);
            if self.dedup.on_disk(id).is_some() {
                self.history.prefetch_id(id);
            }
        }
        self.asked_ids.end = end;
    }

    /// Admits rows whose ids are entered, up to the first one whose aggregate can not be read, and
    /// says how many.
    fn admit_stretch(&mut self, rows: Range<usize>) -> usize {
        let mut likely = [None; GROUP];
        for start in rows.clone().step_by(GROUP) {
            let group = start..rows.end.min(start + GROUP);
            for row in group.clone() {
                self.directory.prefetch(self.batch.hash(row));
            }
            for row in group.clone() {
                likely[row - start] = self.directory.prefetch_entry(self.batch.hash(row));
            }
            for row in group {
                match self.slot(row, likely[row - start]) {
                    Ok(slot) => self.admit(row, slot),
                    Err(_) => return row - rows.start,
                };
            }
        }
        rows.len()
    }
}
