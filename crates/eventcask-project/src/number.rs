//! A number of a view: exact for as long as that is possible.

use std::cmp::Ordering;
use std::fmt;

use serde::ser::{Error, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::decimal::Decimal;

/// Whole numbers below this are printed digit by digit, larger ones with an exponent.
const PRINTED_WHOLE: f64 = 1e18;

/// A number of a view: an exact decimal, or an `f64` where that does not fit.
///
/// A number of a payload is exact when, without zeros at its end, it has at most 38 decimals
/// and its digits without the point stay below 2^127 (about 1.7 * 10^38). Any other becomes
/// the nearest `f64`, and one that passes the range of `f64` too (`1e999`) counts as missing.
/// A sum is exact while its numbers are and it fits the same bounds when written with as many
/// decimals as the longest of its two sides; from then on it is an `f64` that stops at the
/// ends of its range. Means are always `f64`.
///
/// As JSON, whole numbers have no decimal point. Serialization is meant for `serde_json`.
///
/// The order of numbers is that of their exact values, whatever form they have.
///
/// ```
/// use eventcask_project::Number;
///
/// let number = Number::from_json("56.10").ok_or("not a number")?;
/// assert_eq!((number.to_string().as_str(), number.is_exact()), ("56.1", true));
/// assert_eq!(Number::from_json("\"56\""), None);
/// # Ok::<(), &str>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Number(Form);

#[derive(Debug, Clone, Copy)]
pub(crate) enum Form {
    Exact(Decimal),
    /// Finite.
    Float(f64),
}

impl Number {
    pub(crate) const ZERO: Self = Self(Form::Exact(Decimal::ZERO));

    pub(crate) fn exact(number: Decimal) -> Self {
        Self(Form::Exact(number))
    }

    /// The number nearest to `float` that is finite.
    pub(crate) fn float(float: f64) -> Self {
        Self(Form::Float(float.clamp(f64::MIN, f64::MAX)))
    }

    pub(crate) fn form(self) -> Form {
        self.0
    }

    /// The number that a JSON value is, if it is one.
    ///
    /// The text is taken to be JSON: that `01` is not is not noticed.
    #[must_use]
    pub fn from_json(raw: &str) -> Option<Self> {
        if !raw.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
            return None;
        }
        match Decimal::parse(raw) {
            Some(number) => Some(Self::exact(number)),
            None => raw
                .parse()
                .ok()
                .filter(|float: &f64| float.is_finite())
                .map(Self::float),
        }
    }

    pub(crate) fn add(self, other: Self) -> Self {
        if let (Form::Exact(one), Form::Exact(two)) = (self.0, other.0)
            && let Some(sum) = one.add(two)
        {
            return Self::exact(sum);
        }
        Self::float(self.to_f64() + other.to_f64())
    }

    /// A `count`th of this number.
    pub(crate) fn divided_by(self, count: u64) -> f64 {
        match self.0 {
            Form::Exact(number) => number.divided_by(count),
            Form::Float(float) => float / count as f64,
        }
    }

    /// The nearest `f64`.
    #[must_use]
    pub fn to_f64(self) -> f64 {
        self.divided_by(1)
    }

    /// Whether this is the number itself, not the nearest `f64`.
    #[must_use]
    pub fn is_exact(self) -> bool {
        matches!(self.0, Form::Exact(_))
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.0, other.0) {
            (Form::Exact(one), Form::Exact(two)) => one.cmp(&two),
            (Form::Float(one), Form::Float(two)) => one.total_cmp(&two),
            (Form::Exact(one), Form::Float(two)) => one.cmp_float(two),
            (Form::Float(one), Form::Exact(two)) => two.cmp_float(one).reverse(),
        }
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Number {}

/// The whole number that is printed digit by digit instead of this float.
fn whole(float: f64) -> Option<i64> {
    (float.fract() == 0.0 && float.abs() < PRINTED_WHOLE).then_some(float as i64)
}

impl fmt::Display for Number {
    /// JSON text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Form::Exact(number) => number.fmt(f),
            Form::Float(float) => match whole(float) {
                Some(whole) => whole.fmt(f),
                None => fmt::Debug::fmt(&float, f),
            },
        }
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let small = match self.0 {
            Form::Exact(number) => number.to_i64(),
            Form::Float(float) => whole(float),
        };
        if let Some(small) = small {
            return serializer.serialize_i64(small);
        }
        // As a number of serde a decimal would be rounded.
        let raw = RawValue::from_string(self.to_string()).map_err(S::Error::custom)?;
        raw.serialize(serializer)
    }
}
