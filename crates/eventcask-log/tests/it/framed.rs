//! Definitions and states of views.

use eventcask_log::{ErrorKind, Framed, FramedKind, MemoryStorage, Storage};

use crate::support::{STORE, bytes_of, damage, flipped, put_file, seal_header};

fn state(body: &[u8]) -> Framed {
    Framed {
        store: STORE,
        kind: FramedKind::ViewState,
        shard: 3,
        progress: 1 << 40,
        definition: 7,
        body: body.to_vec(),
    }
}

fn written(framed: &Framed) -> (MemoryStorage, Vec<u8>) {
    let storage = MemoryStorage::default();
    framed
        .write(&storage, "views/0001", "0003.snapshot")
        .unwrap();
    let bytes = bytes_of(&storage, NAME);
    (storage, bytes)
}

const NAME: &str = "views/0001/0003.snapshot";

#[test]
fn a_framed_file_comes_back_as_it_was() {
    for body in [&b""[..], b"x", &[7; 100_000]] {
        for kind in [FramedKind::ViewDefinition, FramedKind::ViewState] {
            let framed = Framed {
                kind,
                ..state(body)
            };
            let (storage, bytes) = written(&framed);
            assert_eq!(Framed::read(&storage, NAME).unwrap(), framed);
            assert_eq!(Framed::decode(NAME, &bytes).unwrap(), framed);
        }
    }
}

#[test]
fn a_framed_file_is_replaced_as_a_whole() {
    let (storage, _) = written(&state(&[1; 1000]));
    state(b"short")
        .write(&storage, "views/0001", "0003.snapshot")
        .unwrap();
    assert_eq!(Framed::read(&storage, NAME).unwrap().body, b"short");
    assert_eq!(storage.files(), [NAME]);
}

#[test]
fn c1_every_flipped_byte_of_a_framed_file_is_found_or_harmless() {
    let framed = state(b"some state");
    let (storage, bytes) = written(&framed);
    for at in 0..bytes.len() {
        for flip in [1, 0x80, 0xff] {
            let damaged = flipped(&storage, NAME, at, flip);
            damage(Framed::read(&damaged, NAME));
        }
    }
}

#[test]
fn a_framed_file_of_any_other_length_is_damaged() {
    let (storage, bytes) = written(&state(b"some state"));
    for length in 0..bytes.len() {
        put_file(&storage, NAME, &bytes[..length]);
        damage(Framed::read(&storage, NAME));
        damage(Framed::decode(NAME, &bytes[..length]));
    }
    put_file(&storage, NAME, &[&bytes[..], b"\0"].concat());
    damage(Framed::read(&storage, NAME));
}

#[test]
fn s11_a_framed_file_of_a_newer_format_is_refused() {
    let (storage, bytes) = written(&state(b"x"));
    for at in [8, 16, 23] {
        let mut newer = bytes.clone();
        newer[at] = 0x40;
        seal_header(&mut newer);
        put_file(&storage, NAME, &newer);
        let error = Framed::read(&storage, NAME).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NewerFormat, "byte {at}");
    }
}

#[test]
fn an_unknown_kind_and_reserved_bytes_are_refused() {
    let (_, bytes) = written(&state(b"x"));
    for (at, value) in [(56, 0), (56, 99), (88, 1), (123, 1)] {
        let mut other = bytes.clone();
        other[at] = value;
        seal_header(&mut other);
        damage(Framed::decode(NAME, &other));
    }
}

/// A file of three gigabytes that says it is a state was read into memory, twice, before its
/// header was looked at. Now there is room only for a body that the header vouches for.
#[test]
fn s1_a_large_file_with_a_wrong_header_takes_no_memory() {
    let directory = tempfile::tempdir().unwrap();
    let storage = eventcask_log::FileStorage::new(directory.path());
    let (_, mut bytes) = written(&state(b"x"));
    for sealed in [false, true] {
        bytes[80] = 2;
        if sealed {
            seal_header(&mut bytes);
        }
        put_file(&storage, "large", &bytes);
        let file = storage.open("large", eventcask_log::Open::Write).unwrap();
        file.set_len(3 << 30).unwrap();
        let used = allocation_counter::measure(|| {
            damage(Framed::read(&storage, "large"));
        });
        assert!(used.bytes_max < 1 << 20, "{} bytes", used.bytes_max);
    }
}
