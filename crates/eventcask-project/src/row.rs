//! Answers of a view.

use eventcask_event::Timestamp;
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::cell::Cell;
use crate::{Value, ViewSpec};

/// One group of a view, and one window of it where there are windows.
///
/// As JSON it is one object: `{"key":"UA","window":"2013-01-01T10:00:00Z","count":2}`, without
/// `window` where the view has none.
///
/// ```
/// use eventcask_project::{Value, ViewRow};
///
/// let values = vec![("max:dep_delay".to_owned(), Value::Null)];
/// let row = ViewRow { key: "UA".to_owned(), window: None, values };
/// assert_eq!(serde_json::to_string(&row)?, r#"{"key":"UA","max:dep_delay":null}"#);
/// assert_eq!(row.value("max:dep_delay"), Some(Value::Null));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct ViewRow {
    /// What all events of the row have in common.
    pub key: String,
    /// Start of the window.
    pub window: Option<Timestamp>,
    /// Each aggregation as it was given with its value, in their order.
    pub values: Vec<(String, Value)>,
}

impl ViewRow {
    pub(crate) fn new(spec: &ViewSpec, key: &str, window: Option<i64>, cells: &[Cell]) -> Self {
        let texts = spec.aggregations().map(str::to_owned);
        Self {
            key: key.to_owned(),
            window: window.map(Timestamp::from_nanos),
            values: texts.zip(cells.iter().map(|cell| cell.value())).collect(),
        }
    }

    /// The value of an aggregation, if the view has it.
    #[must_use]
    pub fn value(&self, aggregation: &str) -> Option<Value> {
        self.values
            .iter()
            .find(|(text, _)| text == aggregation)
            .map(|(_, value)| *value)
    }
}

impl Serialize for ViewRow {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("key", &self.key)?;
        if let Some(window) = self.window {
            map.serialize_entry("window", &window.to_string())?;
        }
        for (aggregation, value) in &self.values {
            map.serialize_entry(aggregation, value)?;
        }
        map.end()
    }
}
