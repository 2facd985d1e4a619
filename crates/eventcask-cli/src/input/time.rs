//! The event's own time, from text or a number.

use eventcask::Timestamp;

use super::number::digits;

/// Below this many units since 1970 a number counts seconds (to the year 5138), below a
/// thousand times as many milliseconds, and so on. Each unit covers the years that the unit
/// above it would place within a few years of 1970.
const SECONDS_BELOW: u64 = 100_000_000_000;
const NANOS_PER_SECOND: i128 = 1_000_000_000;

/// Reads a time: RFC 3339, or the time since 1970 in seconds, milliseconds, microseconds or
/// nanoseconds, whichever its magnitude fits, with decimals or without.
///
/// ```
/// use eventcask_cli::input::parse_time;
/// assert_eq!(parse_time("1357034400"), parse_time("2013-01-01T10:00:00Z"));
/// assert_eq!(parse_time("1357034400.5"), parse_time("1357034400500"));
/// assert_eq!(parse_time("yesterday"), None);
/// ```
#[must_use]
pub fn parse_time(text: &str) -> Option<Timestamp> {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
    let all_digits = |part: &str| !part.is_empty() && digits(part.as_bytes()) == part.len();
    if !all_digits(whole) || !all_digits(fraction) {
        return text.parse().ok();
    }
    let nanos = epoch_nanos(whole.parse().ok()?, fraction)?;
    Some(Timestamp::from_nanos(if text.starts_with('-') {
        -nanos
    } else {
        nanos
    }))
}

fn epoch_nanos(whole: u64, fraction: &str) -> Option<i64> {
    let unit = match whole {
        _ if whole < SECONDS_BELOW => NANOS_PER_SECOND,
        _ if whole < SECONDS_BELOW * 1_000 => 1_000_000,
        _ if whole < SECONDS_BELOW * 1_000_000 => 1_000,
        _ => 1,
    };
    let decimals = &fraction[..fraction.len().min(9)];
    let fraction: i128 = decimals.parse().ok()?;
    let nanos = i128::from(whole) * unit + fraction * unit / 10_i128.pow(decimals.len() as u32);
    i64::try_from(nanos).ok()
}

/// Reads times and remembers the last one, since rows near each other often share it.
#[derive(Debug, Default)]
pub(super) struct TimeReader {
    text: String,
    time: Option<Timestamp>,
}

impl TimeReader {
    pub(super) fn read(&mut self, text: &str) -> Option<Timestamp> {
        if self.time.is_none() || self.text != text {
            self.time = parse_time(text);
            self.text.clear();
            self.text.push_str(text);
        }
        self.time
    }
}
