//! Every byte of a small store is flipped, one at a time.

use eventcask_log::{Codec, ErrorKind, Framed, FramedKind, Manifest, MemoryStorage};

use crate::carried::Carried;
use crate::support::{
    FIRST_SEGMENT, SECOND_SEGMENT, STORE, Seen, Writer, deposits, dump, flipped, read, recover,
    shard_on,
};

const VIEW: &str = "views/0001";

/// A store with all that a store can hold, cleanly closed.
fn small_store() -> MemoryStorage {
    let storage = MemoryStorage::default();
    let mut writer = Writer::new(&storage);
    for (seed, codec) in [Codec::None, Codec::Lz4, Codec::Zstd(3)]
        .into_iter()
        .enumerate()
    {
        if seed == 2 {
            writer.roll();
        }
        writer.codec = codec;
        let mut rows = deposits(seed as u64, 8);
        rows[1].event_type = "Withdrawn".to_owned();
        rows[2].id = Some(7 + seed as u128);
        rows[3].time = Some(-7);
        rows[5].shape = 0x5eed;
        rows[6].shape = 0x5eed;
        rows[4].carried = Carried {
            correlation: Some(8),
            causation: Some(9),
            headers: vec![("by".to_owned(), vec![0xff])],
            tags: vec![("shop".to_owned(), "7".to_owned())],
        };
        writer.append(&rows);
        writer.sync();
    }
    writer.close();
    for (name, kind) in [
        ("definition", FramedKind::ViewDefinition),
        ("0000.snapshot", FramedKind::ViewState),
    ] {
        let framed = Framed {
            store: STORE,
            kind,
            shard: 0,
            progress: 24,
            definition: 0,
            body: b"a body".to_vec(),
        };
        framed.write(&storage, VIEW, name).unwrap();
    }
    storage
}

/// What is wrong with a store, as the check of everything sees it.
fn problems(storage: &MemoryStorage) -> usize {
    let mut problems = Vec::new();
    let dir = shard_on(storage.clone());
    dir.verify(&|| false, &mut problems, &mut |_, _, _| Ok(()))
        .unwrap();
    let framed = ["definition", "0000.snapshot"];
    let framed = framed.map(|name| Framed::read(storage, &format!("{VIEW}/{name}")));
    let wrong = framed.iter().filter(|framed| framed.is_err()).count();
    problems.len() + wrong + usize::from(Manifest::read(storage).is_err())
}

/// What opening and reading makes of a store must be the truth, or an error that says so.
fn check_reading(storage: &MemoryStorage, truth: &[Seen], what: &str) {
    match read(storage) {
        Ok(seen) => assert_eq!(seen, truth, "{what}"),
        Err(error) => assert_eq!(error.kind(), ErrorKind::Damaged, "{what}: {error}"),
    }
    let before = dump(storage);
    match recover(storage) {
        Ok((_, seen)) => assert_eq!(seen, truth, "{what}"),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Damaged, "{what}: {error}");
            assert_eq!(dump(storage), before, "{what}");
        }
    }
}

#[test]
fn c1_every_flipped_byte_of_a_store_is_found_or_harmless() {
    let storage = small_store();
    let truth = read(&storage).unwrap();
    assert_eq!(truth.len(), 24);
    assert_eq!(problems(&storage), 0);
    let seed = 2;
    let mut random = fastrand::Rng::with_seed(seed);
    let mut flips = 0;
    for (name, bytes) in dump(&storage) {
        for at in 0..bytes.len() {
            for flip in [1 << random.u8(..8), random.u8(1..)] {
                let what = format!("seed {seed}: {name}, byte {at}, {flip:#x}");
                let damaged = flipped(&storage, &name, at, flip);
                assert_eq!(problems(&damaged), 1, "{what}");
                if name.ends_with(".segment") {
                    check_reading(&damaged, &truth, &what);
                }
                flips += 1;
            }
        }
    }
    assert!(flips > 20_000);
}

#[test]
fn c1_two_damaged_bytes_are_found_as_well() {
    let storage = small_store();
    let truth = read(&storage).unwrap();
    let seed = 3;
    let mut random = fastrand::Rng::with_seed(seed);
    let files = dump(&storage);
    for _ in 0..4_000 {
        let (name, bytes) = &files[random.usize(..files.len())];
        let places = [random.usize(..bytes.len()), random.usize(..bytes.len())];
        if places[0] == places[1] {
            continue;
        }
        let what = format!("seed {seed}: {name}, bytes {places:?}");
        let damaged = flipped(&storage, name, places[0], random.u8(1..));
        let damaged = flipped(&damaged, name, places[1], random.u8(1..));
        assert!(problems(&damaged) > 0, "{what}");
        // With both the last block and the mark of the close gone, the end looks torn.
        match recover(&damaged) {
            Ok((_, seen)) => assert_eq!(seen, truth[..seen.len()], "{what}"),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Damaged, "{what}: {error}"),
        }
    }
}

#[test]
fn c7_sectors_that_were_swapped_or_repeated_are_found() {
    let storage = small_store();
    let truth = read(&storage).unwrap();
    for name in [FIRST_SEGMENT, SECOND_SEGMENT] {
        let whole = crate::support::bytes_of(&storage, name);
        let sectors: Vec<usize> = (0..whole.len()).step_by(64).collect();
        for (from, to) in sectors.iter().zip(sectors.iter().rev()) {
            let mut moved = whole.clone();
            moved.copy_within(
                *from..(*from + 64).min(whole.len()),
                (*to).min(whole.len() - 64),
            );
            if moved == whole {
                continue;
            }
            let damaged = storage.copy();
            crate::support::put_file(&damaged, name, &moved);
            let what = format!("{name}: {from} over {to}");
            assert!(problems(&damaged) > 0, "{what}");
            check_reading(&damaged, &truth, &what);
        }
    }
}
