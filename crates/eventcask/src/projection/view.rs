//! One view, as it is asked.

use std::sync::Arc;

use eventcask_event::Timestamp;
use eventcask_project::{ViewRow, ViewSpec, ViewState};

use crate::Error;
use crate::Store;
use crate::projection::view_past;
use crate::projection::views::LiveView;
use crate::store::handle::Inner;

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

    /// The row of a key, or one row for each of its windows; none where there is no event.
    ///
    /// # Errors
    /// Why the view has stopped, or [`Error::UnknownView`] once it was dropped.
    pub fn get(&self, key: &str) -> Result<Vec<ViewRow>, Error> {
        let live = self.current()?;
        let mut merged = ViewState::new(Arc::clone(&live.spec));
        live.each_shard(|_, shard| merged.merge_key(shard.state(), key));
        Ok(merged.get(key))
    }

    /// All rows, by key and window.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn rows(&self) -> Result<Vec<ViewRow>, Error> {
        let live = self.current()?;
        let mut merged = ViewState::new(Arc::clone(&live.spec));
        live.each_shard(|_, shard| merged.merge(shard.state()));
        Ok(merged.rows())
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
    /// let count = |rows: &[eventcask::ViewRow]| {
    ///     let number = rows[0].value("count").and_then(eventcask::Value::number);
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
        Ok(self.as_of(time)?.get(key))
    }

    /// All rows as of a time, by key and window.
    ///
    /// # Errors
    /// As [`get_as_of`](Self::get_as_of).
    pub fn rows_as_of(&self, time: Timestamp) -> Result<Vec<ViewRow>, Error> {
        Ok(self.as_of(time)?.rows())
    }

    fn as_of(&self, time: Timestamp) -> Result<ViewState, Error> {
        let Inner { views, readers, .. } = &*self.inner;
        let live = views.find(&self.live.name)?;
        view_past::state_as_of(views, &live, readers, time)
    }

    /// The view as it is now, up to date.
    fn current(&self) -> Result<Arc<LiveView>, Error> {
        // The view may have been rebuilt or dropped since this handle was made.
        let live = self.inner.views.find(&self.live.name)?;
        live.catch_up_all(&self.inner.readers);
        live.check()?;
        Ok(live)
    }
}

impl Store {
    /// Makes a view, fills it with all events and keeps it up to date from then on.
    ///
    /// # Errors
    /// [`Error::ViewExists`], [`Error::ViewName`], [`Error::ReadOnly`], or what the disk said.
    pub fn create_view(&self, name: &str, spec: ViewSpec) -> Result<View, Error> {
        self.running()?;
        let live = self.inner.views.create(name, spec, &self.inner.readers)?;
        Ok(View::new(Arc::clone(&self.inner), live))
    }

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

    /// Fills a view anew from all events, beside the one in use, then puts it in its place.
    ///
    /// # Errors
    /// [`Error::UnknownView`], [`Error::ReadOnly`], or what the disk said.
    pub fn rebuild_view(&self, name: &str) -> Result<(), Error> {
        self.running()?;
        self.inner.views.rebuild(name, &self.inner.readers)
    }

    /// Removes a view and what is kept of it.
    ///
    /// # Errors
    /// [`Error::UnknownView`], [`Error::ReadOnly`], or what the disk said.
    pub fn drop_view(&self, name: &str) -> Result<(), Error> {
        self.running()?;
        self.inner.views.remove(name)
    }
}
