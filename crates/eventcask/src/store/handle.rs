//! The handle by which a store is written.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::Error;
use crate::follow::waiters::Woken;
use crate::store::engine::Engine;
use crate::store::inner::Inner;
use crate::store::reader::StoreReader;

/// An open event store: a cheap handle that can be cloned and shared between threads. Whatever
/// reads is a method of [`StoreReader`], and so of this too.
///
/// The store is closed when the last handle and the last producer are gone; [`close`](Self::close)
/// does it at once and tells how it went.
#[derive(Debug, Clone)]
pub struct Store {
    reader: StoreReader,
    engine: Arc<Engine>,
}

impl Deref for Store {
    type Target = StoreReader;

    fn deref(&self) -> &StoreReader {
        &self.reader
    }
}

impl AsRef<StoreReader> for Store {
    fn as_ref(&self) -> &StoreReader {
        &self.reader
    }
}

impl AsRef<StoreReader> for StoreReader {
    fn as_ref(&self) -> &StoreReader {
        self
    }
}

impl Store {
    pub(crate) fn new(inner: Arc<Inner>, engine: Arc<Engine>) -> Self {
        let reader = StoreReader { inner };
        Self { reader, engine }
    }

    /// The store for who only reads; it keeps the store open as this handle does.
    #[must_use]
    pub fn reader(&self) -> StoreReader {
        self.reader.clone()
    }

    /// Closes the store: everything handed over is made durable; views, projections and what groups
    /// of consumers have handled are saved; the log gets the mark of a clean end. Other handles and
    /// producers find it closed.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path())?;
    /// use eventcask::{Expected, NewEvent};
    /// let opened = NewEvent::json("Opened", b"{}");
    /// store.append("account-42", Expected::Any, &[opened])?.wait()?;
    /// store.close()?;
    /// let store = eventcask::open(directory.path())?;
    /// assert_eq!(store.aggregate("account-42").version()?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// What the disk said; what was acknowledged is durable all the same. [`Error::Owned`] where a
    /// [`crate::ShardOwner`] is still there.
    pub fn close(self) -> Result<(), Error> {
        if self.engine.owned().load(Ordering::Acquire) > 0 {
            return Err(Error::Owned);
        }
        let inner = &self.inner;
        let kept = inner.subscriptions.end();
        inner.sealer.stop();
        let mut woken = Woken::default();
        // A shard that stopped has answered already.
        let _ = inner.hand_over_appended();
        let save = |is_durable| inner.save_all(is_durable, &mut woken);
        let stopped = self.engine.stop(save);
        inner.feeds.end(&self.positions());
        woken.wake();
        inner.arrivals.end();
        stopped.and(kept)
    }

    /// Makes everything durable on the disk that was handed over before, whatever the store's
    /// durability. What a producer has not flushed is not handed over yet.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// use eventcask::{Durability, Expected, NewEvent, Store};
    /// let options = Store::options().durability(Durability::Os);
    /// let store = options.open(directory.path())?;
    /// let opened = NewEvent::json("Opened", b"{}");
    /// store.append("account-42", Expected::Any, &[opened])?.wait()?;
    /// store.flush()?; // now a power failure can not take it either
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The first refusal of a shard.
    pub fn flush(&self) -> Result<(), Error> {
        self.inner.flush(&self.engine)
    }

    /// Seals all segments that are complete, without giving way to anyone, and returns when it is
    /// done: how many segments. It is done in the background as well; see
    /// [`Options::seal`](crate::Options::seal).
    ///
    /// # Errors
    /// [`Error::Closed`], damage, or what the disk said; a segment that was not sealed is as it
    /// was before.
    pub fn seal(&self) -> Result<u64, Error> {
        self.running()?;
        self.inner.sealer.seal_all()
    }

    /// The writing half, unless the store was closed.
    pub(crate) fn running(&self) -> Result<&Engine, Error> {
        match self.engine.is_running() {
            true => Ok(&self.engine),
            false => Err(Error::Closed),
        }
    }

    pub(crate) fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }
}
