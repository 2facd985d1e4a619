//! `eventcask load`.

use std::fmt;
use std::str::FromStr;

use clap::{Args, ValueEnum};
use eventcask::{Codec, DedupWindow, Durability, RouteBy};
use serde::{Serialize, Serializer};

use crate::generate::{PayloadKind, Skew};

/// Make load and measure what the store does with it
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
The store is made in a new directory beside the working directory and removed at the end, unless \
--store names one. Without --rate events come as fast as they are taken. With it each event has \
its due time, and its latency is counted from then, so that a stall is not hidden.

Exit code 1: the store counted other events than were sent to it.

Example:
  eventcask load --events 10M --codec none --yardsticks
  eventcask load --rate 500k --seconds 20 --producers 2 --json
  eventcask load --sweep codec --events 2M --runs 3 --json")]
pub struct LoadArgs {
    /// How many events are measured [default: 10M, or no limit with --seconds]
    #[arg(long, value_name = "N")]
    pub events: Option<Amount>,
    /// For how long is measured, where that is reached first
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub seconds: Option<f64>,
    /// Out of how many aggregates the events are drawn
    #[arg(long, value_name = "N", default_value = "1M")]
    pub aggregates: Amount,
    /// How they are drawn: zipf:S, uniform, or hot:F (one gets this fraction of all events)
    #[arg(long, value_name = "SKEW", default_value = "zipf:0.99")]
    pub skew: Skew,
    /// How many event types there are
    #[arg(long, value_name = "N", default_value = "12")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub types: u32,
    /// About how large a payload is
    #[arg(long, value_name = "N", default_value = "100")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub payload_bytes: u32,
    /// What payloads are: json, binary, or mixed (half of the types each)
    #[arg(long, value_name = "KIND", default_value = "mixed")]
    pub payload: PayloadKind,
    /// Events a second, evenly spread (open loop) [default: as fast as they are taken]
    #[arg(long, value_name = "EVENTS_PER_SECOND")]
    pub rate: Option<Amount>,
    /// How many threads produce
    #[arg(long, value_name = "N", default_value = "1")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub producers: u32,
    /// A thread for each shard, which owns the shard: it produces its events and does its work
    #[arg(long, conflicts_with_all = ["producers", "threads"])]
    pub owned: bool,
    /// One event at a time: the next is sent when the one before is acknowledged
    #[arg(long, conflicts_with = "rate")]
    pub one_by_one: bool,
    /// What a single event is sent by: append (Producer::append), push (push and flush), or shared
    /// (Store::append)
    #[arg(
        long,
        value_name = "CALL",
        default_value = "append",
        requires = "one_by_one"
    )]
    pub by: Call,
    /// When an event counts as stored: sync, os or interval:MS
    #[arg(long, value_name = "LEVEL", default_value = "sync")]
    pub durability: Durability,
    /// How blocks are compressed: none, lz4, zstd:LEVEL, text-lz4, text-zstd:LEVEL or auto
    #[arg(long, value_name = "CODEC", default_value = "auto")]
    pub codec: Codec,
    /// How many shards the store gets, a power of two [default: the number of cores, at most 16]
    #[arg(long, value_name = "N")]
    pub shards: Option<u32>,
    /// By what the store finds the shard of an aggregate: key (its whole key), or category (the key
    /// up to its first -); all of these are of one category, and so of one shard [default: key]
    #[arg(long, value_name = "WHAT")]
    pub route_by: Option<RouteBy>,
    /// How many threads write, at most one a shard [default: the number of cores]
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// Ids of events: explicit (time-ordered, made by the producer), session (events are numbered
    /// by it) or none (made by the store)
    #[arg(long, value_name = "IDS", default_value = "explicit")]
    pub ids: Ids,
    /// The fraction of what is sent that was sent before, with the same id and content
    #[arg(long, value_name = "FRACTION", default_value = "0", value_parser = fraction)]
    pub duplicates: f64,
    /// How far back ids are remembered: all, ids:N, bytes:N (of each shard) or time:SECONDS
    #[arg(long, value_name = "WINDOW", default_value = "all")]
    pub dedup_window: DedupWindow,
    /// Before measuring, store events until this many ids are known
    #[arg(long, value_name = "N")]
    pub fill_window: Option<Amount>,
    /// A projection that is applied before each acknowledgement: sum (events and bytes of each
    /// aggregate) or none
    #[arg(long, value_name = "WHAT", default_value = "none")]
    pub project: Project,
    /// At how many bytes a batch is handed over [default: 256 KiB]
    #[arg(long, value_name = "N")]
    pub batch_bytes: Option<usize>,
    /// How long a batch waits for more events, in microseconds [default: as the store does]
    #[arg(long, value_name = "MICROSECONDS")]
    pub linger_us: Option<u64>,
    /// At how many bytes a new segment is begun
    #[arg(long, value_name = "N")]
    pub segment_bytes: Option<u64>,
    /// Do not seal segments in the background
    #[arg(long, conflicts_with = "sealed")]
    pub no_seal: bool,
    /// Count also the time until all complete segments are sealed: what can be sustained
    #[arg(long)]
    pub sealed: bool,
    /// For how long load is made before it is measured
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub warmup: Option<f64>,
    /// How often it is measured, each time with a fresh store
    #[arg(long, value_name = "N", default_value = "1")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub runs: u32,
    /// Measure the machine's own limits first: memory, checksum, zstd, the disk, a plain log
    #[arg(long)]
    pub yardsticks: bool,
    /// Measure a series: each of several rates, numbers of shards, batch sizes, payload sizes,
    /// codecs
    #[arg(long, value_name = "WHAT")]
    pub sweep: Option<Sweep>,
    /// Where the random numbers begin; the same seed makes the same events
    #[arg(long, value_name = "N", default_value = "1")]
    pub seed: u64,
    /// Leave the store that was made
    #[arg(long)]
    pub keep: bool,
    /// Load a store that exists
    #[arg(long)]
    pub into_existing: bool,
}

/// How events get their ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Ids {
    /// The producer makes a time-ordered id for each event
    Explicit,
    /// The producer numbers its events, and no id is looked up
    Session,
    /// The store makes them
    None,
}

/// What a single event is sent by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Call {
    /// An append of the thread's own producer
    Append,
    /// A push and a flush of the thread's own producer
    Push,
    /// An append of the store itself, which all threads share
    Shared,
}

/// What follows the store while it is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Project {
    /// Events and payload bytes of each aggregate, before each acknowledgement
    Sum,
    /// Nothing
    None,
}

/// What a series goes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Sweep {
    /// Tenths to nine tenths of the greatest rate, which is measured first
    Rate,
    /// 1, 2, 4 and so on, up to four times the cores
    Shards,
    /// Batches of 4 KiB to 1 MiB
    Batch,
    /// Payloads of 16 bytes to 16 KiB
    Payload,
    /// none, lz4, zstd:1, zstd:3, text-lz4, text-zstd:1 and auto
    Codec,
}

/// A number of things, with k, M or G for thousands, millions and milliards.
///
/// ```
/// use eventcask_load::args::Amount;
/// assert_eq!("1.5M".parse(), Ok(Amount(1_500_000)));
/// assert_eq!("500k".parse::<Amount>().unwrap().to_string(), "500k");
/// assert!("0".parse::<Amount>().is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Amount(pub u64);

const UNITS: [(char, u64); 3] = [('G', 1_000_000_000), ('M', 1_000_000), ('k', 1000)];

impl FromStr for Amount {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a number of 1 or more, such as 1500, 500k or 1.5M");
        let unit = UNITS.iter().find(|(letter, _)| text.ends_with(*letter));
        let Some((letter, times)) = unit else {
            let plain = text.parse().ok().filter(|number| *number > 0);
            return plain.map(Self).ok_or_else(wrong);
        };
        let number: f64 = text
            .trim_end_matches(*letter)
            .parse()
            .map_err(|_| wrong())?;
        let product = number * *times as f64;
        // Above this, a float does not count one by one.
        if (1.0..9e15).contains(&product) {
            Ok(Self(product as u64))
        } else {
            Err(wrong())
        }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = |(_, times): &&(char, u64)| self.0 > 0 && self.0.is_multiple_of(*times);
        match UNITS.iter().find(whole) {
            Some((letter, times)) => write!(f, "{}{letter}", self.0 / times),
            None => write!(f, "{}", self.0),
        }
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0)
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse().ok();
    seconds
        .filter(|seconds| (0.001..=1e6).contains(seconds))
        .ok_or_else(|| format!("{text:?} is not a number of seconds, such as 10 or 0.5"))
}

fn fraction(text: &str) -> Result<f64, String> {
    let fraction = text.parse().ok();
    fraction
        .filter(|fraction| (0.0..=0.5).contains(fraction))
        .ok_or_else(|| format!("{text:?} is not a fraction from 0 to 0.5, such as 0.001"))
}
