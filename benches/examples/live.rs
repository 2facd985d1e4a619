//! What reading costs beside writing: `cargo run --release -p eventcask-benches --example live --
//! --events 4000000 --dir DIR`
//!
//! 1. How many events a second go in, with a projection kept before they are acknowledged.
//! 2. Entries of that projection are read while as many go in: from its states, and those that are
//!    kept.
//! 3. At half of that rate: from an append to its event in a projection behind the acknowledgement,
//!    as blocks are compressed by default, and where they are not.
//! 4. The same events go in beside ten subscribers that wait for something else, and without them,
//!    by turns. What the subscribers themselves take of the processors is told beside that: it
//!    varies less than the time does.
//!
//! Two shards, acknowledged when synced. Each figure is one JSON object a line.

use std::error::Error;
use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use eventcask::event::route;
use eventcask::{
    ApplyError, Batch, Codec, Expected, NewEvent, PerAggregate, Projection, Store, Timeout,
};
use eventcask_benches::{
    Load, argument, cpu_seconds, print_runs, print_times, thread_cpu_seconds, workload,
};

const ROUNDS: usize = 5;
const SHARDS: u32 = 2;
const AGGREGATES: u64 = 100_000;
/// Events of the workload that are used again and again.
const LOADS: usize = 1 << 18;
const SUBSCRIBERS: usize = 10;
/// Entries that are kept because they are asked for often.
const HOT: usize = 2_000;
/// Reads, and appends, of a round.
const READS: usize = 5_000;
const PROBES: usize = 500;
/// A round ends by then: whoever writes meanwhile fills the disk.
const ROUND: Duration = Duration::from_secs(5);
/// Events that a writer with a rate pushes at once.
const PUSHED: u64 = 256;
const SOON: Timeout = Timeout::Error(Duration::from_secs(60));

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

fn main() -> Result<()> {
    let events: u64 = argument("--events").map_or(Ok(4_000_000), |text| text.parse())?;
    let dir = PathBuf::from(argument("--dir").ok_or("--dir DIR is missing")?);
    let load = workload(LOADS, AGGREGATES);
    fs::create_dir_all(&dir)?;
    let rate = full_speed(&dir, &load, events)?;
    reads_beside_writes(&dir, &load)?;
    println!(
        r#"{{"what":"half of the rate","unit":"million events/s","median":{:.2}}}"#,
        rate / 2e6
    );
    visible(&dir, &load, rate / 2.0, Codec::Auto, "")?;
    visible(&dir, &load, rate / 2.0, Codec::None, ", nothing compressed")?;
    subscribers(&dir, &load, events)
}

/// Runs `work` on an empty store, which is gone then.
fn on_new<T>(dir: &Path, work: impl FnOnce(&Store) -> Result<T>) -> Result<T> {
    on_new_with(dir, Codec::Auto, work)
}

fn on_new_with<T>(dir: &Path, codec: Codec, work: impl FnOnce(&Store) -> Result<T>) -> Result<T> {
    let dir = dir.join("new");
    let options = Store::options().shards(SHARDS).codec(codec).seal(false);
    let store = options.open(&dir)?;
    let done = work(&store)?;
    store.close()?;
    fs::remove_dir_all(&dir)?;
    Ok(done)
}

/// Seconds, and seconds of CPU, until so many events are durable.
fn ingest(store: &Store, load: &[Load], events: u64) -> Result<(f64, f64)> {
    let (started, cpu) = (Instant::now(), cpu_seconds());
    let mut producer = store.producer();
    for one in load.iter().cycle().take(events as usize) {
        producer.push(&one.key, &without_id(one))?;
    }
    producer.flush()?.wait()?;
    Ok((started.elapsed().as_secs_f64(), cpu_seconds() - cpu))
}

/// The workload comes round: its ids would be known.
fn without_id(load: &Load) -> NewEvent<'_> {
    let mut event = load.event();
    event.id = None;
    event
}

/// Events a second, in the median.
fn full_speed(dir: &Path, load: &[Load], events: u64) -> Result<f64> {
    let mut rates = Vec::new();
    for _ in 0..ROUNDS {
        rates.push(on_new(dir, |store| {
            let _counts = store.projection(Counts).sync().start()?;
            Ok(events as f64 / ingest(store, load, events)?.0)
        })?);
    }
    rates.sort_unstable_by(f64::total_cmp);
    let median = rates[ROUNDS / 2];
    let millions = rates.into_iter().map(|rate| rate / 1e6).collect();
    print_runs("full speed, one producer", "million events/s", millions);
    Ok(median)
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
        let writer = scope.spawn(|| write(store, load, rate, &stops));
        let answer = read();
        stops.store(true, Ordering::Relaxed);
        writer.join().map_err(|_| "the writer failed")??;
        answer
    })
}

fn write(
    store: &Store,
    load: &[Load],
    rate: f64,
    stops: &AtomicBool,
) -> std::result::Result<(), eventcask::Error> {
    let mut producer = store.producer();
    let started = Instant::now();
    for (number, one) in (0..).zip(load.iter().cycle()) {
        if number % PUSHED == 0 {
            let due = Duration::from_secs_f64(number as f64 / rate);
            thread::sleep(due.saturating_sub(started.elapsed()));
            if stops.load(Ordering::Relaxed) {
                break;
            }
        }
        producer.push(&one.key, &without_id(one))?;
    }
    Ok(())
}

fn reads_beside_writes(dir: &Path, load: &[Load]) -> Result<()> {
    let (mut from_states, mut kept) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        on_new(dir, |store| {
            let counts = store.projection(Counts).sync().start()?;
            let hot = counts.entries(HOT);
            beside_writes(store, load, f64::INFINITY, || {
                from_states.extend(timed_reads(load, |one| {
                    let shard = route(&one.key, SHARDS);
                    Ok(counts.read(shard, |state| state.get(&one.key).copied())?)
                })?);
                // So many that all of them fit.
                let load = &load[..HOT / 2];
                for one in load {
                    hot.get(&one.key)?;
                }
                kept.extend(timed_reads(load, |one| Ok(hot.get(&one.key)?))?);
                Ok(())
            })
        })?;
    }
    print_times(
        "an entry read while writing at full speed, from the state",
        from_states,
    );
    print_times("an entry read while writing at full speed", kept);
    Ok(())
}

fn timed_reads(
    load: &[Load],
    read: impl Fn(&Load) -> Result<Option<u64>>,
) -> Result<Vec<Duration>> {
    let timed = load.iter().cycle().take(READS).map(|one| {
        let started = Instant::now();
        black_box(read(one)?);
        let time = started.elapsed();
        thread::sleep(Duration::from_micros(200));
        Ok(time)
    });
    timed.collect()
}

/// From an append to its event in a projection behind the acknowledgement.
fn visible(dir: &Path, load: &[Load], rate: f64, codec: Codec, how: &str) -> Result<()> {
    let (mut answered, mut seen) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        on_new_with(dir, codec, |store| {
            let counts = store.projection(Counts).start()?;
            beside_writes(store, load, rate, || {
                let mut producer = store.producer();
                let begun = Instant::now();
                for number in (0..PROBES).take_while(|_| begun.elapsed() < ROUND) {
                    let key = format!("probe-{number}");
                    let event = [NewEvent::bytes("Probed", b"")];
                    let started = Instant::now();
                    let answer = producer.append(&key, Expected::Any, &event)?.wait()?;
                    answered.push(started.elapsed());
                    counts.wait_for(answer.place(), SOON)?;
                    seen.push(started.elapsed());
                    thread::sleep(Duration::from_millis(2));
                }
                Ok(())
            })
        })?;
    }
    let what = format!("append to acknowledged, at half of the rate{how}");
    print_times(&what, answered);
    let what = format!("append to visible behind the acknowledgement, at half of the rate{how}");
    print_times(&what, seen);
    Ok(())
}

/// The same events with subscribers that wait for something else, and without, by turns.
fn subscribers(dir: &Path, load: &[Load], events: u64) -> Result<()> {
    let (mut slowed, mut own_cpu, mut publish) = (Vec::new(), Vec::new(), [Vec::new(), Vec::new()]);
    for round in 0..4 * ROUNDS {
        // Who comes first changes, so that nothing follows from that.
        let order = if round % 2 == 0 { [0, 1] } else { [1, 0] };
        let mut took = [0.0; 2];
        for with in order {
            on_new(dir, |store| {
                let work = || ingest(store, load, events);
                let ((seconds, cpu), own) = beside_subscribers(store, with * SUBSCRIBERS, work)?;
                took[with] = seconds;
                if with == 1 {
                    own_cpu.push(own / cpu * 100.0);
                }
                let publish_ns = store.stages().publish_ns;
                publish[with].push(publish_ns as f64 / events as f64);
                Ok(())
            })?;
        }
        slowed.push((took[1] / took[0] - 1.0) * 100.0);
    }
    print_runs("ingest slowed by ten idle subscribers", "percent", slowed);
    print_runs("CPU of ten idle subscribers", "percent of all", own_cpu);
    let [without, with] = publish;
    print_runs("publishing without subscribers", "ns an event", without);
    print_runs("publishing to ten idle subscribers", "ns an event", with);
    Ok(())
}

/// What `work` gives, and the seconds of CPU that subscribers took meanwhile.
fn beside_subscribers<T>(
    store: &Store,
    subscribers: usize,
    work: impl FnOnce() -> Result<T>,
) -> Result<(T, f64)> {
    let stops = AtomicBool::new(false);
    thread::scope(|scope| {
        let mut threads = Vec::new();
        for _ in 0..subscribers {
            let mut subscription = store.events().types(&["Nothing"]).subscribe()?;
            let stops = &stops;
            threads.push(scope.spawn(move || {
                while !stops.load(Ordering::Relaxed) {
                    let next = subscription.next_timeout(Duration::from_millis(200));
                    black_box(next.is_ok());
                }
                thread_cpu_seconds()
            }));
        }
        let done = work();
        stops.store(true, Ordering::Relaxed);
        let seconds = threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or(0.0));
        let seconds = seconds.sum();
        Ok((done?, seconds))
    })
}
