//! One view, as it is asked.

use std::sync::Arc;

use eventcask_event::Place;
use eventcask_project::{MergedStates, ViewRow, ViewSpec, ViewState};

use super::as_of::{self, ViewAsOf};
use crate::follow::reached::{self, Follows};
use crate::state::live::LiveProjection;
use crate::state::past;
use crate::state::rebuild::Rebuild;
use crate::state::views::LiveView;
use crate::stats::ViewStats;
use crate::store::inner::Inner;
use crate::{AsOf, Error, Reached, Store, StoreReader, Timeout};

/// A keyed aggregation over the payloads of all events, kept up to date as they come in.
///
/// An answer holds every event that was acknowledged before the question.
///
/// ```
/// # let directory = tempfile::tempdir()?;
/// # let store = eventcask::open(directory.path().join("s"))?;
/// use eventcask::{NewEvent, ViewSpec};
/// let spec = ViewSpec::new("carrier", &["count", "sum:delay"], None, None)?;
/// let delays = store.create_view("delays", spec)?;
///
/// let mut producer = store.producer();
/// producer.push("N14228", &NewEvent::json("Flight", br#"{"carrier":"UA","delay":11}"#))?;
/// producer.push("N24211", &NewEvent::json("Flight", br#"{"carrier":"UA","delay":-2}"#))?;
/// producer.flush()?.wait()?;
///
/// let united = &delays.get("UA")?[0];
/// assert_eq!(united.value("sum:delay").unwrap().number().unwrap().to_string(), "9");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct View {
    inner: Arc<Inner>,
    view: Arc<LiveView>,
}

impl std::fmt::Debug for View {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("View")
            .field("name", &self.name())
            .finish_non_exhaustive()
    }
}

impl View {
    pub(crate) fn new(inner: Arc<Inner>, view: Arc<LiveView>) -> Self {
        Self { inner, view }
    }

    /// Name of the view.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.view.name
    }

    /// What it aggregates.
    #[must_use]
    pub fn spec(&self) -> &ViewSpec {
        &self.view.spec
    }

    /// How far it is, and what it left out: as of when it was last saved, where nobody has asked it
    /// or stored an event since the store was opened. Its rows are not read for it.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path().join("s"))?;
    /// use eventcask::{NewEvent, ViewSpec};
    /// let delays = store.create_view("delays", ViewSpec::new("carrier", &["count"], None, None)?)?;
    /// let mut producer = store.producer();
    /// producer.push("N14228", &NewEvent::json("Flight", b"{}"))?;
    /// producer.flush()?.wait()?;
    /// assert_eq!(delays.stats().left_out.no_key, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn stats(&self) -> ViewStats {
        // Another one of this name may have been made since this handle was.
        let now = self.inner.views.find(self.name());
        now.as_ref().unwrap_or(&self.view).stats()
    }

    /// The row of a key, or one row for each of its windows; none where there is no event.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path())?;
    /// use eventcask::{Expected, NewEvent, ViewSpec};
    /// let flights = store.create_view("flights", ViewSpec::new("carrier", &["count"], None, None)?)?;
    /// let flight = NewEvent::json("Flight", br#"{"carrier":"UA"}"#);
    /// store.append("N14228", Expected::Any, &[flight])?.wait()?;
    ///
    /// assert_eq!(flights.get("UA")?.len(), 1);
    /// assert_eq!(flights.get("AA")?.len(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Why the view has stopped, or [`Error::NotFound`] once it was dropped.
    pub fn get(&self, key: &str) -> Result<Vec<ViewRow>, Error> {
        self.ask(|states| states.get(key))
    }

    /// All rows, by key and window.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path())?;
    /// use eventcask::{Expected, NewEvent, ViewSpec};
    /// let flights = store.create_view("flights", ViewSpec::new("carrier", &["count"], None, None)?)?;
    /// let flight = NewEvent::json("Flight", br#"{"carrier":"UA"}"#);
    /// store.append("N14228", Expected::Any, &[flight])?.wait()?;
    ///
    /// for row in flights.rows()? {
    ///     println!("{}: {:?}", row.key, row.values);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn rows(&self) -> Result<Vec<ViewRow>, Error> {
        self.ask(|states| states.rows().collect())
    }

    /// The rows with the highest values of an aggregation, highest first: at most `limit`. Rows of
    /// equal values come by key and window, and those without a value last. Only these rows are
    /// copied.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path().join("s"))?;
    /// use eventcask::{NewEvent, ViewSpec};
    /// let delays = store.create_view("delays", ViewSpec::new("carrier", &["count"], None, None)?)?;
    /// let mut producer = store.producer();
    /// for carrier in ["AA", "UA", "UA"] {
    ///     let flight = format!(r#"{{"carrier":"{carrier}"}}"#);
    ///     producer.push("N14228", &NewEvent::json("Flight", flight.as_bytes()))?;
    /// }
    /// producer.flush()?.wait()?;
    ///
    /// let most = delays.top(1, "count")?;
    /// assert_eq!(most[0].key, "UA");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Where the view has no such aggregation; otherwise as [`get`](Self::get).
    pub fn top(&self, limit: usize, aggregation: &str) -> Result<Vec<ViewRow>, Error> {
        self.ask(|states| as_of::top(&states, limit, aggregation))?
    }

    /// How many rows there are.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn row_count(&self) -> Result<usize, Error> {
        self.ask(|states| states.row_count())
    }

    /// The view as it was at a moment of the past: with exactly the events that were committed up
    /// to then. [`AsOf::Position`] is taken in each shard.
    ///
    /// It is made from the events, all shards at once, and from what is saved of the view where
    /// that is from before.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path().join("s"))?;
    /// use eventcask::{AsOf, Expected, NewEvent, ViewSpec};
    /// let steps = store.create_view("steps", ViewSpec::new("who", &["count"], None, None)?)?;
    /// let mut producer = store.producer();
    /// let step = NewEvent::json("Step", br#"{"who":"Ada"}"#);
    /// producer.append("walk", Expected::Any, &[step])?.wait()?;
    /// let first = store.aggregate("walk").events()?.next().ok_or("an event")??;
    /// producer.append("walk", Expected::Any, &[step])?.wait()?;
    ///
    /// let count = |rows: &[eventcask::view::ViewRow]| {
    ///     let number = rows[0].value("count").and_then(eventcask::view::Value::number);
    ///     number.map(|number| number.to_string())
    /// };
    /// assert_eq!(count(&steps.get("Ada")?).as_deref(), Some("2"));
    /// let then = steps.as_of(AsOf::Time(first.commit_time()))?;
    /// assert_eq!(count(&then.get("Ada")).as_deref(), Some("1"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NotFound`] once the view was dropped, [`Error::Unsupported`], damage, or what
    /// the disk said.
    pub fn as_of(&self, as_of: AsOf) -> Result<ViewAsOf, Error> {
        let live = self.inner.views.find(self.name())?;
        Ok(ViewAsOf::new(past::states_as_of(&live.live, as_of)?))
    }

    /// Waits until the view holds the event at a place, such as the one that an append was
    /// answered. Returns its position in that shard then, which is not past the place where
    /// [`Timeout::Stale`] is over.
    ///
    /// An answer of the view holds all that was acknowledged before the question. So this is needed
    /// only in a store that is open for reading only, for a place that a writer in another process
    /// gave you; [`StoreReader::refresh`](crate::StoreReader::refresh) gets there.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path().join("s"))?;
    /// use std::time::Duration;
    /// use eventcask::{Expected, NewEvent, Timeout, ViewSpec};
    /// let steps = store.create_view("steps", ViewSpec::new("who", &["count"], None, None)?)?;
    /// let step = NewEvent::json("Step", br#"{"who":"Ada"}"#);
    /// let mut producer = store.producer();
    /// let place = producer.append("walk", Expected::Any, &[step])?.wait()?.place();
    /// let position = steps.wait_for(place, Timeout::Error(Duration::from_secs(5)))?;
    /// assert!(position > place.position);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Behind`] where [`Timeout::Error`] is over, [`Error::Stopped`] where it will not get
    /// there, [`Error::NotFound`] where there is no such shard or the view was dropped, or that the
    /// store was closed.
    pub fn wait_for(&self, place: Place, timeout: Timeout) -> Result<u64, Error> {
        self.reaches(place)?.wait(timeout)
    }

    /// As [`wait_for`](Self::wait_for), to be awaited from any async runtime; time-outs are those
    /// of the runtime. The view is opened by the first look, where nobody has asked for it yet.
    ///
    /// # Errors
    /// [`Error::NotFound`] once the view was dropped.
    pub fn reaches(&self, place: Place) -> Result<Reached, Error> {
        let view = self.inner.views.find(self.name())?;
        let live: Arc<LiveProjection<ViewState>> = Arc::clone(&view.live);
        Ok(Reached::new(live, place))
    }

    /// Waits until the view holds all that this handle of the store shows now. Returns its position
    /// in each shard then, which is less than that where [`Timeout::Stale`] is over. Needed only
    /// where [`wait_for`](Self::wait_for) is.
    ///
    /// # Errors
    /// As [`wait_for`](Self::wait_for).
    pub fn catch_up(&self, timeout: Timeout) -> Result<Vec<u64>, Error> {
        let view = self.inner.views.find(self.name())?;
        let live: Arc<dyn Follows> = Arc::<LiveProjection<ViewState>>::clone(&view.live);
        reached::catch_up(&live, &self.inner.positions(), timeout)
    }

    /// Begins to fill the view anew from all events, on all cores, beside the states in use, which
    /// go on meanwhile. When that is done the new ones take their place, in all shards at once; a
    /// view that has stopped goes on with them. In a store that is open for reading only they are
    /// in memory alone.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path().join("s"))?;
    /// # use eventcask::ViewSpec;
    /// # let steps = store.create_view("steps", ViewSpec::new("who", &["count"], None, None)?)?;
    /// let rebuild = steps.rebuild()?;
    /// println!("{} of {} events", rebuild.progress().events_done, rebuild.progress().events);
    /// assert!(rebuild.wait()?.is_some());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Closed`], or what the system said, where it gave no thread.
    pub fn rebuild(&self) -> Result<Rebuild, Error> {
        self.inner.check_open()?;
        Rebuild::start(&self.inner.views.find(self.name())?.live)
    }

    /// Asks the view as it is now, up to date. It may have been dropped since this handle was made.
    fn ask<T>(&self, question: impl FnOnce(MergedStates<'_>) -> T) -> Result<T, Error> {
        let view = self.inner.views.find(self.name())?;
        let states = view.live.states();
        let mut shards = (0..).zip(&states);
        shards.try_for_each(|(shard, state)| state.check(shard))?;
        let states = states.iter().map(|state| &state.follower.fold.state);
        Ok(question(MergedStates::new(states)))
    }
}

impl StoreReader {
    /// The view of this name.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path())?;
    /// use eventcask::{Expected, NewEvent, ViewSpec};
    /// let flights = store.create_view("flights", ViewSpec::new("carrier", &["count"], None, None)?)?;
    /// let flight = NewEvent::json("Flight", br#"{"carrier":"UA"}"#);
    /// store.append("N14228", Expected::Any, &[flight])?.wait()?;
    ///
    /// assert_eq!(store.view("flights")?.row_count()?, 1);
    /// assert!(store.view("trains").is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn view(&self, name: &str) -> Result<View, Error> {
        Ok(View::new(
            Arc::clone(&self.inner),
            self.inner.views.find(name)?,
        ))
    }

    /// All views, by name.
    #[must_use]
    pub fn views(&self) -> Vec<View> {
        let views = self.inner.views.list().into_iter();
        views
            .map(|live| View::new(Arc::clone(&self.inner), live))
            .collect()
    }
}

impl Store {
    /// Makes a view, fills it with all events and keeps it up to date from then on.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path())?;
    /// use eventcask::{Expected, NewEvent, ViewSpec};
    /// let flights = store.create_view("flights", ViewSpec::new("carrier", &["count"], None, None)?)?;
    /// let flight = NewEvent::json("Flight", br#"{"carrier":"UA"}"#);
    /// store.append("N14228", Expected::Any, &[flight])?.wait()?;
    ///
    /// assert_eq!(flights.row_count()?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InUse`], [`Error::BadName`], [`Error::Closed`], or what the disk said.
    pub fn create_view(&self, name: &str, spec: ViewSpec) -> Result<View, Error> {
        self.running()?;
        let live = self.inner.views.create(name, spec)?;
        Ok(View::new(Arc::clone(&self.inner), live))
    }

    /// Removes a view and what is kept of it.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Closed`], or what the disk said.
    pub fn drop_view(&self, name: &str) -> Result<(), Error> {
        self.running()?;
        self.inner.views.remove(name)
    }
}
