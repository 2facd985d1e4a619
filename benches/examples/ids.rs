//! What it costs to look ids up that rest in sealed segments:
//! `cargo run --release -p eventcask-benches --example ids -- --events 10000000 --dir DIR [--shards 16] [--memory BYTES]`
//!
//! A store of events with explicit ids, time-ordered and random, all of it sealed and opened again, so that no id is
//! in memory. Then events are pushed that are known, in the order in which they were stored and at random places, and
//! events that are new. `--memory` is what the store has for ids; with 0 no filter stays in memory. Each figure is one
//! JSON object a line.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Instant;

use eventcask::{EventId, Flushed, Store};
use eventcask_benches::{IdOrder, Ids, Load, argument, cpu_seconds, print_runs, workload};

const ROUNDS: usize = 5;
const AGGREGATES: u64 = 100_000;
/// Events of the workload that are used again and again.
const LOADS: usize = 1 << 18;
/// Ids of one round: a hundredth of the events for what is scattered, a tenth for what is not.
const PART: usize = 10;
const SCATTERED: usize = 100;
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
    let load = workload(LOADS, AGGREGATES);
    for order in [IdOrder::InTime, IdOrder::Random] {
        let bench = Bench {
            dir: &dir.join(format!("store-{order}")),
            load: &load,
            order,
            events,
            shards,
            memory,
        };
        bench.run()?;
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
}

impl Bench<'_> {
    fn run(&self) -> Result<()> {
        let ids: Vec<EventId> = Ids::new(self.order).take(self.events * 2).collect();
        let (known, new) = ids.split_at(self.events);
        self.fill(known)?;
        // What is in segments that are not complete is in memory, so it is left out.
        let sealed = self.events - self.events / SEGMENTS as usize * 2;
        let part = sealed / PART;
        let in_order = (0..ROUNDS).map(|round| (round * part..(round + 1) * part).collect());
        self.measure("known ids", in_order, known, false)?;
        let mut random = fastrand::Rng::with_seed(1);
        let scattered = (0..ROUNDS).map(|_| {
            let places = (0..self.events / SCATTERED).map(|_| random.usize(..sealed));
            places.collect()
        });
        self.measure("known ids at random places", scattered, known, false)?;
        let in_order = (0..ROUNDS).map(|round| (round * part..(round + 1) * part).collect());
        self.measure("new ids", in_order, new, true)
    }

    fn open(&self) -> Result<Store> {
        let bytes = self.events as u64 * EVENT_BYTES / u64::from(self.shards) / SEGMENTS;
        let (least, most) = SEGMENT_BYTES_LIMITS;
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
