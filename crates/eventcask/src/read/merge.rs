//! The events of several shards in the order of their commits.
//!
//! Each shard is read block by block. What comes next is the event with the lowest commit time
//! among the shards' next ones, or the highest where it goes backwards; commit times come from
//! one clock for the whole store.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use eventcask_event::Timestamp;

use crate::read::filter::Filter;
use crate::{Error, Event};

/// Reads one shard in one direction.
pub(crate) trait Cursor {
    /// Whether it goes backwards.
    const IS_NEWEST_FIRST: bool;

    /// Moves on to the next wanted event, if it is not on one, and tells its commit time.
    fn settle(&mut self, filter: &Filter) -> Result<Option<Timestamp>, Error>;

    /// Hands out the event that it is on, and moves off it.
    fn take(&mut self) -> Option<Event>;
}

/// Some cursors, and which of them has the next event.
#[derive(Debug)]
pub(crate) struct Merge<C> {
    cursors: Vec<C>,
    /// The cursors that are on an event, by its place in the order.
    order: BinaryHeap<Reverse<(i64, usize)>>,
    /// The cursors that have to move on to their next event first.
    unsettled: Vec<usize>,
}

impl<C: Cursor> Merge<C> {
    pub(crate) fn new(cursors: Vec<C>) -> Self {
        Self {
            order: BinaryHeap::new(),
            unsettled: (0..cursors.len()).collect(),
            cursors,
        }
    }

    pub(crate) fn cursors(&self) -> &[C] {
        &self.cursors
    }

    /// Changes the cursors that have no event; they are asked again.
    pub(crate) fn renew(&mut self, mut renew: impl FnMut(&mut C)) {
        let mut is_on_event = vec![false; self.cursors.len()];
        for Reverse((_, index)) in &self.order {
            is_on_event[shown(C::IS_NEWEST_FIRST, *index)] = true;
        }
        self.unsettled.clear();
        for (index, cursor) in self.cursors.iter_mut().enumerate() {
            if !is_on_event[index] {
                renew(cursor);
                self.unsettled.push(index);
            }
        }
    }

    /// The next event. After an error the next call goes on where this one failed.
    pub(crate) fn next(&mut self, filter: &Filter) -> Result<Option<Event>, Error> {
        while let Some(index) = self.unsettled.last().copied() {
            if let Some(time) = self.cursors[index].settle(filter)? {
                let time = match C::IS_NEWEST_FIRST {
                    true => !time.as_nanos(),
                    false => time.as_nanos(),
                };
                let index = shown(C::IS_NEWEST_FIRST, index);
                self.order.push(Reverse((time, index)));
            }
            self.unsettled.pop();
        }
        let Some(Reverse((_, index))) = self.order.pop() else {
            return Ok(None);
        };
        let index = shown(C::IS_NEWEST_FIRST, index);
        self.unsettled.push(index);
        Ok(self.cursors[index].take())
    }
}

/// The index of a cursor as it counts in the order, and back.
fn shown(is_newest_first: bool, index: usize) -> usize {
    if is_newest_first { !index } else { index }
}
