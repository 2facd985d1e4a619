//! Appends over several aggregates of the shard: stored whole, or not at all.
//!
//! 1. What was stored before is answered as that, whatever is expected now.
//! 2. All expectations are looked at, also those of aggregates that get no event, and all that do
//!    not hold are answered together. This brings what is on disk into the directory: nothing
//!    behind it can fail.
//! 3. Each row gets its version, in the order in which they came.

use std::ops::Range;

use eventcask_event::Place;

use super::Admission;
use crate::delivery::{Expectation, ExpectedOf};
use crate::{AppendError, AppendResult, Appended, Conflict};

impl Admission<'_> {
    /// Decides on events that are stored together or not at all.
    #[inline]
    pub(crate) fn judge_append(
        &mut self,
        rows: Range<usize>,
        expected: &Expectation,
    ) -> AppendResult {
        match expected {
            Expectation::One(expected) => self.judge(rows, *expected),
            Expectation::Each(each) => self.judge_each(rows, each),
        }
    }

    fn judge_each(&mut self, rows: Range<usize>, each: &[ExpectedOf]) -> AppendResult {
        if let Some(answer) = self.stored_before(&rows)? {
            return Ok(answer);
        }
        let mut conflicts = Vec::new();
        for one in each {
            let actual = self.version_of(one)?;
            if !one.expected.holds(actual) {
                conflicts.push(Conflict {
                    key: one.key.clone(),
                    expected: one.expected,
                    actual,
                });
            }
        }
        match conflicts.is_empty() {
            true => Ok(self.admit_each(rows)),
            false => Err(AppendError::Conflicts { conflicts }),
        }
    }

    /// The version of an aggregate, which is in the directory then if it has one.
    fn version_of(&mut self, one: &ExpectedOf) -> Result<u64, AppendError> {
        let slot = match self.directory.find(one.hash, &one.key) {
            Some(slot) => Some(slot),
            None => self.slot_from_disk(one.hash, &one.key)?,
        };
        Ok(slot.map_or(0, |slot| self.directory.version(slot)))
    }

    /// Admits rows of aggregates that were all looked for.
    fn admit_each(&mut self, rows: Range<usize>) -> Appended {
        let (mut position, mut version) = (0, 0);
        for row in rows {
            position = self.next_position();
            let (hash, key) = (self.batch.hash(row), self.batch.key(row));
            let slot = self.directory.find(hash, key);
            version = self.admit_with_id(row, slot).version;
        }
        Appended::Stored {
            place: Place::new(self.shard, position),
            version,
        }
    }
}
