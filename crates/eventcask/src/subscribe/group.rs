//! Consumers that share the events of one subscription out among them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use event_listener::{EventListener, Listener};

use crate::follow::arrivals::Watch;
use crate::notices;
use crate::read::filter::Filter;
use crate::store::handle::{Inner, locked};
use crate::subscribe::named::HeldName;
use crate::subscribe::saved::{Held, Saved};
use crate::subscribe::turns::{Turns, left_of};
use crate::{Claim, Error, ErrorKind, Retry, Subscription};

/// Events that are handled before progress is saved, where consumers never come to rest: what comes
/// again after a crash, and a small part of what handling them takes.
const SAVE_EVERY: u64 = 1_000;

/// A named subscription whose events are shared out among consumers. Clones are consumers of the
/// same group, one a thread.
///
/// The events of one aggregate are handled one after the other, in order; those of different
/// aggregates at the same time. An event that fails is tried again by [`Retry`], then its aggregate
/// is parked: it and all later events of that aggregate wait until they are
/// [redriven](Self::redrive), and everything else goes on. What is parked is kept as a reference
/// into the log, at most 10,000 aggregates.
///
/// Events whose aggregate is being handled wait in memory, at most 256 of them with blocks of 64 MiB: where a
/// slow aggregate has that many, those of all others wait for it too, until one of its events is answered.
///
/// Progress is saved after each failure, when there is nothing more to hand out, once in a thousand
/// events, by [`save`](Self::save), when the last clone is dropped, and when the store is closed;
/// what is answered after that comes again, and nothing else that was answered does. It never passes
/// an event that is not handled, so each is handled at least once.
///
/// ```
/// # let directory = tempfile::tempdir()?;
/// # let store = eventcask::open(directory.path().join("s"))?;
/// use eventcask::{NewEvent, Retry};
/// let mut producer = store.producer();
/// for key in ["order-1", "order-2", "order-1"] {
///     producer.push(key, &NewEvent::json("Placed", b"{}"))?;
/// }
/// producer.flush()?.wait()?;
///
/// let group = store.subscribe().group("mailer", Retry::new(1))?;
/// let mut mailed = Vec::new();
/// while let Some(claim) = group.try_claim()? {
///     match claim.event().get().aggregate {
///         "order-1" => claim.retry("the address is wrong")?,
///         key => {
///             mailed.push(key.to_owned());
///             claim.ack()?;
///         }
///     }
/// }
/// assert_eq!(mailed, ["order-2"]);
/// assert_eq!(group.parked()[0].reason, "the address is wrong");
///
/// group.redrive("order-1")?;
/// let claim = group.try_claim()?.ok_or("it is tried again")?;
/// assert_eq!(claim.event().get().version, 1);
/// claim.ack()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct ConsumerGroup {
    shared: Arc<Shared>,
}

/// What the consumers of a group share.
#[derive(Debug)]
pub(crate) struct Shared {
    name: HeldName,
    retry: Retry,
    watch: Arc<Watch>,
    turns: Mutex<Turns>,
    /// Consumers that wait for an event.
    waiting: AtomicUsize,
}

/// An aggregate whose events are not handed out, because one of them failed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Parked {
    /// Key of the aggregate.
    pub key: String,
    /// Version of the event that failed. It and all later ones wait.
    pub version: u64,
    /// The shard.
    pub shard: u32,
    /// Position of that event.
    pub position: u64,
    /// How often it has failed.
    pub tries: u32,
    /// What was said when it failed last.
    pub reason: String,
}

impl Parked {
    /// Those that are parked of all that are held back.
    pub(crate) fn all_of(held: &BTreeMap<String, Held>) -> Vec<Self> {
        let parked = held.iter().filter(|(_, held)| held.is_parked);
        let parked = parked.map(|(key, held)| Self {
            key: key.clone(),
            version: held.version,
            shard: held.shard,
            position: held.position,
            tries: held.tries,
            reason: held.reason.clone(),
        });
        parked.collect()
    }
}

impl ConsumerGroup {
    pub(crate) fn start(
        inner: &Arc<Inner>,
        name: &str,
        retry: Retry,
        filter: Filter,
        start: impl FnOnce(Option<&Saved>) -> Result<Subscription, Error>,
    ) -> Result<Self, Error> {
        let (held_name, saved) = HeldName::take(inner, name)?;
        let mut turns = Turns::new(inner, name, filter, start(saved.as_ref())?);
        turns.hold(saved.unwrap_or_default().held, Instant::now());
        let shared = Shared {
            name: held_name,
            retry,
            watch: Arc::clone(turns.watch()),
            turns: Mutex::new(turns),
            waiting: AtomicUsize::new(0),
        };
        let shared = Arc::new(shared);
        inner.subscriptions.add_group(&shared);
        Ok(Self { shared })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name.name
    }

    /// The next event that can be handled now.
    ///
    /// # Errors
    /// [`Error::TooManyParked`], damage, or what the disk said; the next call tries the same again.
    pub fn try_claim(&self) -> Result<Option<Claim>, Error> {
        let claim = self.shared.try_claim()?;
        if claim.is_none() && self.shared.has_waiting() {
            // The look was not for those who wait: one of them looks again.
            self.shared.watch.tell_one();
        }
        Ok(claim)
    }

    /// The next event; waits for it. `None` once the store is closed.
    ///
    /// # Errors
    /// As [`try_claim`](Self::try_claim).
    pub fn claim(&self) -> Result<Option<Claim>, Error> {
        self.shared.wait_until(None)
    }

    /// The next event; waits for it no longer than this.
    ///
    /// # Errors
    /// As [`try_claim`](Self::try_claim).
    pub fn claim_timeout(&self, timeout: Duration) -> Result<Option<Claim>, Error> {
        self.shared.wait_until(Instant::now().checked_add(timeout))
    }

    /// The aggregates that are parked, by key.
    #[must_use]
    pub fn parked(&self) -> Vec<Parked> {
        Parked::all_of(locked(&self.shared.turns).held())
    }

    /// Hands out the events of an aggregate again that is parked, from the one that failed on. Says
    /// whether it was parked.
    ///
    /// # Errors
    /// What the disk said; it goes on all the same, but may be parked again after a restart.
    pub fn redrive(&self, key: &str) -> Result<bool, Error> {
        self.shared.redrive(key, false)
    }

    /// As [`redrive`](Self::redrive), without the event that failed: that one is given up by this
    /// group.
    ///
    /// # Errors
    /// As [`redrive`](Self::redrive).
    pub fn skip(&self, key: &str) -> Result<bool, Error> {
        self.shared.redrive(key, true)
    }

    /// Saves progress now, durably.
    ///
    /// # Errors
    /// [`ErrorKind::Closed`](crate::ErrorKind::Closed), or what the disk said.
    pub fn save(&self) -> Result<(), Error> {
        self.shared.save()
    }

    /// One position a shard: all events before are handled, but for those of aggregates that wait for a
    /// retry or are parked. Behind it some may be handled as well, which [`save`](Self::save) keeps too.
    #[must_use]
    pub fn positions(&self) -> Vec<u64> {
        locked(&self.shared.turns).positions()
    }
}

impl Shared {
    fn try_claim(self: &Arc<Self>) -> Result<Option<Claim>, Error> {
        if self.name.inner.arrivals.is_over() {
            return Ok(None);
        }
        let next = locked(&self.turns).next(Instant::now())?;
        if next.is_some() && self.has_waiting() {
            // Whoever looks waits for all of them; this one has something to do now.
            self.watch.tell_one();
        }
        Ok(next.map(|(event, tries)| Claim::new(Arc::clone(self), event, tries)))
    }

    fn wait_until(self: &Arc<Self>, deadline: Option<Instant>) -> Result<Option<Claim>, Error> {
        let _waits = Waits::begin(&self.waiting);
        loop {
            if let Some(claim) = self.try_claim()? {
                return Ok(Some(claim));
            }
            if self.name.inner.arrivals.is_over() {
                return Ok(None);
            }
            // What changes from now on wakes the listener. Where it is there already there is none.
            let Some(listener) = locked(&self.turns).listen(Instant::now())? else {
                continue;
            };
            match self.save_if(1) {
                // It is being closed right now.
                Err(error) if error.kind() == ErrorKind::Closed => return Ok(None),
                saved => saved?,
            }
            if !self.sleep(listener, deadline) {
                return Ok(None);
            }
        }
    }

    /// Sleeps until there may be something new; says whether there is time left.
    fn sleep(&self, listener: EventListener, deadline: Option<Instant>) -> bool {
        if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            return false;
        }
        let due = locked(&self.turns).first_due();
        match deadline.into_iter().chain(due).min() {
            Some(until) => drop(listener.wait_deadline(until)),
            None => listener.wait(),
        }
        true
    }

    pub(crate) fn done(&self, key: &str) -> Result<(), Error> {
        let mut turns = locked(&self.turns);
        turns.done(key, Instant::now());
        let has_more = turns.has_more();
        drop(turns);
        if has_more {
            self.wake();
        }
        self.save_if(SAVE_EVERY)
    }

    /// An event that may not be tried again is parked.
    pub(crate) fn failed(&self, key: &str, reason: &str, may_retry: bool) -> Result<(), Error> {
        let wait = |failures| self.retry.wait_after(failures).filter(|_| may_retry);
        let parked = locked(&self.turns).failed(key, reason, Instant::now(), wait);
        if let Some((shard, position)) = parked {
            notices::parked(&self.name.name, shard, position, reason);
        }
        self.wake();
        self.save()
    }

    fn redrive(&self, key: &str, skips: bool) -> Result<bool, Error> {
        let is_redriven = locked(&self.turns).redrive(key, skips, Instant::now());
        if is_redriven {
            self.wake();
            self.save()?;
        }
        Ok(is_redriven)
    }

    /// Forgets what is gone of the aggregates that are held back, and saves that.
    pub(crate) fn forget_given_up(&self) -> Result<(), Error> {
        let held = locked(&self.turns).held().clone();
        for (key, held) in &held {
            let left = left_of(&self.name.inner, key, held)?;
            locked(&self.turns).give_up(key, held, left);
        }
        self.save_if(1)
    }

    fn has_waiting(&self) -> bool {
        // Relaxed: who began to wait before the turns were changed is seen by their lock, and who
        // began after sees the change.
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// Wakes consumers that wait: something is free, or due at another time.
    fn wake(&self) {
        if self.has_waiting() {
            self.watch.tell();
        }
    }

    fn save(&self) -> Result<(), Error> {
        let saved = self.name.inner.subscriptions.save(|| self.saved());
        if saved.is_err() {
            // Whoever comes to rest tries again, and who closes it.
            locked(&self.turns).unsaved += 1;
        }
        saved
    }

    /// What is to be kept now; it counts as kept.
    pub(crate) fn saved(&self) -> Saved {
        let mut turns = locked(&self.turns);
        turns.unsaved = 0;
        turns.snapshot()
    }

    fn save_if(&self, unsaved: u64) -> Result<(), Error> {
        let is_due = locked(&self.turns).unsaved >= unsaved;
        if is_due { self.save() } else { Ok(()) }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // Nobody is left to be told; what is not saved comes again.
        let _ = self.save_if(1);
    }
}

/// Counts a consumer as waiting for as long as it is there.
struct Waits<'g>(&'g AtomicUsize);

impl<'g> Waits<'g> {
    fn begin(waiting: &'g AtomicUsize) -> Self {
        waiting.fetch_add(1, Ordering::Relaxed);
        Self(waiting)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
