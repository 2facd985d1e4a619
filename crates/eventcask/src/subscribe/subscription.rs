//! What is stored, and then what is new, in one go.
//!
//! 1. All that is settled is handed out from the log, merged by commit time: of what was
//!    committed at that time or before, nothing more will become visible in any shard.
//! 2. Where there is nothing left, the subscription listens, looks once more, and sleeps until it
//!    is told of something new. Then it goes on with 1.
//!
//! It always reads from the log, so there is no join that could leave a gap or repeat an event,
//! and a subscriber that is slow holds one block of each shard and no more.

use std::sync::Arc;
use std::time::{Duration, Instant};

use event_listener::{EventListener, Listener};

use crate::follow::arrivals::Watch;
use crate::follow::filter::Filter;
use crate::read::merge::Merge;
use crate::read::shard_events::{Order, ShardEvents};
use crate::store::inner::Inner;
use crate::{Error, Event};

/// A reader in another process is not told of what is new: it looks this often. Soon for a person,
/// little work for the machine.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// A subscriber is woken no more often than this, so that many of them do not hold up whoever
/// wakes them: small beside what a sync takes.
const REST: Duration = Duration::from_millis(1);

/// The events of a store, each once and in order: those that are stored first, then each new one
/// once it is durable.
///
/// Over all shards the order is that of the commits, so an event waits until nothing that was
/// committed before it can come in another shard. A store that is open for reading only can not
/// know that: there, the order across shards is that of the commits among what one
/// [`refresh`](crate::StoreReader::refresh) found.
///
/// As an iterator it waits for the next event, and ends when the store is closed and all of it was
/// handed out. A subscription keeps its store open, as a producer does.
///
/// ```
/// # let directory = tempfile::tempdir()?;
/// # let store = eventcask::open(directory.path().join("s"))?;
/// use eventcask::NewEvent;
/// let mut producer = store.producer();
/// producer.push("account-1", &NewEvent::json("Opened", b"{}"))?;
/// producer.flush()?.wait()?;
///
/// let all = store.events().subscribe()?;
/// let reader = std::thread::spawn(move || {
///     let read = |event: Result<eventcask::Event, _>| Ok(event?.key().to_owned());
///     all.map(read).collect::<Result<Vec<_>, eventcask::Error>>()
/// });
/// producer.push("account-2", &NewEvent::json("Opened", b"{}"))?;
/// producer.flush()?.wait()?;
/// store.close()?;
/// assert_eq!(reader.join().expect("it ends")?, ["account-1", "account-2"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "it does nothing unless it is read"]
pub struct Subscription {
    inner: Arc<Inner>,
    merge: Merge,
    filter: Filter,
    /// Where shards stand that are not subscribed to.
    others: Vec<u64>,
    watch: Arc<Watch>,
    /// When it last went to sleep.
    slept: Option<Instant>,
    is_over: bool,
}

impl Subscription {
    pub(crate) fn new(
        inner: Arc<Inner>,
        shards: Vec<ShardEvents>,
        filter: Filter,
        others: Vec<u64>,
    ) -> Self {
        let shard = match &shards[..] {
            [one] => Some(one.shard()),
            _ => None,
        };
        let mut subscription = Self {
            watch: inner.arrivals.watch(shard, &filter),
            inner,
            merge: Merge::new(shards, Order::OldestFirst),
            filter,
            others,
            slept: None,
            is_over: false,
        };
        subscription.look(&[]);
        subscription
    }

    /// The next event that is there already.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path())?;
    /// use eventcask::{Expected, NewEvent};
    /// let placed = NewEvent::json("Placed", b"{}");
    /// store.append("order-1", Expected::Any, &[placed])?.wait()?;
    ///
    /// let mut orders = store.events().subscribe()?;
    /// assert_eq!(orders.try_next()?.ok_or("one is there")?.key(), "order-1");
    /// assert!(orders.try_next()?.is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Damage, or what the disk said; the next call tries the same again.
    pub fn try_next(&mut self) -> Result<Option<Event>, Error> {
        if let Some(event) = self.merge.next(&self.filter)? {
            return Ok(Some(event));
        }
        // While it waited it was moved on behind blocks that it does not want.
        let unseen = match self.watch.is_waiting() {
            true => self.watch.end(),
            false => Vec::new(),
        };
        self.look(&unseen);
        self.merge.next(&self.filter)
    }

    /// The next event; waits for it no longer than this. `None` where there was none, or the
    /// store was closed.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path())?;
    /// use eventcask::{Expected, NewEvent};
    /// let placed = NewEvent::json("Placed", b"{}");
    /// store.append("order-1", Expected::Any, &[placed])?.wait()?;
    ///
    /// let mut orders = store.events().subscribe()?;
    /// let second = std::time::Duration::from_secs(1);
    /// assert_eq!(orders.next_timeout(second)?.ok_or("one is there")?.key(), "order-1");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`try_next`](Self::try_next).
    pub fn next_timeout(&mut self, timeout: Duration) -> Result<Option<Event>, Error> {
        self.wait_until(Instant::now().checked_add(timeout))
    }

    /// The next event, for those who do not want to block their thread; `None` once the store is
    /// closed and all of it was handed out. A store that is open for reading only has to be
    /// [refreshed](crate::StoreReader::refresh) by someone meanwhile.
    ///
    /// # Errors
    /// As [`try_next`](Self::try_next).
    pub async fn next_async(&mut self) -> Result<Option<Event>, Error> {
        loop {
            match self.poll_or_listen()? {
                Look::Event(event) => return Ok(Some(event)),
                Look::Over => return Ok(None),
                Look::Wait(listener) => listener.await,
            }
        }
    }

    /// Whether a call that waits has found that the store was closed and all of it handed out.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// Where another subscription goes on after the last event that was handed out: a position for
    /// each shard, for [`EventQuery::from_positions`](crate::EventQuery::from_positions).
    #[must_use]
    pub fn positions(&self) -> Vec<u64> {
        let mut positions = self.others.clone();
        for one in self.merge.shards() {
            positions[one.shard() as usize] = one.position();
        }
        positions
    }

    /// Where it is in one shard.
    pub(crate) fn position(&self, shard: u32) -> u64 {
        let mut shards = self.merge.shards().iter();
        let read = shards.find(|one| one.shard() == shard);
        read.map_or(self.others[shard as usize], ShardEvents::position)
    }

    /// What it waits by.
    pub(crate) fn watch(&self) -> &Arc<Watch> {
        &self.watch
    }

    /// Takes up what has become visible since, and passes over what comes before these positions.
    fn look(&mut self, unseen: &[Option<u64>]) {
        // The clock first: what is taken from it later does not count.
        let clock = self.inner.engine.as_ref().map(|engine| engine.clock.last());
        let is_alone = self.merge.shards().len() == 1;
        let settled = match clock {
            Some(clock) if !is_alone && !self.inner.arrivals.is_over() => {
                let settled = self.inner.readers.iter().map(|reader| reader.settled());
                settled.fold(clock, i64::min)
            }
            _ => i64::MAX,
        };
        self.merge.renew(|one| {
            if let Some(Some(unseen)) = unseen.get(one.shard() as usize) {
                one.pass(*unseen);
            }
            one.renew(settled);
        });
    }

    /// The next event, or what wakes who waits for it.
    pub(crate) fn poll_or_listen(&mut self) -> Result<Look, Error> {
        if let Some(event) = self.try_next()? {
            return Ok(Look::Event(event));
        }
        // What comes after these lines wakes the listener, what came before is found here.
        let listener = self.watch.listen();
        self.watch.begin(self.others.len());
        let is_over = self.inner.arrivals.is_over();
        self.look(&[]);
        match self.merge.next(&self.filter) {
            Ok(None) if !is_over => {
                let shards = self.merge.shards().iter();
                let unseen = shards.map(|one| (one.shard(), one.seen()));
                self.watch.settle(unseen);
                Ok(Look::Wait(listener))
            }
            next => {
                self.watch.end();
                let next = next?;
                self.is_over = next.is_none();
                Ok(next.map_or(Look::Over, Look::Event))
            }
        }
    }

    fn wait_until(&mut self, deadline: Option<Instant>) -> Result<Option<Event>, Error> {
        loop {
            match self.poll_or_listen()? {
                Look::Event(event) => return Ok(Some(event)),
                Look::Over => return Ok(None),
                Look::Wait(listener) => {
                    if !self.sleep(listener, deadline)? {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// Sleeps until there may be something new; says whether there is time left.
    fn sleep(&mut self, listener: EventListener, deadline: Option<Instant>) -> Result<bool, Error> {
        let now = Instant::now();
        if deadline.is_some_and(|deadline| deadline <= now) {
            return Ok(false);
        }
        let is_reader = self.inner.engine.is_none();
        let look = is_reader.then(|| now + LOOK_EVERY);
        match deadline.into_iter().chain(look).min() {
            Some(until) => drop(listener.wait_deadline(until)),
            None => listener.wait(),
        }
        if is_reader {
            self.inner.refresh()?;
        } else if self.slept.is_some_and(|slept| slept.elapsed() < REST) {
            std::thread::sleep(REST);
        }
        self.slept = Some(Instant::now());
        Ok(true)
    }
}

/// What a look at the log found.
#[derive(Debug)]
pub(crate) enum Look {
    Event(Event),
    Over,
    Wait(EventListener),
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.inner.arrivals.forget(&self.watch);
    }
}

impl Iterator for Subscription {
    type Item = Result<Event, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.wait_until(None).transpose()
    }
}
