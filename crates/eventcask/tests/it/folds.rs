//! Folded aggregates: what is kept, what is saved, and what a load says when either is gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use eventcask::event::EventRef;
use eventcask::stats::Named;
use eventcask::storage::{MemoryStorage, Storage};
use eventcask::{
    ApplyError, AsOf, Error, ErrorKind, EventId, Expected, Fold, NewEvent, Place, Repository,
    Store, StoreReader, Timeout, Timestamp,
};

use crate::support::{Bank, put};

const NOW: Timeout = Timeout::Error(Duration::ZERO);
const PATIENT: Timeout = Timeout::Error(Duration::from_secs(60));

/// Versions and cents of an account: says at once where an event is missing or comes twice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Account {
    versions: Vec<u64>,
    cents: i64,
}

/// Counts what it folds, so that a test sees what a load cost.
#[derive(Debug, Clone, Default)]
struct Accounts {
    folded: Arc<AtomicU64>,
}

impl Accounts {
    /// Events folded since the last time it was asked.
    fn take(&self) -> u64 {
        self.folded.swap(0, Ordering::Relaxed)
    }
}

impl Fold for Accounts {
    const NAME: &'static str = "accounts";
    const VERSION: u32 = 1;
    type State = Account;

    fn apply(&self, account: &mut Account, event: &EventRef<'_>) -> Result<(), ApplyError> {
        assert_ne!(event.event_type, "Boom");
        self.folded.fetch_add(1, Ordering::Relaxed);
        account.versions.push(event.version);
        account.cents += str::from_utf8(event.payload)?.parse::<i64>()?;
        Ok(())
    }

    fn encode(&self, account: &Account, out: &mut Vec<u8>) {
        out.extend_from_slice(&account.cents.to_le_bytes());
        for version in &account.versions {
            out.extend_from_slice(&version.to_le_bytes());
        }
    }

    fn decode(&self, bytes: &[u8]) -> Option<Account> {
        let numbers = bytes.as_chunks::<8>().0;
        let (cents, versions) = numbers.split_first()?;
        Some(Account {
            versions: versions.iter().copied().map(u64::from_le_bytes).collect(),
            cents: i64::from_le_bytes(*cents),
        })
    }

    fn bytes(&self, account: &Account) -> usize {
        size_of::<Account>() + account.versions.len() * 8
    }
}

/// What the events say, without a fold.
fn truth(store: &StoreReader, key: &str, moment: Option<AsOf>) -> Account {
    let reader = store.aggregate(key);
    let reader = match moment {
        Some(moment) => reader.as_of(moment),
        None => reader,
    };
    let mut account = Account::default();
    for event in reader.events().unwrap() {
        let event = event.unwrap();
        account.versions.push(event.version());
        let text = str::from_utf8(event.payload()).unwrap();
        account.cents += text.parse::<i64>().unwrap();
    }
    account
}

fn deposits(store: &Store, key: &str, count: u32) {
    let mut producer = store.producer();
    for cents in 0..count {
        let text = cents.to_string();
        let deposit = NewEvent::json("Deposited", text.as_bytes());
        producer.push(key, &deposit).unwrap();
        // Blocks of a few events each.
        if cents % 7 == 0 {
            producer.flush().unwrap().wait().unwrap();
        }
    }
    producer.flush().unwrap().wait().unwrap();
}

/// The files under `folds/`.
fn snapshots(storage: &MemoryStorage) -> Vec<String> {
    let mut files = Vec::new();
    for dir in storage.list("folds").unwrap() {
        let dir = format!("folds/{dir}");
        let names = storage.list(&dir).unwrap().into_iter();
        files.extend(names.map(|name| format!("{dir}/{name}")));
    }
    files.sort();
    files
}

fn check(folded: &Repository<Accounts>, store: &StoreReader, key: &str) {
    let loaded = folded.load(key).unwrap();
    assert_eq!(*loaded, truth(store, key, None), "{key}");
    assert_eq!(loaded.version(), store.aggregate(key).version().unwrap());
}

#[test]
fn a_load_holds_all_that_was_acknowledged_whatever_is_kept() {
    let bank = Bank::new(2);
    let store = bank.open();
    let mut random = fastrand::Rng::with_seed(7);
    // Also where hardly anything has room in memory.
    let (wide, narrow) = (Accounts::default(), Accounts::default());
    let wide = store.fold(wide).snapshot_every(20);
    let narrow = store.fold(narrow).snapshot_every(20).cache_bytes(2_000);
    for _ in 0..1_500 {
        let key = format!("account-{}", random.u32(0..30));
        put(&store, &key, &random.i64(-100..100).to_string());
        let asked = format!("account-{}", random.u32(0..30));
        check(&wide, &store, &asked);
        check(&narrow, &store, &asked);
        check(&wide, &store, &key);
    }
    assert_eq!(wide.kept(), 30);
    assert!(narrow.kept() < 10, "{} are kept", narrow.kept());
    assert_eq!(snapshots(&bank.storage).len(), 30);
    assert_eq!(wide.snapshot_failure(), None);
}

#[test]
fn what_is_kept_is_not_folded_again() {
    let bank = Bank::new(1);
    let store = bank.open();
    deposits(&store, "account-1", 100);
    let fold = Accounts::default();
    let folded = store.fold(fold.clone());
    check(&folded, &store, "account-1");
    assert_eq!(fold.take(), 100);
    check(&folded.clone(), &store, "account-1");
    assert_eq!(fold.take(), 0);
    put(&store, "account-1", "5");
    put(&store, "account-2", "5");
    check(&folded, &store, "account-1");
    assert_eq!(fold.take(), 1, "only what is new");
    check(&folded, &store, "nobody");
    assert_eq!(
        folded.load("nobody").unwrap().expected(),
        Expected::NoStream
    );
}

/// The state after an append that was decided by it is not folded; it is saved, and given up, as
/// any other.
#[test]
fn a_state_after_an_append_is_kept_as_it_is_said_to_be() {
    let (storage, fold) = (MemoryStorage::default(), Accounts::default());
    let store = Store::options().shards(2).open(storage.clone()).unwrap();
    let folded = store.fold(fold.clone()).snapshot_every(10);
    let deposit = NewEvent::json("Deposited", b"5");
    for appended in 1..=8_u64 {
        let before = folded.load("account").unwrap();
        let stored = store
            .append("account", before.expected(), &[deposit; 3])
            .unwrap();
        let mut after = (*before).clone();
        after.versions.extend(appended * 3 - 2..=appended * 3);
        after.cents += 15;
        folded.keep("account", &before, &stored.wait().unwrap(), 3, after);
        check(&folded, &store, "account");
    }
    assert_eq!(fold.take(), 0);
    assert_eq!(snapshots(&storage).len(), 1);

    // Saved with version 12, and again with 24.
    let anew = store.fold(fold.clone()).snapshot_every(10);
    check(&anew, &store, "account");
    assert_eq!(fold.take(), 0);
    let then = AsOf::Version(20);
    assert_eq!(
        *anew.load_as_of("account", then).unwrap(),
        truth(&store, "account", Some(then))
    );

    store.truncate_aggregate("account", 20).unwrap();
    check(&folded, &store, "account");
    assert_eq!(
        folded.load("account").unwrap().versions,
        [20, 21, 22, 23, 24]
    );
}

#[test]
fn nothing_is_kept_of_an_append_that_does_not_follow() {
    let fold = Accounts::default();
    let store = Store::options()
        .shards(1)
        .open(MemoryStorage::default())
        .unwrap();
    let folded = store.fold(fold.clone());
    let wrong = || Account {
        versions: Vec::new(),
        cents: -1,
    };
    let deposit = NewEvent::json("Deposited", b"5").id(EventId::from_u128(7));
    let absent = folded.load("account").unwrap();
    let append = || {
        store
            .append("account", Expected::Any, &[deposit])
            .unwrap()
            .wait()
            .unwrap()
    };
    let (stored, duplicate) = (append(), append());
    let before = folded.load("account").unwrap();
    folded.keep("account", &absent, &duplicate, 1, wrong());
    folded.keep("account", &before, &stored, 1, wrong());
    folded.keep("other", &absent, &stored, 1, wrong());
    check(&folded, &store, "account");
    check(&folded, &store, "other");

    // Nor of one that is older than what is kept.
    deposits(&store, "account", 3);
    check(&folded, &store, "account");
    folded.keep("account", &absent, &stored, 1, wrong());
    let kept = folded
        .load_at_least("account", Place::new(0, 0), NOW)
        .unwrap();
    assert_eq!(*kept, truth(&store, "account", None));
}

/// A foreign event between the state and an append that expected nothing looks like the first of
/// two events of that append.
#[test]
fn nothing_is_kept_of_an_append_that_a_foreign_event_came_before() {
    let store = Store::options()
        .shards(1)
        .open(MemoryStorage::default())
        .unwrap();
    let folded = store.fold(Accounts::default());
    deposits(&store, "account", 4);
    let before = folded.load("account").unwrap();
    put(&store, "account", "100");
    let deposit = NewEvent::json("Deposited", b"5");
    let stored = store.append("account", Expected::Any, &[deposit]).unwrap();
    let mut after = (*before).clone();
    after.versions.push(5);
    after.cents += 5;
    folded.keep("account", &before, &stored.wait().unwrap(), 1, after);
    check(&folded, &store, "account");
}

#[test]
fn a_load_after_a_restart_begins_at_the_newest_snapshot() {
    let bank = Bank::new(1);
    let store = bank.open();
    deposits(&store, "account-1", 95);
    deposits(&store, "account-2", 9);
    let folded = store.fold(Accounts::default()).snapshot_every(10);
    check(&folded, &store, "account-1");
    check(&folded, &store, "account-2");
    assert_eq!(snapshots(&bank.storage).len(), 1, "nine events are too few");
    deposits(&store, "account-1", 4);
    check(&folded, &store, "account-1");
    store.close().unwrap();

    for read_only in [false, true] {
        let store = if read_only {
            bank.open_read_only()
        } else {
            bank.open().reader()
        };
        let fold = Accounts::default();
        check(
            &store.fold(fold.clone()).snapshot_every(10),
            &store,
            "account-1",
        );
        assert_eq!(fold.take(), 4);
    }
}

#[test]
fn a_store_that_is_read_only_makes_no_snapshots_and_changes_nothing() {
    let bank = Bank::new(1);
    let store = bank.open();
    deposits(&store, "account-1", 95);
    let reader = bank.open_read_only();
    check(
        &reader.fold(Accounts::default()).snapshot_every(10),
        &reader,
        "account-1",
    );
    assert_eq!(snapshots(&bank.storage), [""; 0]);

    // Neither does one that was closed: another process may have it by now.
    let folded = store.fold(Accounts::default()).snapshot_every(10);
    let same = store.clone();
    store.close().unwrap();
    check(&folded, &same, "account-1");
    assert_eq!(snapshots(&bank.storage), [""; 0]);
}

/// Loads with what is on disk; says how many events were folded.
fn load_anew(bank: &Bank, key: &str) -> u64 {
    let store = bank.open_read_only();
    let fold = Accounts::default();
    check(&store.fold(fold.clone()).snapshot_every(10), &store, key);
    fold.take()
}

fn write(storage: &MemoryStorage, path: &str, bytes: &[u8]) {
    let file = storage
        .open(path, eventcask::storage::Open::Create)
        .unwrap();
    file.write_all_at(bytes, 0).unwrap();
}

fn read(storage: &MemoryStorage, path: &str) -> Vec<u8> {
    let file = storage.open(path, eventcask::storage::Open::Read).unwrap();
    let mut bytes = vec![0; file.len().unwrap() as usize];
    file.read_at(&mut bytes, 0).unwrap();
    bytes
}

#[test]
fn l7_a_snapshot_that_is_gone_or_damaged_anywhere_only_makes_a_load_slower() {
    let bank = Bank::new(1);
    let store = bank.open();
    deposits(&store, "account-1", 12);
    check(
        &store.fold(Accounts::default()).snapshot_every(10),
        &store,
        "account-1",
    );
    store.close().unwrap();
    let [path] = &snapshots(&bank.storage)[..] else {
        panic!("one snapshot")
    };
    assert_eq!(load_anew(&bank, "account-1"), 0);

    let whole = read(&bank.storage, path);
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        write(&bank.storage, path, &bytes);
        // A bit of a feature word that readers may pass over is no damage.
        let folded = load_anew(&bank, "account-1");
        assert_eq!(folded, 12, "byte {at} is flipped");
    }
    for length in [0, 1, 127, 128, whole.len() - 1] {
        write(&bank.storage, path, &whole[..length]);
        assert_eq!(load_anew(&bank, "account-1"), 12, "{length} bytes are left");
    }
    bank.storage.remove(path).unwrap();
    assert_eq!(load_anew(&bank, "account-1"), 12);

    // It is made again where it is missing.
    let store = bank.open();
    check(
        &store.fold(Accounts::default()).snapshot_every(10),
        &store,
        "account-1",
    );
    assert_eq!(read(&bank.storage, path), whole);
}

#[test]
fn a_snapshot_of_another_aggregate_or_store_is_passed_over() {
    let banks = [Bank::new(1), Bank::new(1)];
    for bank in &banks {
        let store = bank.open();
        for key in ["account-1", "account-2"] {
            deposits(&store, key, 12);
            check(
                &store.fold(Accounts::default()).snapshot_every(10),
                &store,
                key,
            );
        }
        store.close().unwrap();
    }
    let files = snapshots(&banks[0].storage);
    let mine = read(&banks[0].storage, &files[0]);
    write(&banks[0].storage, &files[1], &mine);
    write(&banks[1].storage, &files[0], &mine);
    let folded = |bank: &Bank| load_anew(bank, "account-1") + load_anew(bank, "account-2");
    assert_eq!(folded(&banks[0]), 12);
    assert_eq!(folded(&banks[1]), 12);
}

/// The same fold, thought over.
struct Raised(Accounts);

impl Fold for Raised {
    const NAME: &'static str = Accounts::NAME;
    const VERSION: u32 = Accounts::VERSION + 1;
    type State = Account;

    fn apply(&self, account: &mut Account, event: &EventRef<'_>) -> Result<(), ApplyError> {
        self.0.apply(account, event)?;
        account.cents += 1;
        Ok(())
    }

    fn encode(&self, account: &Account, out: &mut Vec<u8>) {
        self.0.encode(account, out);
    }

    fn decode(&self, bytes: &[u8]) -> Option<Account> {
        self.0.decode(bytes)
    }
}

#[test]
fn a_raised_version_folds_anew_and_replaces_the_snapshot() {
    let bank = Bank::new(1);
    let store = bank.open();
    deposits(&store, "account-1", 12);
    check(
        &store.fold(Accounts::default()).snapshot_every(10),
        &store,
        "account-1",
    );
    let plain = truth(&store, "account-1", None).cents;

    let load = || {
        let fold = Accounts::default();
        let folded = store.fold(Raised(fold.clone())).snapshot_every(10);
        let cents = folded.load("account-1").unwrap().cents;
        (cents, fold.take())
    };
    assert_eq!(load(), (plain + 12, 12));
    assert_eq!(load(), (plain + 12, 0), "it has a snapshot of its own now");
    assert_eq!(snapshots(&bank.storage).len(), 1);
}

#[test]
fn l8_an_aggregate_is_loaded_as_of_any_moment_from_whatever_is_there() {
    let bank = Bank::new(2);
    let store = bank.open();
    let mut moments = Vec::new();
    for cents in 0..60 {
        let answer = put(&store, "account-1", &cents.to_string());
        put(&store, &format!("account-{cents}"), "1");
        moments.push(AsOf::Version(answer.version().unwrap()));
        moments.push(AsOf::Position(answer.position().unwrap()));
        moments.push(AsOf::Position(answer.position().unwrap() + 1));
    }
    for event in store.aggregate("account-1").events().unwrap() {
        let nanos = event.unwrap().commit_time().as_nanos();
        let around = [nanos - 1, nanos, nanos + 1];
        moments.extend(around.map(|nanos| AsOf::Time(Timestamp::from_nanos(nanos))));
    }
    moments.extend([AsOf::Version(0), AsOf::Version(u64::MAX)]);
    let folded = store.fold(Accounts::default()).snapshot_every(25);
    let check_all = |folded: &Repository<Accounts>| {
        for moment in &moments {
            let then = folded.load_as_of("account-1", *moment).unwrap();
            assert_eq!(
                *then,
                truth(&store, "account-1", Some(*moment)),
                "{moment:?}"
            );
            let newest = then.versions.last().copied();
            assert_eq!(then.version(), newest.unwrap_or(0), "{moment:?}");
        }
    };
    check_all(&folded);
    assert_eq!(folded.kept(), 0, "the past is not kept");
    check(&folded, &store, "account-1");
    check_all(&folded);
    check_all(&store.fold(Accounts::default()).snapshot_every(25));
    let later = folded.load_as_of("account-9", AsOf::Version(0)).unwrap();
    assert_eq!((later.version(), later.position()), (0, None));
}

#[test]
fn a_moment_that_is_near_a_snapshot_is_folded_on_from_there() {
    let bank = Bank::new(1);
    let store = bank.open();
    deposits(&store, "account-1", 40);
    let fold = Accounts::default();
    let folded = store.fold(fold.clone()).snapshot_every(40);
    folded.load("account-1").unwrap();
    deposits(&store, "account-1", 20);
    fold.take();
    let anew = store.fold(fold.clone()).snapshot_every(40);
    assert_eq!(
        anew.load_as_of("account-1", AsOf::Version(45))
            .unwrap()
            .version(),
        45
    );
    assert_eq!(fold.take(), 5);
    anew.load_as_of("account-1", AsOf::Version(39)).unwrap();
    assert_eq!(fold.take(), 39, "the snapshot is from later");
}

#[test]
fn events_that_are_given_up_leave_states_and_snapshots_too() {
    let bank = Bank::new(1);
    let store = bank.open();
    deposits(&store, "account-1", 30);
    let folded = store.fold(Accounts::default()).snapshot_every(10);
    check(&folded, &store, "account-1");
    store.truncate_aggregate("account-1", 21).unwrap();
    let check_both = || {
        check(&folded, &store, "account-1");
        check(&folded, &store, "account-1");
        let anew = store.fold(Accounts::default()).snapshot_every(10);
        check(&anew, &store, "account-1");
    };
    check_both();
    assert_eq!(
        folded.load("account-1").unwrap().versions.first(),
        Some(&21)
    );
    put(&store, "account-1", "7");
    check_both();

    // What was decided by a state of which all is given up can still be appended.
    store.delete_aggregate("account-1").unwrap();
    check_both();
    let gone = folded.load("account-1").unwrap();
    assert_eq!(*gone, Account::default());
    let mut producer = store.producer();
    let again = NewEvent::json("Deposited", b"3");
    let ticket = producer.append("account-1", gone.expected(), &[again]);
    ticket.unwrap().wait().unwrap();
    check_both();

    put(&store, "account-1", "5");
    let newest = folded.load("account-1").unwrap().commit_time();
    store.truncate_before(newest.unwrap()).unwrap();
    check_both();
}

#[test]
fn a_read_is_never_older_than_a_position_that_its_reader_states() {
    let bank = Bank::new(1);
    let store = bank.open();
    let reader = bank.open_read_only();
    let (fold, behind) = (Accounts::default(), Accounts::default());
    let (folded, behind) = (store.fold(fold.clone()), reader.fold(behind));
    for cents in 0..50 {
        let answer = put(&store, "account-1", &cents.to_string());
        let place = answer.place();
        let version = answer.version().unwrap();
        // The reader takes up what the writer wrote without being told.
        for folded in [&folded, &behind] {
            let loaded = folded.load_at_least("account-1", place, NOW).unwrap();
            assert_eq!(loaded.version(), version);
        }
        let next = Place::new(0, place.position + 1);
        let early = folded.load_at_least("account-1", next, NOW);
        assert!(
            matches!(early, Err(error @ Error::Behind { .. }) if error.kind() == ErrorKind::Behind && error.is_retryable())
        );
        let stale = folded.load_at_least("account-1", next, Timeout::Stale(Duration::ZERO));
        assert_eq!(stale.unwrap().version(), version);
        put(&store, "account-2", "1");
    }
    // What is kept is enough for who asks for no more.
    let place = put(&store, "account-1", "1").place();
    fold.take();
    let before = Place::new(0, place.position - 2);
    let old = folded.load_at_least("account-1", before, NOW).unwrap();
    assert_eq!((old.version(), fold.take()), (50, 0));
    let newest = folded.load_at_least("account-1", place, NOW).unwrap();
    assert_eq!(newest.version(), 51);
}

/// It was an error at once, whatever time its caller had; projections and read models waited.
#[test]
fn a_load_waits_for_what_is_to_come() {
    let bank = Bank::new(1);
    let (store, reader) = (bank.open(), bank.open_read_only());
    let next = Place::new(0, 0);
    let wait = |folded: Repository<Accounts>| move || folded.load_at_least("a", next, PATIENT);
    let writer = wait(store.fold(Accounts::default()));
    let behind = reader.fold(Accounts::default());
    let mut reaches = Box::pin(behind.reaches(next));
    let mut context = Context::from_waker(Waker::noop());
    std::thread::scope(|scope| {
        let (writer, reading) = (scope.spawn(writer), scope.spawn(wait(behind.clone())));
        assert!(reaches.as_mut().poll(&mut context).is_pending());
        put(&store, "a", "7");
        assert_eq!(writer.join().unwrap().unwrap().cents, 7);
        reader.refresh().unwrap();
        assert_eq!(reading.join().unwrap().unwrap().cents, 7);
    });
    assert_eq!(reaches.as_mut().poll(&mut context), Poll::Ready(Ok(1)));

    let later = Place::new(0, 1);
    let folded = store.fold(Accounts::default());
    std::thread::scope(|scope| {
        let waits = scope.spawn(move || folded.load_at_least("a", later, PATIENT));
        store.close().unwrap();
        assert_eq!(waits.join().unwrap().unwrap_err().kind(), ErrorKind::Closed);
    });
}

#[test]
fn loads_beside_a_writer_never_go_back() {
    let bank = Bank::new(1);
    let store = bank.open();
    let folded = store.fold(Accounts::default()).snapshot_every(50);
    let acknowledged = AtomicU64::new(0);
    let is_done = |version: u64| version >= 400;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for cents in 0..400 {
                let version = put(&store, "account-1", &cents.to_string()).version();
                acknowledged.store(version.unwrap(), Ordering::Release);
            }
        });
        for _ in 0..2 {
            scope.spawn(|| {
                let mut last = 0;
                while !is_done(last) {
                    let least = acknowledged.load(Ordering::Acquire);
                    let loaded = folded.load("account-1").unwrap();
                    let versions: Vec<u64> = (1..=loaded.version()).collect();
                    assert_eq!(loaded.versions, versions);
                    assert!(loaded.version() >= least.max(last));
                    last = loaded.version();
                }
            });
        }
    });
}

#[test]
fn l6_a_fold_that_panics_keeps_nothing_and_stops_nobody_else() {
    let bank = Bank::new(1);
    let store = bank.open();
    deposits(&store, "account-1", 5);
    let folded = store.fold(Accounts::default());
    check(&folded, &store, "account-1");
    let boom = NewEvent::json("Boom", b"1");
    let mut producer = store.producer();
    let ticket = producer.append("account-1", Expected::Any, &[boom]);
    ticket.unwrap().wait().unwrap();
    let load = || folded.load("account-1").map(|loaded| loaded.version());
    let load = std::panic::AssertUnwindSafe(load);
    assert!(std::panic::catch_unwind(load).is_err());
    let before = folded.load_as_of("account-1", AsOf::Version(5)).unwrap();
    assert_eq!(*before, truth(&store, "account-1", Some(AsOf::Version(5))));
    put(&store, "account-2", "1");
    check(&folded, &store, "account-2");
}

#[test]
fn l6_a_fold_that_fails_names_the_event_keeps_nothing_and_stops_nobody_else() {
    let bank = Bank::new(1);
    let store = bank.open();
    deposits(&store, "account-1", 5);
    let folded = store.fold(Accounts::default());
    check(&folded, &store, "account-1");
    put(&store, "account-1", "five");
    for _ in 0..2 {
        let error = folded.load("account-1").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Stopped, "{error}");
        let sentence = error.to_string();
        for part in [
            "fold \"accounts\"",
            "version 6",
            "\"account-1\"",
            "invalid digit",
        ] {
            assert!(sentence.contains(part), "{part} is not in: {sentence}");
        }
    }
    let before = folded.load_as_of("account-1", AsOf::Version(5)).unwrap();
    assert_eq!(*before, truth(&store, "account-1", Some(AsOf::Version(5))));
    put(&store, "account-2", "1");
    check(&folded, &store, "account-2");
}

#[test]
fn a_fold_of_a_sealed_history_is_that_of_the_events() {
    let mut bank = Bank::new(1);
    bank.options = bank.options.segment_bytes(5_000).seal(false);
    let store = bank.open();
    for _ in 0..20 {
        deposits(&store, "account-1", 9);
        deposits(&store, "account-2", 3);
    }
    let reader = bank.open_read_only();
    let folded = store.fold(Accounts::default()).snapshot_every(50);
    let behind = reader.fold(Accounts::default()).snapshot_every(50);
    check(&folded, &store, "account-1");
    assert!(store.seal().unwrap() > 0);
    check(&store.fold(Accounts::default()), &store, "account-1");
    for _ in 0..20 {
        deposits(&store, "account-1", 9);
        store.seal().unwrap();
    }
    reader.refresh().unwrap();
    for key in ["account-1", "account-2"] {
        check(&folded, &store, key);
        assert_eq!(*behind.load(key).unwrap(), truth(&store, key, None));
    }
    store.close().unwrap();
    let store = bank.open();
    for key in ["account-1", "account-2"] {
        let folded = store.fold(Accounts::default()).snapshot_every(50);
        check(&folded, &store, key);
        check(&folded, &store, key);
        put(&store, key, "1");
        check(&folded, &store, key);
    }
}

#[test]
fn figures_tell_what_the_cache_holds_and_how_often_it_answered() {
    let store = Bank::new(2).open();
    assert!(store.stats().folds.is_empty());
    let folded = store.fold(Accounts::default());
    for key in ["account-1", "account-2"] {
        deposits(&store, key, 10);
    }
    let figures = || {
        let all = store.stats().folds;
        assert_eq!(all.len(), 1);
        (all[0].kept, all[0].hits, all[0].misses)
    };
    assert_eq!(figures(), (0, 0, 0));
    folded.load("account-1").unwrap();
    folded.load("account-2").unwrap();
    assert_eq!(figures(), (2, 0, 2));
    let bytes = folded.stats().bytes;
    assert!(bytes >= 2 * 10 * 8, "{bytes}");
    folded.load("account-1").unwrap();
    let first = Place::new(0, 0);
    folded.load_at_least("account-1", first, NOW).unwrap();
    assert_eq!(figures(), (2, 2, 2));
    deposits(&store, "account-1", 10);
    folded.clone().load("account-1").unwrap();
    assert_eq!(figures(), (2, 2, 3), "an event came since");
    assert_eq!(folded.stats().bytes, bytes + 10 * 8);
    assert_eq!(store.stats().folds[0], folded.stats());

    // One with other room begins anew, and one that is gone is not shown.
    let folded = folded.cache_bytes(1 << 20);
    assert_eq!(figures(), (0, 0, 0));
    drop(folded);
    assert!(store.stats().folds.is_empty());
}

/// A place of another shard says nothing of the aggregate; one of another store is no shard at all.
#[test]
fn a_state_waits_for_no_place_of_another_shard() {
    let bank = Bank::new(2);
    let store = bank.open();
    let folded = store.fold(Accounts::default());
    put(&store, "account-1", "1");
    let other = 1 - store.shard_of("account-1");
    let loaded = folded.load_at_least("account-1", Place::new(other, 1_000), NOW);
    assert_eq!(loaded.unwrap().version(), 1);

    let foreign = folded.load_at_least("account-1", Place::new(2, 0), NOW);
    assert!(matches!(foreign, Err(Error::NotFound { what: Named::Shard, name }) if name == "2"));
}
