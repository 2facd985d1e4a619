//! What callers get who append one event and wait for its answer: `cargo run --release -p
//! eventcask-benches --example callers -- --dir DIR [--durability sync] [--seconds 3]`
//!
//! 1, 2, 8, 64 and 1,000 callers of one shard: threads that append by a producer of their own
//! (`append`), that push and flush (`push`), or that share `Store::append` (`shared`), and tasks
//! that await it on a runtime with two threads (`tasks`). Threads are started and warm before
//! anything is counted. Each figure is one JSON object a line; CPU is that of the whole process.

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use eventcask::{Codec, EventId, Expected, NewEvent, Producer, Store};
use eventcask_benches::{SEED, argument, cpu_seconds};
use fastrand::Rng;
use tokio::runtime;

const CALLERS: [usize; 5] = [1, 2, 8, 64, 1000];
const AGGREGATES: usize = 100_000;
const PAYLOAD: [u8; 100] = [7; 100];
const WARM: Duration = Duration::from_millis(700);

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// By what a caller appends.
#[derive(Debug, Clone, Copy)]
enum Way {
    Append,
    Push,
    Shared,
    Tasks,
}

/// What callers are doing: they warm up, are measured, and end.
#[derive(Default)]
struct Phase(AtomicU8);

impl Phase {
    const MEASURED: u8 = 1;
    const ENDED: u8 = 2;

    fn get(&self) -> u8 {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self, phase: u8) {
        self.0.store(phase, Ordering::Relaxed);
    }
}

/// One who appends and waits.
struct Caller {
    store: Store,
    keys: Arc<Vec<String>>,
    phase: Arc<Phase>,
    random: Rng,
    /// Microseconds until each answer.
    times: Vec<u32>,
}

impl Caller {
    fn draw(&mut self) -> (usize, NewEvent<'static>) {
        let id = self.random.u128(1..);
        let event = NewEvent::bytes("Deposited", &PAYLOAD).id(EventId::from_u128(id));
        (self.random.usize(..AGGREGATES), event)
    }

    fn note(&mut self, phase: u8, sent: Instant) {
        if phase == Phase::MEASURED {
            self.times.push(sent.elapsed().as_micros() as u32);
        }
    }

    fn run(mut self, way: Way) -> Result<Vec<u32>> {
        let mut producer = self.store.producer();
        loop {
            let (phase, sent) = (self.phase.get(), Instant::now());
            if phase == Phase::ENDED {
                return Ok(self.times);
            }
            let (key, event) = self.draw();
            self.send(way, &mut producer, key, event)?;
            self.note(phase, sent);
        }
    }

    fn send(&self, way: Way, by: &mut Producer, key: usize, event: NewEvent<'_>) -> Result<()> {
        let key = &self.keys[key];
        match way {
            Way::Append => {
                by.append(key, Expected::Any, &[event])?.wait()?;
            }
            Way::Push => {
                by.push(key, &event)?;
                by.flush()?.wait()?;
            }
            Way::Shared | Way::Tasks => {
                self.store.append(key, Expected::Any, &[event])?.wait()?;
            }
        }
        Ok(())
    }

    async fn run_as_task(mut self) -> Result<Vec<u32>> {
        loop {
            let (phase, sent) = (self.phase.get(), Instant::now());
            if phase == Phase::ENDED {
                return Ok(self.times);
            }
            let (key, event) = self.draw();
            let ticket = self
                .store
                .append(&self.keys[key], Expected::Any, &[event])?;
            ticket.await?;
            self.note(phase, sent);
        }
    }
}

fn main() -> Result<()> {
    let seconds = argument("--seconds").map_or(Ok(3.0), |text| text.parse())?;
    let level = argument("--durability").unwrap_or_else(|| "sync".to_owned());
    let directory = PathBuf::from(argument("--dir").ok_or("--dir names a new directory")?);
    for way in [Way::Append, Way::Push, Way::Shared, Way::Tasks] {
        for callers in CALLERS {
            let options = Store::options().shards(1).durability(level.parse()?);
            let store = options.codec(Codec::None).open(&*directory)?;
            measure(
                &store,
                way,
                callers,
                Duration::from_secs_f64(seconds),
                &level,
            )?;
            store.close()?;
            fs::remove_dir_all(&directory)?;
        }
    }
    Ok(())
}

fn measure(store: &Store, way: Way, callers: usize, time: Duration, level: &str) -> Result<()> {
    let keys: Arc<Vec<String>> =
        Arc::new((0..AGGREGATES).map(|n| format!("account-{n:09}")).collect());
    let phase = Arc::new(Phase::default());
    let caller = |number: usize| Caller {
        store: store.clone(),
        keys: Arc::clone(&keys),
        phase: Arc::clone(&phase),
        random: Rng::with_seed(SEED + number as u64),
        times: Vec::with_capacity(1000),
    };
    let each = (0..callers).map(caller);
    let measured = || {
        thread::sleep(WARM);
        let (began, cpu) = (Instant::now(), cpu_seconds());
        phase.set(Phase::MEASURED);
        thread::sleep(time);
        let cost = (began.elapsed().as_secs_f64(), cpu_seconds() - cpu);
        phase.set(Phase::ENDED);
        cost
    };
    let (cost, times) = match way {
        Way::Tasks => as_tasks(each, measured)?,
        _ => as_threads(each, way, measured)?,
    };
    print(way, callers, level, cost, times);
    Ok(())
}

type Cost = (f64, f64);

fn as_threads(
    callers: impl Iterator<Item = Caller>,
    way: Way,
    measured: impl FnOnce() -> Cost,
) -> Result<(Cost, Vec<u32>)> {
    let start = |caller: Caller| {
        let thread = thread::Builder::new().stack_size(128 << 10);
        thread.spawn(move || caller.run(way))
    };
    let threads: Vec<_> = callers.map(start).collect::<std::result::Result<_, _>>()?;
    let cost = measured();
    let mut times = Vec::new();
    for thread in threads {
        times.extend(thread.join().map_err(|_| "a caller failed")??);
    }
    Ok((cost, times))
}

fn as_tasks(
    callers: impl Iterator<Item = Caller>,
    measured: impl FnOnce() -> Cost,
) -> Result<(Cost, Vec<u32>)> {
    let runtime = runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()?;
    let tasks: Vec<_> = callers
        .map(|caller| runtime.spawn(caller.run_as_task()))
        .collect();
    let cost = measured();
    let mut times = Vec::new();
    for task in tasks {
        times.extend(runtime.block_on(task)??);
    }
    Ok((cost, times))
}

fn print(way: Way, callers: usize, level: &str, (seconds, cpu): Cost, mut times: Vec<u32>) {
    times.sort_unstable();
    let events = times.len() as f64;
    let at = |part: f64| {
        times
            .get(((events - 1.0) * part) as usize)
            .copied()
            .unwrap_or(0)
    };
    println!(
        r#"{{"way":"{way:?}","callers":{callers},"durability":"{level}","events_per_second":{:.0},"cpu_us":{:.2},"p50_us":{},"p99_us":{},"p999_us":{}}}"#,
        events / seconds,
        cpu / events * 1e6,
        at(0.5),
        at(0.99),
        at(0.999),
    );
}
