//! Every byte of a small store with sealed segments is flipped, one at a time.

use std::collections::BTreeSet;

use eventcask_event::EventId;
use eventcask_log::{Codec, ErrorKind, Fate, IdPlace, KeyPlace, MemoryStorage};

use crate::carried::Carried;
use crate::sealed::mark;
use crate::support::{
    Seen, Writer, deposits, dump, find_id, flipped, problems_of, read, reader_of, recover,
    seal_with, shard_on,
};

/// A sealed segment, one of which events were taken out, and a tail, cleanly closed.
fn small_store() -> MemoryStorage {
    let storage = MemoryStorage::default();
    let mut writer = Writer::new(&storage);
    for seed in 0..3 {
        for block in 0..2 {
            let mut rows = deposits(seed * 2 + block, 6);
            rows[1].event_type = "Withdrawn".to_owned();
            rows[2].id = Some(u128::from(7 + seed * 2 + block));
            rows[3].time = Some(-7);
            rows[5].shape = 0x5eed;
            rows[4].carried = Carried {
                correlation: Some(8),
                causation: Some(9),
                headers: vec![("by".to_owned(), vec![0xff])],
                tags: vec![("shop".to_owned(), "7".to_owned())],
            };
            writer.marks = vec![mark(&format!("source-{block}"), seed)];
            writer.append(&rows);
        }
        writer.sync();
        if seed < 2 {
            writer.roll();
        }
    }
    writer.close();
    let dir = shard_on(storage.clone());
    seal_with(&dir, 1, Codec::None, &|_, _| Fate::Kept).unwrap();
    let fate = |events: &eventcask_event::Events<'_>, row: usize| match events.position(row) {
        13 | 16 => Fate::Removed,
        15 => Fate::Emptied,
        _ => Fate::Kept,
    };
    seal_with(&dir, 2, Codec::Lz4, &fate).unwrap();
    storage
}

/// What a store answers that is opened without a look at its blocks.
type Answers = (
    Vec<Option<KeyPlace>>,
    Vec<Option<IdPlace>>,
    Vec<(String, u64)>,
    usize,
);

fn answers(storage: &MemoryStorage) -> Result<Answers, eventcask_log::Error> {
    let dir = shard_on(storage.clone());
    let recovery = dir.recover(&mut |_, _| Ok(()))?;
    let reader = reader_of(&dir);
    let mut all = Answers::default();
    for segment in &recovery.ended {
        for key in 0..6 {
            let key = format!("account-{key}");
            all.0.push(reader.find_key(segment, &key)?);
        }
        for id in 5..15 {
            all.1
                .push(find_id(&reader, segment, EventId::from_u128(id))?);
        }
        all.2.extend(reader.truncations(segment)?);
        all.3 += reader.marks(segment)?.len();
    }
    Ok(all)
}

fn is_told(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Damaged | ErrorKind::NewerFormat | ErrorKind::OlderFormat
    )
}

#[test]
fn c1_every_flipped_byte_of_a_sealed_segment_is_found_or_harmless() {
    let storage = small_store();
    let truth: Vec<Seen> = read(&storage).unwrap();
    let expected = answers(&storage).unwrap();
    assert_eq!((truth.len(), expected.2.len(), expected.3), (34, 1, 4));
    assert_eq!(problems_of(&storage), []);
    let seed = 8;
    let mut random = fastrand::Rng::with_seed(seed);
    let mut outcomes = BTreeSet::new();
    for (name, bytes) in dump(&storage) {
        for at in 0..bytes.len() {
            for flip in [1 << random.u8(..8), random.u8(1..)] {
                let what = format!("seed {seed}: {name}, byte {at}, {flip:#x}");
                let damaged = flipped(&storage, &name, at, flip);
                if name == "MANIFEST" {
                    continue;
                }
                assert_eq!(problems_of(&damaged).len(), 1, "{what}");
                for seen in [read(&damaged), recover(&damaged).map(|(_, seen)| seen)] {
                    outcomes.insert(seen.is_ok());
                    match seen {
                        Ok(seen) => assert!(seen == truth, "{what}"),
                        Err(error) => assert!(is_told(error.kind()), "{what}: {error}"),
                    }
                }
                match answers(&damaged) {
                    Ok(answers) => assert_eq!(answers, expected, "{what}"),
                    Err(error) => assert!(is_told(error.kind()), "{what}: {error}"),
                }
            }
        }
    }
    assert_eq!(
        outcomes.len(),
        2,
        "some flips are harmless, and some are not"
    );
}
