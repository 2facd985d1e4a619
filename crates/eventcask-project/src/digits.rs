//! Reads the text of JSON numbers as exact decimals.

use crate::decimal::{Decimal, MAX_SCALE, POWERS};

/// Texts this short have digits that fit 64 bits.
const SHORT_TEXT: usize = 18;

impl Decimal {
    /// Reads a JSON number; `None` where it is not one or does not fit.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text),
        };
        let short = if digits.len() <= SHORT_TEXT {
            parse_short(digits)
        } else {
            None
        };
        let number = short.or_else(|| parse_long(digits))?;
        Some(if negative {
            Self {
                mantissa: -number.mantissa,
                ..number
            }
        } else {
            number
        })
    }
}

/// Reads digits that fit 64 bits; leaves exponents to the long way.
fn parse_short(digits: &str) -> Option<Decimal> {
    let mut mantissa = 0;
    let mut point = None;
    for (at, byte) in digits.bytes().enumerate() {
        match byte {
            b'0'..=b'9' => mantissa = mantissa * 10 + i64::from(byte - b'0'),
            b'.' if point.is_none() => point = Some(at),
            _ => return None,
        }
    }
    let scale = point.map_or(0, |at| digits.len() - 1 - at) as u8;
    (!digits.is_empty()).then_some(Decimal {
        mantissa: mantissa.into(),
        scale,
    })
}

/// Reads any digits; zeros at the end count as exponent, so that they never overflow.
fn parse_long(digits: &str) -> Option<Decimal> {
    let (digits, exponent) = match digits.split_once(['e', 'E']) {
        Some((digits, exponent)) => (digits, exponent.parse::<i32>().ok()),
        None => (digits, Some(0)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let mut mantissa = 0i128;
    let mut zeros = 0;
    for byte in whole.bytes().chain(fraction.bytes()) {
        match byte {
            b'0' => zeros += 1,
            b'1'..=b'9' => {
                mantissa = shift(mantissa, zeros + 1)?.checked_add((byte - b'0').into())?;
                zeros = 0;
            }
            _ => return None,
        }
    }
    if mantissa == 0 {
        return (!whole.is_empty()).then_some(Decimal::ZERO);
    }
    let exponent = i64::from(exponent?) + i64::from(zeros) - fraction.len() as i64;
    if exponent >= 0 {
        let mantissa = shift(mantissa, u32::try_from(exponent).ok()?)?;
        return Some(Decimal { mantissa, scale: 0 });
    }
    let scale = u8::try_from(-exponent)
        .ok()
        .filter(|scale| *scale <= MAX_SCALE)?;
    Some(Decimal { mantissa, scale })
}

/// `mantissa * 10^digits`, which is zero for zero.
fn shift(mantissa: i128, digits: u32) -> Option<i128> {
    if mantissa == 0 {
        return Some(0);
    }
    mantissa.checked_mul(*POWERS.get(digits as usize)?)
}
