//! Shards that are run by whoever makes their events.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use eventcask::event::route;
use eventcask::storage::{MemoryStorage, Storage};
use eventcask::{
    AppendSet, Appended, Codec, Error, ErrorKind, Expected, FlushTicket, Options, Place,
    ShardOwner, Store, Ticket,
};

use crate::faulty::{Fault, FaultyDisk, Operation};
use crate::support::{all, deposit, id, in_time, payloads};

const EIO: i32 = 5;
const ENOSPC: i32 = 28;

/// A store with owners on a disk that can fail.
struct Owned {
    disk: FaultyDisk,
    options: Options,
}

impl Owned {
    fn new(shards: u32) -> Self {
        let options = Store::options().shards(shards).threads(1).pin(false);
        Self {
            disk: FaultyDisk::on(Arc::new(MemoryStorage::default())),
            options: options.codec(Codec::None),
        }
    }

    fn open(&self) -> (Store, Vec<ShardOwner>) {
        let disk: Arc<dyn Storage> = Arc::new(self.disk.clone());
        self.options.open_owned(disk).unwrap()
    }

    /// A store of one shard.
    fn open_one(&self) -> (Store, ShardOwner) {
        let (store, mut owners) = self.open();
        let owner = owners.pop().unwrap();
        assert!(owners.is_empty() && owner.shard() == 0);
        (store, owner)
    }

    /// The store with threads of its own; it was closed cleanly before.
    fn open_closed(&self) -> Store {
        let disk: Arc<dyn Storage> = Arc::new(self.disk.clone());
        let store = self.options.open(disk).unwrap();
        assert_eq!(store.stats().recovered, [""; 0], "it was closed cleanly");
        store
    }
}

/// The n-th account of a shard.
fn account(shard: u32, shards: u32, n: usize) -> String {
    let keys = (0..).map(|number| format!("account-{number}"));
    let mut of_shard = keys.filter(|key| route(key, shards) == shard);
    of_shard.nth(n).unwrap()
}

fn kind<T: std::fmt::Debug>(result: Result<T, Error>) -> ErrorKind {
    result.unwrap_err().kind()
}

/// Appends one deposit and waits for its answer.
fn put(owner: &mut ShardOwner, key: &str, payload: &str) -> Result<Appended, Error> {
    let ticket = owner.append(key, Expected::Any, &[deposit(payload)])?;
    owner.answer(ticket)
}

#[test]
fn d1_owners_store_what_they_are_given_each_in_its_thread() {
    let owned = Owned::new(4);
    let (store, owners) = owned.open();
    let threads = owners.into_iter().map(|mut owner| {
        thread::spawn(move || {
            for number in 0..500 {
                let key = account(owner.shard(), 4, number % 5);
                owner.push(&key, &deposit(&number.to_string())).unwrap();
            }
            let ticket = owner.flush().unwrap();
            owner.wait(ticket).unwrap().stored
        })
    });
    let threads: Vec<_> = threads.collect();
    let stored = threads.into_iter().map(|thread| thread.join().unwrap());
    assert_eq!(stored.sum::<u64>(), 2000);
    assert_eq!(store.positions(), [500; 4]);
    let before = all(&store);
    store.close().unwrap();
    let store = owned.open_closed();
    assert_eq!(all(&store), before);
    for shard in 0..4 {
        let numbers: Vec<_> = (2..500).step_by(5).map(|n: u32| n.to_string()).collect();
        assert_eq!(payloads(&store, &account(shard, 4, 2)), numbers);
    }
}

#[test]
fn l10_an_owner_gets_one_answer_to_each_append() {
    let owned = Owned::new(1);
    let (store, mut owner) = owned.open_one();
    let event = deposit("1").id(id(7));
    let first = owner.append("a", Expected::NoStream, &[event]).unwrap();
    let second = owner.append("a", Expected::Exact(1), &[deposit("2"); 3]);
    let wrong = owner.append("a", Expected::Exact(1), &[deposit("3")]);
    let again = owner.append("a", Expected::Any, &[event]).unwrap();
    let other = owner.append("a", Expected::Any, &[deposit("9").id(id(7))]);
    assert!(first.poll().is_none(), "nothing was worked off yet");
    // The last is asked for first: that answers all of them.
    let other = owner.answer(other.unwrap());
    assert_eq!(other, Err(Error::IdConflict { id: id(7) }));
    let stored = |position, version| Appended::Stored {
        place: Place::new(0, position),
        version,
    };
    assert_eq!(first.wait(), Ok(stored(0, 1)));
    assert_eq!(second.unwrap().wait(), Ok(stored(3, 4)));
    let conflict = Error::Conflict {
        key: "a".to_owned(),
        expected: Expected::Exact(1),
        actual: 4,
        missed_from: 2,
    };
    assert_eq!(wrong.unwrap().wait(), Err(conflict));
    let (place, version) = (Place::new(0, 0), Some(1));
    assert_eq!(again.wait(), Ok(Appended::Duplicate { place, version }));
    assert_eq!(payloads(&store, "a"), ["1", "2", "2", "2"]);
}

#[test]
fn an_aggregate_of_another_shard_is_refused_and_nothing_of_it_stays() {
    let owned = Owned::new(4);
    let (store, mut owners) = owned.open();
    let foreign = account(2, 4, 0);
    let owner = &mut owners[1];
    assert_eq!(owner.shard(), 1);
    let error = owner.push(&foreign, &deposit("1")).unwrap_err();
    assert!(matches!(&error, Error::OtherShard { key, shard: 2 } if *key == foreign));
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let append = owner.append(&foreign, Expected::Any, &[deposit("1")]);
    assert!(matches!(append, Err(Error::OtherShard { shard: 2, .. })));
    put(owner, &account(1, 4, 0), "2").unwrap();
    assert_eq!(store.stats().events, 1);
}

#[test]
fn an_event_that_can_not_be_taken_leaves_the_owner_as_it_was() {
    let owned = Owned::new(1);
    let (store, mut owner) = owned.open_one();
    owner.push("a", &deposit("1")).unwrap();
    let huge = "x".repeat(2 << 20);
    assert_eq!(kind(owner.push("a", &deposit(&huge))), ErrorKind::Invalid);
    assert_eq!(kind(owner.push("", &deposit("1"))), ErrorKind::Invalid);
    assert_eq!(
        kind(owner.append("a", Expected::Any, &[])),
        ErrorKind::Invalid
    );
    let ticket = owner.flush().unwrap();
    assert_eq!(owner.wait(ticket).unwrap().stored, 1);
    assert_eq!(payloads(&store, "a"), ["1"]);
    let nothing = owner.flush().unwrap();
    assert_eq!(owner.wait(nothing).unwrap().stored, 0, "it is done at once");
}

#[test]
fn c3_an_owner_that_is_dropped_stores_what_it_holds_and_ends_its_log() {
    let owned = Owned::new(2);
    let (store, mut owners) = owned.open();
    let tickets: Vec<Ticket> = owners
        .iter_mut()
        .map(|owner| {
            let key = account(owner.shard(), 2, 0);
            owner.push(&key, &deposit("1")).unwrap();
            owner.append(&key, Expected::Any, &[deposit("2")]).unwrap()
        })
        .collect();
    drop(owners);
    for ticket in tickets {
        assert_eq!(ticket.wait().unwrap().version(), Some(2));
    }
    store.close().unwrap();
    assert_eq!(owned.open_closed().stats().events, 4);
}

#[test]
fn a_store_with_a_live_owner_is_not_closed() {
    let owned = Owned::new(2);
    let (store, mut owners) = owned.open();
    let refused = store.clone().close().unwrap_err();
    assert!(matches!(refused, Error::Owned), "{refused}");
    drop(owners.pop());
    let refused = store.clone().close().unwrap_err();
    assert!(matches!(refused, Error::Owned), "one is left");
    let owner = &mut owners[0];
    put(owner, &account(0, 2, 0), "1").unwrap();
    drop(owners);
    store.close().unwrap();
    assert_eq!(owned.open_closed().stats().events, 1);
}

#[test]
fn a_store_that_is_dropped_before_its_owner_stays_whole() {
    let owned = Owned::new(1);
    let (store, mut owner) = owned.open_one();
    drop(store);
    put(&mut owner, "a", "1").unwrap();
    owner.push("a", &deposit("2")).unwrap();
    drop(owner);
    assert_eq!(payloads(&owned.open_closed(), "a"), ["1", "2"]);
}

#[test]
fn a_producer_to_an_owned_shard_is_served_when_the_owner_runs() {
    let owned = Owned::new(1);
    let (store, mut owner) = owned.open_one();
    let mut producer = store.producer();
    let ticket = producer.append("a", Expected::NoStream, &[deposit("1")]);
    let ticket = ticket.unwrap();
    assert!(ticket.poll().is_none(), "nobody works");
    let flushed = producer.flush().unwrap();
    assert!(!flushed.is_done(), "nobody works");
    owner.wait(flushed).unwrap();
    assert_eq!(ticket.wait().unwrap().version(), Some(1));

    // Both at once, and an id of the one is known to the other.
    let event = deposit("2").id(id(9));
    owner.push("a", &event).unwrap();
    let own = owner.flush().unwrap();
    producer.push("a", &event).unwrap();
    let others = producer.flush().unwrap();
    assert_eq!(owner.wait(own).unwrap().stored, 1);
    assert_eq!(owner.wait(others).unwrap().duplicates, 1);
    assert_eq!(payloads(&store, "a"), ["1", "2"]);
}

#[test]
fn producers_in_other_threads_and_owners_store_all_they_send() {
    let owned = Owned::new(2);
    let (store, owners) = owned.open();
    let is_over = Arc::new(AtomicBool::new(false));
    let threads: Vec<_> = owners
        .into_iter()
        .map(|mut owner| {
            let is_over = Arc::clone(&is_over);
            thread::spawn(move || {
                let key = account(owner.shard(), 2, 0);
                let mut pushed = 0;
                while !is_over.load(Ordering::SeqCst) || pushed < 100 {
                    owner.push(&key, &deposit("1")).unwrap();
                    pushed += 1;
                    owner.run();
                    if pushed % 10 == 0 {
                        put(&mut owner, &key, "2").unwrap();
                        pushed += 1;
                    }
                }
                pushed
            })
        })
        .collect();
    let (others, is_done) = (store.clone(), Arc::clone(&is_over));
    let stored = in_time("a producer", move || {
        let mut producer = others.producer();
        for number in 0..5_000 {
            let key = account(number % 2, 2, 1);
            producer.push(&key, &deposit("3")).unwrap();
        }
        let stored = producer.flush().unwrap().wait().unwrap().stored;
        others.flush().unwrap();
        is_done.store(true, Ordering::SeqCst);
        stored
    });
    assert_eq!(stored, 5_000);
    let pushed: u64 = threads.into_iter().map(|one| one.join().unwrap()).sum();
    assert_eq!(store.stats().events, 5_000 + pushed);
    store.close().unwrap();
    assert_eq!(owned.open_closed().stats().events, 5_000 + pushed);
}

#[test]
fn a_flush_of_the_store_from_another_thread_ends_while_the_owner_runs() {
    let owned = Owned::new(1);
    let (store, mut owner) = owned.open_one();
    owner.push("a", &deposit("1")).unwrap();
    let ticket = owner.flush().unwrap();
    let flushing = {
        let store = store.clone();
        thread::spawn(move || store.flush())
    };
    in_time("a flush", move || {
        while !flushing.is_finished() {
            owner.run();
            thread::yield_now();
        }
        flushing.join().unwrap().unwrap();
        assert!(ticket.is_done(), "it came before the flush");
        drop(owner);
    });
    store.close().unwrap();
}

#[test]
fn an_owner_goes_from_thread_to_thread_with_what_is_on_its_way() {
    let owned = Owned::new(1);
    let (store, mut owner) = owned.open_one();
    let mut tickets = Vec::new();
    for number in 0..40 {
        owner.push("a", &deposit(&number.to_string())).unwrap();
        tickets.push(owner.flush().unwrap());
        // Its next thread waits for what this one has sent to the disk.
        owner = in_time("an owner", move || {
            if number % 3 == 0 {
                let ticket = owner.flush().unwrap();
                owner.wait(ticket).unwrap();
            }
            owner.run();
            owner
        });
    }
    for ticket in tickets {
        assert_eq!(owner.wait(ticket).unwrap().stored, u64::from(true));
    }
    let numbers: Vec<_> = (0..40).map(|number| number.to_string()).collect();
    assert_eq!(payloads(&store, "a"), numbers);
}

/// What an owner can have sent to the disk before it waits: 8 MiB, and the batch that is too much.
const MOST_IN_FLIGHT: u64 = (8 << 20) + (1 << 20);

/// A disk that sees how far those who write are ahead of it.
#[derive(Clone)]
struct Gauge {
    under: FaultyDisk,
    pushed: Arc<AtomicU64>,
    written: Arc<AtomicU64>,
    most_ahead: Arc<AtomicU64>,
}

impl Gauge {
    fn look(&self) {
        let written = self.written.load(Ordering::SeqCst);
        let ahead = self.pushed.load(Ordering::SeqCst).saturating_sub(written);
        self.most_ahead.fetch_max(ahead, Ordering::SeqCst);
    }
}

impl Storage for Gauge {
    fn create_dir(&self, name: &str) -> io::Result<()> {
        self.under.create_dir(name)
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        self.under.list(dir)
    }

    fn open(
        &self,
        name: &str,
        how: eventcask::storage::Open,
    ) -> io::Result<Box<dyn eventcask::storage::StoredFile>> {
        Ok(Box::new(GaugedFile {
            under: self.under.open(name, how)?,
            gauge: self.clone(),
        }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.under.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.under.remove(name)
    }

    fn remove_dir(&self, name: &str) -> io::Result<()> {
        self.under.remove_dir(name)
    }

    fn sync_dir(&self, name: &str) -> io::Result<()> {
        self.under.sync_dir(name)
    }

    fn lock(&self) -> io::Result<Option<Box<dyn eventcask::storage::Lock>>> {
        self.under.lock()
    }

    fn is_locked(&self) -> io::Result<bool> {
        self.under.is_locked()
    }

    fn describe(&self, name: &str) -> String {
        self.under.describe(name)
    }
}

struct GaugedFile {
    under: Box<dyn eventcask::storage::StoredFile>,
    gauge: Gauge,
}

impl eventcask::storage::StoredFile for GaugedFile {
    fn read_at(&self, buffer: &mut [u8], place: u64) -> io::Result<usize> {
        self.under.read_at(buffer, place)
    }

    fn write_all_at(&self, bytes: &[u8], place: u64) -> io::Result<()> {
        self.under.write_all_at(bytes, place)?;
        self.gauge.look();
        let written = bytes.len() as u64;
        self.gauge.written.fetch_add(written, Ordering::SeqCst);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.under.sync()
    }

    fn len(&self) -> io::Result<u64> {
        self.under.len()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.under.set_len(len)
    }
}

#[test]
fn s10_an_owner_waits_where_the_disk_is_slower_than_it() {
    let owned = Owned::new(1);
    let gauge = Gauge {
        under: owned.disk.clone(),
        pushed: Arc::default(),
        written: Arc::default(),
        most_ahead: Arc::default(),
    };
    let options = owned.options.clone().batch_bytes(64 << 10);
    let opened = options.open_owned(Arc::new(gauge.clone()));
    let (store, mut owners) = opened.unwrap();
    gauge.written.store(0, Ordering::SeqCst);
    owned.disk.fails(Operation::Write, "shards", Fault::Stall);
    let pushed = Arc::clone(&gauge.pushed);
    let pushing = thread::spawn(move || {
        let mut owner = owners.pop().unwrap();
        let payload = format!("\"{}\"", "x".repeat(30_000));
        for _ in 0..1_500 {
            owner.push("a", &deposit(&payload)).unwrap();
            pushed.fetch_add(payload.len() as u64, Ordering::SeqCst);
        }
        let ticket = owner.flush().unwrap();
        owner.wait(ticket).unwrap().stored
    });
    owned.disk.wait_for_stall();
    // It goes on for a while, whatever the disk does, and then no more.
    while gauge.pushed.load(Ordering::SeqCst) < 1 << 20 {
        thread::yield_now();
    }
    for _ in 0..10_000 {
        gauge.look();
        thread::yield_now();
    }
    owned.disk.is_well();
    let stored = in_time("an owner", move || pushing.join().unwrap());
    assert_eq!(stored, 1_500);
    let ahead = gauge.most_ahead.load(Ordering::SeqCst);
    assert!(ahead <= MOST_IN_FLIGHT, "{ahead} bytes in flight");
    assert_eq!(store.stats().events, 1_500);
}

#[test]
fn f1_a_failed_disk_stops_the_shard_of_its_owner_and_no_other() {
    for (operation, fault) in [
        (Operation::Sync, Fault::Errno(EIO)),
        (Operation::Write, Fault::Errno(EIO)),
        (Operation::Write, Fault::Panic),
        (Operation::Sync, Fault::Panic),
    ] {
        let owned = Owned::new(2);
        let (store, mut owners) = owned.open();
        let keys = [account(0, 2, 0), account(1, 2, 0)];
        for (owner, key) in owners.iter_mut().zip(&keys) {
            put(owner, key, "1").unwrap();
        }
        owned.disk.fails(operation, "shards/0001", fault);
        let (mut owners, store) = in_time("an owner", move || {
            let broken = &mut owners[1];
            let early = broken.append(&keys[1], Expected::Any, &[deposit("2")]);
            broken.push(&keys[1], &deposit("3")).unwrap();
            let flushed = broken.flush().unwrap();
            assert_eq!(kind(broken.wait(flushed)), ErrorKind::Poisoned);
            let early = broken.answer(early.unwrap());
            assert!(matches!(early, Err(Error::Poisoned(_))), "{early:?}");
            for _ in 0..3 {
                let later = put(broken, &keys[1], "4");
                assert!(matches!(later, Err(Error::Poisoned(_))), "{later:?}");
                let pushed = broken.push(&keys[1], &deposit("5"));
                assert_eq!(kind(pushed), ErrorKind::Poisoned);
                broken.run();
            }
            put(&mut owners[0], &keys[0], "2").unwrap();
            (owners, store)
        });
        let stats = store.stats();
        assert!(stats.shards[1].poisoned.is_some() && stats.shards[0].poisoned.is_none());
        assert_eq!(payloads(&store, &account(1, 2, 0)), ["1"], "it is readable");
        let healthy = owners.remove(0);
        in_time("dropping owners", move || {
            drop(owners);
            drop(healthy);
        });
        assert!(store.close().is_err(), "it tells whoever closes it");
        owned.disk.is_well();
        let (store, mut owners) = owned.open();
        put(&mut owners[1], &account(1, 2, 0), "6").unwrap();
        assert_eq!(payloads(&store, &account(0, 2, 0)), ["1", "2"]);
    }
}

#[test]
fn f3_a_full_disk_refuses_and_the_owner_goes_on_once_there_is_room() {
    let owned = Owned::new(1);
    let (store, mut owner) = owned.open_one();
    put(&mut owner, "a", "1").unwrap();
    owned
        .disk
        .fails(Operation::Write, "shards", Fault::Errno(ENOSPC));
    let refused = put(&mut owner, "a", "2");
    assert!(matches!(refused, Err(Error::StorageFull(_))));
    for number in 0..10 {
        owner.push("a", &deposit(&number.to_string())).unwrap();
    }
    let flushed = owner.flush().unwrap();
    assert_eq!(kind(owner.wait(flushed)), ErrorKind::StorageFull);
    owned.disk.is_well();
    assert_eq!(put(&mut owner, "a", "3").unwrap().version(), Some(2));
    assert_eq!(payloads(&store, "a"), ["1", "3"]);
    drop(owner);
    store.close().unwrap();
    assert_eq!(payloads(&owned.open_closed(), "a"), ["1", "3"]);
}

#[test]
fn segments_of_an_owned_store_are_sealed_while_its_owners_write() {
    let mut owned = Owned::new(1);
    owned.options = owned.options.clone().segment_bytes(20_000);
    let (store, mut owner) = owned.open_one();
    let payload = format!("\"{}\"", "x".repeat(500));
    for number in 0..400 {
        let event = deposit(&payload).id(id(number + 1));
        owner.push("a", &event).unwrap();
        if number % 20 == 19 {
            let ticket = owner.flush().unwrap();
            owner.wait(ticket).unwrap();
        }
    }
    store.seal().unwrap();
    assert!(store.stats().sealed_segments > 5);
    owner.push("a", &deposit(&payload).id(id(3))).unwrap();
    let ticket = owner.flush().unwrap();
    assert_eq!(owner.wait(ticket).unwrap().duplicates, 1);
    drop(owner);
    store.close().unwrap();
    assert_eq!(owned.open_closed().stats().events, 400);
}

/// The owner does nothing until all of them wait.
#[test]
fn single_events_of_many_producers_become_one_block_and_each_is_told_of_its_own() {
    let (store, mut owner) = Owned::new(1).open_one();
    let mut producers: Vec<_> = (0..20).map(|_| store.producer()).collect();
    let mut tickets = Vec::new();
    for (number, producer) in producers.iter_mut().enumerate() {
        // Each second one repeats the event of the one before it.
        let event = deposit("1").id(id(1 + number as u128 / 2));
        producer.push("account-1", &event).unwrap();
        tickets.push(producer.flush().unwrap());
        // What comes behind a flush is counted by the next one.
        producer.push("account-2", &deposit("2")).unwrap();
    }
    let appended = store.append("account-3", Expected::NoStream, &[deposit("3")]);
    for (number, ticket) in tickets.into_iter().enumerate() {
        let (flushed, is_repeat) = (owner.wait(ticket).unwrap(), number % 2 == 1);
        let counted = (flushed.stored, flushed.duplicates, flushed.refused);
        let repeated = u64::from(is_repeat);
        assert_eq!(counted, (1 - repeated, repeated, 0), "producer {number}");
    }
    let appended = owner.answer(appended.unwrap()).unwrap();
    assert_eq!(appended.version(), Some(1));
    for producer in &mut producers {
        let ticket = producer.flush().unwrap();
        assert_eq!(owner.wait(ticket).unwrap().stored, 1);
    }
    assert_eq!(store.stages().batches, 1, "all were together");
    let versions = ["account-1", "account-2"].map(|key| store.aggregate(key).version().unwrap());
    assert_eq!(versions, [10, 20]);
}

/// The owner does nothing until all of them wait.
#[test]
fn l1_appends_that_share_a_block_are_each_stored_whole_or_not_at_all() {
    let (store, mut owner) = Owned::new(1).open_one();
    let mut producers: Vec<_> = (0..6).map(|_| store.producer()).collect();
    let mut tickets = Vec::new();
    for (number, producer) in producers.iter_mut().enumerate() {
        let own = format!("own-{number}");
        // It holds for the first of them alone.
        let set = AppendSet::new()
            .append(&own, Expected::NoStream, &[deposit("1"), deposit("2")])
            .append("shared", Expected::NoStream, &[deposit("3")]);
        producer.push("log", &deposit("4")).unwrap();
        let appended = producer.append_all(&set).unwrap();
        producer.push("log", &deposit("5")).unwrap();
        tickets.push((appended, producer.flush().unwrap()));
    }
    for (number, (appended, flushed)) in tickets.into_iter().enumerate() {
        assert_eq!(owner.wait(flushed).unwrap().stored, 2, "producer {number}");
        let (answer, own) = (owner.answer(appended), format!("own-{number}"));
        let stored = store.aggregate(&own).version().unwrap();
        match number {
            0 => assert_eq!((answer.unwrap().version(), stored), (Some(1), 2)),
            _ => assert_eq!((kind(answer), stored), (ErrorKind::Conflict, 0)),
        }
    }
    assert_eq!(store.stages().batches, 1, "all were together");
    let versions = ["log", "shared"].map(|key| store.aggregate(key).version().unwrap());
    assert_eq!(versions, [12, 1]);
}

#[test]
fn what_was_flushed_is_there_after_the_end_of_its_producer_and_before_a_flush_of_the_store() {
    let (store, mut owner) = Owned::new(1).open_one();
    let mut producer = store.producer();
    producer.push("account-1", &deposit("1")).unwrap();
    let ticket = producer.flush().unwrap();
    drop(producer);
    assert_eq!(owner.wait(ticket).unwrap().stored, 1);
    let mut producer = store.producer();
    producer.push("account-1", &deposit("2")).unwrap();
    let ticket = producer.flush().unwrap();
    let flushing = thread::spawn({
        let store = store.clone();
        move || store.flush()
    });
    while !flushing.is_finished() {
        owner.run();
        thread::yield_now();
    }
    flushing.join().unwrap().unwrap();
    assert!(ticket.is_done());
    assert_eq!(payloads(&store, "account-1"), ["1", "2"]);
}

/// An append over several aggregates was in no account, so a flush did not wait for it.
#[test]
fn a_flush_is_done_once_appends_over_several_aggregates_are_answered() {
    let owned = Owned::new(1);
    let (store, mut owner) = owned.open_one();
    let set = AppendSet::new()
        .append("account-1", Expected::Any, &[deposit("1")])
        .append("account-2", Expected::Any, &[deposit("2")]);
    owned.disk.fails(Operation::Write, "shards", Fault::Stall);

    let own = owner.append_all(&set).unwrap();
    let flushed = owner.flush().unwrap();
    let mut producer = store.producer();
    let others = producer.append_all(&set).unwrap();
    let others_flushed = producer.flush().unwrap();
    let are_done = [&flushed, &others_flushed].map(FlushTicket::is_done);
    owned.disk.is_well();
    assert_eq!(are_done, [false; 2], "the disk has nothing yet");

    assert_eq!(
        owner.wait(flushed).unwrap().stored,
        0,
        "only pushed events are counted"
    );
    assert!(own.poll().is_some());
    assert_eq!(owner.wait(others_flushed).unwrap().stored, 0);
    assert!(others.poll().is_some());
}
