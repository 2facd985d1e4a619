//! All producers at once, each on a thread of its own, until a goal is reached.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use eventcask::{Producer, ShardOwner, Store};
use eventcask_console::failure::Failure;
use eventcask_console::output::count;

use crate::generate::Generator;
use crate::progress::tell;
use crate::send::counts::Counts;
use crate::send::goal::{Goal, Pace};
use crate::send::pace::{Sender, Sent};
use crate::send::way::{Asked, UNANSWERED, Way};
use crate::threads::own_cpu;

const PROGRESS: Duration = Duration::from_secs(1);

/// What was sent in a phase, and what became of it.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) sent: u64,
    pub(crate) sent_duplicates: u64,
    pub(crate) waits: u64,
    pub(crate) counts: Counts,
    /// From the first event to the last answer.
    pub(crate) seconds: f64,
    /// CPU time of the threads that sent, and of those that took the answers.
    pub(crate) producer_cpu: Duration,
    pub(crate) answers_cpu: Duration,
}

/// What the threads of a phase share.
struct Shared {
    stops: AtomicBool,
    answered: AtomicU64,
}

/// Where events go in.
pub(crate) struct Doors {
    pub(crate) store: Store,
    /// One a shard, where threads own shards.
    pub(crate) owners: Vec<ShardOwner>,
    /// Whether producers number their events themselves.
    pub(crate) in_sessions: bool,
}

/// What one thread sends by.
enum Door<'a> {
    Producer(Producer),
    Owner(&'a mut ShardOwner),
}

impl Doors {
    /// One for each of so many threads.
    fn each(&mut self, threads: usize) -> Result<Vec<Door<'_>>, Failure> {
        if !self.owners.is_empty() {
            return Ok(self.owners.iter_mut().map(Door::Owner).collect());
        }
        let producer = |number| match self.in_sessions {
            false => Ok(Door::Producer(self.store.producer())),
            true => {
                let session = self.store.session(&format!("load-{number}"));
                session
                    .map(Door::Producer)
                    .map_err(|error| Failure::of(&error))
            }
        };
        (0..threads).map(producer).collect()
    }
}

/// Sends what the goal says, and waits for all answers.
pub(crate) fn run(
    doors: &mut Doors,
    generators: &mut [Generator],
    goal: Goal,
    name: &str,
) -> Result<Outcome, Failure> {
    let shared = Shared {
        stops: AtomicBool::new(false),
        answered: AtomicU64::new(0),
    };
    let producers = generators.len();
    let store = doors.store.clone();
    let doors = doors.each(producers)?;
    let started = Instant::now();
    let ends = thread::scope(|scope| {
        let (done, is_done) = mpsc::channel::<()>();
        let mut threads = Vec::new();
        for (number, (door, generator)) in doors.into_iter().zip(generators).enumerate() {
            let (shared, store, done) = (&shared, &store, done.clone());
            let goal = goal.share(number, producers);
            let producer = move || {
                let result = match door {
                    Door::Producer(producer) => produce(producer, store, generator, goal, shared),
                    Door::Owner(owner) => own(owner, store, generator, goal, shared),
                };
                shared.stops.fetch_or(result.is_err(), Ordering::Relaxed);
                drop(done);
                result
            };
            threads.push(named(scope, "load-producer", producer)?);
        }
        drop(done);
        show_progress(&is_done, &shared.answered, name);
        let ends = threads.into_iter().map(|thread| {
            let result = thread.join();
            result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        ends.collect::<Result<Vec<Outcome>, Failure>>()
    })?;
    let mut outcome = Outcome::default();
    for end in ends {
        outcome.add(end);
    }
    outcome.seconds = started.elapsed().as_secs_f64();
    Ok(outcome)
}

impl Outcome {
    fn add(&mut self, other: Self) {
        self.sent += other.sent;
        self.sent_duplicates += other.sent_duplicates;
        self.waits += other.waits;
        self.producer_cpu += other.producer_cpu;
        self.answers_cpu += other.answers_cpu;
        self.counts.add_all(other.counts);
    }
}

/// One producer, and the thread that takes its answers.
fn produce(
    producer: Producer,
    store: &Store,
    generator: &mut Generator,
    goal: Goal,
    shared: &Shared,
) -> Result<Outcome, Failure> {
    let (answers, asked) = mpsc::sync_channel(UNANSWERED);
    let way = Way::Producer { producer, answers };
    let sender = Sender::new(way, generator, goal, store.shards(), &shared.stops);
    if let Pace::OneByOne(by) = goal.pace {
        let mut counts = Counts::default();
        let sent = sender.one_by_one(by, store, &mut counts, &shared.answered)?;
        return Ok(outcome(&sent, counts, Duration::ZERO));
    }
    thread::scope(|scope| {
        let taker = named(scope, "load-answers", move || {
            take(&asked, &shared.answered)
        })?;
        let sent = sender.run();
        let taken = taker.join();
        let taken = taken.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let (counts, cpu) = taken?;
        Ok(outcome(&sent?, counts, cpu))
    })
}

/// One owner of a shard, which takes the answers itself.
fn own(
    owner: &mut ShardOwner,
    store: &Store,
    generator: &mut Generator,
    goal: Goal,
    shared: &Shared,
) -> Result<Outcome, Failure> {
    // Where there are fewer cores than shards the system decides.
    let _ = owner.pin();
    let (mut taken, mut counts) = (Counts::default(), Counts::default());
    let way = Way::Owner {
        owner,
        asked: VecDeque::new(),
        counts: &mut taken,
        answered: &shared.answered,
    };
    let sender = Sender::new(way, generator, goal, 1, &shared.stops);
    let sent = match goal.pace {
        Pace::OneByOne(by) => sender.one_by_one(by, store, &mut counts, &shared.answered)?,
        Pace::Closed | Pace::Open(_) => sender.run()?,
    };
    counts.add_all(taken);
    Ok(outcome(&sent, counts, Duration::ZERO))
}

fn outcome(sent: &Sent, counts: Counts, answers_cpu: Duration) -> Outcome {
    Outcome {
        sent: sent.events,
        sent_duplicates: sent.duplicates,
        waits: sent.waits,
        counts,
        seconds: 0.0,
        producer_cpu: own_cpu(),
        answers_cpu,
    }
}

/// Takes the answers in the order of the questions until the producer has ended.
fn take(asked: &Receiver<Asked>, answered: &AtomicU64) -> Result<(Counts, Duration), Failure> {
    let mut counts = Counts::default();
    for (stretch, ticket) in asked {
        let flushed = ticket.wait().map_err(|error| Failure::of(&error))?;
        counts.add(&stretch, flushed, Instant::now());
        answered.fetch_add(stretch.events, Ordering::Relaxed);
    }
    Ok((counts, own_cpu()))
}

fn named<'scope, T: Send + 'scope>(
    scope: &'scope thread::Scope<'scope, '_>,
    name: &str,
    run: impl FnOnce() -> T + Send + 'scope,
) -> Result<thread::ScopedJoinHandle<'scope, T>, Failure> {
    let thread = thread::Builder::new().name(name.to_owned());
    let started = thread.spawn_scoped(scope, run);
    started.map_err(|error| Failure::Engine(format!("no thread can be started: {error}")))
}

/// Says once a second how far it is, until all producers are done.
fn show_progress(is_done: &Receiver<()>, answered: &AtomicU64, name: &str) {
    let mut before = 0;
    while let Err(RecvTimeoutError::Timeout) = is_done.recv_timeout(PROGRESS) {
        let now = answered.load(Ordering::Relaxed);
        let (all, new) = (count(now), count(now - before));
        tell(&format!(
            "{name}: {all} events acknowledged, {new} in this second"
        ));
        before = now;
    }
}
