//! What reading costs: `cargo run --release -p eventcask-benches --example reading -- --events
//! 2000000 --dir DIR`
//!
//! A store with the events of the workload, a hundred aggregates of 50 events spread over all of
//! them, and one of 10,000; two shards. Each figure is one JSON object a line: its name, and its
//! runs or percentiles. What reading costs beside writing is measured by the example `live`.
#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::error::Error;
use std::fs;
use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use eventcask::event::EventRef;
use eventcask::{
    ApplyError, Batch, Codec, Expected, Fold, NewEvent, PerAggregate, Projection, Store,
};
use eventcask_benches::{Load, argument, print_runs, print_times, workload};

const ROUNDS: usize = 5;
const SHARDS: u32 = 2;
const NEEDLES: u64 = 100;
const NEEDLE_EVENTS: u64 = 50;
const BIG: &str = "big";
const BIG_EVENTS: u64 = 10_000;
const AGGREGATES: u64 = 100_000;
/// Events of the workload that are used again and again.
const LOADS: usize = 1 << 18;
/// Four of the twelve types of the workload, two of them JSON.
const THIRD: &[&str] = &["Transfer0", "Transfer3", "Transfer6", "Transfer9"];
/// Bytes of a block, about, for the yardsticks.
const BLOCK_BYTES: usize = 256 << 10;
/// With this argument nothing is measured but a rebuild of the store in that directory.
const REBUILD: &str = "--rebuild";

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// How many events each aggregate has.
struct Counts;

impl Projection for Counts {
    const NAME: &'static str = "counts";
    const VERSION: u32 = 1;
    type State = PerAggregate<u64>;

    fn apply(
        &self,
        state: &mut PerAggregate<u64>,
        batch: &Batch<'_>,
    ) -> std::result::Result<(), ApplyError> {
        let mut counts = state.of(batch);
        for row in batch.rows() {
            counts[batch.aggregate_index(row)] += 1;
        }
        Ok(())
    }
}

/// The same, of the events of a third of the types.
struct ThirdCounts;

impl Projection for ThirdCounts {
    const NAME: &'static str = "third-counts";
    const VERSION: u32 = 1;
    const TYPES: Option<&'static [&'static str]> = Some(THIRD);
    type State = PerAggregate<u64>;

    fn apply(
        &self,
        state: &mut PerAggregate<u64>,
        batch: &Batch<'_>,
    ) -> std::result::Result<(), ApplyError> {
        Counts.apply(state, batch)
    }
}

struct Bytes;

impl Fold for Bytes {
    const NAME: &'static str = "bytes";
    const VERSION: u32 = 1;
    type State = u64;

    fn apply(&self, bytes: &mut u64, event: &EventRef<'_>) -> std::result::Result<(), ApplyError> {
        *bytes += event.payload.len() as u64;
        Ok(())
    }

    fn encode(&self, bytes: &u64, out: &mut Vec<u8>) {
        out.extend_from_slice(&bytes.to_le_bytes());
    }

    fn decode(&self, bytes: &[u8]) -> Option<u64> {
        bytes.try_into().ok().map(u64::from_le_bytes)
    }
}

fn main() -> Result<()> {
    if let Some(dir) = argument(REBUILD) {
        println!("{}", rebuild_seconds(Path::new(&dir))?);
        return Ok(());
    }
    let events: u64 = argument("--events").map_or(Ok(2_000_000), |text| text.parse())?;
    let dir = PathBuf::from(argument("--dir").ok_or("--dir DIR is missing")?);
    fs::create_dir_all(&dir)?;
    let load = workload(LOADS, AGGREGATES);
    yardsticks(&dir, &load)?;
    for (name, codec) in [("raw", Codec::None), ("zstd:1", Codec::Zstd(1))] {
        let store = fill(&dir.join(format!("store-{name}")), codec, &load, events)?;
        replay(&store, || Counts, &format!("replay, {name}"), events)?;
        needles(&store, name)?;
        if name == "raw" {
            folded(&store)?;
            folded_anew(&store, name)?;
        } else {
            let what = format!("replay, {name}, a third of the types");
            replay(&store, || ThirdCounts, &what, events)?;
        }
        store.close()?;
        if name == "zstd:1" {
            clustered(&dir.join("store-zstd:1"))?;
        }
    }
    rebuild_on_cores(&dir.join("store-zstd:1"))
}

/// What the machine itself does today: memory, the decompression of the payloads, and its page
/// cache.
fn yardsticks(dir: &Path, load: &[Load]) -> Result<()> {
    let mut raw = Vec::new();
    let mut events = load.iter();
    while raw.len() < BLOCK_BYTES
        && let Some(one) = events.next()
    {
        raw.extend_from_slice(one.event().payload);
    }
    let packed = zstd::bulk::compress(&raw, 1)?;
    let copied = (0..ROUNDS).map(|_| on_two_cores(raw.len(), |out| out.copy_from_slice(&raw)));
    print_runs(
        "yardstick: memory copied, two cores",
        "GB/s",
        copied.collect(),
    );
    let unpacked = (0..ROUNDS).map(|_| {
        on_two_cores(raw.len(), |out| {
            black_box(zstd::bulk::decompress_to_buffer(&packed, out).is_ok());
        })
    });
    print_runs(
        "yardstick: zstd:1 of the payloads decompressed, two cores",
        "GB/s",
        unpacked.collect(),
    );
    let path = dir.join("yardstick");
    let blocks = NEEDLE_EVENTS as usize;
    fs::write(&path, raw[..BLOCK_BYTES].repeat(blocks))?;
    let file = fs::File::open(&path)?;
    let mut block = vec![0; BLOCK_BYTES];
    let mut times = Vec::new();
    for _ in 0..NEEDLES {
        let started = Instant::now();
        for number in 0..blocks {
            // From the end to the beginning, as an aggregate is read.
            let at = (blocks - 1 - number) * BLOCK_BYTES;
            file.read_exact_at(&mut block, at as u64)?;
        }
        times.push(started.elapsed());
    }
    fs::remove_file(&path)?;
    print_times(
        "yardstick: 50 times 256 KiB read from the page cache",
        times,
    );
    Ok(())
}

/// Gigabytes a second, where two threads do `work` on so many bytes of their own, again and again.
fn on_two_cores(bytes: usize, work: impl Fn(&mut [u8]) + Sync) -> f64 {
    let until = Instant::now() + Duration::from_millis(300);
    let one = || {
        let (mut out, mut done, started) = (vec![0; bytes], 0_usize, Instant::now());
        while Instant::now() < until {
            work(black_box(&mut out));
            done += bytes;
        }
        done as f64 / started.elapsed().as_secs_f64() / 1e9
    };
    thread::scope(|scope| {
        let other = scope.spawn(one);
        one() + other.join().unwrap_or(0.0)
    })
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
fn replay<P: Projection>(
    store: &Store,
    projection: impl Fn() -> P,
    what: &str,
    events: u64,
) -> Result<()> {
    let mut rates = Vec::new();
    for _ in 0..ROUNDS {
        let started = Instant::now();
        let projected = store.projection(projection()).sync().start()?;
        rates.push(events as f64 / started.elapsed().as_secs_f64() / 1e6);
        drop(projected);
    }
    print_runs(what, "million events/s", rates);
    Ok(())
}

/// Rebuilds a projection of both shards in processes that have one core, and two, by turns.
fn rebuild_on_cores(store: &Path) -> Result<()> {
    let mut ratios = Vec::new();
    for _ in 0..ROUNDS {
        let (one, two) = (rebuild_on(store, "0")?, rebuild_on(store, "0,1")?);
        ratios.push(one / two);
    }
    print_runs("rebuild, two cores against one", "x", ratios);
    Ok(())
}

/// Seconds of a rebuild in a process of its own that has these cores.
fn rebuild_on(store: &Path, cores: &str) -> Result<f64> {
    let mut command = Command::new("taskset");
    command.args(["-c", cores]).arg(std::env::current_exe()?);
    let output = command.arg(REBUILD).arg(store).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}

fn rebuild_seconds(dir: &Path) -> Result<f64> {
    let store = Store::options().open_read_only(dir)?;
    let counts = store.projection(Counts).sync().start()?;
    let started = Instant::now();
    let positions = counts.rebuild()?.wait()?;
    let seconds = started.elapsed().as_secs_f64();
    positions.ok_or("it was cancelled")?;
    Ok(seconds)
}

/// Each of the spread aggregates is read once.
fn needles(store: &Store, name: &str) -> Result<()> {
    let mut times = Vec::new();
    for needle in 0..NEEDLES {
        let key = needle_key(needle);
        let started = Instant::now();
        let mut bytes = 0;
        for event in store.aggregate(&key).events()? {
            bytes += event?.payload().len();
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
    let store = options.open(dir)?;
    needles(&store, "clustered")?;
    folded_anew(&store, "clustered")
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
    Ok(())
}

/// All events of the large aggregate, each time anew.
fn folded_anew(store: &Store, name: &str) -> Result<()> {
    let mut times = Vec::new();
    for _ in 0..20 {
        // A handle of its own keeps nothing yet, and no snapshot is made.
        let bytes = store.fold(Bytes).snapshot_every(u64::MAX);
        let started = Instant::now();
        black_box(*bytes.load(BIG)?);
        times.push(started.elapsed());
    }
    print_times(&format!("10,000 events folded, {name}"), times);
    Ok(())
}
