//! Read models in a database of their own, beside a store that crashes.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use eventcask::read_model::{Batches, ModelError, ModelProgress};
use eventcask::{Durability, ErrorKind, Options, ReadModel, Store, Timeout};
use eventcask_sim::{Faults, SimDisk};

use crate::bank::{acknowledged, deposit, open_with, options};

const PATIENT: Timeout = Timeout::Error(Duration::from_secs(60));

/// What a model holds: the events by place, in the order in which it was given them.
#[derive(Debug, Clone, Default)]
struct Kept {
    events: Vec<(u32, u64, Vec<u8>)>,
    progress: Vec<ModelProgress>,
}

/// A database that outlives the crashes of the store beside it, and what it held when the disk of
/// the store had come to each step.
#[derive(Debug, Clone)]
struct Database {
    disk: SimDisk,
    commits: Arc<Mutex<Vec<(usize, Kept)>>>,
}

impl Database {
    fn of(disk: &SimDisk, kept: Kept) -> Self {
        Self {
            disk: disk.clone(),
            commits: Arc::new(Mutex::new(vec![(0, kept)])),
        }
    }

    fn kept(&self) -> Kept {
        let commits = self.commits.lock().unwrap();
        commits.last().unwrap().1.clone()
    }

    /// What it held when the disk had come to this step.
    fn kept_at(&self, step: usize) -> Kept {
        let commits = self.commits.lock().unwrap();
        let last = commits.iter().rev().find(|(at, _)| *at <= step);
        last.unwrap().1.clone()
    }
}

impl ReadModel for Database {
    fn name(&self) -> &str {
        "noted"
    }

    fn progress(&mut self, _store: u128) -> Result<Vec<ModelProgress>, ModelError> {
        Ok(self.kept().progress)
    }

    fn apply(&mut self, batches: &Batches<'_>) -> Result<(), ModelError> {
        let mut kept = self.kept();
        for advance in batches.steps() {
            let shard = advance.to.shard;
            let known = kept.progress.iter().position(|one| one.shard == shard);
            let known = known.map(|index| kept.progress.swap_remove(index));
            advance.check(known.map_or(0, |known| known.position))?;
            kept.progress.push(advance.to);
        }
        let noted = batches
            .events()
            .map(|event| (event.shard, event.position, event.payload.to_vec()));
        kept.events.extend(noted);
        let step = self.disk.steps();
        self.commits.lock().unwrap().push((step, kept));
        Ok(())
    }
}

/// The database holds each event of the store once, those of a shard in their order.
fn agrees(store: &Store, kept: &Kept) -> bool {
    let mut shards = 0..store.shards();
    let mut count = 0;
    let of_shard = |shard| {
        let events = store.events().shard(shard).iter();
        let events: Vec<_> = events
            .map(|event| {
                let event = event.unwrap();
                (shard, event.position(), event.payload().to_vec())
            })
            .collect();
        count += events.len();
        let noted = kept.events.iter().filter(|(of, ..)| *of == shard);
        noted.eq(&events)
    };
    shards.all(of_shard) && count == kept.events.len()
}

/// Feeds a database by batches of three events until it has all that is durable.
fn feed(store: &Store, database: &Database) -> Result<(), eventcask::Error> {
    let feed = store.read_model(database.clone()).batch_events(3).start()?;
    feed.catch_up(PATIENT)?;
    feed.stop()
}

/// Deposits into a store whose database is fed meanwhile, segments sealed now and then.
fn run(options: &Options, disk: &SimDisk, database: &Database) {
    let store = open_with(options, disk);
    let feed = store
        .read_model(database.clone())
        .batch_events(3)
        .start()
        .unwrap();
    for number in 0..8 {
        deposit(&store, number * 4..number * 4 + 4);
        if number % 3 == 2 {
            store.seal().unwrap();
        }
        if number % 2 == 1 {
            feed.catch_up(PATIENT).unwrap();
        }
    }
    feed.stop().unwrap();
}

#[test]
fn l5_a_read_model_holds_each_event_once_after_a_power_cut_at_any_step() {
    let disk = SimDisk::new();
    let database = Database::of(&disk, Kept::default());
    run(&options(), &disk, &database);
    for step in 0..=disk.steps() {
        let left = SimDisk::of(disk.power_cut(step, step as u64));
        let store = open_with(&options(), &left);
        let kept = Database::of(&left, database.kept_at(step));
        feed(&store, &kept).unwrap();
        assert!(agrees(&store, &kept.kept()), "power cut at step {step}");
        deposit(&store, 100..103);
        feed(&store, &kept).unwrap();
        assert!(agrees(&store, &kept.kept()), "step {step}, gone on");
    }
}

#[test]
fn l5_a_killed_process_loses_nothing_of_a_read_model() {
    let disk = SimDisk::new();
    let options = options().durability(Durability::Os);
    let database = Database::of(&disk, Kept::default());
    run(&options, &disk, &database);
    for step in 0..=disk.steps() {
        let left = disk.killed(step, step as u64);
        let store = open_with(&options, &left);
        // The last write is cut short: the process ends in that step, not after it.
        let kept = Database::of(&left, database.kept_at(step.saturating_sub(1)));
        feed(&store, &kept).unwrap();
        assert!(agrees(&store, &kept.kept()), "killed at step {step}");
    }
}

/// A store of a weaker level may lose events that a database beside it holds. It must not go on as
/// if nothing had happened, not even when the store has come to the same positions with other
/// events.
#[test]
fn a_read_model_that_holds_what_the_store_has_lost_is_refused() {
    let disk = SimDisk::new();
    let options = options().durability(Durability::Os);
    let database = Database::of(&disk, Kept::default());
    run(&options, &disk, &database);
    let mut refused = 0;
    for seed in 0..40 {
        let step = disk.steps() - seed as usize % 20;
        let left = SimDisk::of(disk.power_cut(step, seed));
        let store = open_with(&options, &left);
        let kept = Database::of(&left, database.kept_at(step));
        match feed(&store, &kept) {
            Ok(()) => assert!(agrees(&store, &kept.kept()), "seed {seed}"),
            Err(error) => {
                refused += 1;
                assert_eq!(error.kind(), ErrorKind::Stopped);
                deposit(&store, 200..240);
                let later = feed(&store, &kept).unwrap_err();
                assert!(later.to_string().contains("is not the store's"), "{later}");
            }
        }
    }
    assert!(refused > 0, "some have lost events");
}

#[test]
fn a_read_error_of_the_log_stops_the_feed_and_leaves_the_rest() {
    let disk = SimDisk::new();
    let store = open_with(&options(), &disk);
    let stored = acknowledged(&deposit(&store, 0..20));
    drop(store);
    let store = open_with(&options(), &disk);
    let database = Database::of(&disk, Kept::default());
    disk.set_faults(Faults::none().read_fails(1));
    let error = feed(&store, &database).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Stopped, "{error}");
    disk.set_faults(Faults::none());
    feed(&store, &database).unwrap();
    assert_eq!(database.kept().events.len(), stored.len());
    assert!(agrees(&store, &database.kept()));
}
