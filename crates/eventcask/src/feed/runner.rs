//! The feeding of one read model, as it is set up and held.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use eventcask_event::{EventId, Place, Timestamp};
use eventcask_log::Error as LogError;

use crate::StoreReader;
use crate::feed::cursor::Cursor;
use crate::feed::feeder::{Feeder, Limits};
use crate::follow::feeds::FeedState;
use crate::follow::filter::Filter;
use crate::follow::reached::{self, Follows};
use crate::named::Named;
use crate::store::inner::Inner;
use crate::{Error, Reached, ReadModel, Timeout};

/// Events of a transaction at most, unless set. Measured with SQLite and redb up to here: this was
/// the fastest, and a transaction of this size takes some 30 ms; see docs/READ_MODELS.md.
const BATCH_EVENTS: usize = 5_000;
/// Bytes of keys and payloads of a transaction at most, unless set: 5,000 events of 1 KiB.
const BATCH_BYTES: usize = 5 << 20;

/// How a read model is fed; [`start`](Self::start) begins. See
/// [`Store::read_model`](crate::StoreReader::read_model).
///
/// A transaction takes what there is as soon as the one before is done, up to the limits: under
/// load it grows by itself, and a single event need not wait.
#[must_use]
pub struct ReadModelOptions {
    inner: Arc<Inner>,
    model: Box<dyn ReadModel>,
    limits: Limits,
}

impl std::fmt::Debug for ReadModelOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReadModelOptions")
            .field("model", &self.model.name())
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl ReadModelOptions {
    pub(crate) fn new(inner: Arc<Inner>, model: Box<dyn ReadModel>) -> Self {
        let limits = Limits {
            events: BATCH_EVENTS,
            bytes: BATCH_BYTES,
            delay: Duration::ZERO,
            filter: Filter::default(),
        };
        Self {
            inner,
            model,
            limits,
        }
    }

    /// A transaction takes so many events at most, and at least one; 5,000 by default.
    pub fn batch_events(mut self, events: usize) -> Self {
        self.limits.events = events.max(1);
        self
    }

    /// A transaction takes so many bytes of keys and payloads at most, and at least one event; 5
    /// MiB by default.
    pub fn batch_bytes(mut self, bytes: usize) -> Self {
        self.limits.bytes = bytes.max(1);
        self
    }

    /// An event waits so long at most for others to share its transaction; not at all by default.
    pub fn batch_delay(mut self, delay: Duration) -> Self {
        self.limits.delay = delay;
        self
    }

    /// Only events of the types with these names, as
    /// [`EventQuery::types`](crate::EventQuery::types). A model that wants other events than before
    /// does not get old ones: have it filled anew.
    pub fn types<S: AsRef<str>>(mut self, types: &[S]) -> Self {
        let names = types.iter().map(|name| name.as_ref().to_owned());
        self.limits.filter.types = Some(names.collect());
        self
    }

    /// Only events of aggregates whose key begins like this, as
    /// [`EventQuery::key_prefix`](crate::EventQuery::key_prefix).
    pub fn key_prefix(mut self, prefix: &str) -> Self {
        self.limits.filter.key_prefix = Some(prefix.to_owned());
        self
    }

    /// Only events of this conversation, as
    /// [`EventQuery::correlation`](crate::EventQuery::correlation).
    pub fn correlation(mut self, id: EventId) -> Self {
        self.limits.filter.carrying.correlation = Some(id);
        self
    }

    /// Only events with this tag, as [`EventQuery::tag`](crate::EventQuery::tag).
    pub fn tag(mut self, name: &str, value: &str) -> Self {
        let tag = (name.to_owned(), value.to_owned());
        self.limits.filter.carrying.tags.push(tag);
        self
    }

    /// Only events committed at this time or later, as
    /// [`EventQuery::since`](crate::EventQuery::since).
    pub fn since(mut self, time: Timestamp) -> Self {
        self.limits.filter.since = time;
        self
    }

    /// Feeds the model by a thread, from where it is, for as long as the handle is held.
    ///
    /// # Errors
    /// [`Error::InUse`]; [`Error::Stopped`] where the model does not say how far
    /// it is, or holds events that the store has not; damage, or what the disk said.
    pub fn start(mut self) -> Result<ReadModelRunner, Error> {
        let name = self.model.name().to_owned();
        let shards = self.inner.readers.len();
        let Some(state) = self.inner.feeds.add(&name, shards) else {
            let what = Named::ReadModel;
            return Err(Error::InUse { what, name });
        };
        // From here on the handle's end takes the feed out of the store.
        let mut feed = ReadModelRunner {
            inner: Arc::clone(&self.inner),
            state,
            thread: None,
        };
        let cursors = self.begin(&name)?;
        feed.state.moved_to(cursors.iter().map(Cursor::position));
        let (state, store) = (Arc::clone(&feed.state), self.inner.manifest.store);
        let feeder = Feeder::new(self.model, state, store, cursors, self.limits);
        let thread = std::thread::Builder::new().name("eventcask-feed".to_owned());
        let started = thread.spawn(move || feeder.run());
        feed.thread =
            Some(started.map_err(|error| LogError::io("start", "the thread of a feed", error))?);
        Ok(feed)
    }

    /// Asks the model how far it is, and holds that against the store.
    fn begin(&mut self, name: &str) -> Result<Vec<Cursor>, Error> {
        let stopped = |reason: String| Error::Stopped {
            what: Named::ReadModel,
            name: name.to_owned(),
            shard: None,
            reason,
        };
        let known = self.model.progress(self.inner.manifest.store);
        let known = known.map_err(|error| stopped(error.to_string()))?;
        let shards = self.inner.readers.len() as u32;
        if let Some(other) = known.iter().find(|progress| progress.shard >= shards) {
            let sentence = format!("it has events of shard {}, which is not there", other.shard);
            return Err(stopped(sentence));
        }
        let readers = self.inner.readers.iter();
        let cursors = readers.map(|reader| {
            let progress = known.iter().find(|one| one.shard == reader.shard());
            let cursor = Cursor::begin(reader, progress.copied());
            match cursor.check()? {
                Some(reason) => Err(stopped(reason)),
                None => Ok(cursor),
            }
        });
        cursors.collect()
    }
}

/// A read model that is being fed, until this is dropped or [stopped](Self::stop).
///
/// Its thread reads what is durable from the log, at the pace of the model: it holds up no writer
/// and no other reader.
#[must_use = "the model is fed until this is dropped"]
pub struct ReadModelRunner {
    inner: Arc<Inner>,
    state: Arc<FeedState>,
    thread: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for ReadModelRunner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReadModelRunner")
            .field("model", &self.state.name)
            .field("positions", &self.state.positions())
            .field("failure", &self.state.failure())
            .finish_non_exhaustive()
    }
}

impl ReadModelRunner {
    /// Name of the model.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.state.name
    }

    /// Position after the last event that the model holds, one a shard. Where it has stopped it
    /// stays where it is. Its lag behind the store is in
    /// [`Stats::read_models`](crate::stats::Stats::read_models).
    #[must_use]
    pub fn positions(&self) -> Vec<u64> {
        self.state.positions()
    }

    /// Why the model has stopped, if it has. What it holds stays as it was; once the reason is
    /// mended, a new feed goes on from there.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        self.state.failure()
    }

    /// Waits until the model holds the event at a place, such as the one that an append was
    /// answered. Returns the position after the last event that it holds of that shard then, which
    /// is not past the place where [`Timeout::Stale`] is over.
    ///
    /// # Errors
    /// [`Error::Behind`] where [`Timeout::Error`] is over, [`Error::Stopped`] where the
    /// model has stopped before it, [`Error::NotFound`], or
    /// [`ErrorKind::Closed`](crate::ErrorKind::Closed) where the store was closed before it.
    pub fn wait_for(&self, place: Place, timeout: Timeout) -> Result<u64, Error> {
        self.reaches(place).wait(timeout)
    }

    /// As [`wait_for`](Self::wait_for), to be awaited from any async runtime. Time-outs are those
    /// of the runtime.
    ///
    /// ```
    /// /// Returns once the model holds what was appended.
    /// async fn append_and_see(
    ///     producer: &mut eventcask::Producer,
    ///     feed: &eventcask::ReadModelRunner,
    /// ) -> Result<(), Box<dyn std::error::Error>> {
    ///     let event = eventcask::NewEvent::json("Deposited", b"{}");
    ///     let ticket = producer.append("ada", eventcask::Expected::Any, &[event])?;
    ///     feed.reaches(ticket.await?.place()).await?;
    ///     Ok(())
    /// }
    /// ```
    pub fn reaches(&self, place: Place) -> Reached {
        let state: Arc<FeedState> = Arc::clone(&self.state);
        Reached::new(state, place)
    }

    /// Waits until the model holds all that is durable now. Returns the position after the last
    /// event that it holds of each shard then, which is less than that where [`Timeout::Stale`] is
    /// over.
    ///
    /// # Errors
    /// As [`wait_for`](Self::wait_for).
    pub fn catch_up(&self, timeout: Timeout) -> Result<Vec<u64>, Error> {
        let state: Arc<dyn Follows> = Arc::<FeedState>::clone(&self.state);
        reached::catch_up(&state, &self.inner.positions(), timeout)
    }

    /// Ends the feed, once the transaction in hand is done.
    ///
    /// # Errors
    /// [`Error::Stopped`] where the model had stopped already.
    pub fn stop(mut self) -> Result<(), Error> {
        self.end();
        match self.state.failure() {
            Some(reason) => Err(self.state.stopped(&reason)),
            None => Ok(()),
        }
    }

    fn end(&mut self) {
        self.state.stop();
        if let Some(thread) = self.thread.take() {
            // Panics are caught in it, and told by the failure.
            let _ = thread.join();
        }
        self.state.end();
    }
}

impl Drop for ReadModelRunner {
    fn drop(&mut self) {
        self.end();
        self.inner.feeds.remove(&self.state);
    }
}

impl StoreReader {
    /// Says how a read model in a database of its own is to be fed with the events of this store;
    /// [`ReadModelOptions::start`] begins. In a store that is open for reading only, it is fed with
    /// what [`refresh`](Self::refresh) finds.
    pub fn read_model(&self, model: impl ReadModel) -> ReadModelOptions {
        ReadModelOptions::new(Arc::clone(&self.inner), Box::new(model))
    }
}
