//! The wanted events of one shard, oldest or newest first.

use std::sync::Arc;

use eventcask_event::{Events, Timestamp};
use eventcask_shard::ShardReader;

use crate::follow::cursor::ShardCursor;
use crate::follow::filter::Filter;
use crate::follow::prefetch::Prefetch;
use crate::read::block_events::BlockEvents;
use crate::{Error, Event};

/// Which events come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    OldestFirst,
    NewestFirst,
}

/// How far one shard was read, event by event.
#[derive(Debug)]
pub(crate) struct ShardEvents {
    cursor: ShardCursor<Arc<ShardReader>>,
    order: Order,
    /// Where blocks are read ahead.
    ahead: Option<Prefetch>,
    open: Option<BlockEvents>,
}

impl ShardEvents {
    /// What is durable now from a position on; newest first it ends there.
    pub(crate) fn new(reader: &Arc<ShardReader>, from: u64, order: Order) -> Self {
        Self {
            cursor: ShardCursor::new(Arc::clone(reader), from),
            order,
            ahead: None,
            open: None,
        }
    }

    /// Reads blocks ahead of who takes the events; newest first it does not.
    pub(crate) fn ahead(mut self, ahead: Prefetch) -> Self {
        self.ahead = Some(ahead);
        self
    }

    /// Ends with what is durable now and was committed at this time or before.
    pub(crate) fn renew(&mut self, limit: i64) {
        let before = Arc::clone(self.cursor.retired());
        self.cursor.renew(Timestamp::from_nanos(limit));
        let retired = self.cursor.retired();
        if let Some(open) = &mut self.open
            && !Arc::ptr_eq(&before, retired)
        {
            open.retain(|events, row| !retired.hides(events, row));
        }
    }

    /// Passes over what comes before a position, having seen all before it that there is.
    pub(crate) fn pass(&mut self, position: u64) {
        self.cursor.pass(position);
    }

    /// The position before which all is handed out or passed over; `None` where something is there
    /// that is not settled.
    pub(crate) fn seen(&self) -> Option<u64> {
        let left = self.cursor.left();
        (self.open.is_none() && left.is_empty()).then_some(left.start)
    }

    /// Position of the first event that was neither handed out nor passed over.
    pub(crate) fn position(&self) -> u64 {
        let open = self.open.as_ref().and_then(BlockEvents::peek);
        let position = open.map(|(events, row)| events.position(row));
        position.unwrap_or(self.cursor.left().start)
    }

    /// The shard.
    pub(crate) fn shard(&self) -> u32 {
        self.cursor.reader().shard()
    }

    /// Moves on to the next wanted event, if it is not on one, and tells its commit time.
    pub(crate) fn settle(&mut self, filter: &Filter) -> Result<Option<Timestamp>, Error> {
        loop {
            if let Some(open) = &self.open {
                if let Some((events, row)) = open.peek() {
                    let time = events.commit_time(row);
                    let has_come = self.order == Order::NewestFirst
                        || self.cursor.has_come(events.position(row), time);
                    return Ok(has_come.then_some(time));
                }
                self.open = None;
            }
            let found = match (self.order, &mut self.ahead) {
                (Order::OldestFirst, Some(ahead)) => self.cursor.next_block_of(ahead, filter)?,
                (Order::OldestFirst, None) => self.cursor.next_block(filter)?,
                (Order::NewestFirst, _) => self.cursor.block_before(filter)?,
            };
            let Some(mut found) = found else {
                return Ok(None);
            };
            if self.order == Order::NewestFirst {
                found.rows.reverse();
            }
            self.open = Some(BlockEvents::new(found.block, found.rows));
        }
    }

    /// How many events it can hand out from here on before it has to be asked again: those of the
    /// block in hand that have come, and that `is_first` says so of by their commit time. What it
    /// says of one it says of all before it.
    pub(crate) fn run(&self, is_first: impl Fn(i64) -> bool) -> usize {
        let is_in_it = |events: &Events<'_>, row| {
            let time = events.commit_time(row);
            self.cursor.has_come(events.position(row), time) && is_first(time.as_nanos())
        };
        let open = self.open.as_ref();
        open.map_or(0, |open| open.count_while(is_in_it))
    }

    /// Hands out the event that it is on, and moves off it.
    #[inline]
    pub(crate) fn take(&mut self) -> Option<Event> {
        self.open.as_mut()?.next()
    }
}
