//! Projections that park the aggregate of an event that fails, and what becomes of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use eventcask::projection::{OnError, ProjectionOptions, SnapshotPolicy};
use eventcask::storage::Storage;
use eventcask::{
    ApplyError, AsOf, Batch, ErrorKind, Expected, NewEvent, PerAggregate, Place, Projection,
    ProjectionHandle, Store, Timeout,
};

use crate::faulty::{Fault, FaultyDisk, Operation};
use crate::support::{Bank, bytes_of, deposit, files, in_time, put};

/// The deposits of each account, one after the other; what is no number fails, up to what is
/// mended.
#[derive(Clone, Default)]
struct Deposits {
    /// A payload that it can take by now.
    mended: Option<&'static str>,
    /// Events that were applied, ever.
    applied: Arc<AtomicU64>,
}

impl Projection for Deposits {
    const NAME: &'static str = "deposits";
    const VERSION: u32 = 1;
    type State = PerAggregate<Vec<u64>>;

    fn apply(&self, state: &mut Self::State, batch: &Batch<'_>) -> Result<(), ApplyError> {
        let mut deposits = state.of(batch);
        for row in batch.rows() {
            let text = str::from_utf8(batch.payload(row))?;
            let number = match text {
                "\"panic\"" => std::panic::resume_unwind(Box::new("told to")),
                "\"nameless\"" => return Err("an error that names no event".into()),
                text if Some(text) == self.mended => 0,
                text => text.parse().map_err(|error| batch.failed(row, error))?,
            };
            deposits[batch.aggregate_index(row)].push(number);
            self.applied.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

fn parking(store: &Store, deposits: &Deposits) -> ProjectionOptions<Deposits> {
    store
        .projection(deposits.clone())
        .sync()
        .on_error(OnError::Park)
}

fn kept(store: &Store, deposits: &Deposits) -> ProjectionHandle<Deposits> {
    let options = parking(store, deposits).snapshots(SnapshotPolicy::default());
    options.start().unwrap()
}

type Fold = BTreeMap<String, Vec<u64>>;

/// Deposits of all accounts that have one.
fn held(projected: &ProjectionHandle<Deposits>) -> Fold {
    let mut all = Fold::new();
    let add = |_: u32, state: &PerAggregate<Vec<u64>>| {
        let some = state.iter().filter(|(_, deposits)| !deposits.is_empty());
        all.extend(some.map(|(key, deposits)| (key.to_owned(), deposits.clone())));
    };
    projected.each_shard(add).unwrap();
    all
}

fn fold(of: &[(&str, &[u64])]) -> Fold {
    let owned = |(key, deposits): &(&str, &[u64])| ((*key).to_owned(), deposits.to_vec());
    of.iter().map(owned).collect()
}

/// Key and version of what is parked.
fn parked(projected: &ProjectionHandle<Deposits>) -> Vec<(String, u64)> {
    let parked = projected.parked().into_iter();
    parked.map(|one| (one.key, one.version)).collect()
}

/// Three events of each of two accounts in one block; the second one of the first account fails.
fn push(store: &Store, bad: &str) -> Place {
    let mut producer = store.producer();
    for payloads in [["1", "10"], [bad, "20"], ["3", "30"]] {
        producer.push("ada", &deposit(payloads[0])).unwrap();
        producer.push("bob", &deposit(payloads[1])).unwrap();
    }
    producer.flush().unwrap().wait().unwrap();
    put(store, "bob", "40").place()
}

const BEFORE: [(&str, &[u64]); 2] = [("ada", &[1]), ("bob", &[10, 20, 30, 40])];
const AFTER: [(&str, &[u64]); 2] = [("ada", &[1, 0, 3]), ("bob", &[10, 20, 30, 40])];
const MENDED: Option<&str> = Some("\"two\"");

fn mended() -> Deposits {
    Deposits {
        mended: MENDED,
        ..Deposits::default()
    }
}

#[test]
fn l6_an_event_that_fails_parks_its_aggregate_and_the_others_go_on() {
    for is_sync in [true, false] {
        let store = Bank::new(1).open();
        let options = store
            .projection(Deposits::default())
            .on_error(OnError::Park);
        let options = if is_sync { options.sync() } else { options };
        let projected = options.start().unwrap();
        let last = push(&store, "\"two\"");
        let soon = Timeout::Error(Duration::from_secs(60));
        projected.wait_for(last, soon).unwrap();
        assert_eq!(held(&projected), fold(&BEFORE), "sync: {is_sync}");

        let one = &projected.parked()[0];
        assert_eq!((one.key.as_str(), one.version, one.tries), ("ada", 2, 1));
        assert!(one.reason.contains("invalid digit"), "{}", one.reason);
        let events = store.aggregate("ada").events().unwrap();
        let second = events.map(Result::unwrap).nth(1).unwrap();
        assert_eq!(Place::new(one.shard, one.position), second.place());
        let stats = projected.stats();
        assert_eq!((stats.parked, stats.failure), (1, None));
    }
}

#[test]
fn by_default_the_event_that_fails_stops_its_shard_and_is_named() {
    let store = Bank::new(1).open();
    let projected = store
        .projection(Deposits::default())
        .sync()
        .start()
        .unwrap();
    push(&store, "\"two\"");
    let error = projected.read(0, |_| ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Stopped);
    let sentence = error.to_string();
    for part in ["\"deposits\"", "version 2", "\"ada\"", "invalid digit"] {
        assert!(sentence.contains(part), "{part} is not in: {sentence}");
    }
    assert!(projected.parked().is_empty());
}

#[test]
fn a_panic_and_an_error_that_names_no_event_stop_it_all_the_same() {
    for bad in ["\"panic\"", "\"nameless\""] {
        let store = Bank::new(1).open();
        let projected = parking(&store, &Deposits::default()).start().unwrap();
        push(&store, bad);
        let error = projected.read(0, |_| ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Stopped, "{bad}");
        assert!(projected.parked().is_empty());
    }
}

/// A projection that names a row that it was not given.
struct Wrong;

impl Projection for Wrong {
    const NAME: &'static str = "wrong";
    const VERSION: u32 = 1;
    const TYPES: Option<&'static [&'static str]> = Some(&["Second"]);
    type State = ();

    fn apply(&self, (): &mut (), batch: &Batch<'_>) -> Result<(), ApplyError> {
        Err(batch.failed(0, "it looks where it may not"))
    }
}

#[test]
fn an_error_that_names_an_event_that_is_not_shown_stops_it() {
    let store = Bank::new(1).open();
    let projected = store.projection(Wrong).sync().on_error(OnError::Park);
    let projected = projected.start().unwrap();
    // Together, so that they come in one block.
    let both = ["First", "Second"].map(|name| NewEvent::json(name, b"1"));
    let appended = store.append("ada", Expected::Any, &both).unwrap();
    appended.wait().unwrap();
    let error = projected.read(0, |()| ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Stopped, "{error}");
}

#[test]
fn a_restart_keeps_what_is_parked_with_snapshots_and_without() {
    let bank = Bank::new(2);
    let store = bank.open();
    let projected = kept(&store, &Deposits::default());
    push(&store, "\"two\"");
    store.close().unwrap();
    let before = projected.parked();
    drop(projected);

    let store = bank.open();
    let deposits = Deposits::default();
    let projected = kept(&store, &deposits);
    assert_eq!(projected.parked(), before);
    assert_eq!(held(&projected), fold(&BEFORE));
    assert_eq!(
        deposits.applied.load(Ordering::Relaxed),
        0,
        "from the snapshot"
    );
    put(&store, "ada", "4");
    assert_eq!(held(&projected), fold(&BEFORE), "it is parked still");
    drop(projected);
    let projected = parking(&store, &Deposits::default()).start().unwrap();
    assert_eq!(projected.parked(), before, "from the log");
    assert_eq!(held(&projected), fold(&BEFORE));
}

#[test]
fn l5_what_is_parked_is_redriven_by_new_code_and_each_event_is_applied_once() {
    let bank = Bank::new(2);
    let store = bank.open();
    let projected = kept(&store, &Deposits::default());
    push(&store, "\"two\"");
    store.close().unwrap();
    drop(projected);

    let store = bank.open();
    let deposits = mended();
    let projected = kept(&store, &deposits);
    let hot = projected.entries(10);
    assert_eq!(hot.get("ada").unwrap(), Some(vec![1]));
    assert_eq!(parked(&projected), [("ada".to_owned(), 2)]);
    assert!(!projected.redrive("bob").unwrap(), "it is not parked");
    assert!(projected.redrive("ada").unwrap());
    assert_eq!(deposits.applied.load(Ordering::Relaxed), 2);
    assert_eq!(
        (held(&projected), parked(&projected)),
        (fold(&AFTER), vec![])
    );
    assert_eq!(hot.get("ada").unwrap(), Some(vec![1, 0, 3]));
    assert!(!projected.redrive("ada").unwrap(), "not twice");
    put(&store, "ada", "4");
    assert_eq!(hot.get("ada").unwrap(), Some(vec![1, 0, 3, 4]));

    // Killed right after it, the next start has it.
    let killed = Bank {
        storage: bank.storage.copy(),
        options: bank.options.clone(),
    };
    let deposits = mended();
    let store = killed.open();
    let again = kept(&store, &deposits);
    let all = fold(&[("ada", &[1, 0, 3, 4]), ("bob", &[10, 20, 30, 40])]);
    assert_eq!((held(&again), parked(&again)), (all, vec![]));
    assert_eq!(
        deposits.applied.load(Ordering::Relaxed),
        1,
        "what came after it"
    );
}

#[test]
fn what_fails_again_stays_parked_from_there_on() {
    let bank = Bank::new(1);
    let store = bank.open();
    let projected = kept(&store, &Deposits::default());
    push(&store, "\"two\"");
    put(&store, "ada", "4");
    put(&store, "ada", "\"five\"");
    put(&store, "ada", "6");
    assert!(projected.redrive("ada").unwrap());
    let one = &projected.parked()[0];
    assert_eq!((one.version, one.tries), (2, 2), "the same event");
    store.close().unwrap();
    drop(projected);

    let store = bank.open();
    let projected = kept(&store, &mended());
    assert_eq!(projected.parked()[0].tries, 2);
    assert!(projected.redrive("ada").unwrap());
    let one = &projected.parked()[0];
    assert_eq!((one.version, one.tries), (5, 1), "another one");
    let all = fold(&[("ada", &[1, 0, 3, 4]), ("bob", &[10, 20, 30, 40])]);
    assert_eq!(held(&projected), all);
}

/// Snapshots that are made while it runs are made of the one before and the log.
#[test]
fn a_snapshot_that_is_made_of_the_one_before_has_what_is_parked_and_what_is_not() {
    let bank = Bank::new(1);
    let often = SnapshotPolicy::default().events(1);
    let is_saved = |projected: &ProjectionHandle<Deposits>, at: u64| {
        let projected = projected.clone();
        in_time("a snapshot", move || {
            while projected.stats().snapshot_positions != [Some(at)] {
                std::thread::yield_now();
            }
        });
    };
    let restarted = || {
        let killed = Bank {
            storage: bank.storage.copy(),
            options: bank.options.clone(),
        };
        let store = killed.open();
        let projected = kept(&store, &Deposits::default());
        (held(&projected), parked(&projected))
    };
    let store = bank.open();
    let options = parking(&store, &Deposits::default()).snapshots(often);
    let projected = options.start().unwrap();
    push(&store, "\"two\"");
    is_saved(&projected, 7);
    assert_eq!(restarted(), (fold(&BEFORE), vec![("ada".to_owned(), 2)]));
    drop(projected);

    let options = parking(&store, &mended()).snapshots(often);
    let projected = options.start().unwrap();
    projected.redrive("ada").unwrap();
    put(&store, "ada", "4");
    is_saved(&projected, 8);
    let all = fold(&[("ada", &[1, 0, 3, 4]), ("bob", &[10, 20, 30, 40])]);
    assert_eq!(restarted(), (all, vec![]));
}

/// A snapshot from before would have it parked, and know nothing of what was applied since.
#[test]
fn l5_where_what_was_redriven_can_not_be_kept_the_next_start_applies_it_once() {
    const ENOSPC: i32 = 28;
    let bank = Bank::new(1);
    let disk = FaultyDisk::on(Arc::new(bank.storage.clone()));
    let storage: Arc<dyn Storage> = Arc::new(disk.clone());
    let store = bank.options.open(storage).unwrap();
    drop({
        let projected = kept(&store, &Deposits::default());
        push(&store, "\"two\"");
        projected
    });
    let projected = kept(&store, &mended());
    disk.fails(Operation::Write, "projections", Fault::Errno(ENOSPC));
    assert!(projected.redrive("ada").unwrap());
    assert_eq!(held(&projected), fold(&AFTER));
    assert_eq!(projected.stats().snapshot_positions, [None]);
    let killed = Bank {
        storage: bank.storage.copy(),
        options: bank.options.clone(),
    };
    let store = killed.open();
    let again = kept(&store, &mended());
    assert_eq!((held(&again), parked(&again)), (fold(&AFTER), vec![]));
}

#[test]
fn what_can_not_be_read_stays_parked_and_stops_nothing() {
    const EIO: i32 = 5;
    let bank = Bank::new(1);
    let store = bank.open();
    let projected = kept(&store, &Deposits::default());
    push(&store, "\"two\"");
    store.seal().unwrap();
    store.close().unwrap();
    drop(projected);

    let disk = FaultyDisk::on(Arc::new(bank.storage.clone()));
    let options = bank.options.clone().block_cache_bytes(0);
    let store = options
        .open(Arc::new(disk.clone()) as Arc<dyn Storage>)
        .unwrap();
    let projected = kept(&store, &mended());
    disk.fails(Operation::Read, "shards/0000", Fault::Errno(EIO));
    let error = projected.redrive("ada").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io, "{error}");
    assert_eq!(held(&projected), fold(&BEFORE));
    assert_eq!(parked(&projected), [("ada".to_owned(), 2)]);
    disk.is_well();
    assert!(projected.redrive("ada").unwrap());
    assert_eq!(held(&projected), fold(&AFTER));
}

#[test]
fn a_rebuild_and_the_past_park_what_the_code_of_now_can_not_take() {
    let bank = Bank::new(1);
    let store = bank.open();
    let projected = kept(&store, &Deposits::default());
    let last = push(&store, "\"two\"");
    projected.rebuild().unwrap().wait().unwrap().unwrap();
    assert_eq!(held(&projected), fold(&BEFORE));
    assert_eq!(parked(&projected), [("ada".to_owned(), 2)]);
    let past = projected.as_of(AsOf::Position(last.position)).unwrap();
    assert_eq!(past.state(0).get("ada"), Some(&vec![1]));
    drop(projected);

    let projected = kept(&store, &mended());
    assert_eq!(
        parked(&projected),
        [("ada".to_owned(), 2)],
        "as it was kept"
    );
    let past = projected.as_of(AsOf::Position(last.position)).unwrap();
    assert_eq!(past.state(0).get("ada"), Some(&vec![1, 0, 3]), "of the log");
    projected.rebuild().unwrap().wait().unwrap().unwrap();
    assert_eq!(
        (held(&projected), parked(&projected)),
        (fold(&AFTER), vec![])
    );
}

#[test]
fn what_is_given_up_does_not_wait_any_more() {
    let store = Bank::new(1).open();
    let projected = parking(&store, &Deposits::default()).start().unwrap();
    push(&store, "\"two\"");
    put(&store, "ada", "4");
    store.truncate_aggregate("ada", 3).unwrap();
    assert!(projected.redrive("ada").unwrap());
    let left = fold(&[("ada", &[1, 3, 4]), ("bob", &[10, 20, 30, 40])]);
    assert_eq!((held(&projected), parked(&projected)), (left, vec![]));
}

#[test]
fn one_that_stops_again_does_not_take_up_what_another_one_had_parked() {
    let bank = Bank::new(1);
    let store = bank.open();
    drop({
        let projected = kept(&store, &Deposits::default());
        push(&store, "\"two\"");
        projected
    });
    let options = store.projection(Deposits::default()).sync();
    let stopped = options.snapshots(SnapshotPolicy::default()).start();
    assert_eq!(stopped.unwrap_err().kind(), ErrorKind::Stopped);
}

#[test]
fn so_many_aggregates_are_parked_and_no_more() {
    let store = Bank::new(1).open();
    let projected = parking(&store, &Deposits::default()).start().unwrap();
    let mut producer = store.producer();
    for number in 0..10_000 {
        producer
            .push(&format!("account-{number}"), &deposit("\"two\""))
            .unwrap();
    }
    producer.flush().unwrap().wait().unwrap();
    assert_eq!(projected.stats().parked, 10_000);
    assert_eq!(projected.stats().failure, None);
    put(&store, "account-0", "\"again\"");
    assert_eq!(projected.stats().failure, None, "it is parked already");
    put(&store, "another", "\"two\"");
    let failure = projected.stats().failure.unwrap();
    assert!(failure.contains("\"another\""), "{failure}");
}

/// The state in use holds what was given up until it is rebuilt; a snapshot of it would tell.
#[test]
fn l13_what_was_given_up_is_not_kept_again_where_something_is_redriven() {
    let bank = Bank::new(1);
    let store = bank.open();
    let projected = kept(&store, &Deposits::default());
    push(&store, "\"two\"");
    store.delete_aggregate("bob").unwrap();
    store.reclaim().unwrap();
    assert!(projected.redrive("ada").unwrap());
    let kept = files(&bank.storage).into_iter();
    for path in kept.filter(|path| path.ends_with(".snapshot")) {
        let bytes = bytes_of(&bank.storage, &path);
        assert!(!bytes.windows(3).any(|text| text == b"bob"), "{path}");
    }
    assert_eq!(projected.stats().snapshot_positions, [None]);
}
