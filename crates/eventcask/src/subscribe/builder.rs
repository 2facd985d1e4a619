//! Which events a subscription is to, and where it begins.

use std::sync::Arc;

use eventcask_event::Timestamp;

use crate::Store;
use crate::read::filter::Filter;
use crate::read::forwards::Forwards;
use crate::store::handle::Inner;
use crate::subscribe::Retry;
use crate::subscribe::saved::Saved;
use crate::{ConsumerGroup, DurableSubscription, Error, Subscription};

/// Says which events a [`Subscription`] is to; [`start`](Self::start) begins it.
///
/// ```
/// # let directory = tempfile::tempdir()?;
/// # let store = eventcask::open(directory.path().join("s"))?;
/// use eventcask::NewEvent;
/// let mut producer = store.producer();
/// producer.push("account-1", &NewEvent::json("Opened", b"{}"))?;
/// producer.flush()?.wait()?;
///
/// let mut accounts = store.subscribe().key_prefix("account-").start()?;
/// let opened = accounts.try_next()?.ok_or("what was stored comes first")?;
/// assert_eq!(opened.key(), "account-1");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Subscribe {
    inner: Arc<Inner>,
    shard: Option<u32>,
    from: Vec<u64>,
    filter: Filter,
}

impl Subscribe {
    pub(crate) fn new(inner: Arc<Inner>) -> Self {
        let from = vec![0; inner.readers.len()];
        Self {
            inner,
            shard: None,
            from,
            filter: Filter::default(),
        }
    }

    /// Only the events of this shard. They need not wait for those of other shards that were
    /// committed before them.
    pub fn shard(mut self, shard: u32) -> Self {
        self.shard = Some(shard);
        self
    }

    /// Begins at these positions, one a shard; those that are left out begin at 0.
    pub fn from_positions(mut self, positions: &[u64]) -> Self {
        for (from, position) in self.from.iter_mut().zip(positions) {
            *from = *position;
        }
        self
    }

    /// Begins with what is not durable yet.
    pub fn from_now(mut self) -> Self {
        for (from, reader) in self.from.iter_mut().zip(&self.inner.readers) {
            *from = reader.published().watermark;
        }
        self
    }

    /// Only events committed at this time or later. Blocks from before are not read.
    pub fn since(mut self, time: Timestamp) -> Self {
        self.filter.since = time;
        self
    }

    /// Only events of the types with these names. No others are decompressed.
    pub fn types<S: AsRef<str>>(mut self, types: &[S]) -> Self {
        let names = types.iter().map(|name| name.as_ref().to_owned());
        self.filter.types = Some(names.collect());
        self
    }

    /// Only events of aggregates whose key begins like this. Of a block that has none, nothing is
    /// decompressed but the keys.
    pub fn key_prefix(mut self, prefix: &str) -> Self {
        self.filter.key_prefix = Some(prefix.to_owned());
        self
    }

    /// Begins a subscription whose progress is kept under a name, or goes on with it: what was
    /// saved counts more than where this one would begin. What it is to can change from one time
    /// to the next. A name is held once at a time.
    ///
    /// # Errors
    /// [`Error::SubscriptionInUse`], [`Error::BadName`], [`Error::ReadOnly`], damage, or
    /// what the disk said.
    pub fn named(&self, name: &str) -> Result<DurableSubscription, Error> {
        DurableSubscription::start(&self.inner, name, |saved| self.start_at(saved))
    }

    /// Begins a named subscription whose events are shared out among consumers, or goes on with it;
    /// otherwise as [`named`](Self::named).
    ///
    /// # Errors
    /// As [`named`](Self::named).
    pub fn group(&self, name: &str, retry: Retry) -> Result<ConsumerGroup, Error> {
        let filter = self.filter.clone();
        ConsumerGroup::start(&self.inner, name, retry, filter, |saved| {
            self.start_at(saved)
        })
    }

    fn start_at(&self, saved: Option<&Saved>) -> Result<Subscription, Error> {
        match saved {
            Some(saved) => self.clone().from_positions(&saved.positions).start(),
            None => self.start(),
        }
    }

    /// Begins the subscription.
    ///
    /// # Errors
    /// Damage, or what the disk said.
    pub fn start(&self) -> Result<Subscription, Error> {
        let mut cursors = Vec::new();
        for reader in &self.inner.readers {
            if self.shard.is_none_or(|shard| shard == reader.shard()) {
                let from = self.from[reader.shard() as usize];
                let since = reader.end_before(self.filter.since.as_nanos())?;
                cursors.push(Forwards::new(reader, from.max(since)));
            }
        }
        Ok(Subscription::new(
            Arc::clone(&self.inner),
            cursors,
            self.filter.clone(),
            self.from.clone(),
        ))
    }
}

impl Store {
    /// Says which events a subscription is to: what is stored, and then what is new.
    pub fn subscribe(&self) -> Subscribe {
        Subscribe::new(Arc::clone(&self.inner))
    }
}
