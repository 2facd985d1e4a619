//! Exact decimal numbers of up to 38 digits.

use std::cmp::Ordering;
use std::fmt;

/// Most decimals that a number can have.
pub(crate) const MAX_SCALE: u8 = 38;

/// `mantissa / 10^scale`.
///
/// A value has several forms (10/10 and 1/1); [`normal`](Self::normal) is the one without
/// zeros at the end of its decimals. What an operation returns, and whether it overflows,
/// depends on the values only.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Decimal {
    pub(crate) mantissa: i128,
    pub(crate) scale: u8,
}

pub(crate) const POWERS: [i128; MAX_SCALE as usize + 1] = powers();

const fn powers() -> [i128; MAX_SCALE as usize + 1] {
    let mut powers = [1; MAX_SCALE as usize + 1];
    let mut at = 1;
    while at < powers.len() {
        powers[at] = powers[at - 1] * 10;
        at += 1;
    }
    powers
}

impl Decimal {
    pub(crate) const ZERO: Self = Self {
        mantissa: 0,
        scale: 0,
    };

    /// The number with these parts, if that is its normal form.
    pub(crate) fn from_normal(mantissa: i128, scale: u8) -> Option<Self> {
        let normal = scale == 0 || (scale <= MAX_SCALE && mantissa % 10 != 0);
        normal.then_some(Self { mantissa, scale })
    }

    /// Mantissa and scale of the normal form.
    pub(crate) fn parts(self) -> (i128, u8) {
        let normal = self.normal();
        (normal.mantissa, normal.scale)
    }

    /// The sum, or `None` where it does not fit.
    pub(crate) fn add(self, other: Self) -> Option<Self> {
        self.add_as_is(other)
            .or_else(|| self.normal().add_as_is(other.normal()))
    }

    fn add_as_is(self, other: Self) -> Option<Self> {
        let scale = self.scale.max(other.scale);
        let mantissa = self
            .mantissa_at(scale)?
            .checked_add(other.mantissa_at(scale)?)?;
        Some(Self { mantissa, scale })
    }

    fn mantissa_at(self, scale: u8) -> Option<i128> {
        if self.scale == scale {
            return Some(self.mantissa);
        }
        self.mantissa
            .checked_mul(POWERS[usize::from(scale - self.scale)])
    }

    fn normal(mut self) -> Self {
        while self.scale > 0 && self.mantissa % 10 == 0 {
            self.mantissa /= 10;
            self.scale -= 1;
        }
        self
    }

    /// The number itself where it is whole and fits.
    pub(crate) fn to_i64(self) -> Option<i64> {
        let (mantissa, scale) = self.parts();
        i64::try_from(mantissa).ok().filter(|_| scale == 0)
    }

    /// The nearest `f64` of a `count`th of this number. It is rounded once where both sides of
    /// the fraction are exact as `f64`, else twice.
    pub(crate) fn divided_by(self, count: u64) -> f64 {
        let (mantissa, scale) = self.parts();
        let below = POWERS[usize::from(scale)].checked_mul(i128::from(count));
        match (as_exact_f64(mantissa), below.and_then(as_exact_f64)) {
            (Some(above), Some(below)) => above / below,
            _ => self.to_string().parse().unwrap_or(0.0) / count as f64,
        }
    }
}

impl Decimal {
    /// Compares with the exact value of a finite float. Rounding keeps the order, so only a number
    /// whose nearest float this one is has to be compared digit by digit.
    pub(crate) fn cmp_float(self, float: f64) -> Ordering {
        let nearest = self.divided_by(1).total_cmp(&float);
        nearest.then_with(|| {
            // No float has more decimals.
            let (number, float) = (self.to_string(), format!("{float:.1074}"));
            let (digits, others) = (magnitude(&number), magnitude(&float));
            let order = digits.cmp(&others);
            if self.mantissa < 0 {
                order.reverse()
            } else {
                order
            }
        })
    }
}

/// The digits of a number without its sign, so that they compare as its distance from zero does:
/// how many stand before the point, these, and those behind it without zeros at the end.
fn magnitude(number: &str) -> (usize, &str, &str) {
    let digits = number.trim_start_matches('-');
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    (whole.len(), whole, fraction.trim_end_matches('0'))
}

fn as_exact_f64(number: i128) -> Option<f64> {
    let float = number as f64;
    // The cast back stops at the largest number, which itself is not exact.
    (float as i128 == number && number != i128::MAX).then_some(float)
}

impl From<u64> for Decimal {
    fn from(number: u64) -> Self {
        Self {
            mantissa: number.into(),
            scale: 0,
        }
    }
}

impl PartialEq for Decimal {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Decimal {}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let scale = self.scale.max(other.scale);
        match (self.mantissa_at(scale), other.mantissa_at(scale)) {
            (Some(one), Some(two)) => one.cmp(&two),
            // Only one of them is stretched. What does not fit then is further from zero
            // than the other, which does.
            (None, _) => self.mantissa.cmp(&0),
            (_, None) => 0.cmp(&other.mantissa),
        }
    }
}

impl fmt::Display for Decimal {
    /// JSON text, without a decimal point where the number is whole.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mantissa, scale) = self.parts();
        let sign = if mantissa < 0 { "-" } else { "" };
        let width = usize::from(scale) + 1;
        let digits = format!("{:0width$}", mantissa.unsigned_abs());
        let (whole, fraction) = digits.split_at(digits.len() - usize::from(scale));
        match fraction {
            "" => write!(f, "{sign}{whole}"),
            _ => write!(f, "{sign}{whole}.{fraction}"),
        }
    }
}
