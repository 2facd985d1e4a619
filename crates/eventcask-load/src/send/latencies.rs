//! How long it took until events were acknowledged.

use std::io::Write as _;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use hdrhistogram::Histogram;

/// The longest latency that is told apart from longer ones, an hour, in microseconds.
const US_MAX: u64 = 3_600_000_000;
/// Significant digits.
const DIGITS: u8 = 3;
/// Of a stretch of events, so many stand for all of it.
const POINTS: u32 = 16;

/// Events that were sent one after the other and share an answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stretch {
    /// When the first was sent, or was due.
    pub(crate) first: Instant,
    /// The same of the last.
    pub(crate) last: Instant,
    pub(crate) events: u64,
}

/// A histogram of microseconds, which counts every event.
#[derive(Debug, Clone)]
pub(crate) struct Latencies(Histogram<u64>);

impl Default for Latencies {
    fn default() -> Self {
        Self(Histogram::new_with_bounds(1, US_MAX, DIGITS).expect("these are bounds that it takes"))
    }
}

impl Latencies {
    /// Counts the events of a stretch, which was answered at `answered`: at even distances from
    /// its first to its last.
    pub(crate) fn add_stretch(&mut self, stretch: &Stretch, answered: Instant) {
        let length = stretch.last.saturating_duration_since(stretch.first);
        let (each, rest) = (
            stretch.events / u64::from(POINTS),
            stretch.events % u64::from(POINTS),
        );
        for point in 0..POINTS {
            let sent = stretch.first + length * point / (POINTS - 1);
            let events = each + u64::from(u64::from(point) < rest);
            if events > 0 {
                self.add(answered.saturating_duration_since(sent), events);
            }
        }
    }

    /// Counts events that were answered after the same time.
    pub(crate) fn add(&mut self, latency: Duration, events: u64) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(US_MAX);
        self.0.saturating_record_n(micros.max(1), events);
    }

    pub(crate) fn add_all(&mut self, other: &Self) {
        self.0.add(&other.0).expect("both have the same bounds");
    }

    /// Microseconds until this part of the events were answered.
    pub(crate) fn us(&self, quantile: f64) -> u64 {
        self.0.value_at_quantile(quantile)
    }

    pub(crate) fn max_us(&self) -> u64 {
        self.0.max()
    }

    /// The histogram as other tools read it: compressed, in base64.
    pub(crate) fn encoded(&self) -> String {
        STANDARD.encode(compressed(&self.plain()))
    }

    /// HdrHistogram's V2 encoding: a head of 40 bytes, then counts as ZigZag LEB128, where a
    /// negative number stands for that many zeros.
    fn plain(&self) -> Vec<u8> {
        let mut counts = Vec::new();
        let mut zeros = 0_i64;
        for step in self.0.iter_all() {
            if step.count_at_value() == 0 {
                zeros += 1;
                continue;
            }
            write_zeros(&mut counts, std::mem::take(&mut zeros));
            write_signed(&mut counts, step.count_at_value() as i64);
            if step.value_iterated_to() >= self.0.max() {
                break;
            }
        }
        let mut out = Vec::with_capacity(counts.len() + 40);
        out.extend(0x1c84_9313_u32.to_be_bytes());
        out.extend((counts.len() as u32).to_be_bytes());
        // No offset of the counts.
        out.extend(0_u32.to_be_bytes());
        out.extend(u32::from(DIGITS).to_be_bytes());
        out.extend(self.0.low().to_be_bytes());
        out.extend(self.0.high().to_be_bytes());
        // A count is one, not a fraction of it.
        out.extend(1.0_f64.to_be_bytes());
        out.extend(counts);
        out
    }
}

fn compressed(plain: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend(0x1c84_9314_u32.to_be_bytes());
    out.extend([0; 4]);
    let mut encoder = ZlibEncoder::new(out, Compression::default());
    // Writing into memory can not fail.
    let _ = encoder.write_all(plain);
    let mut out = encoder.finish().unwrap_or_default();
    let length = out.len() as u32 - 8;
    out[4..8].copy_from_slice(&length.to_be_bytes());
    out
}

fn write_zeros(out: &mut Vec<u8>, zeros: i64) {
    match zeros {
        0 => {}
        1 => write_signed(out, 0),
        many => write_signed(out, -many),
    }
}

fn write_signed(out: &mut Vec<u8>, number: i64) {
    let mut bits = ((number << 1) ^ (number >> 63)) as u64;
    // The ninth byte has eight bits of its own, so that nine are always enough.
    for _ in 0..8 {
        if bits < 0x80 {
            break;
        }
        out.push(bits as u8 | 0x80);
        bits >>= 7;
    }
    out.push(bits as u8);
}
