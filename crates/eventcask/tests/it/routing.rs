//! By what the shard of an aggregate is found, wherever that is asked.

use std::collections::BTreeSet;
use std::sync::Arc;

use eventcask::storage::Storage;
use eventcask::{Error, ErrorKind, Expected, NewEvent, Place, RouteBy, Store, StoreReader, verify};

use crate::support::{Bank, Counts, copy_of, deposit, payloads, put};

const SHARDS: u32 = 8;

fn bank(by: RouteBy) -> Bank {
    let mut bank = Bank::new(SHARDS);
    bank.options = bank.options.route_by(by);
    bank
}

/// Keys of some tenants, and some that have no category.
fn keys() -> Vec<String> {
    let of = |tenant: usize| (0..4).map(move |number| format!("tenant{tenant}-account-{number}"));
    let odd = ["alone", "", "-begins", "ends-", "a-b", "ü-key"];
    let odd = odd.into_iter().filter(|key| !key.is_empty());
    (0..12).flat_map(of).chain(odd.map(str::to_owned)).collect()
}

fn category(key: &str) -> &str {
    key.split('-').next().unwrap()
}

/// Every event is in the shard that the store says, and its aggregate finds it.
fn is_where_it_belongs(store: &StoreReader) {
    for event in &store.events() {
        let event = event.unwrap();
        assert_eq!(
            event.shard(),
            store.shard_of(event.key()),
            "{}",
            event.key()
        );
        assert!(store.aggregate(event.key()).version().unwrap() >= event.version());
    }
}

fn is_whole(bank: &Bank) {
    let storage: Arc<dyn Storage> = Arc::new(bank.storage.clone());
    let report = verify(&storage).unwrap();
    assert!(report.is_ok(), "{:?}", report.problems);
}

#[test]
fn aggregates_of_a_category_share_a_shard() {
    let bank = bank(RouteBy::Category);
    let store = bank.open();
    for key in keys() {
        assert_eq!(
            store.shard_of(&key),
            store.shard_of(category(&key)),
            "{key:?}"
        );
    }
    let shards: BTreeSet<u32> = keys().iter().map(|key| store.shard_of(key)).collect();
    assert!(shards.len() > 3, "{shards:?}");
    store.close().unwrap();
}

#[test]
fn every_way_in_and_out_follows_the_routing_of_the_store() {
    for by in RouteBy::ALL {
        let bank = bank(by);
        let store = bank.open();
        let counts = store.projection(Counts).sync().start().unwrap();
        let entries = counts.entries(100);
        let mut source = store.producer_from("rows").unwrap();
        let mut session = store.session("teller").unwrap();
        for (offset, key) in (0..).zip(keys()) {
            put(&store, &key, "1");
            let appended = store.append(&key, Expected::Exact(1), &[deposit("2")]);
            let place = appended.unwrap().wait().unwrap().place();
            assert_eq!(place.shard, store.shard_of(&key));
            source.push_at(offset, 0, &key, &deposit("3")).unwrap();
            session.push(&key, &deposit("4")).unwrap();
        }
        source.flush().unwrap().wait().unwrap();
        session.flush().unwrap().wait().unwrap();
        drop((source, session));
        is_where_it_belongs(&store);
        for key in keys() {
            assert_eq!(payloads(&store, &key).len(), 4);
            assert_eq!(entries.get(&key).unwrap(), Some(4));
            assert_eq!(
                counts.read_of(&key, |all| all.get(&key).copied()).unwrap(),
                Some(4)
            );
        }
        drop((entries, counts));
        store.close().unwrap();
        is_whole(&bank);

        let again = bank.open_read_only();
        assert_eq!(again.route_by(), by);
        assert_eq!(again.stats().route_by, by);
        is_where_it_belongs(&again);
        // Whoever opens it without a word gets the routing that it has.
        let store = Store::options().open(bank.storage.clone()).unwrap();
        for key in keys() {
            let place: Place = put(&store, &key, "5").place();
            assert_eq!(place.shard, again.shard_of(&key));
        }
        store.close().unwrap();
    }
}

#[test]
fn an_owner_takes_what_the_routing_gives_to_its_shard() {
    let bank = bank(RouteBy::Category);
    let (store, mut owners) = bank.options.open_owned(bank.storage.clone()).unwrap();
    for key in keys() {
        for owner in &mut owners {
            let pushed = owner.push(&key, &deposit("1"));
            if owner.shard() == store.shard_of(category(&key)) {
                pushed.unwrap();
            } else {
                assert!(matches!(pushed, Err(Error::OtherShard { .. })), "{key:?}");
            }
        }
    }
    drop(owners);
    is_where_it_belongs(&store);
    store.close().unwrap();
}

#[test]
fn another_routing_than_the_store_has_is_refused_by_a_sentence() {
    for (by, other) in [
        (RouteBy::Key, RouteBy::Category),
        (RouteBy::Category, RouteBy::Key),
    ] {
        let bank = bank(by);
        put(&bank.open(), "order-7", "1");
        let before = copy_of(&bank.storage);
        let refused = Store::options().route_by(other).open(bank.storage.clone());
        let error = refused.map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        let says = error.to_string();
        assert!(
            says.contains(&format!("is routed by {by}, which is fixed")),
            "{says}"
        );
        assert!(says.contains("leave it out"), "{says}");
        let manifest = |storage| crate::support::bytes_of(storage, "MANIFEST");
        assert_eq!(manifest(&bank.storage), manifest(&before));
        bank.open().close().unwrap();
    }
}

#[test]
fn an_erased_aggregate_goes_on_with_its_versions_whatever_the_routing() {
    for by in RouteBy::ALL {
        let mut bank = bank(by);
        bank.options = bank.options.segment_bytes(5_000).seal(false);
        let store = bank.open();
        for key in keys() {
            for _ in 0..4 {
                put(&store, &key, &format!("{:>900}", 7));
            }
        }
        let erased = ["tenant3-account-2", "-begins", "alone"];
        for key in erased {
            store.delete_aggregate(key).unwrap();
        }
        store.reclaim().unwrap();
        store.close().unwrap();
        is_whole(&bank);

        let store = bank.open();
        for key in erased {
            assert!(payloads(&store, key).is_empty());
            let again = put(&store, key, "1");
            assert!(again.version().unwrap() > 4, "{by} {key:?} {again:?}");
            assert_eq!(again.place().shard, store.shard_of(key));
        }
        is_where_it_belongs(&store);
        store.close().unwrap();
        is_whole(&bank);
    }
}

#[test]
fn a_backup_is_routed_as_the_store_is() {
    let bank = bank(RouteBy::Category);
    let store = bank.open();
    for key in keys() {
        put(&store, &key, "1");
    }
    let directory = tempfile::tempdir().unwrap();
    let copy = directory.path().join("copy");
    store.backup(&copy).unwrap();
    store.close().unwrap();
    let copied = eventcask::open(&copy).unwrap();
    assert_eq!(copied.route_by(), RouteBy::Category);
    is_where_it_belongs(&copied);
    copied.close().unwrap();
}

#[test]
fn a_manifest_that_a_repair_makes_again_has_the_routing_that_the_keys_show() {
    for by in RouteBy::ALL {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::options().shards(SHARDS).route_by(by);
        let store = store.open(directory.path()).unwrap();
        for key in keys() {
            let event = NewEvent::json("Opened", b"{}");
            store
                .append(&key, Expected::NoStream, &[event])
                .unwrap()
                .wait()
                .unwrap();
        }
        store.close().unwrap();
        std::fs::write(directory.path().join("MANIFEST"), b"nothing of use").unwrap();
        let report = eventcask::repair(directory.path()).unwrap();
        assert!(report.verified.is_ok(), "{:?}", report.verified.problems);

        let store = eventcask::open(directory.path()).unwrap();
        assert_eq!(store.route_by(), by);
        is_where_it_belongs(&store);
        store.close().unwrap();
    }
}
