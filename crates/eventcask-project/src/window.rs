//! Tumbling windows over a time field of the payload.

use std::borrow::Cow;

use eventcask_event::Timestamp;

use crate::SpecError;
use crate::fields::text_of;
use crate::path::check_path;

const SECOND: i64 = 1_000_000_000;
/// Before all times of events: none was seen.
pub(crate) const NO_TIME: i64 = i64::MIN;

/// Windows of one width over one field.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Window {
    text: String,
    /// Where the field begins in the text.
    field_at: usize,
    /// Nanoseconds, above zero.
    width: i64,
    /// For how long after its end the rows of a window are kept, as text and in nanoseconds.
    keep: Option<(String, i64)>,
}

/// A time, and the start of the window that it lies in, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) window: i64,
    pub(crate) nanos: i64,
}

impl Window {
    /// Reads `1h:time_hour` and the like.
    pub(crate) fn parse(text: &str) -> Result<Self, SpecError> {
        let unknown = || SpecError::Window {
            text: text.chars().take(64).collect(),
        };
        let (width, field) = text.split_once(':').ok_or_else(unknown)?;
        let width_nanos = parse_width(width).ok_or_else(unknown)?;
        check_path(field)?;
        Ok(Self {
            text: text.to_owned(),
            field_at: width.len() + 1,
            width: width_nanos,
            keep: None,
        })
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn field(&self) -> &str {
        &self.text[self.field_at..]
    }

    /// Keeps rows for this long, such as `30d`.
    pub(crate) fn keep(&mut self, text: &str) -> Result<(), SpecError> {
        let nanos = parse_width(text).ok_or_else(|| SpecError::Keep {
            text: text.chars().take(64).collect(),
        })?;
        self.keep = Some((text.to_owned(), nanos));
        Ok(())
    }

    /// How long rows are kept, as it was given.
    pub(crate) fn kept(&self) -> Option<&str> {
        self.keep.as_ref().map(|(text, _)| &**text)
    }

    /// The moment that a time as JSON text means.
    pub(crate) fn moment(&self, raw: &str) -> Option<Moment> {
        let nanos = nanos_of(raw)?;
        let start = nanos.checked_sub(nanos.rem_euclid(self.width));
        let window = start.filter(|start| self.can_start_at(*start))?;
        Some(Moment { window, nanos })
    }

    /// Whether the rows of a window are dropped by now, which is the newest time of an event.
    pub(crate) fn is_over(&self, start: i64, now: i64) -> bool {
        let Some((_, keep)) = self.keep else {
            return false;
        };
        i128::from(now) - i128::from(start) - i128::from(self.width) > i128::from(keep)
    }

    /// Whether a window may start there. The lowest value of all stands for "no time".
    pub(crate) fn can_start_at(&self, nanos: i64) -> bool {
        nanos != NO_TIME && nanos.rem_euclid(self.width) == 0
    }
}

fn parse_width(text: &str) -> Option<i64> {
    let (unit_at, unit) = text.char_indices().next_back()?;
    let unit_nanos = match unit {
        's' => SECOND,
        'm' => 60 * SECOND,
        'h' => 3_600 * SECOND,
        'd' => 86_400 * SECOND,
        _ => return None,
    };
    let digits = &text[..unit_at];
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let width = digits.parse::<i64>().ok()?.checked_mul(unit_nanos)?;
    (width > 0).then_some(width)
}

/// The time that a JSON value stands for, in nanoseconds since the start of 1970.
fn nanos_of(raw: &str) -> Option<i64> {
    let is_number = raw.starts_with(|first: char| first == '-' || first.is_ascii_digit());
    let text = if is_number {
        Cow::Borrowed(raw)
    } else {
        text_of(raw)?
    };
    text.parse().ok().map(Timestamp::as_nanos)
}
