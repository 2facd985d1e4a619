//! From a key to the open batch of its shard.

use std::sync::{Arc, MutexGuard};

use eventcask_event::Routing;
use eventcask_shard::{Delivery, Inbox, KeyHasher, OpenBatch, SendError};

use crate::Error;
use crate::store::engine::Engine;

/// The lanes of one producer, one a shard.
#[derive(Debug)]
pub(crate) struct Router {
    routing: Routing,
    hasher: KeyHasher,
    lanes: Vec<Lane>,
    /// The offset after the last row of a source that went to each shard.
    sent: Vec<u64>,
}

/// The way of one producer to one shard: a batch that it fills, and where that is handed over.
#[derive(Debug)]
pub(crate) struct Lane {
    shard: u32,
    inbox: Arc<Inbox>,
    open: Arc<OpenBatch>,
    /// The size that the open batch does not pass.
    batch_bytes: usize,
}

/// Where the events of a key go.
pub(crate) struct Route<'r> {
    pub(crate) lane: &'r Lane,
    /// The offset after the last row of a source that went this way.
    pub(crate) sent: &'r mut u64,
    /// The key's hash in the tables of its shard.
    pub(crate) hash: u64,
}

/// What is about to be added to an open batch.
pub(crate) struct Room {
    pub(crate) bytes: usize,
    pub(crate) events: usize,
    /// Whether the rows are marked with their place in a source.
    pub(crate) of_source: bool,
}

/// How a full batch is handed over: waiting or not.
pub(crate) type SendBy = fn(&Lane, &mut Box<Delivery>) -> Result<(), Error>;

/// How the open batch of a lane is got, with room for what is to be added, and whether it is empty.
pub(crate) type OpenBy =
    for<'l> fn(&'l Lane, &Room) -> Result<(MutexGuard<'l, Box<Delivery>>, bool), Error>;

impl Router {
    pub(crate) fn new(routing: Routing, hasher: KeyHasher, engine: &Engine) -> Self {
        let lane = |(shard, inbox): (usize, &Arc<Inbox>)| Lane {
            shard: shard as u32,
            inbox: Arc::clone(inbox),
            open: Arc::default(),
            batch_bytes: engine.batch_bytes,
        };
        Self {
            routing,
            hasher,
            lanes: engine.inboxes.iter().enumerate().map(lane).collect(),
            sent: vec![0; engine.inboxes.len()],
        }
    }

    pub(crate) fn route(&mut self, key: &str) -> Route<'_> {
        let shard = self.shard_of(key);
        Route {
            lane: &self.lanes[shard],
            sent: &mut self.sent[shard],
            hash: self.hasher.hash(key),
        }
    }

    /// The lane to the shard of a key, and the key's hash in its tables, for one of many users.
    pub(crate) fn lane_of(&self, key: &str) -> (&Lane, u64) {
        (&self.lanes[self.shard_of(key)], self.hasher.hash(key))
    }

    /// The lane to a shard, for one of many users.
    pub(crate) fn lane(&self, shard: u32) -> &Lane {
        &self.lanes[shard as usize]
    }

    /// The lane to a shard, and the offset after the last row of a source that went that way.
    pub(crate) fn way(&mut self, shard: u32) -> (&Lane, &mut u64) {
        let shard = shard as usize;
        (&self.lanes[shard], &mut self.sent[shard])
    }

    #[inline]
    fn shard_of(&self, key: &str) -> usize {
        self.routing.shard_of(key) as usize
    }

    /// Says of no lane any more what of a source went that way.
    pub(crate) fn begin_anew(&mut self) {
        self.sent.fill(0);
    }

    /// Hands over all open batches.
    pub(crate) fn send(&self) -> Result<(), Error> {
        let mut lanes = self.lanes.iter();
        lanes.try_for_each(|lane| lane.send(&mut lane.open.lock()))
    }

    /// Has all that is in the open batches answered soon: hands over what is large; what is small is
    /// taken as it is, with what others wait for.
    pub(crate) fn ask(&self) -> Result<(), Error> {
        self.lanes.iter().try_for_each(Lane::ask)
    }

    /// As [`send`](Self::send), where others may be adding to the batches.
    pub(crate) fn send_shared(&self) -> Result<(), Error> {
        let mut lanes = self.lanes.iter();
        lanes.try_for_each(|lane| lane.when_room(|| lane.try_send(&mut lane.open.lock())))
    }
}

impl Lane {
    /// The open batch, with room for what is to be added, and whether it is empty.
    pub(crate) fn open(
        &self,
        room: &Room,
        send: SendBy,
    ) -> Result<(MutexGuard<'_, Box<Delivery>>, bool), Error> {
        let mut open = self.open.lock();
        if let Some(refused) = self.inbox.refusal() {
            return Err(refused.into());
        }
        // Rows of a source and others do not share a batch.
        let is_of_others = open.batch.source().is_some() != room.of_source;
        if is_of_others || !open.has_room(room.bytes, room.events, self.batch_bytes) {
            send(self, &mut open)?;
        }
        let is_empty = open.is_empty();
        Ok((open, is_empty))
    }

    /// Lets the worker at the open batch, which it is told of if this was the first row.
    pub(crate) fn leave(&self, mut open: MutexGuard<'_, Box<Delivery>>, was_empty: bool) {
        if was_empty {
            self.inbox.begin(&self.open, &mut open);
            drop(open);
            self.inbox.ring();
        }
    }

    /// As [`leave`](Self::leave), where somebody waits for the answer.
    pub(crate) fn leave_waiting(&self, open: MutexGuard<'_, Box<Delivery>>, was_empty: bool) {
        self.inbox.note_waiter();
        self.leave(open, was_empty);
    }

    fn ask(&self) -> Result<(), Error> {
        let mut open = self.open.lock();
        if open.is_empty() {
            return Ok(());
        }
        if !open.is_small() {
            return self.send(&mut open);
        }
        if self.inbox.is_closed() {
            return Err(Error::Closed);
        }
        if open.ask() {
            self.inbox.note_waiter();
        }
        drop(open);
        self.inbox.ring();
        Ok(())
    }

    /// Does what may need room in the queue, once there is some. It waits without the lock of the
    /// open batch, so that those who do not want to wait learn at once that the queue is full.
    pub(crate) fn when_room<T>(
        &self,
        mut work: impl FnMut() -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut has_waited = false;
        loop {
            match work() {
                Err(Error::Full { .. }) => {
                    has_waited = true;
                    self.inbox.wait_for_room();
                }
                done => {
                    if has_waited {
                        self.inbox.wake_next();
                    }
                    return done;
                }
            }
        }
    }

    pub(crate) fn send(&self, open: &mut Box<Delivery>) -> Result<(), Error> {
        self.inbox.send(open).map_err(|_| Error::Closed)
    }

    pub(crate) fn try_send(&self, open: &mut Box<Delivery>) -> Result<(), Error> {
        let shard = self.shard;
        self.inbox.try_send(open).map_err(|error| match error {
            SendError::Full => Error::Full { shard },
            SendError::Closed => Error::Closed,
        })
    }
}
