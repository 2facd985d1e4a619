use std::collections::BTreeMap;
use std::sync::Arc;

use eventcask::storage::Storage;
use eventcask::{Error, Expected, NewEvent, Options, Store, Timestamp, verify};
use eventcask_sim::SimDisk;
use fastrand::Rng;

use crate::bank::{open_with, options, payload};

/// What is known of an account: its newest version, and the first one that is still there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Known {
    newest: u64,
    first: u64,
}

type Accounts = BTreeMap<String, Known>;

fn append(store: &Store, key: &str, events: usize) {
    let payloads: Vec<_> = (0..events as u32).map(payload).collect();
    let events: Vec<_> = payloads
        .iter()
        .map(|payload| NewEvent::json("Deposited", payload.as_bytes()))
        .collect();
    let ticket = store.producer().append(key, Expected::Any, &events);
    ticket.unwrap().wait().unwrap();
}

/// Does something to a store and to what is known of it.
fn act(store: &Store, accounts: &mut Accounts, rng: &mut Rng) {
    let key = format!("account-{}", rng.u32(..6));
    let known = accounts.get(&key).copied();
    match (rng.u32(..12), known) {
        (0, Some(known)) => {
            store.delete_aggregate(&key).unwrap();
            let newest = known.newest + 1;
            let first = newest + 1;
            accounts.insert(key, Known { newest, first });
        }
        (1 | 2, Some(known)) => {
            let first = rng.u64(1..=known.newest);
            store.truncate_aggregate(&key, first).unwrap();
            let newest = known.newest + 1;
            let first = known.first.max(first);
            accounts.insert(key, Known { newest, first });
        }
        (3, _) => {
            store.seal().unwrap();
        }
        (4, _) => {
            store.reclaim().unwrap();
        }
        (_, known) => {
            let events = rng.usize(1..5);
            append(store, &key, events);
            let known = known.unwrap_or(Known {
                newest: 0,
                first: 1,
            });
            let newest = known.newest + events as u64;
            accounts.insert(key, Known { newest, ..known });
        }
    }
}

/// The versions of an account that readers are shown.
fn versions(store: &Store, key: &str) -> Vec<u64> {
    let events = store.aggregate(key).events().unwrap();
    let versions: Result<Vec<_>, Error> = events.map(|event| Ok(event?.version())).collect();
    versions.unwrap()
}

/// Whether a store serves an account as it is known.
fn serves(store: &Store, key: &str, known: Known) -> bool {
    let shown = versions(store, key);
    let newest = store.aggregate(key).version().unwrap();
    // Truncations have versions of their own, which are not shown.
    let fits = |version: &u64| (known.first..=known.newest).contains(version);
    let in_order = shown.windows(2).all(|pair| pair[0] < pair[1]);
    newest == known.newest && in_order && shown.iter().all(fits)
}

/// All accounts are as known before the step that was cut short, or as known after it.
fn check(store: &Store, before: &Accounts, after: &Accounts, what: &str) {
    for (key, known) in after {
        let is_after = serves(store, key, *known);
        let is_before = before
            .get(key)
            .is_some_and(|known| serves(store, key, *known));
        let is_new = !before.contains_key(key);
        // The events of one append are there together, so there is nothing in between.
        let is_absent = is_new && versions(store, key).is_empty();
        let seen = versions(store, key);
        assert!(
            is_after || is_before || is_absent,
            "{what}: {key} is {known:?}, seen {seen:?}"
        );
    }
    let mut listed: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for event in &store.events() {
        let event = event.unwrap();
        listed
            .entry(event.key().to_owned())
            .or_default()
            .push(event.version());
    }
    for key in after.keys() {
        let listed = listed.remove(key).unwrap_or_default();
        assert_eq!(
            listed,
            versions(store, key),
            "{what}: {key} by shard and by key"
        );
    }
    assert!(listed.is_empty(), "{what}: {listed:?}");
}

fn check_whole(disk: &SimDisk, what: &str) {
    let storage: Arc<dyn Storage> = Arc::new(disk.clone());
    let report = verify(&storage).unwrap();
    assert!(report.is_ok(), "{what}: {:?}", report.problems);
}

/// One store over many steps, with a crash at any moment of each.
fn trial(options: &Options, seed: u64) -> usize {
    let mut rng = Rng::with_seed(seed);
    let disk = SimDisk::new();
    let mut accounts = Accounts::new();
    let mut store = open_with(options, &disk);
    let mut states = 0;
    for step in 0..60 {
        let (begin, before) = (disk.steps(), accounts.clone());
        act(&store, &mut accounts, &mut rng);
        for crash in 0..3 {
            let what = format!("seed {seed} step {step} crash {crash}");
            let cut = rng.usize(begin..=disk.steps());
            let crashed = SimDisk::of(disk.power_cut(cut, rng.u64(..)));
            let store = open_with(options, &crashed);
            check(&store, &before, &accounts, &what);
            drop(store);
            check_whole(&crashed, &what);
            states += 1;
        }
        if rng.u32(..15) == 0 {
            store.close().unwrap();
            store = open_with(options, &disk);
        }
    }
    check(&store, &accounts, &accounts, "at the end");
    states
}

#[test]
fn what_was_given_up_stays_hidden_and_nothing_else_goes() {
    let mut states = 0;
    for seed in 0..12 {
        states += trial(&options().seal(seed % 2 == 0), seed);
    }
    println!("{states} crash states");
    assert!(states >= 2_000);
}

#[test]
fn room_is_given_back_and_the_version_stays() {
    let (options, disk) = (options().segment_bytes(50_000), SimDisk::new());
    let options = options.codec(eventcask::Codec::None);
    let store = open_with(&options, &disk);
    for _ in 0..40 {
        append(&store, "account-1", 4);
        append(&store, "account-2", 4);
    }
    let newest = store.events().iter().last().unwrap().unwrap();
    let time = newest.commit_time();
    append(&store, "account-2", 40);
    store.delete_aggregate("account-1").unwrap();
    store.truncate_before(time).unwrap();
    let expected = store.reclaimable().unwrap();
    let reclaimed = store.reclaim().unwrap();
    assert!(
        reclaimed.events >= expected.events && reclaimed.events > 100,
        "{reclaimed:?}"
    );
    assert!(
        reclaimed.disk_bytes_after < reclaimed.disk_bytes_before / 2,
        "{reclaimed:?}"
    );
    assert_eq!(
        store.reclaimable().unwrap().events,
        0,
        "a second time there is nothing"
    );

    // The versions go on, also when nothing but the disk knows them.
    store.close().unwrap();
    let store = open_with(&options, &disk);
    assert_eq!(store.aggregate("account-1").version().unwrap(), 161);
    append(&store, "account-1", 1);
    assert_eq!(versions(&store, "account-1"), [162]);
    let shown: Vec<_> = store
        .events()
        .until(Timestamp::from_nanos(time.as_nanos() - 1))
        .iter()
        .collect();
    assert!(shown.is_empty());
    drop(store);
    check_whole(&disk, "after all of it");
}
