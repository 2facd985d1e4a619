//! One run: a store, what comes before, what is measured.

mod totals;
mod meter;
pub(crate) mod spread;
pub(crate) mod sweep;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use eventcask::stats::{ShardStats, Stages, Stats};
use eventcask::{Options, RouteBy, Store};
use eventcask_console::failure::Failure;
use eventcask_console::output::count;
use serde::Serialize;

use self::meter::{Cost, Meter};
use crate::args::{Ids, LoadArgs, Project};
use crate::generate::{Checksum, Generator, Key, Payloads, Random, Recipe};
use crate::place::Place;
use crate::send::goal::Goal;
use crate::send::phase::{self, Doors, Outcome};

/// What one run measured.
#[derive(Debug, Serialize)]
pub(crate) struct Run {
    pub(crate) events: u64,
    pub(crate) stored: u64,
    pub(crate) duplicates: u64,
    pub(crate) refused: u64,
    /// What is wrong with these counts, if something is.
    pub(crate) mismatch: Option<String>,
    pub(crate) seconds: f64,
    pub(crate) events_per_second: f64,
    /// Bytes of events before compression.
    pub(crate) mb_per_second: f64,
    pub(crate) raw_bytes: u64,
    pub(crate) disk_bytes: u64,
    pub(crate) bytes_per_event: f64,
    pub(crate) aggregates: u64,
    pub(crate) shards: u32,
    pub(crate) threads: usize,
    pub(crate) pinned: usize,
    /// Memory of the directory of aggregates with their keys, and how many it holds.
    pub(crate) directory_bytes: u64,
    pub(crate) directory_aggregates: u64,
    /// Ids in memory, and the bytes that they take.
    pub(crate) ids: u64,
    pub(crate) id_bytes: u64,
    pub(crate) cpu_ns_per_event: f64,
    /// The same by the names of threads.
    pub(crate) cpu_ns_by_thread: BTreeMap<String, f64>,
    /// Nanoseconds of the engine's threads for an event, by what they did; writing and syncing
    /// are mostly waiting for the disk, and go on beside the rest.
    pub(crate) stage_ns: BTreeMap<&'static str, f64>,
    pub(crate) batches: u64,
    /// Groups of blocks that were written together, each with its sync.
    pub(crate) groups: u64,
    pub(crate) written_bytes: u64,
    /// Events that the projection counted.
    pub(crate) projected: Option<u64>,
    pub(crate) latency_us: LatencyUs,
    /// HdrHistogram V2, compressed, in base64; microseconds.
    pub(crate) histogram: String,
    /// How often a producer waited since too much was unanswered.
    pub(crate) waits: u64,
    pub(crate) sealed: Option<Sealed>,
    #[serde(flatten)]
    pub(crate) cost: Cost,
    pub(crate) generator_bytes: usize,
    /// Tells the generated events from others, without their ids.
    pub(crate) generated: String,
}

/// Latencies at some quantiles.
#[derive(Debug, Serialize)]
pub(crate) struct LatencyUs {
    pub(crate) p50: u64,
    pub(crate) p90: u64,
    pub(crate) p99: u64,
    pub(crate) p999: u64,
    pub(crate) max: u64,
}

/// Until all complete segments were sealed.
#[derive(Debug, Serialize)]
pub(crate) struct Sealed {
    pub(crate) seconds: f64,
    pub(crate) events_per_second: f64,
    pub(crate) cpu_ns_per_event: f64,
    pub(crate) segments: u64,
    pub(crate) sealed_segments: u64,
}

impl Run {
    pub(crate) fn measure(args: &LoadArgs, place: &Place) -> Result<Self, Failure> {
        let mut doors = open(args, place)?;
        let goal = Goal::measured(args);
        let mut generators = generators(args, &goal, &doors);
        let totals = match args.project {
            Project::Sum => Some(totals::start(&doors.store)?),
            Project::None => None,
        };
        if let Some(ids) = args.fill_window {
            let known = doors.store.stats().events;
            let goal = Goal::filling(ids.0.saturating_sub(known));
            phase::run(&mut doors, &mut generators, goal, "filling")?;
            if args.sealed {
                // What is counted until the background has caught up begins with nothing behind.
                doors.store.seal().map_err(|error| Failure::of(&error))?;
            }
        }
        if let Some(seconds) = args.warmup {
            let goal = Goal::warmup(args, seconds);
            phase::run(&mut doors, &mut generators, goal, "warming up")?;
        }
        let measured = Measured::of(args, &mut doors, &mut generators, goal)?;
        let mut run = measured.into_run(&generators);
        if let Some(totals) = &totals {
            run.check_projected(totals::events(totals)?, doors.store.stats().events);
        }
        let Doors { store, owners, .. } = doors;
        drop((totals, owners));
        store.close().map_err(|error| Failure::of(&error))?;
        Ok(run)
    }

    fn check_projected(&mut self, projected: u64, events: u64) {
        self.projected = Some(projected);
        if projected != events && self.mismatch.is_none() {
            self.mismatch = Some(format!(
                "the store has {events} events, and its projection counted {projected}"
            ));
        }
    }
}

fn open(args: &LoadArgs, place: &Place) -> Result<Doors, Failure> {
    let options = options(args);
    let opened = if args.owned {
        options.open_owned(place.store())
    } else {
        options.open(place.store()).map(|store| (store, Vec::new()))
    };
    let (store, owners) = opened.map_err(|error| Failure::of(&error))?;
    if args.owned && store.route_by() == RouteBy::Category && store.shards() > 1 {
        let why = "the aggregates of a load are of one category, and this store keeps that in one shard: its other owners would have nothing to send; leave --owned out";
        return Err(Failure::Input(why.to_owned()));
    }
    Ok(Doors {
        store,
        owners,
        in_sessions: args.ids == Ids::Session,
    })
}

fn options(args: &LoadArgs) -> Options {
    let mut options = Store::options()
        .durability(args.durability)
        .codec(args.codec)
        .dedup(args.dedup_window)
        .seal(!args.no_seal);
    if let Some(shards) = args.shards {
        options = options.shards(shards);
    }
    if let Some(by) = args.route_by {
        options = options.route_by(by);
    }
    if let Some(threads) = args.threads {
        options = options.threads(threads);
    }
    if let Some(bytes) = args.segment_bytes {
        options = options.segment_bytes(bytes);
    }
    if let Some(bytes) = args.batch_bytes {
        options = options.batch_bytes(bytes);
    }
    if let Some(us) = args.linger_us {
        options = options.linger(Duration::from_micros(us));
    }
    options
}

/// What the plain log writes: the same events, as two threads would send them.
pub(crate) fn yardstick_generators(args: &LoadArgs) -> [Generator; 2] {
    let goal = Goal::measured(args);
    let payloads = payloads(args);
    [0, 1].map(|number| generator(args, &payloads, goal.events_expected(), number, |_| true))
}

/// One for each producer, or for each owner of a shard, who sends what is of the shard.
fn generators(args: &LoadArgs, goal: &Goal, doors: &Doors) -> Vec<Generator> {
    let payloads = payloads(args);
    let threads = if args.owned {
        doors.store.shards() as usize
    } else {
        args.producers as usize
    };
    let one = |number: usize| {
        let events = goal.share(number, threads).events_expected();
        let mut key = Key::default();
        generator(args, &payloads, events, number as u64, |aggregate| {
            !args.owned || doors.store.shard_of(key.of(aggregate)) as usize == number
        })
    };
    (0..threads).map(one).collect()
}

fn payloads(args: &LoadArgs) -> Arc<Payloads> {
    let mut random = Random::new(args.seed);
    let payloads = Payloads::make(
        args.payload,
        args.types,
        args.payload_bytes as usize,
        &mut random,
    );
    Arc::new(payloads)
}

fn generator(
    args: &LoadArgs,
    payloads: &Arc<Payloads>,
    events: u64,
    number: u64,
    takes: impl FnMut(u32) -> bool,
) -> Generator {
    let recipe = Recipe {
        skew: args.skew,
        // Checked before.
        aggregates: args.aggregates.0 as u32,
        events,
        seed: args.seed,
        with_ids: args.ids == Ids::Explicit,
        duplicates: args.duplicates,
    };
    Generator::new(&recipe, Arc::clone(payloads), number, takes)
}

/// The measured phase, and the store before and after it.
struct Measured {
    before: Stats,
    after: Stats,
    outcome: Outcome,
    cost: Cost,
    stages: Stages,
    sealed: Option<Sealed>,
}

impl Measured {
    fn of(
        args: &LoadArgs,
        doors: &mut Doors,
        generators: &mut [Generator],
        goal: Goal,
    ) -> Result<Self, Failure> {
        let store = doors.store.clone();
        let (before, stages) = (store.stats(), store.stages());
        let (meter, began) = (Meter::begin(), Instant::now());
        let outcome = phase::run(doors, generators, goal, "measuring")?;
        let cost = meter.end();
        let stages = store.stages().since(&stages);
        let sealed = if args.sealed {
            let sealed = seal(&store, &meter, began, outcome.sent);
            Some(sealed?)
        } else {
            None
        };
        Ok(Self {
            before,
            after: store.stats(),
            outcome,
            cost,
            stages,
            sealed,
        })
    }

    fn into_run(self, generators: &[Generator]) -> Run {
        let mismatch = self.mismatch();
        let Self {
            before,
            after,
            outcome,
            cost,
            stages,
            sealed,
        } = self;
        let counts = &outcome.counts;
        let events = outcome.sent as f64;
        let raw_bytes = after.raw_bytes - before.raw_bytes;
        // Sealing makes what was there before smaller as well.
        let disk_bytes = after.disk_bytes.saturating_sub(before.disk_bytes);
        let sum = |of: fn(&ShardStats) -> u64| after.shards.iter().map(of).sum();
        Run {
            events: outcome.sent,
            stored: counts.stored,
            duplicates: counts.duplicates,
            refused: counts.refused,
            mismatch,
            seconds: outcome.seconds,
            events_per_second: events / outcome.seconds,
            mb_per_second: raw_bytes as f64 / outcome.seconds / 1e6,
            raw_bytes,
            disk_bytes,
            bytes_per_event: disk_bytes as f64 / (counts.stored as f64).max(1.0),
            aggregates: after.aggregates,
            shards: after.shards.len() as u32,
            threads: after.threads,
            pinned: after.pinned.len(),
            directory_bytes: sum(|shard| shard.directory_bytes),
            directory_aggregates: sum(|shard| shard.directory_aggregates),
            ids: sum(|shard| shard.ids),
            id_bytes: sum(|shard| shard.id_bytes),
            cpu_ns_per_event: cost.cpu_seconds * 1e9 / events,
            cpu_ns_by_thread: by_thread(&cost, &outcome),
            stage_ns: by_stage(&stages),
            batches: stages.batches,
            groups: stages.groups,
            written_bytes: stages.written_bytes,
            projected: None,
            latency_us: LatencyUs {
                p50: counts.latencies.us(0.5),
                p90: counts.latencies.us(0.9),
                p99: counts.latencies.us(0.99),
                p999: counts.latencies.us(0.999),
                max: counts.latencies.max_us(),
            },
            histogram: counts.latencies.encoded(),
            waits: outcome.waits,
            sealed,
            cost,
            generator_bytes: generators.iter().map(Generator::bytes).sum(),
            generated: checksum(generators),
        }
    }

    /// Whether the store has just what was sent to it.
    fn mismatch(&self) -> Option<String> {
        let (outcome, counts) = (&self.outcome, &self.outcome.counts);
        let gained = self.after.events - self.before.events;
        let new = outcome.sent - outcome.sent_duplicates;
        let refused = counts.first_refused.as_deref().unwrap_or("nothing");
        let is_right = counts.stored == new
            && counts.duplicates == outcome.sent_duplicates
            && counts.refused == 0
            && gained == new;
        (!is_right).then(|| {
            format!(
                "{new} new events and {} duplicates were sent; the store answered {} stored, {} duplicates and {} refused ({refused}), and has {gained} more than before",
                outcome.sent_duplicates, counts.stored, counts.duplicates, counts.refused,
            )
        })
    }
}

/// Waits until the background has caught up.
fn seal(store: &Store, meter: &Meter, began: Instant, events: u64) -> Result<Sealed, Failure> {
    store.seal().map_err(|error| Failure::of(&error))?;
    let seconds = began.elapsed().as_secs_f64();
    let stats = store.stats();
    Ok(Sealed {
        seconds,
        events_per_second: events as f64 / seconds,
        cpu_ns_per_event: meter.end().cpu_seconds * 1e9 / events as f64,
        segments: stats.segments,
        sealed_segments: stats.sealed_segments,
    })
}

fn by_thread(cost: &Cost, outcome: &Outcome) -> BTreeMap<String, f64> {
    let own = [
        ("load-producer".to_owned(), outcome.producer_cpu),
        ("load-answers".to_owned(), outcome.answers_cpu),
    ];
    let all = own.into_iter().chain(cost.threads.iter().cloned());
    let each = |(name, cpu): (String, Duration)| (name, cpu.as_secs_f64() * 1e9);
    let per_event = |(name, nanos): (String, f64)| (name, nanos / outcome.sent as f64);
    let mut groups: BTreeMap<_, _> = all.map(each).map(per_event).collect();
    let known: f64 = groups.values().sum();
    let rest = cost.cpu_seconds * 1e9 / outcome.sent as f64 - known;
    groups.insert("other".to_owned(), rest.max(0.0));
    groups.retain(|_, nanos| *nanos >= 0.05);
    groups
}

fn by_stage(stages: &Stages) -> BTreeMap<&'static str, f64> {
    let events = stages.events as f64;
    let all = [
        ("decide", stages.decide_ns),
        ("build", stages.build_ns),
        ("encode", stages.encode_ns),
        ("publish", stages.publish_ns),
        ("project", stages.project_ns),
        ("write", stages.write_ns),
        ("sync", stages.sync_ns),
    ];
    all.map(|(name, nanos)| (name, nanos as f64 / events))
        .into()
}

fn checksum(generators: &[Generator]) -> String {
    let mut checksum = Checksum::default();
    for generator in generators {
        checksum.add(generator.checksum().0);
    }
    format!("{:016x}", checksum.0)
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} events/s, {:.0} ns CPU an event, acknowledged after {} us (p50) and {} us (p99)",
            count(self.events_per_second as u64),
            self.cpu_ns_per_event,
            count(self.latency_us.p50),
            count(self.latency_us.p99),
        )
    }
}
