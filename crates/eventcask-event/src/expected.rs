//! What an append expects of its aggregate.

use std::fmt;

/// The state an aggregate must be in for an append to be stored (optimistic concurrency).
///
/// ```
/// use eventcask_event::Expected;
/// assert!(Expected::Exact(3).holds(3));
/// assert!(!Expected::NoStream.holds(3));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Expected {
    /// Whatever it is.
    #[default]
    Any,
    /// It has no event yet.
    NoStream,
    /// It has at least one event.
    Exists,
    /// Its newest event has this version; 0 is the same as [`Expected::NoStream`].
    Exact(u64),
}

impl Expected {
    /// Tells whether an aggregate at `version` (0 where it has no event) is as expected.
    #[must_use]
    pub const fn holds(self, version: u64) -> bool {
        match self {
            Self::Any => true,
            Self::NoStream => version == 0,
            Self::Exists => version > 0,
            Self::Exact(expected) => version == expected,
        }
    }
}

/// What an append is told that `expected` this of an aggregate which is at version `actual`.
///
/// ```
/// use eventcask_event::{Expected, conflict};
/// assert_eq!(
///     conflict("account-42", Expected::NoStream, 3),
///     "aggregate \"account-42\" has version 3, and no events were expected",
/// );
/// ```
#[must_use]
pub fn conflict(key: &str, expected: Expected, actual: u64) -> String {
    let has = match actual {
        0 => "no events".to_owned(),
        version => format!("version {version}"),
    };
    let was = match expected {
        Expected::NoStream | Expected::Exact(0) => "were",
        _ => "was",
    };
    format!("aggregate {key:?} has {has}, and {expected} {was} expected")
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any version"),
            Self::NoStream | Self::Exact(0) => f.write_str("no events"),
            Self::Exists => f.write_str("at least one event"),
            Self::Exact(version) => write!(f, "version {version}"),
        }
    }
}
