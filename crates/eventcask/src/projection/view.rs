//! One view, as it is asked.

use std::sync::Arc;

use eventcask_event::Timestamp;
use eventcask_project::{MergedStates, SpecError, ViewRow, ViewSpec, ViewState};

use crate::projection::view_past;
use crate::projection::views::LiveView;
use crate::stats::ViewStats;
use crate::store::inner::Inner;
use crate::{Error, Store, StoreReader};

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
#[derive(Debug, Clone)]
pub struct View {
    inner: Arc<Inner>,
    live: Arc<LiveView>,
}

impl View {
    pub(crate) fn new(inner: Arc<Inner>, live: Arc<LiveView>) -> Self {
        Self { inner, live }
    }

    /// Name of the view.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.live.name
    }

    /// What it aggregates.
    #[must_use]
    pub fn spec(&self) -> &ViewSpec {
        &self.live.spec
    }

    /// How far it is, and what it left out: as of when it was last saved, where nobody has asked it or
    /// stored an event since the store was opened. Its rows are not read for it.
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
        // The view may have been rebuilt since this handle was made.
        let live = self.inner.views.find(self.name());
        let live = live.as_ref().unwrap_or(&self.live);
        self.inner.views.stats(live)
    }

    /// The row of a key, or one row for each of its windows; none where there is no event.
    ///
    /// # Errors
    /// Why the view has stopped, or [`Error::UnknownView`] once it was dropped.
    pub fn get(&self, key: &str) -> Result<Vec<ViewRow>, Error> {
        self.ask(|states| states.get(key))
    }

    /// All rows, by key and window.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn rows(&self) -> Result<Vec<ViewRow>, Error> {
        self.ask(|states| states.rows().collect())
    }

    /// The rows with the highest values of an aggregation, highest first: at most `limit`. Rows of equal
    /// values come by key and window, and those without a value last. Only these rows are copied.
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
        self.ask(|states| states.top(limit, aggregation))?
            .ok_or_else(|| self.absent(aggregation))
    }

    /// How many rows there are.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn row_count(&self) -> Result<usize, Error> {
        self.ask(|states| states.row_count())
    }

    /// The row of a key as of a time, or one row for each of its windows: what
    /// [`get`](Self::get) would have said once all was in that was committed up to then.
    ///
    /// It is made from the events, all shards at once, and from what is saved of the view where that
    /// is from before.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path().join("s"))?;
    /// use eventcask::{Expected, NewEvent, ViewSpec};
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
    /// let then = steps.get_as_of("Ada", first.commit_time())?;
    /// assert_eq!(count(&then).as_deref(), Some("1"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::UnknownView`] once the view was dropped, damage, or what the disk said.
    pub fn get_as_of(&self, key: &str, time: Timestamp) -> Result<Vec<ViewRow>, Error> {
        self.ask_as_of(time, |states| states.get(key))
    }

    /// All rows as of a time, by key and window.
    ///
    /// # Errors
    /// As [`get_as_of`](Self::get_as_of).
    pub fn rows_as_of(&self, time: Timestamp) -> Result<Vec<ViewRow>, Error> {
        self.ask_as_of(time, |states| states.rows().collect())
    }

    /// As [`top`](Self::top), as of a time.
    ///
    /// # Errors
    /// As [`top`](Self::top) and [`get_as_of`](Self::get_as_of).
    pub fn top_as_of(
        &self,
        limit: usize,
        aggregation: &str,
        time: Timestamp,
    ) -> Result<Vec<ViewRow>, Error> {
        self.ask_as_of(time, |states| states.top(limit, aggregation))?
            .ok_or_else(|| self.absent(aggregation))
    }

    fn absent(&self, aggregation: &str) -> Error {
        let known: Vec<_> = self.spec().aggregations().collect();
        let (text, known) = (aggregation.to_owned(), known.join(", "));
        SpecError::Absent { text, known }.into()
    }

    fn ask_as_of<T>(
        &self,
        time: Timestamp,
        question: impl FnOnce(MergedStates<'_>) -> T,
    ) -> Result<T, Error> {
        let Inner { views, readers, .. } = &*self.inner;
        let live = views.find(&self.live.name)?;
        let states: Vec<ViewState> = view_past::states_as_of(views, &live, readers, time)?;
        Ok(question(MergedStates::new(&states)))
    }

    /// Asks the view as it is now, up to date. It may have been rebuilt or dropped since this handle was
    /// made.
    fn ask<T>(&self, question: impl FnOnce(MergedStates<'_>) -> T) -> Result<T, Error> {
        let live = self.inner.views.find(&self.live.name)?;
        let states = self.inner.views.states(&live);
        states.check(&live)?;
        Ok(question(states.merged()))
    }
}

impl StoreReader {
    /// The view of this name.
    ///
    /// # Errors
    /// [`Error::UnknownView`].
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
    /// # Errors
    /// [`Error::ViewExists`], [`Error::BadName`], [`Error::Closed`], or what the disk said.
    pub fn create_view(&self, name: &str, spec: ViewSpec) -> Result<View, Error> {
        self.running()?;
        let live = self.inner.views.create(name, spec)?;
        Ok(View::new(Arc::clone(&self.inner), live))
    }

    /// Fills a view anew from all events, beside the one in use, then puts it in its place.
    ///
    /// # Errors
    /// [`Error::UnknownView`], [`Error::Closed`], or what the disk said.
    pub fn rebuild_view(&self, name: &str) -> Result<(), Error> {
        self.running()?;
        self.inner.views.rebuild(name)
    }

    /// Removes a view and what is kept of it.
    ///
    /// # Errors
    /// [`Error::UnknownView`], [`Error::Closed`], or what the disk said.
    pub fn drop_view(&self, name: &str) -> Result<(), Error> {
        self.running()?;
        self.inner.views.remove(name)
    }
}
