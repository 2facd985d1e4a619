//! What a view aggregates, checked and compiled once.

use eventcask_event::{Encoding, Events, check_type};
use serde::{Deserialize, Serialize};

use crate::aggregation::Aggregation;
use crate::path::check_path;
use crate::plan::Plan;
use crate::window::{NO_TIME, Window};
use crate::{MAX_AGGREGATIONS, SpecError};

/// What a view aggregates: by which key, which fields, of which events, in which windows.
///
/// Paths are names joined by dots (`customer.id`). A path is looked for as one whole name first, as
/// the columns of flattened tables have them, then name by name: of the members of an object that
/// fit its beginning the one with the longest name counts. See [`ViewState`](crate::ViewState) for
/// what is counted.
///
/// ```
/// use eventcask_project::ViewSpec;
///
/// let spec = ViewSpec::new("carrier", &["count", "max:dep_delay"], None, Some("1h:time_hour"))?;
/// assert_eq!(spec.aggregations().collect::<Vec<_>>(), ["count", "max:dep_delay"]);
/// assert_eq!(ViewSpec::from_json(&spec.to_json())?, spec);
/// # Ok::<(), eventcask_project::SpecError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct ViewSpec {
    key: String,
    event_type: Option<String>,
    window: Option<Window>,
    aggregations: Vec<Aggregation>,
    plan: Plan,
}

/// The definition as it is stored. The order of the fields is the order in the text.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    key: String,
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    event_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    window: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    keep: Option<String>,
    aggregations: Vec<String>,
}

impl ViewSpec {
    /// A definition of a view.
    ///
    /// * `key`: path of the field to group by.
    /// * `aggregations`: `count`, `count:FIELD`, `sum:FIELD`, `min:FIELD`, `max:FIELD`,
    ///   `mean:FIELD`; 1 to [`MAX_AGGREGATIONS`], none twice.
    /// * `event_type`: only events of this type count.
    /// * `window`: `1h:FIELD` splits each group into tumbling windows aligned to the start of
    ///   1970 (UTC). The width is a whole number of `s`, `m`, `h` or `d`. The field holds
    ///   RFC 3339 text, or a number of seconds, milliseconds, microseconds or nanoseconds since
    ///   the start of 1970, told apart by size as the table of
    ///   [`Timestamp`](eventcask_event::Timestamp) says.
    ///
    /// ```
    /// use eventcask_project::{SpecError, ViewSpec};
    ///
    /// assert!(ViewSpec::new("customer.id", &["mean:total"], Some("Order"), None).is_ok());
    /// let unknown = ViewSpec::new("carrier", &["median:dep_delay"], None, None);
    /// assert!(matches!(unknown, Err(SpecError::Aggregation { .. })));
    /// ```
    ///
    /// # Errors
    /// What is wrong with the first argument that can not be taken.
    pub fn new(
        key: &str,
        aggregations: &[&str],
        event_type: Option<&str>,
        window: Option<&str>,
    ) -> Result<Self, SpecError> {
        check_path(key)?;
        check_count(aggregations)?;
        event_type.map_or(Ok(()), check_type)?;
        let mut plan = Plan::default();
        plan.key = plan.fields.add(key);
        let window = window.map(Window::parse).transpose()?;
        plan.time = window
            .as_ref()
            .map(|window| plan.fields.add(window.field()));
        let aggregations = compile(aggregations, &mut plan)?;
        let event_type = event_type.map(str::to_owned);
        Ok(Self {
            key: key.to_owned(),
            event_type,
            window,
            aggregations,
            plan,
        })
    }

    /// The same with windows whose rows are kept for a time only: for a whole number of `s`, `m`,
    /// `h` or `d` after the end of the window.
    ///
    /// It is measured against the newest time of an event that the view has seen, never against the
    /// clock: so the rows follow from the events alone, and a rebuilt view gives the same answers.
    /// An event of a window whose rows are dropped counts no more; and one whose time lies far
    /// ahead of all others drops what is older.
    ///
    /// ```
    /// use eventcask_project::ViewSpec;
    ///
    /// let spec = ViewSpec::new("carrier", &["count"], None, Some("1h:time_hour"))?.keep("30d")?;
    /// assert_eq!(spec.kept(), Some("30d"));
    /// assert!(ViewSpec::new("carrier", &["count"], None, None)?.keep("30d").is_err());
    /// # Ok::<(), eventcask_project::SpecError>(())
    /// ```
    ///
    /// # Errors
    /// [`SpecError::Keep`] for a text that is no such time, [`SpecError::KeepWithoutWindow`].
    pub fn keep(mut self, time: &str) -> Result<Self, SpecError> {
        let window = self.window.as_mut();
        window.ok_or(SpecError::KeepWithoutWindow)?.keep(time)?;
        Ok(self)
    }

    /// The definition that [`to_json`](Self::to_json) wrote.
    ///
    /// # Errors
    /// [`SpecError::Json`] for text of another shape, and all errors of [`new`](Self::new).
    pub fn from_json(text: &str) -> Result<Self, SpecError> {
        let stored: Stored = serde_json::from_str(text).map_err(|error| SpecError::Json {
            reason: error.to_string(),
        })?;
        let aggregations: Vec<_> = stored.aggregations.iter().map(String::as_str).collect();
        let (event_type, window) = (stored.event_type.as_deref(), stored.window.as_deref());
        let spec = Self::new(&stored.key, &aggregations, event_type, window)?;
        stored
            .keep
            .iter()
            .try_fold(spec, |spec, time| spec.keep(time))
    }

    /// The definition as JSON text, the same for equal definitions.
    ///
    /// ```
    /// use eventcask_project::ViewSpec;
    ///
    /// let spec = ViewSpec::new("carrier", &["count"], Some("Flight"), None)?;
    /// assert_eq!(spec.to_json(), r#"{"key":"carrier","type":"Flight","aggregations":["count"]}"#);
    /// # Ok::<(), eventcask_project::SpecError>(())
    /// ```
    #[must_use]
    pub fn to_json(&self) -> String {
        let stored = Stored {
            key: self.key.clone(),
            event_type: self.event_type.clone(),
            window: self.window().map(str::to_owned),
            keep: self.kept().map(str::to_owned),
            aggregations: self.aggregations().map(str::to_owned).collect(),
        };
        serde_json::to_string(&stored).expect("texts and lists of texts are JSON")
    }

    /// Path of the field to group by.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The only event type that counts, if there is one; a reader may leave all others shut.
    #[must_use]
    pub fn event_type(&self) -> Option<&str> {
        self.event_type.as_deref()
    }

    /// The window as it was given, such as `1h:time_hour`.
    #[must_use]
    pub fn window(&self) -> Option<&str> {
        self.window.as_ref().map(Window::text)
    }

    /// How long the rows of a window are kept, as it was given, such as `30d`; none where it is for
    /// ever.
    #[must_use]
    pub fn kept(&self) -> Option<&str> {
        self.window.as_ref().and_then(Window::kept)
    }

    /// The aggregations as they were given, in their order.
    pub fn aggregations(&self) -> impl Iterator<Item = &str> {
        self.aggregations.iter().map(Aggregation::text)
    }

    pub(crate) fn compiled(&self) -> &[Aggregation] {
        &self.aggregations
    }

    pub(crate) fn compiled_window(&self) -> Option<&Window> {
        self.window.as_ref()
    }

    /// Whether the rows of a window are dropped, by the newest time of an event.
    pub(crate) fn is_over(&self, window: i64, newest: i64) -> bool {
        let of = self.window.as_ref();
        newest != NO_TIME && of.is_some_and(|of| of.is_over(window, newest))
    }

    pub(crate) fn plan(&self) -> &Plan {
        &self.plan
    }

    /// One a type of the block: whether its events count.
    pub(crate) fn wanted_types(&self, events: &Events<'_>) -> Vec<bool> {
        let columns = events.columns();
        let ends = columns.type_name_ends.iter().map(|end| *end as usize);
        let starts = std::iter::once(0).chain(ends.clone());
        let names = starts
            .zip(ends)
            .map(|(start, end)| columns.type_names.get(start..end));
        let wanted = self.event_type.as_deref();
        names
            .zip(columns.type_encodings.iter())
            .map(|(name, encoding)| {
                *encoding == Encoding::Json as u8 && (wanted.is_none() || wanted == name)
            })
            .collect()
    }
}

fn check_count(aggregations: &[&str]) -> Result<(), SpecError> {
    match aggregations.len() {
        0 => Err(SpecError::NoAggregation),
        1..=MAX_AGGREGATIONS => Ok(()),
        given => Err(SpecError::TooManyAggregations { given }),
    }
}

fn compile(texts: &[&str], plan: &mut Plan) -> Result<Vec<Aggregation>, SpecError> {
    let mut compiled: Vec<Aggregation> = Vec::with_capacity(texts.len());
    for text in texts {
        if compiled.iter().any(|earlier| earlier.text() == *text) {
            return Err(SpecError::Duplicate {
                text: (*text).to_owned(),
            });
        }
        compiled.push(Aggregation::parse(text, plan)?);
    }
    Ok(compiled)
}
