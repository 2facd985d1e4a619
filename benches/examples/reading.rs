//! What reading costs: `cargo run --release -p eventcask-benches --example reading -- --events 2000000 --dir DIR`
//!
//! A store with the events of the workload, a hundred aggregates of 50 events spread over all of them, and one
//! of 10,000; two shards. Each figure is one JSON object a line: its name, and its runs or percentiles.
#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::error::Error;
use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use eventcask::{
    Batch, Codec, EventRef, Expected, Fold, Keyed, NewEvent, Projection, Store, Timeout, route,
};
use eventcask_benches::{Load, workload};

const ROUNDS: usize = 5;
const SHARDS: u32 = 2;
const NEEDLES: u64 = 100;
const NEEDLE_EVENTS: u64 = 50;
const BIG: &str = "big";
const BIG_EVENTS: u64 = 10_000;
const AGGREGATES: u64 = 100_000;
/// Events of the workload that are used again and again.
const LOADS: usize = 1 << 18;
const SUBSCRIBERS: usize = 10;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

struct Counts;

impl Projection for Counts {
    const NAME: &'static str = "counts";
    const VERSION: u32 = 1;
    type State = Keyed<u64>;

    fn apply(&self, state: &mut Keyed<u64>, batch: &Batch<'_>) {
        let mut counts = state.of(batch);
        for row in batch.rows() {
            counts[batch.aggregate_index(row)] += 1;
        }
    }
}

struct Bytes;

impl Fold for Bytes {
    const NAME: &'static str = "bytes";
    const VERSION: u32 = 1;
    type State = u64;

    fn apply(&self, bytes: &mut u64, event: &EventRef<'_>) {
        *bytes += event.payload.len() as u64;
    }

    fn encode(&self, bytes: &u64, out: &mut Vec<u8>) {
        out.extend_from_slice(&bytes.to_le_bytes());
    }

    fn decode(&self, bytes: &[u8]) -> Option<u64> {
        bytes.try_into().ok().map(u64::from_le_bytes)
    }
}

fn argument(name: &str) -> Option<String> {
    let mut arguments = std::env::args();
    arguments.find(|argument| argument == name)?;
    arguments.next()
}

fn main() -> Result<()> {
    let events: u64 = argument("--events").map_or(Ok(2_000_000), |text| text.parse())?;
    let dir = PathBuf::from(argument("--dir").ok_or("--dir DIR is missing")?);
    fs::create_dir_all(&dir)?;
    let load = workload(LOADS, AGGREGATES);
    for (name, codec) in [("raw", Codec::None), ("zstd:1", Codec::Zstd(1))] {
        let store = fill(&dir.join(format!("store-{name}")), codec, &load, events)?;
        replay(&store, name, events)?;
        needles(&store, name)?;
        if name == "raw" {
            folded(&store)?;
            reads_beside_writes(&store, &load)?;
            visible(&store, &load)?;
        }
        store.close()?;
        if name == "zstd:1" {
            clustered(&dir.join("store-zstd:1"))?;
        }
    }
    subscribers(&dir, &load, events)
}

/// Prints a figure of which there are some runs.
fn print_runs(what: &str, unit: &str, mut runs: Vec<f64>) {
    runs.sort_unstable_by(f64::total_cmp);
    let (low, median, high) = (runs[0], runs[runs.len() / 2], runs[runs.len() - 1]);
    println!(
        r#"{{"what":"{what}","unit":"{unit}","median":{median:.4},"min":{low:.4},"max":{high:.4},"runs":{}}}"#,
        runs.len()
    );
}

/// Prints the percentiles of times.
fn print_times(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize].as_secs_f64() * 1e6;
    println!(
        r#"{{"what":"{what}","unit":"us","p50":{:.2},"p99":{:.2},"max":{:.2},"runs":{}}}"#,
        at(0.5),
        at(0.99),
        at(1.0),
        times.len()
    );
}

fn fill(dir: &Path, codec: Codec, load: &[Load], events: u64) -> Result<Store> {
    let options = Store::options().shards(SHARDS).codec(codec).seal(false);
    let store = options.open(dir)?;
    let mut producer = store.producer();
    let payload = [7; 100];
    let mark = NewEvent::bytes("Marked", &payload);
    let (needle_every, big_every) = (
        events / (NEEDLES * NEEDLE_EVENTS),
        (events / BIG_EVENTS).max(1),
    );
    for number in 0..events {
        let one = &load[number as usize % load.len()];
        producer.push(&one.key, &without_id(one))?;
        if number.is_multiple_of(needle_every.max(1)) {
            let needle = number / needle_every.max(1) % NEEDLES;
            producer.push(&needle_key(needle), &mark)?;
        }
        if number.is_multiple_of(big_every) {
            producer.push(BIG, &mark)?;
        }
    }
    producer.flush()?.wait()?;
    Ok(store)
}

/// The workload comes round: its ids would be known.
fn without_id(load: &Load) -> NewEvent<'_> {
    let mut event = load.event();
    event.id = None;
    event
}

fn needle_key(needle: u64) -> String {
    format!("needle-{needle}")
}

/// A keyed projection is filled from the log by both cores.
fn replay(store: &Store, name: &str, events: u64) -> Result<()> {
    let mut rates = Vec::new();
    for _ in 0..ROUNDS {
        let started = Instant::now();
        let counts = store.project(Counts)?;
        rates.push(events as f64 / started.elapsed().as_secs_f64() / 1e6);
        drop(counts);
    }
    print_runs(&format!("replay, {name}"), "million events/s", rates);
    Ok(())
}

/// Each of the spread aggregates is read once.
fn needles(store: &Store, name: &str) -> Result<()> {
    let mut times = Vec::new();
    for needle in 0..NEEDLES {
        let key = needle_key(needle);
        let started = Instant::now();
        let mut bytes = 0;
        for event in store.aggregate(&key).events()? {
            bytes += event?.get().payload.len();
        }
        black_box(bytes);
        times.push(started.elapsed());
    }
    print_times(&format!("50 scattered events, {name}"), times);
    Ok(())
}

/// The same where all segments are sealed, with clusters.
fn clustered(dir: &Path) -> Result<()> {
    let options = Store::options()
        .codec(Codec::Zstd(1))
        .seal(false)
        .clustered(true);
    let options = options.seal_codec(Codec::Zstd(1));
    // The open end is complete as soon as something comes after it.
    let store = options.clone().segment_bytes(1).open(dir)?;
    let mut producer = store.producer();
    for number in 0..8 {
        let event = [NewEvent::bytes("Ended", b"")];
        producer
            .append(&format!("end-{number}"), Expected::Any, &event)?
            .wait()?;
    }
    drop(producer);
    store.seal()?;
    store.close()?;
    needles(&options.open(dir)?, "clustered")
}

fn folded(store: &Store) -> Result<()> {
    let bytes = store.fold(Bytes);
    let key = needle_key(0);
    bytes.load(&key)?;
    let mut times = Vec::new();
    for _ in 0..1000 {
        // A hundred at a time: the clock takes as long as one.
        let started = Instant::now();
        for _ in 0..100 {
            black_box(*bytes.load(black_box(&key))?);
        }
        times.push(started.elapsed() / 100);
    }
    print_times("folded state in the cache", times);
    let times: Result<Vec<_>> = (0..20)
        .map(|_| {
            // A handle of its own keeps nothing yet, and no snapshot is made.
            let bytes = store.fold(Bytes).snapshot_every(u64::MAX);
            let started = Instant::now();
            black_box(*bytes.load(BIG)?);
            Ok(started.elapsed())
        })
        .collect();
    print_times("10,000 events folded", times?);
    Ok(())
}

/// Runs `read` while another thread pushes, so many events a second at most.
fn beside_writes<T>(
    store: &Store,
    load: &[Load],
    rate: f64,
    read: impl FnOnce() -> Result<T>,
) -> Result<T> {
    let stops = AtomicBool::new(false);
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut producer = store.producer();
            let started = Instant::now();
            for (number, one) in load.iter().cycle().enumerate() {
                if number % 256 == 0 {
                    let due = Duration::from_secs_f64(number as f64 / rate);
                    thread::sleep(due.saturating_sub(started.elapsed()));
                    if stops.load(Ordering::Relaxed) {
                        break;
                    }
                }
                if producer.push(&one.key, &without_id(one)).is_err() {
                    break;
                }
            }
        });
        let answer = read();
        stops.store(true, Ordering::Relaxed);
        let joined = writer.join();
        joined.map_err(|_| "the writer failed")?;
        answer
    })
}

fn reads_beside_writes(store: &Store, load: &[Load]) -> Result<()> {
    let counts = store.project(Counts)?;
    let times = beside_writes(store, load, f64::INFINITY, || {
        let mut times = Vec::new();
        for one in load.iter().cycle().take(5000) {
            let started = Instant::now();
            let shard = route(&one.key, SHARDS);
            black_box(counts.read(shard, |state| state.get(&one.key).copied())?);
            times.push(started.elapsed());
            thread::sleep(Duration::from_micros(200));
        }
        Ok(times)
    })?;
    print_times("an entry read while writing at full speed", times);
    Ok(())
}

/// From an append to its event in a projection behind the acknowledgement.
fn visible(store: &Store, load: &[Load]) -> Result<()> {
    let counts = store.projection(Counts).start()?;
    let times = beside_writes(store, load, 1_000_000.0, || {
        let mut producer = store.producer();
        let mut times = Vec::new();
        for number in 0..500 {
            let key = format!("probe-{number}");
            let started = Instant::now();
            let event = [NewEvent::bytes("Probed", b"")];
            let answer = producer.append(&key, Expected::Any, &event)?.wait()?;
            let position = answer.position().ok_or("it is new")?;
            let timeout = Timeout::Error(Duration::from_secs(10));
            counts.wait_for(route(&key, SHARDS), position, timeout)?;
            times.push(started.elapsed());
            thread::sleep(Duration::from_millis(2));
        }
        Ok(times)
    })?;
    print_times(
        "append to visible behind the acknowledgement, beside 1 million events/s",
        times,
    );
    Ok(())
}

/// The same events with subscribers that wait for something else, and without, by turns.
fn subscribers(dir: &Path, load: &[Load], events: u64) -> Result<()> {
    let mut ratios = Vec::new();
    for round in 0..ROUNDS {
        let mut seconds = [0.0; 2];
        for (with, seconds) in seconds.iter_mut().enumerate() {
            let dir = dir.join(format!("ingest-{round}-{with}"));
            let store = Store::options().shards(SHARDS).seal(false).open(&dir)?;
            *seconds = ingest(&store, load, events, with * SUBSCRIBERS)?;
            store.close()?;
            fs::remove_dir_all(&dir)?;
        }
        ratios.push((seconds[1] / seconds[0] - 1.0) * 100.0);
    }
    print_runs("ingest slowed by ten idle subscribers", "percent", ratios);
    Ok(())
}

fn ingest(store: &Store, load: &[Load], events: u64, subscribers: usize) -> Result<f64> {
    let stops = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..subscribers {
            let mut subscription = store.subscribe().types(&["Nothing"]).start()?;
            let stops = &stops;
            scope.spawn(move || {
                while !stops.load(Ordering::Relaxed) {
                    black_box(
                        subscription
                            .next_timeout(Duration::from_millis(200))
                            .is_ok(),
                    );
                }
            });
        }
        let started = Instant::now();
        let mut producer = store.producer();
        for number in 0..events {
            let one = &load[number as usize % load.len()];
            producer.push(&one.key, &without_id(one))?;
        }
        producer.flush()?.wait()?;
        let seconds = started.elapsed().as_secs_f64();
        stops.store(true, Ordering::Relaxed);
        Ok(seconds)
    })
}
