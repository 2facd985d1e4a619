//! A point in time, in nanoseconds.

use std::fmt;
use std::str::FromStr;

use crate::Invalid;

/// A point in time: nanoseconds since 1970-01-01T00:00:00Z, from the year 1678 to 2261.
///
/// ```
/// use eventcask_event::Timestamp;
/// let time: Timestamp = "2013-01-01T10:00:00Z".parse()?;
/// assert_eq!(time.as_nanos(), 1_357_034_400_000_000_000);
/// assert_eq!(time.to_string(), "2013-01-01T10:00:00Z");
/// # Ok::<(), eventcask_event::Invalid>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The time this many nanoseconds after the start of 1970 (UTC). The lowest value of all
    /// stands for "no time" in stored blocks and becomes the one after it.
    #[must_use]
    pub const fn from_nanos(nanos: i64) -> Self {
        if nanos == i64::MIN {
            Self(i64::MIN + 1)
        } else {
            Self(nanos)
        }
    }

    /// Nanoseconds since the start of 1970 (UTC).
    #[must_use]
    pub const fn as_nanos(self) -> i64 {
        self.0
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC, with as many decimals of a second as the time has.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_nanosecond(i128::from(self.0)) {
            Ok(time) => time.fmt(f),
            Err(_) => write!(f, "{} ns", self.0),
        }
    }
}

impl FromStr for Timestamp {
    type Err = Invalid;

    /// Reads RFC 3339 with an offset.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let invalid = || Invalid::Time {
            text: text.chars().take(64).collect(),
        };
        let time: jiff::Timestamp = text.parse().map_err(|_| invalid())?;
        let nanos = i64::try_from(time.as_nanosecond()).map_err(|_| invalid())?;
        Ok(Self::from_nanos(nanos))
    }
}
