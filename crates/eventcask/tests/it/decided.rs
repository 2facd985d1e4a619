//! Whatever comes in one batch, or while others are on their way to the disk: each push, append and
//! append over several aggregates is answered as if they came one by one. A full disk takes back
//! all that was decided on it, to the last id, version and projection.

use std::collections::BTreeMap;
use std::sync::Arc;

use eventcask::storage::{MemoryStorage, Storage};
use eventcask::{
    AppendResult, AppendSet, Error, Expected, FlushTicket, Flushed, PerAggregate, Producer,
    ProjectionHandle, ShardOwner, Store, Ticket,
};
use fastrand::Rng;

use crate::faulty::{Fault, FaultyDisk, Operation};
use crate::model::{Model, Part, Sent, conflict, events, partly};
use crate::support::Counts;

const ENOSPC: i32 = 28;
const SEEDS: u64 = 6;
const ROUNDS: usize = 60;
const PRODUCERS: usize = 3;

fn text(answer: AppendResult) -> String {
    let of_conflict = |error: &Error| match error {
        Error::Conflict {
            key,
            expected,
            actual,
            ..
        } => conflict(key, *expected, *actual),
        other => panic!("{other:?}"),
    };
    match answer {
        Ok(answer) => {
            let what = ["stored", "known"][usize::from(answer.is_duplicate())];
            let (position, version) = answer.position().zip(answer.version()).unwrap();
            format!("{what} {position} {version}")
        }
        Err(Error::Conflicts { conflicts }) => {
            let each: Vec<_> = conflicts.iter().map(of_conflict).collect();
            each.join(", ")
        }
        Err(Error::IdConflict { id }) => format!("id {id}"),
        Err(Error::PartlyKnown { known }) => partly(&known),
        Err(Error::StorageFull(_)) => "full".to_owned(),
        Err(error) => of_conflict(&error),
    }
}

fn counted(flushed: Result<Flushed, Error>) -> String {
    match flushed {
        Ok(flushed) => {
            let Flushed {
                stored,
                duplicates,
                refused,
                ..
            } = flushed;
            format!("{stored} {duplicates} {refused}")
        }
        Err(Error::StorageFull(_)) => "full".to_owned(),
        Err(other) => panic!("{other:?}"),
    }
}

/// Answers that are to come, each beside what the model said.
#[derive(Default)]
struct Answers {
    appends: Vec<(Ticket, String)>,
    flushes: Vec<(FlushTicket, String)>,
}

impl Answers {
    fn check(self, owner: &mut ShardOwner, is_refused: bool) {
        let or_full = |answer: String| match is_refused {
            true => "full".to_owned(),
            false => answer,
        };
        for (ticket, answer) in self.flushes {
            assert_eq!(counted(owner.wait(ticket)), or_full(answer));
        }
        for (ticket, answer) in self.appends {
            assert_eq!(text(owner.answer(ticket)), or_full(answer));
        }
    }
}

/// Who sends: a producer, the store itself or the owner of its only shard.
trait Door {
    fn push(&mut self, part: &Part);
    fn append(&mut self, part: &Part) -> Ticket;
    fn append_all(&mut self, set: &AppendSet<'_>) -> Ticket;
    fn flush(&mut self) -> Option<FlushTicket>;
}

macro_rules! door {
    ($of:ty) => {
        impl Door for $of {
            fn push(&mut self, part: &Part) {
                self.push(&part.key, &events(part)[0]).unwrap();
            }

            fn append(&mut self, part: &Part) -> Ticket {
                self.append(&part.key, part.expected, &events(part))
                    .unwrap()
            }

            fn append_all(&mut self, set: &AppendSet<'_>) -> Ticket {
                self.append_all(set).unwrap()
            }

            fn flush(&mut self) -> Option<FlushTicket> {
                Some(self.flush().unwrap())
            }
        }
    };
}

door!(Producer);
door!(ShardOwner);

impl Door for Store {
    fn push(&mut self, _: &Part) {
        panic!("a store takes no pushes");
    }

    fn append(&mut self, part: &Part) -> Ticket {
        Self::append(self, &part.key, part.expected, &events(part)).unwrap()
    }

    fn append_all(&mut self, set: &AppendSet<'_>) -> Ticket {
        Self::append_all(self, set).unwrap()
    }

    fn flush(&mut self) -> Option<FlushTicket> {
        None
    }
}

/// Sends all, and flushes.
fn send(door: &mut dyn Door, all: &[Sent], model: &mut Model) -> Answers {
    let mut answers = Answers::default();
    let mut pushed = [0; 3];
    for sent in all {
        let answer = model.decide(sent);
        let ticket = match sent {
            Sent::Push(part) => {
                let kinds = ["stored", "known", "id"];
                let kind = kinds.iter().position(|kind| answer.starts_with(kind));
                pushed[kind.unwrap()] += 1;
                door.push(part);
                continue;
            }
            Sent::Append(part) => door.append(part),
            Sent::Set(parts) => {
                let events: Vec<_> = parts.iter().map(events).collect();
                let set = parts.iter().zip(&events);
                let set = set.fold(AppendSet::new(), |set, (part, events)| {
                    set.append(&part.key, part.expected, events)
                });
                door.append_all(&set)
            }
        };
        answers.appends.push((ticket, answer));
    }
    let [stored, known, refused] = pushed;
    // One who sent nothing has nothing to be told.
    let flushed = door.flush().filter(|_| !all.is_empty());
    let flushed = flushed.map(|flushed| (flushed, format!("{stored} {known} {refused}")));
    answers.flushes.extend(flushed);
    answers
}

/// Draws what is sent.
struct Draw(Rng);

impl Draw {
    fn some(&mut self, model: &Model, may_push: bool) -> Vec<Sent> {
        (0..self.0.usize(..8))
            .map(|_| self.one(model, may_push))
            .collect()
    }

    fn one(&mut self, model: &Model, may_push: bool) -> Sent {
        match self.0.u32(..5) {
            0 => {
                let events = self.0.usize(2..4);
                Sent::Append(self.part(model, events))
            }
            1 => {
                let events = [1, self.0.usize(..3), 0];
                let parts = &events[..self.0.usize(1..=3)];
                Sent::Set(parts.iter().map(|one| self.part(model, *one)).collect())
            }
            _ if may_push => Sent::Push(Part {
                expected: Expected::Any,
                ..self.part(model, 1)
            }),
            _ => Sent::Append(self.part(model, 1)),
        }
    }

    /// The model may have moved on when it is sent: so some expect too little.
    fn part(&mut self, model: &Model, events: usize) -> Part {
        let key = format!("account-{}", self.0.u32(..15));
        let version = model.version(&key);
        let expected = match self.0.u32(..12) {
            0 => Expected::NoStream,
            1 => Expected::Exists,
            2 | 3 => Expected::Exact(version),
            4 => Expected::Exact(version + 1),
            _ => Expected::Any,
        };
        let rows = (0..events).map(|_| self.row()).collect();
        Part {
            key,
            expected,
            rows,
        }
    }

    /// Half have an id, and every other one of these rises with time. Few come with other content.
    fn row(&mut self) -> (u128, String) {
        let number = u128::from(self.0.u32(..200)) * u128::from(self.0.bool());
        let id = match number % 2 {
            0 => number,
            _ => (number << 80) | (7 << 76) | (2 << 62),
        };
        let content = number * 2 + u128::from(self.0.u32(..30) / 29);
        (id, format!("{content:>40}"))
    }
}

/// An open store and those who write to it.
struct Opened {
    counts: ProjectionHandle<Counts>,
    producers: Vec<Producer>,
    owner: ShardOwner,
    store: Store,
}

impl Opened {
    fn of(disk: &FaultyDisk) -> Self {
        let options = Store::options().shards(1).threads(1).pin(false);
        // No sync of sealing may be taken for that of a batch.
        let options = options.segment_bytes(9_000).seal(false);
        let storage: Arc<dyn Storage> = Arc::new(disk.clone());
        let (store, mut owners) = options.open_owned(storage).unwrap();
        Self {
            producers: (0..PRODUCERS).map(|_| store.producer()).collect(),
            counts: store.projection(Counts).sync().start().unwrap(),
            owner: owners.pop().unwrap(),
            store,
        }
    }

    /// Producers and the store's own appends become one batch, since the owner looks only once all
    /// of them have sent. The disk may be full by then.
    fn share_a_batch(&mut self, model: &mut Model, disk: Option<&FaultyDisk>, draw: &mut Draw) {
        let (before, batches) = (model.clone(), self.store.stages().batches);
        let mut all = Vec::new();
        for producer in &mut self.producers {
            for _ in 0..2 {
                all.push(send(producer, &draw.some(model, true), model));
            }
        }
        all.push(send(&mut self.store, &draw.some(model, false), model));
        let is_refused = disk.is_some() && model.events.len() > before.events.len();
        if is_refused {
            *model = before;
        }
        if let Some(disk) = disk {
            disk.fails(Operation::Write, "shards", Fault::Errno(ENOSPC));
        }
        for answers in all {
            answers.check(&mut self.owner, is_refused);
        }
        assert!(self.store.stages().batches <= batches + 1, "they share one");
    }

    /// Batches of the owner, each of which is decided on while those before are on their way. The
    /// disk may turn out to be full once the first of them is written.
    fn chain(&mut self, model: &mut Model, disk: Option<&FaultyDisk>, draw: &mut Draw) {
        let start = model.clone();
        if let Some(disk) = disk {
            // The room for a segment to come is synced by nobody who is waited for.
            disk.fails(Operation::Sync, "shards/0000/0", Fault::Stall);
        }
        let first = Sent::Append(Part {
            key: "account-0".to_owned(),
            expected: Expected::Any,
            rows: vec![(0, "first".to_owned())],
        });
        let mut first = send(&mut self.owner, &[first], model);
        if let Some(disk) = disk {
            disk.wait_for_stall();
        }
        let (mut all, mut before) = (Vec::new(), None);
        for _ in 0..3 {
            let at = model.clone();
            let answers = send(&mut self.owner, &draw.some(model, true), model);
            if disk.is_some() && model.events.len() > at.events.len() {
                before.get_or_insert(at);
            }
            all.push((answers, before.is_some()));
        }
        if let Some(disk) = disk {
            disk.fails(Operation::Write, "shards", Fault::Errno(ENOSPC));
        }
        let (ticket, answer) = first.appends.remove(0);
        let told = text(self.owner.answer(ticket));
        // Where it begins a segment it may be refused itself.
        let is_refused = disk.is_some() && told == "full";
        assert!(told == answer || is_refused, "{told}, not {answer}");
        first.check(&mut self.owner, is_refused);
        for (answers, is_behind) in all {
            answers.check(&mut self.owner, is_behind || is_refused);
        }
        *model = match is_refused {
            true => start,
            false => before.unwrap_or_else(|| model.clone()),
        };
    }

    /// What readers see is what the model says, and nothing else.
    fn check(&self, model: &Model) {
        let stored = self.store.events().iter().map(|event| {
            let event = event.unwrap();
            let payload = String::from_utf8(event.payload().to_vec()).unwrap();
            (event.key().to_owned(), payload, event.version())
        });
        let expected = model.events.iter();
        let expected = expected.map(|one| (one.0.clone(), one.2.clone(), one.3));
        assert!(stored.eq(expected), "what is stored is not what was said");
        let counts = |state: &PerAggregate<u64>| {
            let each = state.iter().map(|(key, count)| (key.to_owned(), *count));
            each.collect::<BTreeMap<_, _>>()
        };
        assert_eq!(self.counts.read(0, counts).unwrap(), model.counts());
    }

    fn close(self) {
        drop((self.counts, self.producers, self.owner));
        self.store.close().unwrap();
    }
}

#[test]
fn l4_f3_all_that_is_sent_is_decided_on_as_if_it_came_one_by_one() {
    for seed in 0..SEEDS {
        println!("seed {seed}");
        let mut draw = Draw(Rng::with_seed(seed));
        let disk = FaultyDisk::on(Arc::new(MemoryStorage::default()));
        let (mut opened, mut model) = (Opened::of(&disk), Model::default());
        for round in 0..ROUNDS {
            let full = (draw.0.u32(..4) == 0).then_some(&disk);
            match draw.0.bool() {
                true => opened.share_a_batch(&mut model, full, &mut draw),
                false => opened.chain(&mut model, full, &mut draw),
            }
            disk.is_well();
            opened.check(&model);
            if round % 20 == 19 {
                opened.store.seal().unwrap();
                opened.close();
                opened = Opened::of(&disk);
            }
        }
        opened.close();
        Opened::of(&disk).check(&model);
    }
}
