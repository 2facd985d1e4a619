//! The manifest: what a store is.

use eventcask_event::RouteBy;
use eventcask_log::{ErrorKind, MAX_SHARDS, Manifest, MemoryStorage, Storage};

use crate::support::{STORE, bytes_of, damage, dump, put_file, seal_header};

fn written() -> (MemoryStorage, Vec<u8>) {
    let storage = MemoryStorage::default();
    let manifest = Manifest::new(STORE, 8, -5).unwrap();
    manifest.create(&storage).unwrap();
    let bytes = bytes_of(&storage, "MANIFEST");
    (storage, bytes)
}

fn kind_of(bytes: &[u8]) -> ErrorKind {
    Manifest::decode("MANIFEST", bytes).unwrap_err().kind()
}

#[test]
fn a_manifest_comes_back_as_it_was() {
    let (storage, bytes) = written();
    let read = Manifest::read(&storage).unwrap();
    assert_eq!((read.store, read.shards, read.created), (STORE, 8, -5));
    assert_eq!((read.origin, read.first_store()), (0, STORE));
    assert!(read.writable);
    assert_eq!(Manifest::decode("MANIFEST", &bytes).unwrap(), read);
    assert_eq!(storage.files(), ["MANIFEST"]);
}

#[test]
fn a_manifest_says_by_what_keys_are_routed() {
    for (by, number) in [(RouteBy::Key, 1), (RouteBy::Category, 2)] {
        let storage = MemoryStorage::default();
        let manifest = Manifest::new(STORE, 8, 0).unwrap().routed_by(by);
        manifest.create(&storage).unwrap();
        assert_eq!(bytes_of(&storage, "MANIFEST")[60..64], [number, 0, 0, 0]);
        let read = Manifest::read(&storage).unwrap();
        assert_eq!((read.route_by, read.routing().by), (by, by));
        assert_eq!(read.routing().shards, 8);
    }
}

#[test]
fn only_a_power_of_two_is_a_number_of_shards() {
    for shards in 0..=2 * MAX_SHARDS {
        let made = Manifest::new(STORE, shards, 0);
        let fits = shards.is_power_of_two() && shards <= MAX_SHARDS;
        assert_eq!(made.is_ok(), fits, "{shards}");
        let refused_as = made.err().map(|error| error.kind());
        assert!(matches!(refused_as, None | Some(ErrorKind::Setting)));
    }
    let (_, mut bytes) = written();
    for shards in [0, 3, 2 * MAX_SHARDS, u32::MAX] {
        bytes[56..60].copy_from_slice(&shards.to_le_bytes());
        seal_header(&mut bytes);
        assert_eq!(kind_of(&bytes), ErrorKind::Damaged, "{shards}");
    }
}

#[test]
fn a_directory_without_a_manifest_is_not_a_store() {
    let storage = MemoryStorage::default();
    put_file(&storage, "MANIFEST.new", b"being written");
    assert!(!Manifest::exists(&storage).unwrap());
    let error = Manifest::read(&storage).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotAStore);
    assert!(error.to_string().contains("is not an event store"));
}

#[test]
fn s11_a_manifest_of_a_newer_format_is_refused_and_nothing_is_touched() {
    let (storage, bytes) = written();
    let version = (8, 3u64);
    let must_features = (16..24).map(|at| (at, 1 << (at - 16)));
    for (at, value) in must_features.chain([version]) {
        let mut newer = bytes.clone();
        newer[at] = value as u8;
        seal_header(&mut newer);
        put_file(&storage, "MANIFEST", &newer);
        let before = dump(&storage);
        let error = Manifest::read(&storage).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NewerFormat, "byte {at}");
        assert!(error.to_string().contains("use a newer eventcask"));
        assert_eq!(dump(&storage), before);
    }
}

/// There is no reader for the format before: who has such a store is told what to do.
#[test]
fn s11_a_manifest_of_an_older_format_is_refused_and_nothing_is_touched() {
    let (storage, mut older) = written();
    older[8] = 1;
    seal_header(&mut older);
    put_file(&storage, "MANIFEST", &older);
    let before = dump(&storage);
    let error = Manifest::read(&storage).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OlderFormat);
    let sentence = error.to_string();
    assert!(
        sentence.contains("an older eventcask wrote it"),
        "{sentence}"
    );
    assert!(
        sentence.contains("export the events with that one"),
        "{sentence}"
    );
    assert_eq!(dump(&storage), before);
    older[8] = 0;
    seal_header(&mut older);
    assert_eq!(kind_of(&older), ErrorKind::Damaged);
}

#[test]
fn s11_an_unknown_routing_is_refused_as_newer() {
    let (_, mut bytes) = written();
    for unknown in [0_u32, 3, 1 << 8 | 1, u32::MAX] {
        bytes[60..64].copy_from_slice(&unknown.to_le_bytes());
        seal_header(&mut bytes);
        assert_eq!(kind_of(&bytes), ErrorKind::NewerFormat, "{unknown}");
    }
}

#[test]
fn s11_unknown_features_may_leave_a_store_readable() {
    let (_, bytes) = written();
    for (at, writable) in [(24, false), (31, false), (32, true), (39, true)] {
        let mut newer = bytes.clone();
        newer[at] = 0x80;
        seal_header(&mut newer);
        let read = Manifest::decode("MANIFEST", &newer).unwrap();
        assert_eq!(read.writable, writable, "byte {at}");
    }
}

#[test]
fn a_manifest_of_any_other_length_is_damaged() {
    let (storage, bytes) = written();
    for length in 0..bytes.len() {
        assert_eq!(kind_of(&bytes[..length]), ErrorKind::Damaged, "{length}");
    }
    for longer in [129, 4096, 5000] {
        let mut bytes = bytes.clone();
        bytes.resize(longer, 0);
        put_file(&storage, "MANIFEST", &bytes);
        let (file, _) = damage(Manifest::read(&storage));
        assert_eq!(file, storage.describe("MANIFEST"));
    }
}

#[test]
fn a_manifest_says_where_the_events_began() {
    let first = Manifest::new(STORE, 8, 0).unwrap();
    let second = Manifest::new(7, 2, 0).unwrap().made_of(&first);
    let third = Manifest::new(9, 4, 0).unwrap().made_of(&second);
    for made in [second, third] {
        let storage = MemoryStorage::default();
        made.create(&storage).unwrap();
        assert_eq!(bytes_of(&storage, "MANIFEST")[72..88], STORE.to_le_bytes());
        let read = Manifest::read(&storage).unwrap();
        assert_eq!((read.origin, read.first_store()), (STORE, STORE));
    }
}

#[test]
fn reserved_bytes_in_use_are_refused() {
    let (_, bytes) = written();
    for at in 88..124 {
        let mut other = bytes.clone();
        other[at] = 1;
        seal_header(&mut other);
        assert_eq!(kind_of(&other), ErrorKind::Damaged, "byte {at}");
    }
}
