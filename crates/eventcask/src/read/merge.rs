//! The events of several shards in the order of their commits.
//!
//! Each shard is read block by block. What comes next is the event with the lowest commit time
//! among the shards' next ones, or the highest where it goes backwards; commit times come from
//! one clock for the whole store.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::follow::filter::Filter;
use crate::read::shard_events::{Order, ShardEvents};
use crate::{Error, Event};

/// The events of some shards, and which of them has the next one.
#[derive(Debug)]
pub(crate) struct Merge {
    shards: Vec<ShardEvents>,
    order: Order,
    /// The shards that are on an event, by its place in the order.
    ready: BinaryHeap<Reverse<(i64, usize)>>,
    /// The shards that have to move on to their next event first.
    unsettled: Vec<usize>,
    /// How many events the only one of these has before any other shard's: nothing is to be asked
    /// before they are handed out.
    run: usize,
}

impl Merge {
    pub(crate) fn new(shards: Vec<ShardEvents>, order: Order) -> Self {
        Self {
            ready: BinaryHeap::new(),
            unsettled: (0..shards.len()).collect(),
            shards,
            order,
            run: 0,
        }
    }

    pub(crate) fn shards(&self) -> &[ShardEvents] {
        &self.shards
    }

    /// Changes the shards that have no event; they are asked again.
    pub(crate) fn renew(&mut self, mut renew: impl FnMut(&mut ShardEvents)) {
        let mut is_on_event = vec![false; self.shards.len()];
        for Reverse((_, index)) in &self.ready {
            is_on_event[self.rank(*index)] = true;
        }
        self.unsettled.clear();
        self.run = 0;
        for (index, shard) in self.shards.iter_mut().enumerate() {
            if !is_on_event[index] {
                renew(shard);
                self.unsettled.push(index);
            }
        }
    }

    /// The next event. After an error the next call goes on where this one failed.
    #[inline]
    pub(crate) fn next(&mut self, filter: &Filter) -> Result<Option<Event>, Error> {
        match (self.run, &self.unsettled[..]) {
            (1.., [index]) => {
                self.run -= 1;
                Ok(self.shards[*index].take())
            }
            _ => self.find_next(filter),
        }
    }

    fn find_next(&mut self, filter: &Filter) -> Result<Option<Event>, Error> {
        while let Some(index) = self.unsettled.last().copied() {
            if let Some(time) = self.shards[index].settle(filter)? {
                let time = match self.order {
                    Order::OldestFirst => time.as_nanos(),
                    Order::NewestFirst => !time.as_nanos(),
                };
                let place = Reverse((time, self.rank(index)));
                // Mostly the shard that had the last event has the next one, too.
                let is_next = self.ready.peek().is_none_or(|first| place > *first);
                if is_next && self.unsettled.len() == 1 {
                    let event = self.shards[index].take();
                    self.run = self.run_of(index);
                    return Ok(event);
                }
                self.ready.push(place);
            }
            self.unsettled.pop();
        }
        let Some(Reverse((_, rank))) = self.ready.pop() else {
            return Ok(None);
        };
        let index = self.rank(rank);
        self.unsettled.push(index);
        Ok(self.shards[index].take())
    }

    /// How many of the events that come next in a shard come before those of all others. Newest
    /// first each is asked for.
    fn run_of(&self, index: usize) -> usize {
        if self.order == Order::NewestFirst {
            return 0;
        }
        let first = self.ready.peek().map(|Reverse(first)| *first);
        let is_first = |time| first.is_none_or(|first| (time, index) < first);
        self.shards[index].run(is_first)
    }

    /// The index of a shard as it counts in the order, and back.
    fn rank(&self, index: usize) -> usize {
        match self.order {
            Order::OldestFirst => index,
            Order::NewestFirst => !index,
        }
    }
}
