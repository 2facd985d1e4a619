//! Reads times as people and programs write them.
//!
//! 1. Text that is a number counts from 1970. Its unit is the largest in which the time fits.
//! 2. Any other text is RFC 3339, with what common programs leave out or add.

use jiff::civil::DateTime;
use jiff::tz::Offset;

const NANOS_PER_SECOND: i128 = 1_000_000_000;
const DAY_SECONDS: i64 = 86_400;
/// Powers of ten from each unit to nanoseconds: s, ms, us and ns.
const UNITS: [i64; 4] = [9, 6, 3, 0];

/// Why a text is no point in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoTime {
    /// It is not written as a time is.
    Unreadable,
    /// It is a time, but 64 bits of nanoseconds do not reach it.
    OutOfRange,
}

/// The nanoseconds since 1970 that a text stands for.
pub(crate) fn nanos_of(text: &str) -> Result<i64, NoTime> {
    let text = text.trim_ascii();
    if let Some(count) = Count::parse(text) {
        return count.nanos().ok_or(NoTime::OutOfRange);
    }
    let written = Written::parse(text).ok_or(NoTime::Unreadable)?;
    written.nanos()
}

/// A number, as the digits of its text.
struct Count<'a> {
    is_negative: bool,
    whole: &'a [u8],
    decimals: &'a [u8],
    exponent: i32,
}

impl<'a> Count<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut text = Text(text.as_bytes());
        let is_negative = text.take(b"-").is_some();
        let whole = text.digits();
        let has_point = text.take(b".").is_some();
        let decimals = if has_point { text.digits() } else { &[] };
        let exponent = if text.take(b"eE").is_some() {
            text.exponent()?
        } else {
            0
        };
        let is_number = !whole.is_empty() && has_point != decimals.is_empty();
        (is_number && text.0.is_empty()).then_some(Self {
            is_negative,
            whole,
            decimals,
            exponent,
        })
    }

    fn nanos(&self) -> Option<i64> {
        UNITS
            .into_iter()
            .find_map(|power| i64::try_from(self.floored(power)?).ok())
    }

    /// The number times a power of ten, rounded down; `None` where it is too large.
    fn floored(&self, power: i64) -> Option<i128> {
        let (digits, known) = (self.digits(), self.whole.len() + self.decimals.len());
        let kept = self.whole.len() as i64 + i64::from(self.exponent) + power;
        let taken = usize::try_from(kept).unwrap_or(0).min(known);
        let mut value = 0i128;
        for digit in digits.take(taken) {
            value = value.checked_mul(10)?.checked_add(digit)?;
        }
        if value != 0 && kept > known as i64 {
            let zeros = u32::try_from(kept - known as i64).ok()?;
            value = value.checked_mul(10i128.checked_pow(zeros)?)?;
        }
        let has_rest = self.digits().skip(taken).any(|digit| digit != 0);
        Some(if self.is_negative {
            -value - i128::from(has_rest)
        } else {
            value
        })
    }

    fn digits(&self) -> impl Iterator<Item = i128> {
        let digits = self.whole.iter().chain(self.decimals);
        digits.map(|digit| i128::from(digit - b'0'))
    }
}

/// A date and a time of day, with how far its clock is ahead of UTC.
struct Written {
    local: DateTime,
    nanos: i128,
    is_leap_second: bool,
    offset_seconds: i64,
}

impl Written {
    fn parse(text: &str) -> Option<Self> {
        let mut text = Text(without_zone_name(text).as_bytes());
        let year = text.number(4)?;
        text.take(b"-")?;
        let month = text.number(2)?;
        text.take(b"-")?;
        let day = text.number(2)?;
        text.take(b"Tt ")?;
        let hour = text.number(2)?;
        text.take(b":")?;
        let minute = text.number(2)?;
        let (second, nanos) = text.seconds()?;
        let offset_seconds = text.offset_seconds()?;
        let is_leap_second = second == 60;
        let second = if is_leap_second { 59 } else { second };
        let parts = [month, day, hour, minute, second];
        // Two digits each.
        let [month, day, hour, minute, second] = parts.map(|part| part as i8);
        let local = DateTime::new(year, month, day, hour, minute, second, 0).ok()?;
        text.0.is_empty().then_some(Self {
            local,
            nanos,
            is_leap_second,
            offset_seconds,
        })
    }

    fn nanos(&self) -> Result<i64, NoTime> {
        let as_if_utc = Offset::UTC.to_timestamp(self.local);
        let as_if_utc = as_if_utc.map_err(|_| NoTime::OutOfRange)?;
        let seconds = as_if_utc.as_second() - self.offset_seconds;
        // Leap seconds are put in at the end of a day in UTC, and nowhere else.
        if self.is_leap_second && seconds.rem_euclid(DAY_SECONDS) != DAY_SECONDS - 1 {
            return Err(NoTime::Unreadable);
        }
        let nanos = i128::from(seconds) * NANOS_PER_SECOND + self.nanos;
        i64::try_from(nanos).map_err(|_| NoTime::OutOfRange)
    }
}

/// The text without the name of a time zone in brackets at its end, as Java writes it behind the
/// offset, which says all that is needed.
fn without_zone_name(text: &str) -> &str {
    match text.strip_suffix(']').and_then(|text| text.rfind('[')) {
        Some(start) => &text[..start],
        None => text,
    }
}

/// What is not read yet.
struct Text<'a>(&'a [u8]);

impl<'a> Text<'a> {
    /// The next byte, if it is one of these.
    fn take(&mut self, any: &[u8]) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        if !any.contains(first) {
            return None;
        }
        self.0 = rest;
        Some(*first)
    }

    fn digits(&mut self) -> &'a [u8] {
        let count = self.0.iter().take_while(|byte| byte.is_ascii_digit());
        let (digits, rest) = self.0.split_at(count.count());
        self.0 = rest;
        digits
    }

    /// A number of so many digits, at most four.
    fn number(&mut self, digits: usize) -> Option<i16> {
        let (number, rest) = self.0.split_at_checked(digits)?;
        let value = number.iter().try_fold(0, |value, byte| {
            byte.is_ascii_digit()
                .then(|| value * 10 + i16::from(byte - b'0'))
        });
        self.0 = rest;
        value
    }

    fn exponent(&mut self) -> Option<i32> {
        let is_negative = self.take(b"+-") == Some(b'-');
        let digits = self.digits();
        let value = str::from_utf8(digits)
            .ok()
            .filter(|text| !text.is_empty())?;
        // Any number of this size is zero or far out of range.
        let value = value.parse().unwrap_or(i32::MAX);
        Some(if is_negative { -value } else { value })
    }

    /// Seconds and their decimals, of which those after the ninth are cut off.
    fn seconds(&mut self) -> Option<(i16, i128)> {
        if self.take(b":").is_none() {
            return Some((0, 0));
        }
        let second = self.number(2)?;
        if self.take(b".,").is_none() {
            return Some((second, 0));
        }
        let decimals = self.digits();
        if decimals.is_empty() {
            return None;
        }
        let padded = decimals.iter().chain(&[b'0'; 9]).take(9);
        let nanos = padded.fold(0, |nanos, byte| nanos * 10 + i128::from(byte - b'0'));
        Some((second, nanos))
    }

    fn offset_seconds(&mut self) -> Option<i64> {
        if self.take(b"Zz").is_some() {
            return Some(0);
        }
        let is_behind = self.take(b"+-")? == b'-';
        let hours = self.number(2)?;
        let has_colon = self.take(b":").is_some();
        let minutes = if has_colon || !self.0.is_empty() {
            self.number(2)?
        } else {
            0
        };
        let seconds = i64::from(hours) * 3_600 + i64::from(minutes) * 60;
        (hours < 24 && minutes < 60).then_some(if is_behind { -seconds } else { seconds })
    }
}
