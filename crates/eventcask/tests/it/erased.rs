//! Events whose room was taken back are nowhere on the disk any more, nor what was made of them.

use eventcask::event::EventRef;
use eventcask::projection::SnapshotPolicy;
use eventcask::storage::{MemoryStorage, Storage};
use eventcask::subscribe::Retry;
use eventcask::{
    ApplyError, Codec, Error, Event, Expected, Fold, NewEvent, Options, Store, StoreReader,
    Timestamp, ViewSpec, verify,
};
use std::sync::Arc;

use crate::support::{Bank, Counts, all, bytes_of, copy_of, files, payloads, put};

/// What must not be found: a key, what is in its payloads, and what was said about it.
const KEY: &str = "ada@example.org";
const SECRETS: [&str; 3] = [KEY, "Lovelace", "no such street"];

/// The newest payload of an aggregate.
struct Newest;

impl Fold for Newest {
    const NAME: &'static str = "newest";
    const VERSION: u32 = 1;
    type State = Vec<u8>;

    fn apply(&self, state: &mut Vec<u8>, event: &EventRef<'_>) -> Result<(), ApplyError> {
        *state = event.payload.to_vec();
        Ok(())
    }

    fn encode(&self, state: &Vec<u8>, out: &mut Vec<u8>) {
        out.extend_from_slice(state);
    }

    fn decode(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        Some(bytes.to_vec())
    }
}

/// Which secrets are on a disk, and where.
fn found(storage: &MemoryStorage) -> Vec<String> {
    let mut found = Vec::new();
    for path in files(storage) {
        let bytes = bytes_of(storage, &path);
        for secret in SECRETS {
            let holds = |part: &[u8]| part == secret.as_bytes();
            if bytes.windows(secret.len()).any(holds) {
                found.push(format!("{secret} in {path}"));
            }
        }
    }
    found
}

fn bank(options: impl FnOnce(Options) -> Options) -> Bank {
    let mut bank = Bank::new(2);
    // What is sealed in the background leaves out what was given up by then, and does not count it.
    bank.options = options(bank.options.codec(Codec::None).seal(false));
    bank
}

/// Events of the one who is to be forgotten between those of others, and all that is made of them.
fn fill(store: &Store) {
    let spec = ViewSpec::new("who", &["count"], None, None).unwrap();
    store.create_view("by-name", spec).unwrap();
    for number in 0..20 {
        put(store, KEY, &format!(r#"{{"who":"Lovelace","n":{number}}}"#));
        put(
            store,
            &format!("other-{}", number % 5),
            r#"{"who":"Babbage"}"#,
        );
    }
    let newest = store.fold(Newest).snapshot_every(5);
    newest.load(KEY).unwrap();
    newest.load("other-1").unwrap();
    let counts = store.projection(Counts).sync();
    let counts = counts.snapshots(SnapshotPolicy::default());
    drop(counts.start().unwrap());
    let mail = store.events().group("mailer", Retry::new(1)).unwrap();
    while let Some(claim) = mail.try_claim().unwrap() {
        match claim.event().key() {
            KEY => claim.park("no such street").unwrap(),
            _ => claim.ack().unwrap(),
        }
    }
}

fn seal(store: &Store, way: &str) {
    if ["sealed", "clustered"].contains(&way) {
        assert!(store.seal().unwrap() > 0);
    }
}

fn is_whole(bank: &Bank) {
    let storage: Arc<dyn Storage> = Arc::new(bank.storage.clone());
    let report = verify(&storage).unwrap();
    assert!(report.is_ok(), "{:?}", report.problems);
}

type Way = (&'static str, fn(Options) -> Options);

const WAYS: [Way; 4] = [
    ("open", |options| options),
    ("complete", |options| options.segment_bytes(5_000)),
    ("sealed", |options| options.segment_bytes(5_000)),
    ("clustered", |options| {
        options.segment_bytes(5_000).clustered(true)
    }),
];

/// The newest segment was never written anew, snapshots and parked events stayed as they were, and
/// what was left was called nothing.
#[test]
fn l13_nothing_on_disk_tells_what_was_given_up_once_its_room_is_taken_back() {
    for (way, options) in WAYS {
        let bank = bank(options);
        let store = bank.open();
        fill(&store);
        seal(&store, way);
        assert!(found(&bank.storage).len() > 4, "{:?}", found(&bank.storage));
        store.delete_aggregate(KEY).unwrap();
        let planned = store.reclaimable().unwrap();
        let done = store.reclaim().unwrap();
        assert_eq!((planned.events, done.events), (20, 20), "{way}");
        assert!(done.snapshots > 0 && done.left.is_empty(), "{done:?}");
        assert_eq!(found(&bank.storage), Vec::<String>::new(), "{way}");
        assert_eq!(store.reclaimable().unwrap().events, 0);
        assert_eq!(store.view("by-name").unwrap().rows().unwrap().len(), 1);
        assert_eq!(store.parked("mailer").unwrap(), []);
        assert_eq!(*store.fold(Newest).load(KEY).unwrap(), Vec::<u8>::new());
        store.close().unwrap();
        assert_eq!(found(&bank.storage), Vec::<String>::new(), "{way}, closed");
        is_whole(&bank);

        let store = bank.open();
        assert_eq!(all(&store).len(), 20, "{way}");
        assert_eq!(store.view("by-name").unwrap().rows().unwrap().len(), 1);
        assert_eq!(store.aggregate(KEY).version().unwrap(), 21, "{way}");
        drop(store.events().group("mailer", Retry::new(1)).unwrap());
        drop(store);
        assert_eq!(found(&bank.storage), Vec::<String>::new(), "{way}, again");
    }
}

#[test]
fn what_is_given_up_by_time_is_nowhere_either() {
    for (way, options) in WAYS {
        let bank = bank(options);
        let store = bank.open();
        fill(&store);
        seal(&store, way);
        store
            .truncate_before(Timestamp::from_nanos(i64::MAX))
            .unwrap();
        put(&store, "other-1", "{}");
        assert_eq!(store.reclaim().unwrap().events, 40, "{way}");
        assert_eq!(found(&bank.storage), Vec::<String>::new(), "{way}");
        assert_eq!(all(&store), ["other-1@5"]);
        assert_eq!(store.aggregate("other-2").version().unwrap(), 4);
        store.close().unwrap();
        is_whole(&bank);
        let store = bank.open();
        assert_eq!(store.aggregate(KEY).version().unwrap(), 20);
        assert_eq!(all(&store), ["other-1@5"]);
    }
}

#[test]
fn of_an_aggregate_of_which_something_is_left_only_the_rest_goes() {
    let bank = bank(|options| options);
    let store = bank.open();
    for number in 0..4 {
        put(&store, KEY, &format!(r#"{{"who":"Lovelace {number}"}}"#));
    }
    put(&store, KEY, r#"{"who":"A. King"}"#);
    store.truncate_aggregate(KEY, 5).unwrap();
    assert_eq!(store.reclaim().unwrap().events, 4);
    assert!(found(&bank.storage).iter().all(|one| one.starts_with(KEY)));
    store.close().unwrap();
    let store = bank.open();
    assert_eq!(payloads(&store, KEY), [r#"{"who":"A. King"}"#]);
    assert_eq!(store.aggregate(KEY).version().unwrap(), 6);
}

fn append(store: &Store, expected: Expected) -> Result<u64, Error> {
    let event = NewEvent::json("Deposited", b"{}");
    let ticket = store.producer().append(KEY, expected, &[event])?;
    Ok(ticket.wait()?.version().unwrap())
}

/// Its key is not in the log any more; a hash of it is.
#[test]
fn an_aggregate_that_was_erased_goes_on_with_its_versions() {
    let bank = bank(|options| options);
    let mut version = 0;
    for round in 0..3_u64 {
        let store = bank.open();
        let expected = match version {
            0 => Expected::NoStream,
            version => Expected::Exact(version),
        };
        assert!(append(&store, Expected::Exact(version + 7)).is_err());
        version = append(&store, expected).unwrap();
        put(&store, "other", "{}");
        let newest = store.fold(Newest);
        assert_eq!(newest.load(KEY).unwrap().version(), version);
        store.delete_aggregate(KEY).unwrap();
        assert_eq!(store.reclaim().unwrap().events, 1);
        assert_eq!(found(&bank.storage), Vec::<String>::new());
        assert_eq!(newest.load(KEY).unwrap().len(), 0, "nothing is in memory");
        version += 1;
        assert_eq!(store.aggregate(KEY).version().unwrap(), version);
        if round == 1 {
            // It comes again at once.
            assert_eq!(
                append(&store, Expected::Exact(version)).unwrap(),
                version + 1
            );
            assert_eq!(payloads(&store, KEY).len(), 1);
            store.delete_aggregate(KEY).unwrap();
            store.reclaim().unwrap();
            version += 2;
        }
        store.close().unwrap();
        is_whole(&bank);
    }
}

/// A snapshot of a projection that was begun before counts no more, and is not kept either.
#[test]
fn what_is_made_later_is_taken_up_again() {
    let bank = bank(|options| options);
    let store = bank.open();
    fill(&store);
    store.delete_aggregate(KEY).unwrap();
    store.reclaim().unwrap();
    let counts = || {
        let counts = store.projection(Counts).sync();
        counts.snapshots(SnapshotPolicy::default()).start().unwrap()
    };
    drop(counts());
    store.clone().close().unwrap();
    let store = bank.open();
    let counts = store.projection(Counts).sync();
    let counts = counts.snapshots(SnapshotPolicy::default()).start().unwrap();
    let saved: Vec<_> = store.positions().into_iter().map(Some).collect();
    assert_eq!(counts.stats().snapshot_positions, saved);
    assert!(store.view("by-name").is_ok());
}

/// What recovery put aside may hold it, and is not ours to change.
#[test]
fn what_was_put_aside_is_named() {
    let bank = bank(|options| options.shards(1));
    let store = bank.open();
    put(&store, KEY, r#"{"who":"Lovelace"}"#);
    store.close().unwrap();
    let path = "shards/0000/0000000001.segment";
    let length = bytes_of(&bank.storage, path).len() as u64;
    let file = bank
        .storage
        .open(path, eventcask::storage::Open::Write)
        .unwrap();
    file.write_all_at(b"the torn end of Lovelace", length)
        .unwrap();
    let store = bank.open();
    put(&store, "other", "{}");
    store.delete_aggregate(KEY).unwrap();
    for left in [
        store.reclaimable().unwrap().left,
        store.reclaim().unwrap().left,
    ] {
        assert_eq!(left.len(), 1);
        assert!(left[0].contains(".cut-"), "{left:?}");
    }
    assert_eq!(found(&bank.storage).len(), 1);
}

/// A reader that looked before events were taken out asked for what is not there any more.
#[test]
fn a_reader_beside_a_writer_that_takes_room_back_goes_on() {
    let bank = bank(|options| options.segment_bytes(5_000));
    let store = bank.open();
    fill(&store);
    for round in 0..4 {
        let readers = [bank.open_read_only(), bank.open_read_only()];
        readers[0].refresh().unwrap();
        match round % 2 {
            0 => store.truncate_aggregate("other-1", 2 + round).unwrap(),
            _ => store.delete_aggregate(KEY).unwrap(),
        }
        put(&store, "other-1", "{}");
        store.seal().unwrap();
        store.reclaim().unwrap();
        put(&store, KEY, r#"{"who":"again"}"#);
        for reader in readers {
            let whole = |event: Result<Event, Error>| event.map(|event| event.position());
            let events: Result<Vec<_>, Error> = reader.events().iter().map(whole).collect();
            events.unwrap();
            let events: Result<Vec<_>, Error> = reader.events().rev().map(whole).collect();
            events.unwrap();
            for key in [KEY, "other-1", "other-2"] {
                let events = reader.aggregate(key).events().unwrap();
                let events: Result<Vec<_>, Error> = events.map(whole).collect();
                events.unwrap();
                reader.aggregate(key).last(2).events().unwrap();
                reader.aggregate(key).version().unwrap();
                reader.fold(Newest).load(key).unwrap();
            }
            reader.view("by-name").unwrap().rows().unwrap();
            let mut news = reader.events().subscribe().unwrap();
            while news.try_next().unwrap().is_some() {}
            reader.backup(MemoryStorage::default()).unwrap();
            reader.refresh().unwrap();
            assert_eq!(all(&reader), all(&store), "round {round}");
        }
    }
    let crashed = copy_of(&bank.storage);
    let storage: Arc<dyn Storage> = Arc::new(crashed);
    assert!(verify(&storage).unwrap().is_ok());
}

/// What stands for erased keys is ours: a key of that kind was taken, and the aggregate that had
/// such a hash would have gone on with its versions.
#[test]
fn keys_that_stand_for_erased_ones_are_refused_at_every_way_in() {
    let event = NewEvent::json("Deposited", b"{}");
    let some = std::slice::from_ref(&event);
    let key = "$erased:0190a8c4-0000-8000-8000-000000000001:0";
    for key in [key, "$erased:", "$erased:me"] {
        let store = bank(|options| options.shards(1)).open();
        let mut session = store.session("teller").unwrap();
        let mut source = store.producer_from("rows").unwrap();
        let (_, mut owners) = Store::options()
            .shards(1)
            .open_owned(MemoryStorage::default())
            .unwrap();
        let refused = [
            store.producer().push(key, &event),
            store.producer().append(key, Expected::Any, some).map(drop),
            store.append(key, Expected::Any, some).map(drop),
            session.push(key, &event),
            source.push_at(0, 0, key, &event),
            owners[0].push(key, &event),
            owners[0].append(key, Expected::Any, some).map(drop),
        ];
        let kept = refused.iter().filter(|one| !is_reserved(one)).count();
        assert_eq!(kept, 0, "{key}: {refused:?}");
        assert_eq!(store.stats().events, 0);
    }
}

fn is_reserved(refused: &Result<(), Error>) -> bool {
    let said = refused.as_ref().err().map(ToString::to_string);
    said.is_some_and(|said| said.contains("\"$erased:\" are reserved"))
}

/// What the figures say, and what there is.
fn aggregates(bank: &Bank, store: &StoreReader) -> (u64, u64) {
    let storage: Arc<dyn Storage> = Arc::new(bank.storage.clone());
    let report = verify(&storage).unwrap();
    assert!(report.is_ok(), "{:?}", report.problems);
    (store.stats().aggregates, report.aggregates)
}

/// An aggregate counted where its first version lies: once that was taken out the figures did not
/// count it, though it is there.
#[test]
fn an_aggregate_counts_whatever_of_it_was_given_up() {
    for (way, options) in WAYS {
        let bank = bank(options);
        let store = bank.open();
        fill(&store);
        seal(&store, way);
        let is_six = |store: &StoreReader, when: &str| {
            assert_eq!(aggregates(&bank, store), (6, 6), "{way}, {when}");
        };
        is_six(&store, "whole");
        store.truncate_aggregate("other-1", 3).unwrap();
        is_six(&store, "hidden");
        store.reclaim().unwrap();
        is_six(&store, "taken out");
        store.delete_aggregate(KEY).unwrap();
        store.reclaim().unwrap();
        is_six(&store, "erased");
        put(&store, KEY, "{}");
        is_six(&store, "again");
        store.delete_aggregate(KEY).unwrap();
        store.truncate_aggregate("other-1", 5).unwrap();
        store.reclaim().unwrap();
        is_six(&store, "erased again");
        store.close().unwrap();
        is_six(&bank.open(), "opened again");
        is_six(&bank.open_read_only(), "read");
    }
}
