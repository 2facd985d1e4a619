//! Draws from a Zipf distribution.
//!
//! Rejection-inversion: W. Hörmann and G. Derflinger, "Rejection-inversion to generate variates
//! from monotone discrete distributions", ACM TOMACS 6 (3), 1996.
//!
//! 1. The probabilities k^-s are replaced by the integral H of x^-s, which can be inverted.
//! 2. A uniform number between H(1.5) - 1 and H(n + 0.5) is inverted and rounded to a rank k.
//! 3. It is taken when k is near enough for it to be surely right (most often), or when it lies
//!    under the step of rank k; otherwise another is drawn. On average it takes below 1.1.

use super::Random;

/// Ranks 1 to n, rank k with a probability in proportion to k^-s.
///
/// ```
/// use eventcask_load::generate::{Random, Zipf};
/// let (zipf, mut random) = (Zipf::new(1000, 0.99), Random::new(1));
/// let first = (0..10_000).filter(|_| zipf.draw(&mut random) == 1).count();
/// assert!((1200..1500).contains(&first), "{first} of 10,000; 13.4 % are expected");
/// ```
#[derive(Debug, Clone)]
pub struct Zipf {
    ranks: f64,
    exponent: f64,
    lowest: f64,
    highest: f64,
    surely: f64,
}

impl Zipf {
    /// The distribution over `ranks` ranks.
    ///
    /// # Panics
    /// When there is no rank, or the exponent is not above 0.
    #[must_use]
    pub fn new(ranks: u64, exponent: f64) -> Self {
        assert!(ranks > 0 && exponent > 0.0);
        let mut zipf = Self {
            ranks: ranks as f64,
            exponent,
            lowest: 0.0,
            highest: 0.0,
            surely: 0.0,
        };
        zipf.lowest = zipf.integral(1.5) - 1.0;
        zipf.highest = zipf.integral(zipf.ranks + 0.5);
        zipf.surely = 2.0 - zipf.inverse(zipf.integral(2.5) - zipf.weight(2.0));
        zipf
    }

    /// The next rank.
    pub fn draw(&self, random: &mut Random) -> u64 {
        loop {
            let at = self.highest + random.fraction() * (self.lowest - self.highest);
            let exact = self.inverse(at);
            let rank = exact.round().clamp(1.0, self.ranks);
            if rank - exact <= self.surely || at >= self.integral(rank + 0.5) - self.weight(rank) {
                return rank as u64;
            }
        }
    }

    fn weight(&self, rank: f64) -> f64 {
        (-self.exponent * rank.ln()).exp()
    }

    /// The integral of x^-s from 1 to `rank`, also where s is 1.
    fn integral(&self, rank: f64) -> f64 {
        let log = rank.ln();
        growth((1.0 - self.exponent) * log) * log
    }

    fn inverse(&self, area: f64) -> f64 {
        // Rounding may lead below what has a logarithm.
        let scaled = (area * (1.0 - self.exponent)).max(-1.0);
        (log_growth(scaled) * area).exp()
    }
}

/// (e^x - 1) / x, and its limit at 0.
fn growth(x: f64) -> f64 {
    if x.abs() > 1e-8 {
        x.exp_m1() / x
    } else {
        1.0 + x / 2.0
    }
}

/// ln(1 + x) / x, and its limit at 0.
fn log_growth(x: f64) -> f64 {
    if x.abs() > 1e-8 {
        x.ln_1p() / x
    } else {
        1.0 - x / 2.0
    }
}
