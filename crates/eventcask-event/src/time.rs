//! A point in time, in nanoseconds.

use std::fmt;
use std::str::FromStr;

use crate::Invalid;
use crate::time_text::{NoTime, nanos_of};

/// A point in time: nanoseconds since 1970-01-01T00:00:00Z, from 1677-09-21 to 2262-04-11.
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

    /// Reads a time. Wherever a time is read, in rows, in payloads and on the command line, this
    /// is what is taken:
    ///
    /// | text | what it is |
    /// | --- | --- |
    /// | `2013-01-01T10:00:00Z`, `2013-01-01T05:00:00-05:00` | RFC 3339, with an offset of up to 23:59 |
    /// | `2013-01-01t10:00:00z`, `2013-01-01 10:00:00Z` | the same: small letters, or a space |
    /// | `2013-01-01T10:00:00.123456789123Z` | decimals after the ninth are cut off |
    /// | `2016-12-31T23:59:60Z` | a leap second at the end of a day in UTC is the second before |
    /// | `2013-01-01T10:00Z`, `...+01`, `...+0100` | seconds, minutes of the offset and its colon can be missing |
    /// | `2013-01-01T10:00:00+01:00[Europe/Berlin]` | a name in brackets behind the offset is passed over |
    /// | `1357034400`, `-86400`, `1357034400.5`, `1.3570344E9` | since 1970, rounded down to nanoseconds, in the largest unit in which it is in range: s, ms, us or ns |
    /// | `86400000000` | so this is in ms: 1972; as seconds it would be the year 4707 |
    /// | `2013-01-01T10:00:00`, `2013-01-01` | refused: which time that is depends on the place |
    /// | `2013-01-01T24:00:00Z`, `2013-02-30T10:00:00Z`, `...+24:00` | refused: there is no such time |
    /// | `9999-12-31T23:59:59Z`, `0001-01-01T00:00:00Z` | refused as out of range |
    ///
    /// Blanks around it are passed over.
    ///
    /// # Errors
    /// [`Invalid::Time`] or [`Invalid::TimeRange`].
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let shown = || text.chars().take(64).collect();
        match nanos_of(text) {
            Ok(nanos) => Ok(Self::from_nanos(nanos)),
            Err(NoTime::Unreadable) => Err(Invalid::Time { text: shown() }),
            Err(NoTime::OutOfRange) => Err(Invalid::TimeRange { text: shown() }),
        }
    }
}
