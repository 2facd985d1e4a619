//! What each kind of consistency costs: `cargo run --release -p eventcask-benches --example
//! consistency -- --events 2000000 --dir DIR`
//!
//! 1. The same events go in beside each kind of reader, by turns: what it costs the writer.
//! 2. One event at a time, by turns: from the append to the answer, and until a reader sees it.
//! 3. A projection of a million aggregates is read while it is saved, and while it is not.
//! 4. A moment of the past is asked for, with a snapshot before it and without.
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
use eventcask::projection::SnapshotPolicy;
use eventcask::read_model::{Batches, ModelError};
use eventcask::{
    ApplyError, AsOf, Batch, Expected, NewEvent, PerAggregate, Place, Projection, ProjectionHandle,
    ReadModelRunner, Store, Timeout,
};
use eventcask_benches::{Load, argument, cpu_seconds, print_runs, print_times, workload};
use eventcask_sqlite::rusqlite::Transaction;
use eventcask_sqlite::{SqliteModel, Tables, Upsert};

const ROUNDS: usize = 5;
const SHARDS: u32 = 2;
const AGGREGATES: u64 = 100_000;
/// Aggregates of the projection that is saved while it is read.
const MANY_AGGREGATES: u64 = 1_000_000;
/// Events of the workload that are used again and again.
const LOADS: usize = 1 << 18;
/// Appends of a round, one at a time.
const APPENDS: usize = 200;
const SOON: Duration = Duration::from_secs(600);

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

/// The same in SQLite.
struct Rows(Upsert);

impl Rows {
    fn open(file: &Path) -> Result<SqliteModel<Self>> {
        let upsert = Upsert::into("counts").key("account").sum("events");
        Ok(SqliteModel::open(file, Self(upsert))?)
    }
}

impl Tables for Rows {
    const NAME: &'static str = "counts";
    const VERSION: u32 = 1;

    fn reset(&mut self, transaction: &Transaction<'_>) -> std::result::Result<(), ModelError> {
        Ok(transaction.execute_batch(
            "DROP TABLE IF EXISTS counts;
             CREATE TABLE counts (account TEXT PRIMARY KEY, events INTEGER) WITHOUT ROWID;",
        )?)
    }

    fn apply(
        &mut self,
        batches: &Batches<'_>,
        transaction: &Transaction<'_>,
    ) -> std::result::Result<(), ModelError> {
        let mut rows = self.0.rows();
        for event in batches.events() {
            rows.push([event.key.into(), 1_i64.into()]);
        }
        Ok(rows.write(transaction)?)
    }
}

/// What reads beside the writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Nothing,
    Sync,
    Behind,
    BehindSaved,
    Model,
}

const KINDS: [Kind; 5] = [
    Kind::Nothing,
    Kind::Sync,
    Kind::Behind,
    Kind::BehindSaved,
    Kind::Model,
];

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Sync => "sync",
            Self::Behind => "behind",
            Self::BehindSaved => "behind, saved each 250,000 events",
            Self::Model => "SQLite",
        }
    }

    fn start(self, store: &Store, dir: &Path) -> Result<Reader> {
        let counts = || store.projection(Counts);
        let often = SnapshotPolicy::default().events(250_000);
        Ok(match self {
            Self::Nothing => Reader::Nothing,
            Self::Sync => Reader::Counts(counts().sync().start()?),
            Self::Behind => Reader::Counts(counts().start()?),
            Self::BehindSaved => Reader::Counts(counts().snapshots(often).start()?),
            Self::Model => Reader::Model(
                store
                    .read_model(Rows::open(&dir.join("counts.db"))?)
                    .start()?,
            ),
        })
    }
}

/// One that has begun.
enum Reader {
    Nothing,
    Counts(ProjectionHandle<Counts>),
    Model(ReadModelRunner),
}

impl Reader {
    /// Waits until it holds an event.
    fn wait_for(&self, place: Place) -> Result<()> {
        match self {
            Self::Nothing => {}
            Self::Counts(counts) => {
                counts.wait_for(place, Timeout::Error(SOON))?;
            }
            Self::Model(feed) => {
                feed.wait_for(place, Timeout::Error(SOON))?;
            }
        }
        Ok(())
    }

    /// Waits until it holds all that is durable.
    fn catch_up(&self, store: &Store) -> Result<()> {
        for (shard, position) in (0..).zip(store.positions()) {
            if let Some(last) = position.checked_sub(1) {
                self.wait_for(Place::new(shard, last))?;
            }
        }
        Ok(())
    }
}

fn main() -> Result<()> {
    let events: u64 = argument("--events").map_or(Ok(2_000_000), |text| text.parse())?;
    let dir = PathBuf::from(argument("--dir").ok_or("--dir DIR is missing")?);
    let load = workload(LOADS, AGGREGATES);
    fs::create_dir_all(&dir)?;
    cost_of_writing(&dir, &load, events)?;
    one_at_a_time(&dir, &load)?;
    saving(&dir, events)?;
    past(&dir, &load, events)
}

fn open(dir: &Path) -> Result<Store> {
    Ok(Store::options().shards(SHARDS).seal(false).open(dir)?)
}

/// Runs `work` on an empty store, which is gone then.
fn on_new<T>(dir: &Path, work: impl FnOnce(&Store, &Path) -> Result<T>) -> Result<T> {
    let dir = dir.join("new");
    fs::create_dir_all(&dir)?;
    let store = open(&dir.join("store"))?;
    let done = work(&store, &dir)?;
    store.close()?;
    fs::remove_dir_all(&dir)?;
    Ok(done)
}

fn ingest(store: &Store, load: &[Load], events: u64) -> Result<()> {
    let mut producer = store.producer();
    for one in load.iter().cycle().take(events as usize) {
        producer.push(&one.key, &without_id(one))?;
    }
    producer.flush()?.wait()?;
    Ok(())
}

/// The workload comes round: its ids would be known.
fn without_id(load: &Load) -> NewEvent<'_> {
    let mut event = load.event();
    event.id = None;
    event
}

/// What the same events took beside a reader.
struct Cost {
    seconds: f64,
    until_seen: f64,
    cpu: f64,
}

fn cost(dir: &Path, load: &[Load], events: u64, kind: Kind) -> Result<Cost> {
    on_new(dir, |store, dir| {
        let reader = kind.start(store, dir)?;
        let (started, cpu) = (Instant::now(), cpu_seconds());
        ingest(store, load, events)?;
        let seconds = started.elapsed().as_secs_f64();
        reader.catch_up(store)?;
        Ok(Cost {
            seconds,
            until_seen: started.elapsed().as_secs_f64(),
            cpu: cpu_seconds() - cpu,
        })
    })
}

fn cost_of_writing(dir: &Path, load: &[Load], events: u64) -> Result<()> {
    let mut costs: [Vec<Cost>; KINDS.len()] = Default::default();
    for _ in 0..ROUNDS {
        for (kind, costs) in KINDS.into_iter().zip(&mut costs) {
            costs.push(cost(dir, load, events, kind)?);
        }
    }
    let millions = events as f64 / 1e6;
    for (kind, costs_of_kind) in KINDS.into_iter().zip(&costs) {
        let print = |what: &str, unit: &str, figure: &dyn Fn(&Cost) -> f64| {
            let runs = costs_of_kind.iter().map(figure).collect();
            print_runs(&format!("{what} beside {}", kind.name()), unit, runs);
        };
        print("ingest", "million events/s", &|cost| {
            millions / cost.seconds
        });
        print("ingest until seen", "million events/s", &|cost| {
            millions / cost.until_seen
        });
        print("CPU", "ns an event", &|cost| cost.cpu * 1e3 / millions);
        let alone = costs[0].iter().map(|cost| cost.seconds);
        let slowed = costs_of_kind.iter().zip(alone);
        let slowed = slowed.map(|(cost, alone)| (cost.seconds / alone - 1.0) * 100.0);
        print_runs(
            &format!("ingest slowed by {}", kind.name()),
            "percent",
            slowed.collect(),
        );
    }
    Ok(())
}

/// One event at a time, and nothing else: until it is answered, and until the reader holds it.
fn one_at_a_time(dir: &Path, load: &[Load]) -> Result<()> {
    let mut times: [(Vec<Duration>, Vec<Duration>); KINDS.len()] = Default::default();
    for _ in 0..ROUNDS {
        for (kind, (answered, seen)) in KINDS.into_iter().zip(&mut times) {
            on_new(dir, |store, dir| {
                let reader = kind.start(store, dir)?;
                let mut producer = store.producer();
                for one in &load[..APPENDS] {
                    let started = Instant::now();
                    let ticket = producer.append(&one.key, Expected::Any, &[without_id(one)])?;
                    let place = ticket.wait()?.place();
                    answered.push(started.elapsed());
                    reader.wait_for(place)?;
                    seen.push(started.elapsed());
                }
                Ok(())
            })?;
        }
    }
    for (kind, (answered, seen)) in KINDS.into_iter().zip(times) {
        print_times(&format!("answered beside {}", kind.name()), answered);
        print_times(&format!("seen by {}", kind.name()), seen);
    }
    Ok(())
}

/// Entries of a large projection are read beside a writer, while it is saved all the time and while
/// it is not.
fn saving(dir: &Path, events: u64) -> Result<()> {
    let load = workload(events as usize, MANY_AGGREGATES);
    let mut times: [Vec<Duration>; 2] = Default::default();
    let mut saved = Vec::new();
    for _ in 0..ROUNDS {
        for (is_saved, times) in [false, true].into_iter().zip(&mut times) {
            on_new(dir, |store, _| {
                let counts = store.projection(Counts).sync();
                let often = SnapshotPolicy::default().events(100_000);
                let counts = if is_saved {
                    counts.snapshots(often)
                } else {
                    counts
                };
                let counts = counts.start()?;
                ingest(store, &load, events)?;
                times.extend(read_beside(store, &counts, &load)?);
                let kept = counts.stats().snapshot_positions;
                saved.extend(kept.into_iter().flatten().map(|position| position as f64));
                Ok(())
            })?;
        }
    }
    let [without, with] = times;
    print_times("an entry of a million, never saved", without);
    print_times("an entry of a million, saved each 100,000 events", with);
    print_runs("position of the last snapshot of a shard", "events", saved);
    Ok(())
}

/// Reads entries while another thread writes as fast as it can, for some seconds.
fn read_beside(
    store: &Store,
    counts: &ProjectionHandle<Counts>,
    load: &[Load],
) -> Result<Vec<Duration>> {
    let stops = AtomicBool::new(false);
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut producer = store.producer();
            for one in load.iter().cycle() {
                if stops.load(Ordering::Relaxed)
                    || producer.push(&one.key, &without_id(one)).is_err()
                {
                    break;
                }
            }
        });
        let mut times = Vec::new();
        for one in load.iter().cycle().take(10_000) {
            let started = Instant::now();
            let read = counts.read(route(&one.key, SHARDS), |state| {
                state.get(&one.key).copied()
            });
            black_box(read?);
            times.push(started.elapsed());
            thread::sleep(Duration::from_micros(200));
        }
        stops.store(true, Ordering::Relaxed);
        writer.join().map_err(|_| "the writer failed")?;
        Ok(times)
    })
}

/// The states as they were, near the end of the log.
fn past(dir: &Path, load: &[Load], events: u64) -> Result<()> {
    on_new(dir, |store, _| {
        ingest(store, load, events)?;
        let moment = AsOf::Position(events / 2 - events / 40);
        let counts = store.projection(Counts).start()?;
        print_times(
            "a moment of the past, from the beginning",
            as_of(&counts, moment)?,
        );
        drop(counts);
        let policy = SnapshotPolicy::default();
        // Saved when it ends, at the end of the log: it is of use for what comes after that.
        let counts = store.projection(Counts).snapshots(policy).sync().start()?;
        drop(counts);
        ingest(store, load, events / 20)?;
        let counts = store.projection(Counts).snapshots(policy).start()?;
        let end = store.positions().into_iter().max().unwrap_or(1);
        print_times(
            "a moment of the past, from a snapshot near it",
            as_of(&counts, AsOf::Position(end - 1))?,
        );
        Ok(())
    })
}

fn as_of(counts: &ProjectionHandle<Counts>, moment: AsOf) -> Result<Vec<Duration>> {
    let times = (0..ROUNDS).map(|_| {
        let started = Instant::now();
        black_box(counts.as_of(moment)?);
        Ok(started.elapsed())
    });
    times.collect()
}
