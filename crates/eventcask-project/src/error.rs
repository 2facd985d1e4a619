//! Why a definition or stored bytes are refused, as sentences.

use eventcask_event::Invalid;

use crate::{MAX_AGGREGATIONS, MAX_PATH_BYTES, MAX_PATH_DEPTH};

/// Why a view can not be defined so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpecError {
    /// A path that names no field.
    #[error(
        "{path:?} is not the path of a field: names joined by dots are expected, such as customer.id, at most {MAX_PATH_DEPTH} names and {MAX_PATH_BYTES} bytes"
    )]
    Path {
        /// The path that was given.
        path: String,
    },
    /// A text that is no aggregation.
    #[error(
        "{text:?} is not an aggregation: count, count:FIELD, sum:FIELD, min:FIELD, max:FIELD or mean:FIELD is expected"
    )]
    Aggregation {
        /// The text that was given.
        text: String,
    },
    /// No aggregation at all.
    #[error("a view needs at least one aggregation, such as count")]
    NoAggregation,
    /// More aggregations than a view may have.
    #[error("the view has {given} aggregations; at most {MAX_AGGREGATIONS} are allowed")]
    TooManyAggregations {
        /// How many were given.
        given: usize,
    },
    /// The same aggregation twice.
    #[error("the aggregation {text} is given twice")]
    Duplicate {
        /// The aggregation.
        text: String,
    },
    /// An aggregation that the view does not have.
    #[error("the view has no value {text:?}; it has {known}")]
    Absent {
        /// The aggregation that was asked for.
        text: String,
        /// Those that there are.
        known: String,
    },
    /// A text that is no window.
    #[error(
        "{text:?} is not a window: a width and a time field are expected, such as 1h:time_hour, with the width in s, m, h or d"
    )]
    Window {
        /// The text that was given.
        text: String,
    },
    /// A text that is no time to keep rows for.
    #[error(
        "{text:?} is not a time to keep rows for: a whole number of s, m, h or d is expected, such as 30d"
    )]
    Keep {
        /// The text that was given.
        text: String,
    },
    /// Rows can only be dropped by the end of their window.
    #[error(
        "the view has no windows, so all its rows are kept; give it a window as well, such as 1h:time_hour"
    )]
    KeepWithoutWindow,
    /// An event type that no event can have.
    #[error(transparent)]
    EventType(#[from] Invalid),
    /// A stored definition that is not JSON of the expected shape.
    #[error("the stored definition of the view can not be read: {reason}")]
    Json {
        /// What the JSON parser said.
        reason: String,
    },
}

/// Why bytes are not the state of a view.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes end before the state does.
    #[error("the view's state is cut short; rebuild the view")]
    Truncated,
    /// The bytes were written by a version with another layout.
    #[error(
        "the view's state has layout {found}, which this version can not read; rebuild the view"
    )]
    Version {
        /// The layout's number.
        found: u8,
    },
    /// The state is of a view that was defined differently.
    #[error("the state is of another definition of the view; rebuild the view")]
    OtherSpec,
    /// The bytes contradict themselves.
    #[error("the view's state is damaged: {0}; rebuild the view")]
    Malformed(&'static str),
}
