//! Tumbling windows over a time field of the payload.

use std::borrow::Cow;

use eventcask_event::Timestamp;

use crate::SpecError;
use crate::fields::text_of;
use crate::path::check_path;

const SECOND: i64 = 1_000_000_000;

/// Windows of one width over one field.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Window {
    text: String,
    /// Where the field begins in the text.
    field_at: usize,
    /// Nanoseconds, above zero.
    width: i64,
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
        })
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn field(&self) -> &str {
        &self.text[self.field_at..]
    }

    /// Start of the window that a time as JSON text lies in, in nanoseconds.
    pub(crate) fn start(&self, raw: &str) -> Option<i64> {
        let nanos = nanos_of(raw)?;
        nanos
            .checked_sub(nanos.rem_euclid(self.width))
            .filter(|start| self.can_start_at(*start))
    }

    /// Whether a window may start there. The lowest value of all stands for "no time".
    pub(crate) fn can_start_at(&self, nanos: i64) -> bool {
        nanos != i64::MIN && nanos.rem_euclid(self.width) == 0
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
