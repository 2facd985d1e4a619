//! What the events say.

use std::io::Write as _;
use std::str::FromStr;

use eventcask::NewEvent;
use serde::Serialize;

use super::{Checksum, Random};

/// Payloads of a pool: enough that a block does not hold one of them twice.
const POOL: usize = 1 << 16;
/// The most bytes of a pool, which has fewer payloads where they are large.
const POOL_BYTES: usize = 256 << 20;
const WORDS: [&str; 16] = [
    "transfer", "invoice", "salary", "rent", "refund", "card", "cash", "order", "monthly", "fee",
    "interest", "deposit", "ref", "savings", "to", "from",
];
const CURRENCIES: [&str; 4] = ["EUR", "USD", "CHF", "GBP"];

/// What payloads are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum PayloadKind {
    /// Small JSON objects of three shapes.
    Json,
    /// Structs: amounts, random bytes, small numbers, a text.
    Binary,
    /// Every other type is JSON.
    Mixed,
}

impl FromStr for PayloadKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "json" => Ok(Self::Json),
            "binary" => Ok(Self::Binary),
            "mixed" => Ok(Self::Mixed),
            _ => Err(format!(
                "{text:?} is not a kind of payload: json, binary or mixed"
            )),
        }
    }
}

/// A pool of payloads, each of one of several types.
///
/// ```
/// use eventcask_load::generate::{PayloadKind, Payloads, Random};
/// let payloads = Payloads::make(PayloadKind::Json, 12, 100, &mut Random::new(1));
/// let event = payloads.event(0);
/// assert!(event.payload.starts_with(b"{") && event.payload.len() >= 90);
/// ```
#[derive(Debug)]
pub struct Payloads {
    types: Vec<Type>,
    bytes: Vec<u8>,
    payloads: Vec<Payload>,
}

#[derive(Debug)]
struct Type {
    name: String,
    is_json: bool,
}

#[derive(Debug, Clone, Copy)]
struct Payload {
    start: u32,
    end: u32,
    of_type: u32,
}

impl Payloads {
    /// Makes them, of about `length` bytes each; what they hold takes 40 at least.
    #[must_use]
    pub fn make(kind: PayloadKind, types: u32, length: usize, random: &mut Random) -> Self {
        let types: Vec<_> = (0..types).map(|number| Type::new(kind, number)).collect();
        let most = (POOL_BYTES / (length + 64)).clamp(1, POOL);
        // A power of two: which one is next is told without a division.
        let count = 1 << most.ilog2();
        let mut pool = Self {
            types,
            bytes: Vec::new(),
            payloads: Vec::with_capacity(count),
        };
        for _ in 0..count {
            pool.add(length, random);
        }
        pool
    }

    fn add(&mut self, length: usize, random: &mut Random) {
        let of_type = random.below(self.types.len() as u64) as u32;
        let start = self.bytes.len();
        if self.types[of_type as usize].is_json {
            // Every other type is JSON where not all are.
            write_json(&mut self.bytes, of_type / 2 % 3, start + length, random);
        } else {
            write_binary(&mut self.bytes, start + length, random);
        }
        self.payloads.push(Payload {
            start: start as u32,
            end: self.bytes.len() as u32,
            of_type,
        });
    }

    /// The event with payload `number`, counted round and round.
    #[inline(always)]
    #[must_use]
    pub fn event(&self, number: u64) -> NewEvent<'_> {
        let payload = self.payloads[number as usize & (self.payloads.len() - 1)];
        let bytes = &self.bytes[payload.start as usize..payload.end as usize];
        let of_type = &self.types[payload.of_type as usize];
        if of_type.is_json {
            NewEvent::json(&of_type.name, bytes)
        } else {
            NewEvent::bytes(&of_type.name, bytes)
        }
    }

    /// Bytes of a payload on average.
    #[must_use]
    pub fn mean_bytes(&self) -> f64 {
        self.bytes.len() as f64 / self.payloads.len() as f64
    }

    /// The payloads one after the other.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Tells these from others.
    #[must_use]
    pub fn checksum(&self) -> Checksum {
        let mut checksum = Checksum::default();
        checksum.add_bytes(&self.bytes);
        for payload in &self.payloads {
            checksum.add(u64::from(payload.of_type));
        }
        checksum
    }
}

impl Type {
    fn new(kind: PayloadKind, number: u32) -> Self {
        let is_json = match kind {
            PayloadKind::Json => true,
            PayloadKind::Binary => false,
            PayloadKind::Mixed => !number.is_multiple_of(2),
        };
        Self {
            name: format!("account.event-{number:02}"),
            is_json,
        }
    }
}

/// Two amounts, a time, 16 random bytes, three small numbers, and a text up to `end`.
fn write_binary(out: &mut Vec<u8>, end: usize, random: &mut Random) {
    out.extend((random.below(10_000_000)).to_le_bytes());
    out.extend((random.below(1_000_000_000)).to_le_bytes());
    out.extend((1_700_000_000_000 + random.below(100_000_000)).to_le_bytes());
    out.extend(random.number().to_le_bytes());
    out.extend(random.number().to_le_bytes());
    for limit in [4, 12, 200] {
        out.push(random.below(limit) as u8);
    }
    write_text(out, end, random);
}

/// One of three shapes, with a text that fills it up to `end`.
fn write_json(out: &mut Vec<u8>, shape: u32, end: usize, random: &mut Random) {
    let cents = random.below(10_000_000);
    let currency = CURRENCIES[random.below(4) as usize];
    // Writing into memory can not fail.
    let _ = match shape {
        0 => write!(
            out,
            r#"{{"cents":{cents},"currency":"{currency}","to":"account-{:09}","memo":""#,
            random.below(1_000_000),
        ),
        1 => write!(
            out,
            r#"{{"balance":{}.{:02},"limit":{},"blocked":{},"reason":""#,
            cents / 100,
            cents % 100,
            random.below(20) * 500,
            random.below(10) == 0,
        ),
        _ => write!(
            out,
            r#"{{"card":"{:016x}","shop":{},"cents":{cents},"text":""#,
            random.number(),
            random.below(5000),
        ),
    };
    write_text(out, end.saturating_sub(2), random);
    out.extend(br#""}"#);
}

fn write_text(out: &mut Vec<u8>, end: usize, random: &mut Random) {
    while out.len() < end {
        let word = WORDS[random.below(WORDS.len() as u64) as usize];
        out.extend(word.bytes().chain([b' ']).take(end - out.len()));
    }
}
