//! A shard that is run by whoever makes its events.
//!
//! Nothing crosses from one core to another: the thread encodes an event into its batch, and when
//! that is full it looks the ids up, gives the versions, makes the block and hands it to the write
//! thread, which is the only other one.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use eventcask_event::{EventBatch, Expected, NewEvent, Routing, check_key};
use eventcask_shard::{Delivery, Expectation, Inbox, Worker};

use crate::store::engine::{Engine, OwnedWorker, Workers};
use crate::store::location::Location;
use crate::write::check::check_append;
use crate::write::producer::Ledger;
use crate::write::ticket::{AppendResult, FlushTicket, Flushed, Ticket};
use crate::{AppendSet, Error, Options, Store};

/// Owns one shard of a store that was opened by [`crate::Options::open_owned`]: whoever pushes
/// events does the shard's work as well.
///
/// An owner can be handed from one thread to another. While its thread does something else nothing
/// happens in the shard: answers come while it pushes, [runs](Self::run) or [waits](Self::wait),
/// and [`Store::flush`], [`Ticket::wait`] and [`FlushTicket::wait`] on the owner's own thread would
/// wait for themselves. Other threads may read the store, and may write to the shard by a
/// [`crate::Producer`], whose events are taken up when the owner runs.
///
/// Dropping it works off what it holds and ends the shard's log cleanly.
///
/// ```
/// use eventcask::{NewEvent, Store};
///
/// # let directory = tempfile::tempdir()?;
/// # let bank = directory.path().join("bank");
/// let (store, owners) = Store::options().shards(2).open_owned(&bank)?;
/// let threads: Vec<_> = owners
///     .into_iter()
///     .map(|mut owner| {
///         let store = store.clone();
///         std::thread::spawn(move || {
///             let shard = owner.shard();
///             let keys = (0..100).map(|n| format!("account-{n}"));
///             for key in keys.filter(|key| store.shard_of(key) == shard) {
///                 owner.push(&key, &NewEvent::json("Opened", b"{}"))?;
///             }
///             let ticket = owner.flush()?;
///             owner.wait(ticket)
///         })
///     })
///     .collect();
/// let mut stored = 0;
/// for thread in threads {
///     stored += thread.join().expect("it does not panic")?.stored;
/// }
/// assert_eq!((stored, store.stats().events), (100, 100));
/// # store.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ShardOwner {
    shard: u32,
    inbox: Arc<Inbox>,
    limits: Limits,
    core: Option<core_affinity::CoreId>,
    /// Gone once the owner is being dropped.
    worker: Option<Worker>,
    open: Box<Delivery>,
    ledger: Ledger,
    store: Store,
}

/// What is looked at for each event, side by side.
#[derive(Debug, Clone, Copy)]
struct Limits {
    routing: Routing,
    payload_bytes: usize,
    batch_bytes: usize,
}

impl ShardOwner {
    pub(crate) fn new(store: &Store, shard: u32, owned: OwnedWorker) -> Self {
        let engine = store.engine();
        Self {
            shard,
            inbox: Arc::clone(&engine.inboxes[shard as usize]),
            limits: Limits {
                routing: store.inner.manifest.routing(),
                payload_bytes: engine.max_payload_bytes,
                batch_bytes: engine.batch_bytes,
            },
            core: owned.core,
            worker: Some(owned.worker),
            open: Box::default(),
            ledger: Ledger::default(),
            store: store.clone(),
        }
    }

    /// The shard.
    #[must_use]
    pub fn shard(&self) -> u32 {
        self.shard
    }

    /// Binds the calling thread to the core that the store would have given to the shard's worker,
    /// and says whether it has one: not where there are fewer cores than shards, or the store was
    /// opened with [`crate::Options::pin`] off.
    pub fn pin(&self) -> bool {
        self.core.is_some_and(core_affinity::set_for_current)
    }

    /// Appends one event with any version and without an answer of its own. Works off the batch
    /// once it is full, and waits where too much is on its way to the disk.
    ///
    /// # Errors
    /// An event that can not be taken, one of [another shard](Error::OtherShard), or a shard that
    /// stopped.
    pub fn push(&mut self, key: &str, event: &NewEvent<'_>) -> Result<(), Error> {
        check_key(key)?;
        event.check(self.limits.payload_bytes)?;
        self.check_shard(key)?;
        self.make_room(EventBatch::row_bytes(key, event), 1)?;
        let hash = self.store.inner.hasher.hash(key);
        self.open.push(key, hash, event, || self.ledger.share())?;
        Ok(())
    }

    /// Appends events to an aggregate, all or none, and returns the ticket of the answer, which
    /// comes once the batch was worked off: see [`answer`](Self::answer).
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn append(
        &mut self,
        key: &str,
        expected: Expected,
        events: &[NewEvent<'_>],
    ) -> Result<Ticket, Error> {
        let bytes = check_append(key, events, self.limits.payload_bytes)?;
        self.check_shard(key)?;
        self.make_room(bytes, events.len())?;
        let hash = self.store.inner.hasher.hash(key);
        let first_row = self.open.batch.len();
        for event in events {
            self.open.push(key, hash, event, || self.ledger.share())?;
        }
        let expected = Expectation::One(expected);
        Ok(Ticket::new(self.open.join(first_row, expected)))
    }

    /// Appends events to several aggregates of the shard, all or none: as
    /// [`append`](Self::append), and as [`Store::append_all`].
    ///
    /// # Errors
    /// As [`append`](Self::append), and [`Error::SeveralShards`].
    pub fn append_all(&mut self, set: &AppendSet<'_>) -> Result<Ticket, Error> {
        let inner = Arc::clone(&self.store.inner);
        let (_, room) = set.place(self.engine().max_payload_bytes, |key| inner.shard_of(key))?;
        set.keys().try_for_each(|key| self.check_shard(key))?;
        self.make_room(room.bytes, room.events)?;
        let ledger = &self.ledger;
        set.add_to(&mut self.open, &inner.hasher, |open, key, hash, event| {
            open.push(key, hash, event, || ledger.share())
        })
    }

    /// Works off the open batch. The ticket is done once everything pushed and appended so far is
    /// answered.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Closed`] where the store was closed.
    pub fn flush(&mut self) -> Result<FlushTicket, Error> {
        self.work_off()?;
        Ok(self.ledger.flush())
    }

    /// Does what there is to do and does not wait.
    pub fn run(&mut self) {
        while self.worker.as_mut().is_some_and(Worker::turn) {}
    }

    /// Runs the shard until all events of a flush are answered, and tells what became of them.
    ///
    /// # Errors
    /// As [`FlushTicket::wait`].
    pub fn wait(&mut self, ticket: FlushTicket) -> Result<Flushed, Error> {
        self.run_until(|| ticket.is_done());
        ticket.wait()
    }

    /// Works off the open batch and runs the shard until an append is answered.
    ///
    /// # Errors
    /// Why the append was refused.
    pub fn answer(&mut self, ticket: Ticket) -> AppendResult {
        if self.hand_over(Worker::take_to_wait).is_err() {
            return Err(Error::Closed);
        }
        self.run_until(|| ticket.poll().is_some());
        ticket.wait()
    }

    /// Runs the shard until `is_done`, or until there is nothing that could make it so.
    fn run_until(&mut self, is_done: impl Fn() -> bool) {
        let Some(worker) = &mut self.worker else {
            return;
        };
        while !is_done() && (worker.turn_or_write() || worker.rest_if_more_comes()) {}
    }

    fn engine(&self) -> &Engine {
        self.store.engine()
    }

    fn check_shard(&self, key: &str) -> Result<(), Error> {
        let shard = self.limits.routing.shard_of(key);
        if shard == self.shard {
            return Ok(());
        }
        let key = key.to_owned();
        Err(Error::OtherShard { key, shard })
    }

    /// Makes room for events in the open batch.
    fn make_room(&mut self, bytes: usize, events: usize) -> Result<(), Error> {
        let limit = self.limits.batch_bytes;
        if !self.open.has_room(bytes, events, limit) {
            self.work_off()?;
        }
        match self.inbox.poisoned() {
            Some(reason) => Err(Error::Poisoned(reason)),
            None => Ok(()),
        }
    }

    fn work_off(&mut self) -> Result<(), Error> {
        self.hand_over(Worker::take)
    }

    /// Hands the open batch over to the worker by one of its ways.
    fn hand_over(&mut self, take: fn(&mut Worker, Box<Delivery>)) -> Result<(), Error> {
        if self.open.is_empty() {
            return Ok(());
        }
        if self.inbox.is_closed() {
            return Err(Error::Closed);
        }
        let empty = self.inbox.empty_batch();
        let delivery = std::mem::replace(&mut self.open, empty);
        if let Some(worker) = &mut self.worker {
            take(worker, delivery);
        }
        Ok(())
    }
}

impl Drop for ShardOwner {
    fn drop(&mut self) {
        // A store that was closed has refused what was open; nobody is left to be told.
        let _ = self.work_off();
        let inbox = Arc::clone(&self.inbox);
        inbox.close();
        if let Some(worker) = self.worker.take() {
            worker.run();
        }
        inbox.abandon();
        // Pairs with the look of who closes the store: the log has its end then.
        self.engine().owned().fetch_sub(1, Ordering::Release);
    }
}

impl Options {
    /// Opens a store for reading and writing, without worker threads: each shard has an owner, and
    /// the thread that pushes events to it does all the work there.
    ///
    /// That is the fastest way in where events can be dealt out to threads by their shard, such as
    /// the partitions of a topic. `threads` means nothing then.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_owned(
        &self,
        location: impl Into<Location>,
    ) -> Result<(Store, Vec<ShardOwner>), Error> {
        let storage = location.into().into_storage();
        let (store, workers) = Store::open_writer(self, Workers::Owners, storage)?;
        let owners = (0..).zip(workers);
        let owners = owners.map(|(shard, worker)| ShardOwner::new(&store, shard, worker));
        let owners = owners.collect();
        Ok((store, owners))
    }
}
