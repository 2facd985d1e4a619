//! Consumers that share the events of one subscription out among them.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use crate::follow::filter::Filter;
use crate::follow::parked::Parked;
use crate::follow::saved::{Blocked, Saved, Saves};
use crate::store::inner::Inner;
use crate::subscribe::dispatcher::Dispatcher;
use crate::subscribe::durable::HeldName;
use crate::subscribe::shared::Shared;
use crate::subscribe::{Claim, Retry};
use crate::sync::locked;
use crate::{Error, Event, StoreReader, Subscription};

/// A named subscription whose events are shared out among consumers. Clones are consumers of the
/// same group, one a thread.
///
/// The events of one aggregate are handled one after the other, in order; those of different
/// aggregates at the same time. An event that fails is tried again by [`Retry`], then its aggregate
/// is parked: it and all later events of that aggregate wait until they are
/// [redriven](Self::redrive), and everything else goes on. What is parked is kept as a reference
/// into the log, at most 10,000 aggregates.
///
/// Events whose aggregate is being handled wait in memory, at most 256 of them with blocks of 64
/// MiB: where a slow aggregate has that many, those of all others wait for it too, until one of its
/// events is answered.
///
/// Progress is saved after each failure, when there is nothing more to hand out, once in a thousand
/// events, by [`checkpoint`](Self::checkpoint), when the last clone is dropped, and when the store
/// is closed. After a crash, only events that were acknowledged since the last of these are
/// delivered again. Progress never passes an event that is not handled, so each is handled at least
/// once.
///
/// ```
/// # let directory = tempfile::tempdir()?;
/// # let store = eventcask::open(directory.path().join("s"))?;
/// use eventcask::NewEvent;
/// use eventcask::subscribe::Retry;
/// let mut producer = store.producer();
/// for key in ["order-1", "order-2", "order-1"] {
///     producer.push(key, &NewEvent::json("Placed", b"{}"))?;
/// }
/// producer.flush()?.wait()?;
///
/// let group = store.events().group("mailer", Retry::new(1))?;
/// let mut mailed = Vec::new();
/// while let Some(claim) = group.try_claim()? {
///     match claim.event().key() {
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
/// assert_eq!(claim.event().version(), 1);
/// claim.ack()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "what it holds is given back when it is dropped"]
pub struct ConsumerGroup {
    shared: Arc<Shared>,
}

impl Parked {
    /// Those that are parked of all that are held back.
    pub(crate) fn all_of(held: &BTreeMap<String, Blocked>) -> Vec<Self> {
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
        let mut dispatcher = Dispatcher::new(inner, name, filter, start(saved.as_ref())?);
        dispatcher.hold(saved.unwrap_or_default().held, Instant::now());
        let shared = Shared {
            name: held_name,
            retry,
            watch: Arc::clone(dispatcher.watch()),
            dispatcher: Mutex::new(dispatcher),
            waiting: AtomicUsize::new(0),
        };
        let shared = Arc::new(shared);
        let saves: Weak<dyn Saves> = Arc::downgrade(&shared) as _;
        inner.subscriptions.add_group(saves);
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
        let next = self.shared.try_claim()?;
        if next.is_none() && self.shared.has_waiting() {
            // The look was not for those who wait: one of them looks again.
            self.shared.watch.tell_one();
        }
        Ok(next.map(|next| self.claim_of(next)))
    }

    /// The next event; waits for it. `None` once the store is closed.
    ///
    /// # Errors
    /// As [`try_claim`](Self::try_claim).
    pub fn claim(&self) -> Result<Option<Claim>, Error> {
        self.wait_until(None)
    }

    /// The next event; waits for it no longer than this.
    ///
    /// # Errors
    /// As [`try_claim`](Self::try_claim).
    pub fn claim_timeout(&self, timeout: Duration) -> Result<Option<Claim>, Error> {
        self.wait_until(Instant::now().checked_add(timeout))
    }

    fn wait_until(&self, deadline: Option<Instant>) -> Result<Option<Claim>, Error> {
        let next = self.shared.wait_until(deadline)?;
        Ok(next.map(|next| self.claim_of(next)))
    }

    fn claim_of(&self, (event, tries): (Event, u32)) -> Claim {
        Claim::new(Arc::clone(&self.shared), event, tries)
    }

    /// The aggregates that are parked, by key.
    #[must_use]
    pub fn parked(&self) -> Vec<Parked> {
        Parked::all_of(locked(&self.shared.dispatcher).held())
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
    pub fn checkpoint(&self) -> Result<(), Error> {
        self.shared.save()
    }

    /// One position a shard: all events before are handled, but for those of aggregates that wait
    /// for a retry or are parked. Behind it some may be handled as well, which
    /// [`checkpoint`](Self::checkpoint) keeps too.
    #[must_use]
    pub fn positions(&self) -> Vec<u64> {
        locked(&self.shared.dispatcher).positions()
    }
}

impl StoreReader {
    /// The aggregates that are parked in a group of consumers, by key, as of when it was last
    /// saved, which is whenever one is parked. A [`ConsumerGroup`] of that name redrives them.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path())?;
    /// use eventcask::NewEvent;
    /// use eventcask::subscribe::Retry;
    /// let mut producer = store.producer();
    /// producer.push("order-1", &NewEvent::json("Placed", b"{}"))?;
    /// producer.flush()?.wait()?;
    /// let group = store.events().group("mailer", Retry::default())?;
    /// group.try_claim()?.ok_or("one is there")?.park("the address is wrong")?;
    ///
    /// assert_eq!(store.parked("mailer")?[0].key, "order-1");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn parked(&self, name: &str) -> Result<Vec<Parked>, Error> {
        let saved = self.inner.subscriptions.saved(name)?;
        Ok(Parked::all_of(&saved.held))
    }
}
