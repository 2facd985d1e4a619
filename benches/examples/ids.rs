//! What it costs to look ids up: `cargo run --release -p eventcask-benches --example ids --
//! --events 10000000 --dir DIR [--shards 16] [--memory BYTES] [--order random]`
//!
//! A store of events with explicit ids, time-ordered and random, all of it sealed and opened again,
//! so that no id is in memory. Then events are pushed that are known, in the order in which they
//! were stored and at random places, and events that are new. After that the same of known ones in
//! a store of which nothing is sealed. `--memory` is what the store has for ids; with 0 no filter
//! stays in memory. Each figure is one JSON object a line.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Instant;

use eventcask::{EventId, Flushed, Store};
use eventcask_benches::{IdOrder, Ids, Load, argument, cpu_seconds, print_runs, workload};

const ROUNDS: usize = 5;
const AGGREGATES: u64 = 100_000;
/// Events of the workload that are used again and again.
const LOADS: usize = 1 << 18;
/// Ids of one round: a hundredth of the events for what is scattered, a tenth for what is not, and
/// no more than a million.
const PART: usize = 10;
const SCATTERED: usize = 100;
const MOST_IDS: usize = 1_000_000;
/// Events of the store of which nothing is sealed: the open end of two shards holds no more.
const OPEN_EVENTS: usize = 3_000_000;
/// Segments of a shard, about: the last one is not complete, and so not sealed.
const SEGMENTS: u64 = 8;
/// Bytes of an event on disk before it is sealed, about.
const EVENT_BYTES: u64 = 150;
const SEGMENT_BYTES_LIMITS: (u64, u64) = (1 << 20, 256 << 20);

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let number = |name, default: u64| argument(name).map_or(Ok(default), |text| text.parse());
    let events = number("--events", 2_000_000)? as usize;
    let shards = number("--shards", 2)? as u32;
    let memory = argument("--memory").map(|text| text.parse()).transpose()?;
    let dir = PathBuf::from(argument("--dir").ok_or("--dir DIR is missing")?);
    let only = argument("--order");
    let load = workload(LOADS, AGGREGATES);
    for order in [IdOrder::InTime, IdOrder::Random] {
        if only.as_ref().is_some_and(|only| *only != order.to_string()) {
            continue;
        }
        let bench = Bench {
            dir: &dir.join(format!("store-{order}")),
            load: &load,
            order,
            events,
            shards,
            memory,
            is_sealed: true,
        };
        bench.run()?;
        let open = Bench {
            dir: &dir.join(format!("open-{order}")),
            events: events.min(OPEN_EVENTS),
            is_sealed: false,
            ..bench
        };
        open.run_open()?;
    }
    Ok(())
}

struct Bench<'b> {
    dir: &'b Path,
    load: &'b [Load],
    order: IdOrder,
    events: usize,
    shards: u32,
    memory: Option<u64>,
    is_sealed: bool,
}

impl Bench<'_> {
    fn run(&self) -> Result<()> {
        // What is in segments that are not complete is in memory, so it is left out.
        let sealed = self.events - self.events / SEGMENTS as usize * 2;
        let part = (sealed / PART).min(MOST_IDS);
        let count = self.events + part * ROUNDS;
        let ids: Vec<EventId> = Ids::new(self.order).take(count).collect();
        let (known, new) = ids.split_at(self.events);
        self.fill(known)?;
        let in_order = (0..ROUNDS).map(|round| (round * part..(round + 1) * part).collect());
        self.measure("known ids", in_order, known, false)?;
        let scattered = self.scattered(sealed);
        self.measure("known ids at random places", scattered, known, false)?;
        let in_order = (0..ROUNDS).map(|round| (round * part..(round + 1) * part).collect());
        self.measure("new ids", in_order, new, true)
    }

    /// As [`run`](Self::run), where all ids are in memory and none of their events in a table.
    fn run_open(&self) -> Result<()> {
        let known: Vec<EventId> = Ids::new(self.order).take(self.events).collect();
        self.fill(&known)?;
        let what = "known ids at random places of the open end";
        self.measure(what, self.scattered(self.events), &known, false)
    }

    /// Random places of the first events, those of each round.
    fn scattered(&self, first: usize) -> impl Iterator<Item = Vec<usize>> {
        let (mut random, count) = (fastrand::Rng::with_seed(1), self.events / SCATTERED);
        let count = count.min(MOST_IDS);
        (0..ROUNDS).map(move |_| (0..count).map(|_| random.usize(..first)).collect())
    }

    fn open(&self) -> Result<Store> {
        let bytes = self.events as u64 * EVENT_BYTES / u64::from(self.shards) / SEGMENTS;
        let (least, most) = SEGMENT_BYTES_LIMITS;
        let bytes = if self.is_sealed { bytes } else { most };
        let mut options = Store::options().shards(self.shards);
        if let Some(bytes) = self.memory {
            options = options.dedup_memory_bytes(bytes);
        }
        Ok(options
            .segment_bytes(bytes.clamp(least, most))
            .open(self.dir)?)
    }

    fn fill(&self, ids: &[EventId]) -> Result<()> {
        let store = self.open()?;
        self.push(&store, ids, 0..ids.len())?;
        store.seal()?;
        Ok(store.close()?)
    }

    /// Pushes the events at some places of the log, or new ones.
    fn push(
        &self,
        store: &Store,
        ids: &[EventId],
        places: impl IntoIterator<Item = usize>,
    ) -> Result<Flushed> {
        let mut producer = store.producer();
        for place in places {
            let one = &self.load[place % self.load.len()];
            producer.push(&one.key, &one.event().id(ids[place]))?;
        }
        Ok(producer.flush()?.wait()?)
    }

    fn measure(
        &self,
        what: &str,
        rounds: impl Iterator<Item = Vec<usize>>,
        ids: &[EventId],
        are_new: bool,
    ) -> Result<()> {
        let store = self.open()?;
        let (mut rates, mut cpu) = (Vec::new(), Vec::new());
        for places in rounds {
            let count = places.len() as u64;
            let (begun, cpu_before) = (Instant::now(), cpu_seconds());
            let flushed = self.push(&store, ids, places)?;
            rates.push(count as f64 / begun.elapsed().as_secs_f64() / 1e6);
            cpu.push((cpu_seconds() - cpu_before) * 1e9 / count as f64);
            let expected = if are_new { (count, 0) } else { (0, count) };
            assert_eq!((flushed.stored, flushed.duplicates), expected, "{what}");
        }
        let what = format!("look-ups of {what}, {}", self.order);
        print_runs(&what, "million/s", rates);
        print_runs(&format!("CPU of {what}"), "ns", cpu);
        Ok(store.close()?)
    }
}
