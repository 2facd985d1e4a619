//! Single aggregates loaded from the clustered copy of sealed segments.

use std::sync::Arc;

use eventcask::event::EventRef;
use eventcask::inspect::{Manifest, Problem, Sealed, TableKind};
use eventcask::storage::{MemoryStorage, Open, Storage};
use eventcask::{
    Aggregate, ApplyError, AsOf, Codec, Error, Event, EventId, Fold, NewEvent, Options, Store,
    StoreReader, Timestamp,
};
use eventcask_log::{Caches, ClosedSegment, ShardDir};
use eventcask_shard::{AggregateCursor, Bounds, KeyHasher, ShardReader};

use crate::support::put;

const KEYS: u64 = 300;

fn options() -> Options {
    let options = Store::options().shards(2).threads(1).pin(false).seal(false);
    // Nothing is kept, so that every load reads.
    options.segment_bytes(15_000).block_cache_bytes(1)
}

/// A key; a few are of most events.
fn key(random: &mut fastrand::Rng) -> String {
    let spread = random.f64();
    format!(
        "account-{}",
        (spread * spread * spread * KEYS as f64) as u64
    )
}

/// Events of many aggregates, of five types, some with ids and times, in blocks of many sizes.
fn history(seed: u64) -> MemoryStorage {
    let mut random = fastrand::Rng::with_seed(seed);
    let storage = MemoryStorage::default();
    let store = options()
        .codec(Codec::Zstd(1))
        .open(Arc::new(storage.clone()))
        .unwrap();
    let mut producer = store.producer();
    for number in 0..6_000u64 {
        let payload = format!(r#"{{"number":{number},"by":"teller-{}"}}"#, random.u8(..9));
        let payload = &payload.as_bytes()[..random.usize(..payload.len())];
        let types = ["Opened", "Deposited", "Withdrawn", "Noted", "Closed"];
        let name = types[random.usize(..types.len())];
        let mut event = match random.bool() {
            true => NewEvent::json(name, br#"{"cents":500}"#),
            false => NewEvent::bytes(name, payload).shape(random.u64(..3)),
        };
        event.schema = random.u32(1..3);
        event.id = random
            .bool()
            .then(|| EventId::from_name(&number.to_string()));
        event.time = (random.u8(..4) == 0).then(|| Timestamp::from_nanos(number as i64));
        let customer = format!("customer-{}", random.u8(..9));
        let tags = [("customer", &*customer)];
        if random.u8(..3) == 0 {
            event = event.tags(&tags);
        }
        if random.u8(..3) == 0 {
            let id = EventId::from_name(&customer);
            event = event.causation(id).headers(&[("by", b"web")]);
        }
        producer.push(&key(&mut random), &event).unwrap();
        if random.u8(..60) == 0 {
            producer.flush().unwrap().wait().unwrap();
        }
    }
    producer.flush().unwrap().wait().unwrap();
    drop(producer);
    store.close().unwrap();
    storage
}

/// The store with all that is complete sealed.
fn sealed(storage: &MemoryStorage, options: &Options) -> Store {
    let store = options.open(Arc::new(storage.clone())).unwrap();
    assert!(store.seal().unwrap() > 6, "it has many segments");
    store
}

/// All that there is to know of the events of an aggregate.
pub(crate) fn shown(events: eventcask::read::AggregateEvents) -> Vec<String> {
    events
        .map(|event| format!("{:?}", event.unwrap().get()))
        .collect()
}

/// What a load is bounded by.
#[derive(Debug, Clone, Copy)]
struct Limits {
    from: u64,
    to: u64,
    position: u64,
    time: Timestamp,
    last: usize,
}

impl Limits {
    fn random(random: &mut fastrand::Rng, version: u64, times: (i64, i64)) -> Self {
        Self {
            from: random.u64(1..version + 3),
            to: random.u64(..version + 3),
            time: Timestamp::from_nanos(random.i64(times.0..=times.1)),
            position: random.u64(..3_500),
            last: random.usize(..9),
        }
    }
}

/// Each kind of load.
const LOADS: [fn(Aggregate, &Limits) -> Aggregate; 7] = [
    |all, _| all,
    |all, limits| all.from_version(limits.from),
    |all, limits| all.as_of_version(limits.to),
    |all, limits| all.as_of_position(limits.position),
    |all, limits| all.as_of_time(limits.time),
    |all, limits| all.as_of_position(limits.position).last(limits.last),
    |all, limits| all.from_version(limits.from).as_of_version(limits.to),
];

/// Every kind of load gives the same in both stores.
fn check_loads(seed: u64, clustered: &StoreReader, plain: &StoreReader) {
    let mut random = fastrand::Rng::with_seed(seed);
    let nanos =
        |event: Option<Result<Event, Error>>| event.unwrap().unwrap().commit_time().as_nanos();
    let all = plain.events();
    let times = (nanos(all.iter().next()), nanos(all.rev().next()));
    let some: Vec<u64> = (0..30).map(|_| random.u64(9..KEYS)).collect();
    for number in (0..9).chain(some) {
        let key = format!("account-{number}");
        let version = plain.aggregate(&key).version().unwrap();
        assert_eq!(clustered.aggregate(&key).version().unwrap(), version);
        for _ in 0..2 {
            let limits = Limits::random(&mut random, version, times);
            for (kind, load) in LOADS.into_iter().enumerate() {
                let load = |store: &StoreReader| {
                    shown(load(store.aggregate(&key), &limits).events().unwrap())
                };
                let what = format!("seed {seed}, {key}, load {kind}, {limits:?}");
                assert_eq!(load(clustered), load(plain), "{what}");
            }
        }
    }
}

#[test]
fn a_load_from_clusters_gives_what_the_blocks_give() {
    for (seed, codec) in [(1, Codec::None), (2, Codec::Zstd(1)), (3, Codec::TextLz4)] {
        let storage = history(seed);
        let options = options().seal_codec(codec);
        let plain = sealed(&storage.copy(), &options);
        let clustered = sealed(&storage, &options.clone().clustered(true));
        assert!(is_clustered(&storage));
        check_loads(seed, &clustered, &plain);
        assert_eq!(problems(&storage), []);
        let in_order = |store: &Store| -> Vec<String> {
            let events = store.events().iter();
            events
                .map(|event| format!("{:?}", event.unwrap().get()))
                .collect()
        };
        assert_eq!(in_order(&clustered), in_order(&plain));
        // Opened again, by a writer and by one who only reads.
        clustered.close().unwrap();
        let again = options.open(Arc::new(storage.clone())).unwrap();
        check_loads(seed + 10, &again, &plain);
        let read_only = options.open_read_only(Arc::new(storage)).unwrap();
        check_loads(seed + 20, &read_only, &plain);
    }
}

fn shard(storage: &MemoryStorage, shard: u32) -> ShardDir {
    let storage: Arc<dyn Storage> = Arc::new(storage.clone());
    let manifest = Manifest::read(&*storage).unwrap();
    ShardDir::new(storage, &manifest, shard)
}

/// The sealed segments: file, and what its header says.
pub(crate) fn segments(storage: &MemoryStorage) -> Vec<(String, Sealed)> {
    let mut found = Vec::new();
    let manifest = Manifest::read(storage).unwrap();
    for number in 0..manifest.shards {
        let dir = shard(storage, number);
        let shard = number;
        for number in dir.segments().unwrap() {
            if let Ok(segment) = dir.sealed_segment(number) {
                let name = format!("shards/{shard:04}/{number:010}.segment");
                found.push((name, segment.sealed().clone()));
            }
        }
    }
    found
}

/// Whether all sealed segments, of which there are some, have a clustered copy.
fn is_clustered(storage: &MemoryStorage) -> bool {
    let segments = segments(storage);
    let mut with_events = segments.iter().filter(|(_, sealed)| sealed.events > 0);
    with_events.next().is_some() && with_events.all(|(_, sealed)| sealed.is_clustered())
}

fn problems(storage: &MemoryStorage) -> Vec<Problem> {
    let storage: Arc<dyn Storage> = Arc::new(storage.clone());
    eventcask::verify(&storage).unwrap().problems
}

/// As [`sealed`]; also what was the open end of the log is complete and sealed then.
fn all_sealed(storage: &MemoryStorage, options: &Options) -> Store {
    let options = options.clone().segment_bytes(1);
    let store = options.open(Arc::new(storage.clone())).unwrap();
    for key in ["end-0", "end-1", "end-2", "end-3", "end-4", "end-5"] {
        put(&store, key, "{}");
    }
    assert!(store.seal().unwrap() > 6, "it has many segments");
    store
}

#[test]
fn a_load_reads_one_cluster_of_each_segment_that_has_the_aggregate() {
    let storage = history(4);
    let store = all_sealed(&storage, &options().clustered(true));
    for key in ["account-0", "account-3", "account-77", "account-291"] {
        let dir = shard(&storage, eventcask::event::route(key, 2));
        let caches = Caches::new(1 << 20, 1);
        let (reader, _) = ShardReader::open(dir, KeyHasher::default(), caches).unwrap();
        let events = store.aggregate(key).events().unwrap();
        let positions: Vec<u64> = events.map(|event| event.unwrap().position()).collect();
        let ended = reader.published().ended();
        let has = |one: &&Arc<ClosedSegment>| {
            let range = one.first_position()..one.sealed().next_position;
            positions.iter().any(|at| range.contains(at))
        };
        let segments = ended.iter().filter(has).count() as u64;
        let reader = Arc::new(reader);
        let loaded = AggregateCursor::load(Arc::clone(&reader), key, Bounds::default()).unwrap();
        assert_eq!(loaded.count(), positions.len());
        assert_eq!(reader.blocks().blocks_read(), segments, "{key}");
        assert!(segments > 1, "{key} is in several");
    }
}

/// Some of the bytes of the clusters and of their directory, in all segments, are changed.
fn damage(storage: &MemoryStorage, kind: TableKind, random: &mut fastrand::Rng) {
    for (name, sealed) in segments(storage) {
        let table = sealed
            .tables
            .iter()
            .find(|table| table.kind == kind)
            .unwrap();
        let file = storage.open(&name, Open::Write).unwrap();
        for _ in 0..3 {
            let at = table.place + random.u64(..table.length);
            let mut byte = [0];
            file.read_at(&mut byte, at).unwrap();
            file.write_all_at(&[byte[0] ^ random.u8(1..)], at).unwrap();
        }
    }
}

#[test]
fn l7_damaged_clusters_change_no_answer_and_are_found_and_made_anew() {
    let whole = history(5);
    let options = options().seal_codec(Codec::Zstd(1));
    let plain = sealed(&whole.copy(), &options);
    sealed(&whole, &options.clone().clustered(true))
        .close()
        .unwrap();
    let mut random = fastrand::Rng::with_seed(5);
    for kind in [TableKind::Clusters, TableKind::ClusterDirectory] {
        let storage = whole.copy();
        damage(&storage, kind, &mut random);
        let found = problems(&storage);
        assert_eq!(
            found.len(),
            segments(&storage).len(),
            "one in each: {found:?}"
        );
        assert!(
            found
                .iter()
                .all(|problem| problem.reason.contains("cluster")),
            "{found:?}"
        );
        let store = options.open(Arc::new(storage.clone())).unwrap();
        check_loads(6, &store, &plain);
        // Sealing makes those anew that were found damaged by a load.
        assert!(store.seal().unwrap() > 0);
        assert!(problems(&storage).len() < found.len());
        store.close().unwrap();
        for number in 0..2 {
            shard(&storage, number).repair().unwrap();
        }
        assert_eq!(problems(&storage), []);
        assert!(is_clustered(&storage), "{kind:?}");
        let store = options.open(Arc::new(storage.clone())).unwrap();
        check_loads(7, &store, &plain);
    }
}

#[test]
fn events_that_were_taken_back_are_not_in_the_clusters() {
    let storage = history(6);
    let secret = "a sentence that is to be forgotten";
    let options = options().seal_codec(Codec::None);
    let store = options.open(Arc::new(storage.clone())).unwrap();
    put(&store, "account-3", secret);
    put(&store, "account-3", "{}");
    store.close().unwrap();
    let store = all_sealed(&storage, &options.clone().clustered(true));
    let holds = |storage: &MemoryStorage| {
        let holds = |name: &str| {
            let file = storage.open(name, Open::Read).unwrap();
            let mut bytes = vec![0; file.len().unwrap() as usize];
            file.read_at(&mut bytes, 0).unwrap();
            bytes
                .windows(secret.len())
                .filter(|part| *part == secret.as_bytes())
                .count()
        };
        segments(storage)
            .iter()
            .map(|(name, _)| holds(name))
            .sum::<usize>()
    };
    assert_eq!(holds(&storage), 2, "once in a block and once in a cluster");
    let last = store.aggregate("account-3").version().unwrap();
    store.truncate_aggregate("account-3", last).unwrap();
    store.truncate_aggregate("account-5", 4).unwrap();
    let before = store
        .events()
        .iter()
        .nth(900)
        .unwrap()
        .unwrap()
        .get()
        .commit_time;
    store.truncate_before(before).unwrap();
    let keys = || (0..KEYS).map(|number| format!("account-{number}"));
    let all = |store: &Store| -> Vec<_> {
        keys()
            .map(|key| shown(store.aggregate(&key).events().unwrap()))
            .collect()
    };
    let hidden = all(&store);
    assert_eq!(hidden[3].len(), 1);
    store.close().unwrap();
    let were_clustered = segments(&storage);
    // Who takes them back need not know that there are clusters.
    let store = options.open(Arc::new(storage.clone())).unwrap();
    assert!(store.reclaim().unwrap().events > 900);
    assert_eq!(holds(&storage), 0);
    let now = segments(&storage);
    for (name, before) in were_clustered {
        let after = now.iter().find(|(other, _)| *other == name);
        let (_, after) = after.expect("it is still there");
        let keeps = before.is_clustered() && after.events > 0;
        assert_eq!(after.is_clustered(), keeps, "{name}");
    }
    assert_eq!(problems(&storage), []);
    assert_eq!(all(&store), hidden);
}

#[test]
fn a_segment_of_which_no_event_is_left_ends_with_its_other_tables() {
    let storage = MemoryStorage::default();
    let options = options().shards(1).segment_bytes(4_000).clustered(true);
    let store = options.open(Arc::new(storage.clone())).unwrap();
    let mut session = store.session("teller").unwrap();
    for number in 0..200 {
        let payload = [number as u8; 200];
        let event = NewEvent::bytes("Deposited", &payload);
        let key = format!("account-{}", number % 5);
        session.push(&key, &event).unwrap();
        session.flush().unwrap().wait().unwrap();
    }
    drop(session);
    let events = store.events().iter();
    let newest = events.last().unwrap().unwrap().commit_time();
    store.truncate_before(newest).unwrap();
    store.reclaim().unwrap();
    let segments = segments(&storage);
    let is_without_events = |sealed: &Sealed| sealed.events == 0 && !sealed.is_clustered();
    assert!(segments.iter().any(|(_, sealed)| is_without_events(sealed)));
    assert_eq!(problems(&storage), []);
}

#[test]
fn a_segment_that_can_not_be_sealed_keeps_none_behind_it_waiting() {
    let storage = history(12);
    sealed(&storage, &options()).close().unwrap();
    let [first, ..] = &segments(&storage)[..] else {
        panic!("there are segments")
    };
    let file = storage.open(&first.0, Open::Write).unwrap();
    let place = first.1.blocks_end - 1;
    file.write_all_at(&[0xa5; 64], place - 64).unwrap();
    let clustered = options().clustered(true);
    let store = clustered.open(Arc::new(storage.clone())).unwrap();
    let error = store.seal().unwrap_err();
    assert_eq!(error.kind(), eventcask::ErrorKind::Damaged, "{error}");
    let mut lacking = segments(&storage);
    lacking.retain(|(_, sealed)| !sealed.is_clustered());
    assert_eq!(lacking.len(), 1, "all but the damaged one");
    assert_eq!(lacking[0].0, first.0);
}

#[test]
fn segments_that_were_sealed_before_get_clusters_by_sealing() {
    let storage = history(8);
    let plain = sealed(&storage.copy(), &options());
    sealed(&storage, &options()).close().unwrap();
    assert!(!is_clustered(&storage));
    let store = sealed(&storage, &options().clustered(true));
    assert!(is_clustered(&storage));
    assert_eq!(store.seal().unwrap(), 0, "once");
    check_loads(9, &store, &plain);
    store.close().unwrap();
    let store = options().open(Arc::new(storage.clone())).unwrap();
    assert_eq!(store.seal().unwrap(), 0, "they keep them");
    assert!(is_clustered(&storage));
}

struct Sum;

impl Fold for Sum {
    const NAME: &'static str = "sum";
    const VERSION: u32 = 1;
    type State = u64;

    fn apply(&self, sum: &mut u64, event: &EventRef<'_>) -> Result<(), ApplyError> {
        let seen = event.position + event.payload.len() as u64;
        *sum = sum.wrapping_mul(3).wrapping_add(seen);
        Ok(())
    }

    fn encode(&self, sum: &u64, out: &mut Vec<u8>) {
        out.extend(sum.to_le_bytes());
    }

    fn decode(&self, bytes: &[u8]) -> Option<u64> {
        bytes.try_into().ok().map(u64::from_le_bytes)
    }
}

#[test]
fn folds_of_clusters_are_those_of_the_blocks() {
    let storage = history(10);
    let plain = sealed(&storage.copy(), &options());
    let clustered = sealed(&storage, &options().clustered(true));
    let folds = [&plain, &clustered].map(|store| store.fold(Sum));
    for number in 0..KEYS {
        let key = format!("account-{number}");
        let [one, other] = folds.each_ref().map(|fold| fold.load(&key).unwrap());
        assert_eq!(
            (*one, one.version(), one.position()),
            (*other, other.version(), other.position())
        );
        let half = AsOf::Version(one.version() / 2);
        let [one, other] = folds
            .each_ref()
            .map(|fold| fold.load_as_of(&key, half).unwrap());
        assert_eq!((*one, one.version()), (*other, other.version()));
    }
}
