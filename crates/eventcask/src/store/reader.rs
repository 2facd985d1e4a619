//! The handle by which a store is read.

use std::sync::Arc;

use eventcask_event::{RouteBy, Timestamp};

use crate::store::inner::Inner;

/// An open event store, as far as it is read: a cheap handle that can be cloned and shared between
/// threads. From [`Options::open_read_only`](crate::Options::open_read_only).
///
/// A [`Store`](crate::Store) has all of its methods, and those that write beside them.
///
/// ```
/// # let directory = tempfile::tempdir()?;
/// # let bank = directory.path().join("bank");
/// use eventcask::{NewEvent, Store, StoreReader};
/// let store = eventcask::open(&bank)?;
/// let mut producer = store.producer();
/// producer.push("account-1", &NewEvent::json("Opened", b"{}"))?;
/// producer.flush()?.wait()?;
///
/// let keys = |store: &StoreReader| -> Result<Vec<String>, eventcask::Error> {
///     store.events().iter().map(|event| Ok(event?.key().to_owned())).collect()
/// };
/// assert_eq!(keys(&store)?, ["account-1"]);
/// assert_eq!(keys(&Store::options().open_read_only(&bank)?)?, ["account-1"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// ```compile_fail,E0599
/// # let directory = tempfile::tempdir()?;
/// let reader = eventcask::Store::options().open_read_only(directory.path())?;
/// reader.producer();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct StoreReader {
    pub(crate) inner: Arc<Inner>,
}

impl StoreReader {
    /// Ends the subscriptions to a store that is open for reading only. The handle of a store that
    /// is open for writing is only dropped.
    pub fn close(self) {
        if self.inner.engine.is_none() {
            self.inner.arrivals.end();
        }
    }

    /// Number of shards.
    #[must_use]
    pub fn shards(&self) -> u32 {
        self.inner.manifest.shards
    }

    /// The shard that an aggregate belongs to.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path())?;
    /// assert!(store.shard_of("account-42") < store.shards());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn shard_of(&self, key: &str) -> u32 {
        self.inner.shard_of(key)
    }

    /// By which part of its key an aggregate finds its shard.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// use eventcask::{RouteBy, Store};
    /// let store = Store::options().route_by(RouteBy::Category).open(directory.path())?;
    /// assert_eq!(store.route_by(), RouteBy::Category);
    /// assert_eq!(store.shard_of("order-7"), store.shard_of("order-8"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn route_by(&self) -> RouteBy {
        self.inner.manifest.route_by
    }

    /// When the store was made.
    #[must_use]
    pub fn created(&self) -> Timestamp {
        Timestamp::from_nanos(self.inner.manifest.created)
    }

    /// The position after the last durable event, one a shard.
    #[must_use]
    pub fn positions(&self) -> Vec<u64> {
        self.inner.positions()
    }
}
