//! Histories of several threads, given to a checker that is not ours.
//!
//! Each thread notes when it asked and when it was answered, by a clock that only counts. What is
//! linearizable for each aggregate is so for all of them, so each has a history of its own. A
//! history goes on when the store is opened again.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use eventcask::{
    AppendResult, Appended, ApplyError, Batch, Error, EventId, Expected, NewEvent, PerAggregate,
    Producer, Projection, ProjectionHandle, Store,
};
use eventcask_sim::SimDisk;
use stateright::semantics::{ConsistencyTester, LinearizabilityTester, SequentialSpec};

use crate::bank::{open_with, options};

const KEYS: [&str; 3] = ["account-1", "account-2", "account-3"];
/// What each thread does before the store is opened again. The checker copies what is left of a
/// history at each of its steps, so many short ones tell more than a long one.
const OPERATIONS: u64 = 40;
const OPENINGS: u64 = 2;
/// A history that is right takes milliseconds; of one that is wrong all orders are tried.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a client asks of an aggregate.
#[derive(Debug, Clone, PartialEq)]
enum Ask {
    Append {
        expected: Expected,
        events: Vec<Sent>,
    },
    Version,
    Load,
    View,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Sent {
    id: Option<u128>,
    content: u64,
}

/// What it is answered.
#[derive(Debug, Clone, PartialEq)]
enum Told {
    Stored(u64),
    /// The version of the original of the last event.
    Duplicate(u64),
    Conflict(u64),
    IdConflict,
    PartlyKnown,
    Version(u64),
    Events(Vec<u64>),
    Counted(u64),
}

impl Told {
    fn changes_something(&self) -> bool {
        matches!(self, Self::Stored(_))
    }
}

/// An aggregate as the manual describes it.
#[derive(Debug, Clone, Default)]
struct Aggregate(Vec<Sent>);

impl Aggregate {
    fn version_of(&self, id: u128) -> Option<u64> {
        let at = self.0.iter().position(|sent| sent.id == Some(id))?;
        Some(at as u64 + 1)
    }

    fn append(&mut self, expected: Expected, events: &[Sent]) -> Told {
        let originals = events.iter().map(|sent| self.version_of(sent.id?));
        let originals: Vec<Option<u64>> = originals.collect();
        let differs = |(sent, version): (&Sent, &Option<u64>)| {
            version.is_some_and(|version| self.0[version as usize - 1].content != sent.content)
        };
        if events.iter().zip(&originals).any(differs) {
            return Told::IdConflict;
        }
        let actual = self.0.len() as u64;
        match originals.iter().flatten().count() {
            0 if expected.holds(actual) => {
                self.0.extend_from_slice(events);
                Told::Stored(actual + events.len() as u64)
            }
            0 => Told::Conflict(actual),
            all if all == events.len() => Told::Duplicate(originals[all - 1].unwrap()),
            _ => Told::PartlyKnown,
        }
    }
}

impl SequentialSpec for Aggregate {
    type Op = Ask;
    type Ret = Told;

    fn invoke(&mut self, ask: &Ask) -> Told {
        match ask {
            Ask::Append { expected, events } => self.append(*expected, events),
            Ask::Version => Told::Version(self.0.len() as u64),
            Ask::Load => Told::Events(self.0.iter().map(|sent| sent.content).collect()),
            Ask::View => Told::Counted(self.0.len() as u64),
        }
    }
}

/// An operation of a history.
#[derive(Debug, Clone)]
struct Done {
    thread: u64,
    key: usize,
    asked: u64,
    answered: u64,
    ask: Ask,
    told: Told,
}

/// Gives a history to the checker. Of each thread it sees two: one that changes nothing and one
/// that does, in this order, so that it tries what can not be wrong first.
fn is_linearizable(history: &[Done]) -> bool {
    let mut moments = BTreeMap::new();
    for (index, done) in history.iter().enumerate() {
        assert!(moments.insert(done.asked, (index, true)).is_none());
        assert!(moments.insert(done.answered, (index, false)).is_none());
    }
    let mut tester = LinearizabilityTester::new(Aggregate::default());
    for (index, is_asked) in moments.into_values() {
        let done = &history[index];
        let client = (done.told.changes_something(), done.thread);
        let noted = match is_asked {
            true => tester.on_invoke(client, done.ask.clone()),
            false => tester.on_return(client, done.told.clone()),
        };
        noted.unwrap();
    }
    let (done, is_done) = mpsc::channel();
    // It goes one call deeper for each operation.
    let checker = thread::Builder::new().stack_size(256 << 20);
    let checker = checker.spawn(move || done.send(tester.is_consistent()));
    checker.unwrap();
    is_done.recv_timeout(PATIENCE).unwrap_or(false)
}

struct Counts;

impl Projection for Counts {
    const NAME: &'static str = "counts";
    const VERSION: u32 = 1;
    type State = PerAggregate<u64>;

    fn apply(&self, state: &mut Self::State, batch: &Batch<'_>) -> Result<(), ApplyError> {
        let mut counts = state.of(batch);
        for row in batch.rows() {
            counts[batch.aggregate_index(row)] += 1;
        }
        Ok(())
    }
}

/// One thread's view of a store.
struct Client<'s> {
    number: u64,
    store: &'s Store,
    producer: Producer,
    counts: &'s ProjectionHandle<Counts>,
    random: fastrand::Rng,
    /// Its guess of each aggregate's version.
    seen: [u64; KEYS.len()],
}

impl Client<'_> {
    /// Does something and notes what came of it.
    fn step(&mut self, clock: &AtomicU64) -> Done {
        let key = self.random.usize(..KEYS.len());
        let ask = self.choose(key);
        let asked = clock.fetch_add(1, Ordering::SeqCst);
        let told = self.ask(KEYS[key], &ask);
        let answered = clock.fetch_add(1, Ordering::SeqCst);
        if let Told::Stored(version) | Told::Conflict(version) | Told::Version(version) = told {
            self.seen[key] = version;
        }
        Done {
            thread: self.number,
            key,
            asked,
            answered,
            ask,
            told,
        }
    }

    fn choose(&mut self, key: usize) -> Ask {
        let expected = match self.random.u32(..8) {
            0 => Expected::NoStream,
            1 => Expected::Exists,
            2..=4 => Expected::Exact(self.seen[key]),
            _ => Expected::Any,
        };
        match self.random.u32(..10) {
            0 => Ask::Load,
            1 => Ask::Version,
            2 => Ask::View,
            _ => {
                let events = (0..=self.random.usize(..8) / 6).map(|nth| self.event(nth as u128));
                Ask::Append {
                    expected,
                    events: events.collect(),
                }
            }
        }
    }

    /// An event whose id others use as well; rarely it has other content. `nth` keeps the ids of an
    /// append apart.
    fn event(&mut self, nth: u128) -> Sent {
        let id = u128::from(self.random.u32(1..100)) << 1 | nth;
        let twist = u64::from(self.random.u32(..40) == 0);
        match self.random.u32(..5) {
            0 => Sent {
                id: None,
                content: self.random.u64(..),
            },
            _ => Sent {
                id: Some(id),
                content: id as u64 * 2 + twist,
            },
        }
    }

    fn ask(&mut self, key: &str, ask: &Ask) -> Told {
        match ask {
            Ask::Append { expected, events } => self.append(key, *expected, events),
            Ask::Version => Told::Version(self.store.aggregate(key).version().unwrap()),
            Ask::Load => {
                let events = self.store.aggregate(key).events().unwrap();
                let content = events.map(|event| event.unwrap().payload().try_into().unwrap());
                Told::Events(content.map(u64::from_le_bytes).collect())
            }
            Ask::View => {
                let counted = self.counts.read_of(key, |counts| counts.get(key).copied());
                Told::Counted(counted.unwrap().unwrap_or(0))
            }
        }
    }

    fn append(&mut self, key: &str, expected: Expected, events: &[Sent]) -> Told {
        let contents: Vec<[u8; 8]> = events
            .iter()
            .map(|sent| sent.content.to_le_bytes())
            .collect();
        let new = events.iter().zip(&contents).map(|(sent, content)| {
            let event = NewEvent::bytes("Changed", content);
            match sent.id {
                Some(id) => event.id(EventId::from_u128(id)),
                None => event,
            }
        });
        let new: Vec<NewEvent<'_>> = new.collect();
        let ticket = match self.random.bool() {
            true => self.store.append(key, expected, &new),
            false => self.producer.append(key, expected, &new),
        };
        told(ticket.unwrap().wait())
    }
}

fn told(answer: AppendResult) -> Told {
    match answer {
        Ok(Appended::Stored { version, .. }) => Told::Stored(version),
        Ok(Appended::Duplicate { version, .. }) => Told::Duplicate(version.unwrap()),
        Err(Error::Conflict { actual, .. }) => Told::Conflict(actual),
        Err(Error::IdConflict { .. }) => Told::IdConflict,
        Err(Error::PartlyKnown { .. }) => Told::PartlyKnown,
        other => panic!("{other:?}"),
    }
}

/// What some threads did to a store that is opened several times, by aggregate.
fn histories(seed: u64, threads: u64) -> Vec<Vec<Done>> {
    let (disk, clock) = (SimDisk::new(), AtomicU64::new(0));
    let mut histories = vec![Vec::new(); KEYS.len()];
    for opening in 0..OPENINGS {
        let store = open_with(&options(), &disk);
        let counts = store.projection(Counts).sync().start().unwrap();
        let run = |number: u64| {
            let mut client = Client {
                number,
                store: &store,
                producer: store.producer(),
                counts: &counts,
                random: fastrand::Rng::with_seed(seed << 16 | opening << 8 | number),
                seen: [0; KEYS.len()],
            };
            (0..OPERATIONS)
                .map(|_| client.step(&clock))
                .collect::<Vec<_>>()
        };
        let done = thread::scope(|scope| {
            let clients = (0..threads).map(|number| scope.spawn(move || run(number)));
            let clients: Vec<_> = clients.collect();
            let done = clients.into_iter().map(|client| client.join().unwrap());
            done.collect::<Vec<_>>()
        });
        for done in done.into_iter().flatten() {
            histories[done.key].push(done);
        }
        drop(counts);
        store.close().unwrap();
    }
    histories
}

#[test]
fn l12_what_threads_see_of_an_aggregate_is_linearizable_across_reopening() {
    for (seed, threads) in (1..=6).zip([4, 6, 8].into_iter().cycle()) {
        for (key, history) in KEYS.iter().zip(histories(seed, threads)) {
            let stored = history.iter().filter(|done| done.told.changes_something());
            assert!(stored.count() > 15, "seed {seed}: {key} has hardly changed");
            assert!(
                is_linearizable(&history),
                "seed {seed}, {threads} threads: {key}"
            );
        }
    }
}

#[test]
fn l12_an_answer_that_is_too_old_is_found() {
    let mut history = histories(4, 2).swap_remove(0);
    history.sort_by_key(|done| done.asked);
    history.truncate(12);
    assert!(is_linearizable(&history));
    // Two that expected the same version are both told that they won.
    let last = history.last().unwrap().answered;
    let stored = history.iter().find(|done| done.told.changes_something());
    let (ask, told) = stored
        .map(|done| (done.ask.clone(), done.told.clone()))
        .unwrap();
    history.push(Done {
        thread: 9,
        key: 0,
        asked: last + 1000,
        answered: last + 1001,
        ask,
        told,
    });
    assert!(!is_linearizable(&history));
}
