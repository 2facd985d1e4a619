//! A subscription whose progress is kept.

use std::sync::Arc;
use std::time::Duration;

use crate::Store;
use crate::follow::saved::Saved;
use crate::store::inner::Inner;
use crate::{Error, Event, Subscription};

/// A name that is held, and given back in the end.
#[derive(Debug)]
pub(crate) struct HeldName {
    pub(crate) inner: Arc<Inner>,
    pub(crate) name: String,
}

impl HeldName {
    /// Takes a name; says what is kept of it, if it is known.
    pub(crate) fn take(inner: &Arc<Inner>, name: &str) -> Result<(Self, Option<Saved>), Error> {
        let saved = inner.subscriptions.take(name)?;
        let held = Self {
            inner: Arc::clone(inner),
            name: name.to_owned(),
        };
        Ok((held, saved))
    }
}

impl Drop for HeldName {
    fn drop(&mut self) {
        self.inner.subscriptions.give_back(&self.name);
    }
}

/// A [`Subscription`] whose progress is kept in the store under a name, so that it goes on where
/// it was, also after a crash.
///
/// Progress moves only by [`checkpoint`](Self::checkpoint): that says that everything handed out so
/// far is handled. What was handed out since comes again after a restart, so each event is handled
/// at least once. How often is a choice: a checkpoint is a durable write.
///
/// ```
/// # let directory = tempfile::tempdir()?;
/// # let store = eventcask::open(directory.path().join("s"))?;
/// use eventcask::NewEvent;
/// let mut producer = store.producer();
/// producer.push("account-1", &NewEvent::json("Opened", b"{}"))?;
/// producer.push("account-1", &NewEvent::json("Closed", b"{}"))?;
/// producer.flush()?.wait()?;
///
/// let mut letters = store.events().named("letters")?;
/// let opened = letters.try_next()?.ok_or("two events are there")?;
/// assert_eq!(opened.event_type(), "Opened");
/// letters.checkpoint()?;
/// drop(letters);
///
/// let mut letters = store.events().named("letters")?;
/// let closed = letters.try_next()?.ok_or("one event is left")?;
/// assert_eq!(closed.event_type(), "Closed");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "its name is free again when it is dropped"]
pub struct DurableSubscription {
    subscription: Subscription,
    held: HeldName,
}

impl DurableSubscription {
    pub(crate) fn start(
        inner: &Arc<Inner>,
        name: &str,
        start: impl FnOnce(Option<&Saved>) -> Result<Subscription, Error>,
    ) -> Result<Self, Error> {
        let (held, saved) = HeldName::take(inner, name)?;
        let subscription = start(saved.as_ref())?;
        Ok(Self { subscription, held })
    }

    #[cfg(feature = "stream")]
    pub(crate) fn subscription(&mut self) -> &mut Subscription {
        &mut self.subscription
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.held.name
    }

    /// Says that everything handed out so far is handled, durably.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path())?;
    /// use eventcask::{Expected, NewEvent};
    /// let placed = NewEvent::json("Placed", b"{}");
    /// store.append("order-1", Expected::Any, &[placed])?.wait()?;
    ///
    /// let mut letters = store.events().named("letters")?;
    /// let order = letters.try_next()?.ok_or("one is there")?;
    /// // It is handled here; after this it is not delivered again.
    /// letters.checkpoint()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Closed`](crate::ErrorKind::Closed), or what the disk said; then the
    /// checkpoint before counts.
    pub fn checkpoint(&mut self) -> Result<(), Error> {
        self.held.inner.subscriptions.save(|| Saved {
            name: self.held.name.clone(),
            positions: self.subscription.positions(),
            ..Saved::default()
        })
    }

    /// As [`Subscription::try_next`].
    ///
    /// # Errors
    /// As there.
    pub fn try_next(&mut self) -> Result<Option<Event>, Error> {
        self.subscription.try_next()
    }

    /// As [`Subscription::next_timeout`].
    ///
    /// # Errors
    /// As there.
    pub fn next_timeout(&mut self, timeout: Duration) -> Result<Option<Event>, Error> {
        self.subscription.next_timeout(timeout)
    }

    /// As [`Subscription::next_async`].
    ///
    /// # Errors
    /// As there.
    pub async fn next_async(&mut self) -> Result<Option<Event>, Error> {
        self.subscription.next_async().await
    }

    /// As [`Subscription::is_over`].
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.subscription.is_over()
    }

    /// As [`Subscription::positions`], whether they are saved or not.
    #[must_use]
    pub fn positions(&self) -> Vec<u64> {
        self.subscription.positions()
    }
}

impl Iterator for DurableSubscription {
    type Item = Result<Event, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.subscription.next()
    }
}

impl Store {
    /// Forgets how far a named subscription got. The next one of this name begins anew.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::InUse`], or what
    /// the disk said.
    pub fn drop_subscription(&self, name: &str) -> Result<(), Error> {
        self.running()?;
        self.inner.subscriptions.remove(name)
    }
}
