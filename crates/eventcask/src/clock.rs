//! The time of day.

use std::time::SystemTime;

/// Nanoseconds since 1970 by the system's clock.
pub(crate) fn now_nanos() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
    })
}
