//! How a query for events becomes a subscription: a scan without an end.

use std::sync::Arc;

use crate::follow::saved::Saved;
use crate::read::query::EventQuery;
use crate::read::shard_events::{Order, ShardEvents};
use crate::subscribe::Retry;
use crate::{ConsumerGroup, DurableSubscription, Error, StoreReader, Subscription};

const NO_END: &str =
    "a subscription has no end, and until() gives it one; leave it out, or read with iter()";

impl<S: AsRef<StoreReader>> EventQuery<S> {
    /// Subscribes to the events: what is stored comes first, and then what is new.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path().join("s"))?;
    /// use eventcask::NewEvent;
    /// let mut producer = store.producer();
    /// producer.push("account-1", &NewEvent::json("Opened", b"{}"))?;
    /// producer.flush()?.wait()?;
    ///
    /// let mut accounts = store.events().key_prefix("account-").subscribe()?;
    /// let opened = accounts.try_next()?.ok_or("what was stored comes first")?;
    /// assert_eq!(opened.key(), "account-1");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Unsupported`], [`Error::NotFound`], damage, or what the disk said.
    pub fn subscribe(&self) -> Result<Subscription, Error> {
        self.check_endless()?;
        let shards = self.shards().map(|(reader, from)| {
            let since = reader.end_before(self.filter.since.as_nanos())?;
            let from = since.max(from);
            Ok::<_, Error>(ShardEvents::new(reader, from, Order::OldestFirst))
        });
        Ok(Subscription::new(
            Arc::clone(self.inner()),
            shards.collect::<Result<_, _>>()?,
            self.filter.clone(),
            self.from.clone(),
        ))
    }

    /// A subscription never ends, and would wait for ever where no event can come.
    fn check_endless(&self) -> Result<(), Error> {
        if self.filter.has_end() {
            return Err(Error::Unsupported(NO_END));
        }
        let shards = self.inner().readers.len();
        let unknown = self.shard.filter(|shard| *shard as usize >= shards);
        unknown.map_or(Ok(()), |shard| Err(Error::no_shard(shard)))
    }
}

impl EventQuery {
    /// Begins a subscription whose progress is kept under a name, or goes on with it. Progress that
    /// was saved takes precedence over [`since`](Self::since) and
    /// [`from_position`](Self::from_position). The filter may differ each time. A name is held once
    /// at a time.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path().join("s"))?;
    /// use eventcask::NewEvent;
    /// let mut producer = store.producer();
    /// producer.push("order-1", &NewEvent::json("Placed", b"{}"))?;
    /// producer.flush()?.wait()?;
    ///
    /// let mut letters = store.events().types(&["Placed"]).named("letters")?;
    /// assert_eq!(letters.try_next()?.ok_or("one is there")?.key(), "order-1");
    /// letters.checkpoint()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`subscribe`](Self::subscribe); [`Error::InUse`], [`Error::BadName`].
    pub fn named(&self, name: &str) -> Result<DurableSubscription, Error> {
        DurableSubscription::start(self.inner(), name, |saved| self.subscribe_after(saved))
    }

    /// Begins a named subscription whose events are shared out among consumers, or goes on with it;
    /// otherwise as [`named`](Self::named). [`ConsumerGroup`] has an example.
    ///
    /// # Errors
    /// As [`named`](Self::named).
    pub fn group(&self, name: &str, retry: Retry) -> Result<ConsumerGroup, Error> {
        let filter = self.filter.clone();
        ConsumerGroup::start(self.inner(), name, retry, filter, |saved| {
            self.subscribe_after(saved)
        })
    }

    fn subscribe_after(&self, saved: Option<&Saved>) -> Result<Subscription, Error> {
        match saved {
            Some(saved) => self.clone().from_positions(&saved.positions).subscribe(),
            None => self.subscribe(),
        }
    }
}
