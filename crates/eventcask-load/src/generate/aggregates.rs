//! Which aggregate each event belongs to.

use std::fmt;
use std::str::FromStr;

use super::random::mixed;
use super::{Checksum, Key, Random, Zipf};

/// Aggregates that are drawn at least, so that a ring is not the same few over again.
const RING: usize = 4 << 20;
/// The longest ring: 272 MiB for each producer.
const RING_LIMIT: usize = 16 << 20;

/// How aggregates are drawn.
///
/// ```
/// use eventcask_load::generate::Skew;
/// assert_eq!("zipf:0.99".parse(), Ok(Skew::Zipf(0.99)));
/// assert_eq!("hot:0.5".parse(), Ok(Skew::Hot(0.5)));
/// assert!("hot:2".parse::<Skew>().is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Skew {
    /// The k-th most frequent with a probability in proportion to k to the power of minus this.
    Zipf(f64),
    /// All alike.
    Uniform,
    /// One gets this fraction of the events, the others are alike.
    Hot(f64),
}

impl FromStr for Skew {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |prefix: &str| -> Option<f64> { text.strip_prefix(prefix)?.parse().ok() };
        let zipf = number("zipf:").filter(|s| (0.01..=10.0).contains(s));
        let hot = number("hot:").filter(|fraction| (0.0..=1.0).contains(fraction));
        match text {
            "uniform" => Ok(Self::Uniform),
            _ => (zipf.map(Self::Zipf).or(hot.map(Self::Hot))).ok_or_else(|| {
                format!("{text:?} is not a skew: zipf:S (0.01 to 10), uniform or hot:F (0 to 1)")
            }),
        }
    }
}

impl fmt::Display for Skew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zipf(exponent) => write!(f, "zipf:{exponent}"),
            Self::Uniform => f.write_str("uniform"),
            Self::Hot(fraction) => write!(f, "hot:{fraction}"),
        }
    }
}

/// Keys of aggregates in the order of their events, over and over again.
///
/// They are text already: to write one anew for each event took as long as a look into a table.
#[derive(Debug)]
pub struct Aggregates {
    /// All keys of the ring, end to end.
    keys: String,
    next: usize,
    checksum: Checksum,
}

impl Aggregates {
    /// Draws for `events` events out of `aggregates`, and of those only what `takes` takes. As
    /// many are drawn as there are events, within limits that grow with the aggregates.
    ///
    /// # Panics
    /// When nothing is taken of a hundred million draws.
    #[must_use]
    pub fn draw(
        skew: Skew,
        aggregates: u32,
        events: u64,
        random: &mut Random,
        mut takes: impl FnMut(u32) -> bool,
    ) -> Self {
        let limit = RING.max(4 * aggregates as usize).min(RING_LIMIT);
        let length = usize::try_from(events).map_or(limit, |events| events.clamp(1, limit));
        let scatter = Scatter::new(aggregates);
        let mut keys = String::with_capacity(length * Key::BYTES);
        let (mut key, mut checksum) = (Key::default(), Checksum::default());
        let draws = Draws::new(skew, aggregates);
        let mut in_vain = 0;
        while keys.len() < length * Key::BYTES {
            let aggregate = scatter.number(draws.rank(random));
            if takes(aggregate) {
                keys.push_str(key.of(aggregate));
                checksum.add(u64::from(aggregate));
                in_vain = 0;
            } else {
                in_vain += 1;
                assert!(in_vain < 100_000_000, "no aggregate is taken");
            }
        }
        Self {
            keys,
            next: 0,
            checksum,
        }
    }

    /// Where the aggregate of the next event lies in the ring.
    #[inline]
    pub fn take(&mut self) -> usize {
        let place = self.next;
        self.next += Key::BYTES;
        if self.next == self.keys.len() {
            self.next = 0;
        }
        place
    }

    /// The key of the aggregate that lies there.
    ///
    /// # Panics
    /// When none does.
    #[inline]
    #[must_use]
    pub fn key(&self, place: usize) -> &str {
        &self.keys[place..place + Key::BYTES]
    }

    /// Tells these from others.
    #[must_use]
    pub fn checksum(&self) -> Checksum {
        self.checksum
    }

    /// Bytes of memory that they take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.keys.len()
    }
}

enum Draws {
    Zipf(Zipf),
    /// Rank 0 with this probability, otherwise any of the others.
    Hot(f64, u64),
    Uniform(u64),
}

impl Draws {
    fn new(skew: Skew, aggregates: u32) -> Self {
        let aggregates = u64::from(aggregates);
        match skew {
            Skew::Zipf(exponent) => Self::Zipf(Zipf::new(aggregates, exponent)),
            Skew::Hot(fraction) if aggregates > 1 => Self::Hot(fraction, aggregates),
            Skew::Hot(_) | Skew::Uniform => Self::Uniform(aggregates),
        }
    }

    /// A rank from 0.
    fn rank(&self, random: &mut Random) -> u32 {
        let rank = match self {
            Self::Zipf(zipf) => zipf.draw(random) - 1,
            Self::Hot(fraction, _) if random.fraction() < *fraction => 0,
            Self::Hot(_, aggregates) => 1 + random.below(aggregates - 1),
            Self::Uniform(aggregates) => random.below(*aggregates),
        };
        rank as u32
    }
}

/// Gives each rank a number of its own, so that frequent keys are not neighbours: steps of a
/// length without a common divisor with the number of aggregates reach each of them once.
struct Scatter {
    step: u64,
    aggregates: u64,
}

impl Scatter {
    fn new(aggregates: u32) -> Self {
        let aggregates = u64::from(aggregates.max(1));
        let mut step = (mixed(aggregates) % aggregates) | 1;
        while divisor(step, aggregates) != 1 {
            step += 2;
        }
        Self { step, aggregates }
    }

    fn number(&self, rank: u32) -> u32 {
        (u64::from(rank) * self.step % self.aggregates) as u32
    }
}

fn divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { divisor(b, a % b) }
}
