//! Gives events up.
//!
//! They are hidden at once: those of an aggregate by an event in the log that says up to which
//! version, those of the whole store by a small file that says up to which time. Their room is
//! taken back when it is asked for; see [`reclaim`](super::reclaim).

use eventcask_event::{Expected, Timestamp};

use crate::named::Named;
use crate::store::retention;
use crate::{Error, Store};

impl Store {
    /// Gives up the events of an aggregate before a version: readers do not see them any more.
    /// The version of the aggregate rises by one, by the event that says so. Durable when it
    /// returns, as the store's durability says. Views and projections in use keep what they hold
    /// until they are rebuilt or started anew, and read models until they are filled anew;
    /// [`reclaim`](Self::reclaim) takes the room back.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path().join("s"))?;
    /// use eventcask::{Expected, NewEvent};
    /// let steps: Vec<_> = (0..5).map(|_| NewEvent::json("Step", b"{}")).collect();
    /// store.producer().append("walk", Expected::Any, &steps)?.wait()?;
    /// store.truncate_aggregate("walk", 4)?;
    /// assert_eq!(store.aggregate("walk").events()?.count(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NotFound`], or a shard that stopped.
    pub fn truncate_aggregate(&self, key: &str, version: u64) -> Result<(), Error> {
        self.truncate(key, |next| version.min(next))
    }

    /// Gives up all events of an aggregate. What is appended to it later goes on with its
    /// versions. Otherwise as [`truncate_aggregate`](Self::truncate_aggregate).
    ///
    /// # Errors
    /// As [`truncate_aggregate`](Self::truncate_aggregate).
    pub fn delete_aggregate(&self, key: &str) -> Result<(), Error> {
        self.truncate(key, |next| next)
    }

    /// `version` gets that of the truncation itself and tells the first that is kept.
    fn truncate(&self, key: &str, version: impl Fn(u64) -> u64) -> Result<(), Error> {
        self.running()?;
        let mut producer = self.producer();
        loop {
            let newest = self.aggregate(key).version()?;
            if newest == 0 {
                let key = key.to_owned();
                let what = Named::Aggregate;
                return Err(Error::NotFound { what, name: key });
            }
            let first = version(newest + 1);
            let ticket = producer.append_truncation(key, Expected::Exact(newest), first)?;
            match ticket.wait() {
                // Someone appended in between.
                Err(Error::Conflict { .. }) => {}
                other => return other.map(|_stored| ()),
            }
        }
    }

    /// Gives up all events of the store that were committed before a time: readers do not see
    /// them any more. A time that is yet to come gives up what is stored now: what is stored later
    /// can be read. Durable when it returns. Otherwise as
    /// [`truncate_aggregate`](Self::truncate_aggregate).
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path().join("s"))?;
    /// use eventcask::{Expected, NewEvent, Timestamp};
    /// let mut producer = store.producer();
    /// producer.append("walk", Expected::Any, &[NewEvent::json("Step", b"{}")])?.wait()?;
    /// store.truncate_before(Timestamp::from_nanos(i64::MAX))?;
    /// producer.append("walk", Expected::Any, &[NewEvent::json("Step", b"{}")])?.wait()?;
    /// let left = store.events().iter().next().ok_or("what came later")??;
    /// assert_eq!(left.version(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Closed`], or what the disk said.
    pub fn truncate_before(&self, time: Timestamp) -> Result<(), Error> {
        // The store's clock, not the system's: all that is stored later has a later time by it.
        let now = self.running()?.clock.next();
        let inner = &self.inner;
        let before = retention::read(&*inner.storage, &inner.manifest)?.unwrap_or(i64::MIN);
        let time = before.max(time.as_nanos().min(now));
        retention::write(&*inner.storage, &inner.manifest, time)?;
        inner
            .readers
            .iter()
            .for_each(|reader| reader.hide_before(time));
        Ok(())
    }
}
