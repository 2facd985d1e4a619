//! The columns of a block, and its events read from them.

use std::num::NonZeroU64;

use eventcask_event::{
    Columns, Encoding, EventId, Events, EventsParts, NO_POSITION, NO_TIME, PayloadBytes, Timestamp,
};

/// What one change of good columns is.
type Change<'c> = &'c dyn Fn(&mut Columns);

/// Three rows of two aggregates and two types; the payloads are "1", "22" and "333".
fn example() -> Columns {
    let mut columns = Columns::default();
    assert_eq!(columns.add_aggregate("über", NO_POSITION), 0);
    assert_eq!(columns.add_aggregate("b", 5), 1);
    assert_eq!(columns.add_type("Opened", 1, 1, None), 0);
    assert_eq!(columns.add_type("Noise", 7, 0, None), 1);
    columns.aggregates = vec![0, 1, 0];
    columns.types = vec![0, 1, 0];
    columns.versions = vec![1, 4, 2];
    columns.payload_lengths = vec![1, 2, 3];
    columns
}

const PAYLOAD_BYTES: [usize; 2] = [4, 2];

fn check(columns: &Columns, ids: usize) -> Result<Vec<u32>, &'static str> {
    let checked = Events::check(3, columns, ids, &PAYLOAD_BYTES);
    checked.map_err(|malformed| malformed.0)
}

#[test]
fn events_are_read_from_their_columns() {
    let mut columns = example();
    columns.times = vec![NO_TIME, -1, 0];
    let starts = Events::check(3, &columns, 3, &PAYLOAD_BYTES).unwrap();
    assert_eq!(starts, [0, 0, 1]);
    let mut ids = [0; 48];
    ids[16] = 9;
    let commit_time = Timestamp::from_nanos(77);
    let payloads = [&b"1333"[..], b"22"].map(|bytes| Some(PayloadBytes::from(bytes.to_vec())));
    let events = Events::new(EventsParts {
        store: 3,
        shard: 2,
        first_position: 10,
        commit_time,
        columns: &columns,
        ids: &ids,
        payloads: &payloads,
        payload_starts: &starts,
    });
    assert_eq!(
        (events.len(), events.aggregates(), events.shard()),
        (3, 2, 2)
    );
    assert_eq!([events.key(0), events.key(1)], ["über", "b"]);
    assert_eq!([events.previous(0), events.previous(1)], [None, Some(5)]);
    let all: Vec<_> = events.iter().collect();
    let expected: [(&str, u64, &str, &[u8]); 3] = [
        ("über", 1, "Opened", b"1"),
        ("b", 4, "Noise", b"22"),
        ("über", 2, "Opened", b"333"),
    ];
    for (row, (aggregate, version, event_type, payload)) in expected.into_iter().enumerate() {
        let event = &all[row];
        assert_eq!((event.key, event.version), (aggregate, version));
        assert_eq!((event.event_type, event.payload), (event_type, payload));
        assert_eq!((event.position, event.shard), (10 + row as u64, 2));
        assert_eq!(event.commit_time, commit_time);
    }
    assert_eq!((all[1].schema, all[1].encoding), (7, Encoding::Bytes));
    let times = [
        None,
        Some(Timestamp::from_nanos(-1)),
        Some(Timestamp::from_nanos(0)),
    ];
    assert_eq!([0, 1, 2].map(|row: usize| all[row].time), times);
    assert_eq!(all[1].id, EventId::from_u128(9));
    assert_eq!(all[2].id, EventId::engine_made(3, 2, 12, commit_time));
}

/// A block could list an aggregate of which it has no event.
#[test]
fn an_aggregate_that_is_listed_has_a_row() {
    let mut columns = example();
    columns.add_aggregate("third", NO_POSITION);
    let wrong = "the block lists an aggregate of which it has no event";
    assert_eq!(check(&columns, 0), Err(wrong));
    columns.aggregates = vec![0, 1, 2];
    assert!(check(&columns, 0).is_ok());
}

/// Of an aggregate that was listed twice a reader found the events of one of the two only.
#[test]
fn an_aggregate_is_listed_once() {
    for (key, expected) in [
        ("third", None),
        ("first", Some("the block lists an aggregate twice")),
    ] {
        let mut columns = Columns::default();
        for key in ["first", "second", key] {
            columns.add_aggregate(key, NO_POSITION);
        }
        columns.add_type("Noise", 1, 0, None);
        columns.aggregates = vec![0, 1, 2];
        columns.types = vec![0, 0, 0];
        columns.versions = vec![1, 1, 2];
        columns.payload_lengths = vec![0, 0, 0];
        let starts = Events::check(3, &columns, 0, &[0]).unwrap();
        let payloads = [Some(PayloadBytes::default())];
        let events = Events::new(EventsParts {
            store: 0,
            shard: 0,
            first_position: 0,
            commit_time: Timestamp::from_nanos(0),
            columns: &columns,
            ids: &[],
            payloads: &payloads,
            payload_starts: &starts,
        });
        assert_eq!(events.check_keys().err().map(|wrong| wrong.0), expected);
    }
}

#[test]
fn columns_can_say_positions_and_commit_times_themselves() {
    let mut columns = example();
    columns.positions = vec![12, 10, 11];
    columns.commit_times = vec![3, 1, 2];
    let starts = Events::check(3, &columns, 0, &PAYLOAD_BYTES).unwrap();
    let events = Events::new(EventsParts {
        store: 3,
        shard: 2,
        first_position: 10,
        commit_time: Timestamp::from_nanos(77),
        columns: &columns,
        ids: &[],
        payloads: &[None, None],
        payload_starts: &starts,
    });
    for (row, (position, time)) in [(12, 3), (10, 1), (11, 2)].into_iter().enumerate() {
        let event = events.event(row);
        assert_eq!(
            (event.position, event.commit_time.as_nanos()),
            (position, time)
        );
        assert_eq!((events.payload(row), event.payload), (None, &[][..]));
        assert_eq!(
            event.id,
            EventId::engine_made(3, 2, position, event.commit_time)
        );
    }
    assert_eq!(events.iter().count(), 0);
}

#[test]
fn optional_columns_are_whole_or_absent() {
    let columns = example();
    assert!(check(&columns, 0).is_ok() && check(&columns, 3).is_ok());
    assert!(check(&columns, 1).is_err() && check(&columns, 4).is_err());
    let changes: [Change<'_>; 3] = [
        &|columns| columns.times = vec![0; 2],
        &|columns| columns.positions = vec![0; 4],
        &|columns| columns.commit_times = vec![0; 1],
    ];
    refuse_all(&changes);
}

#[test]
fn s4_columns_that_do_not_agree_are_refused() {
    let changes: [Change<'_>; 17] = [
        &|columns| columns.aggregates.truncate(2),
        &|columns| columns.types.push(0),
        &|columns| columns.versions.clear(),
        &|columns| columns.payload_lengths.push(0),
        &|columns| columns.previous.truncate(1),
        &|columns| columns.type_schemas.push(1),
        &|columns| columns.type_encodings.truncate(1),
        &|columns| columns.type_name_ends.truncate(1),
        &|columns| columns.aggregates[2] = 2,
        &|columns| columns.aggregates[2] = u32::MAX,
        &|columns| columns.types[1] = 2,
        &|columns| columns.types[1] = 0,
        &|columns| columns.type_encodings[0] = 2,
        &|columns| columns.payload_lengths[0] = 2,
        &|columns| columns.payload_lengths = vec![u32::MAX; 3],
        &|columns| columns.type_names.clear(),
        &|columns| columns.keys.push('x'),
    ];
    refuse_all(&changes);
}

#[test]
fn s4_texts_within_columns_are_texts_within_their_limits() {
    let changes: [Change<'_>; 7] = [
        // Inside of a letter of two bytes.
        &|columns| columns.key_ends[0] = 1,
        &|columns| columns.key_ends[0] = 0,
        &|columns| columns.key_ends[0] = 6,
        &|columns| columns.key_ends[1] = u32::MAX,
        &|columns| columns.key_ends = vec![6, 5],
        &|columns| columns.type_name_ends[0] = 11,
        &|columns| {
            columns.keys = "k".repeat(1026);
            columns.key_ends = vec![1025, 1026];
        },
    ];
    refuse_all(&changes);
}

fn refuse_all(changes: &[Change<'_>]) {
    for (index, change) in changes.iter().enumerate() {
        let mut columns = example();
        change(&mut columns);
        assert!(check(&columns, 0).is_err(), "change {index}");
    }
}

#[test]
fn s4_any_numbers_in_columns_get_an_answer() {
    let seed = 8;
    let mut random = fastrand::Rng::with_seed(seed);
    let payloads = [4, 2].map(|bytes| Some(PayloadBytes::from(vec![0; bytes])));
    let mut passed = 0;
    for _ in 0..60_000 {
        let mut columns = example();
        for _ in 0..random.usize(1..3) {
            change_one(&mut columns, &mut random);
        }
        let Ok(starts) = Events::check(3, &columns, 0, &PAYLOAD_BYTES) else {
            continue;
        };
        passed += 1;
        let events = Events::new(EventsParts {
            store: 0,
            shard: 0,
            first_position: 0,
            commit_time: Timestamp::from_nanos(0),
            columns: &columns,
            ids: &[],
            payloads: &payloads,
            payload_starts: &starts,
        });
        assert_eq!(events.iter().count(), 3, "seed {seed}");
    }
    assert!(passed > 1_000, "seed {seed}: {passed}");
}

/// Changes a number of a column, or how many it has.
fn change_one(columns: &mut Columns, random: &mut fastrand::Rng) {
    let small = *random.choice(&[0, 1, 2, 4, 128, 255]).unwrap();
    let row = random.usize(..3);
    match random.u8(..13) {
        0 => columns.aggregates[row] = small,
        1 => columns.types[row] = small as u16,
        2 => columns.versions[row] = u64::from(small),
        3 => columns.payload_lengths[row] = small,
        4 => columns.key_ends[row % 2] = small,
        5 => columns.type_name_ends[row % 2] = small,
        6 => columns.keys.push(char::from(small as u8)),
        7 => columns.type_names.push(char::from(small as u8)),
        8 => columns.type_encodings[row % 2] = small as u8,
        9 => columns.times.resize(small as usize, 0),
        10 => columns.positions.resize(row, 0),
        11 => columns.type_shapes.resize(row, u64::from(small)),
        _ => columns.commit_times.resize(small as usize, 0),
    }
}

#[test]
fn clearing_keeps_nothing_but_the_memory() {
    let mut columns = example();
    columns.times.push(1);
    columns.positions.push(1);
    columns.commit_times.push(1);
    columns.clear();
    assert_eq!(columns, Columns::default());
}

#[test]
fn payloads_of_a_type_with_a_shape_start_at_multiples_of_16() {
    let mut columns = example();
    columns.type_shapes = vec![0, 9];
    let starts = Events::check(3, &columns, 0, &[4, 16]).map_err(|wrong| wrong.0);
    assert_eq!(starts, Ok(vec![0, 0, 1]));
    columns.types = vec![1, 1, 1];
    columns.payload_lengths = vec![0, 17, 16];
    let starts = Events::check(3, &columns, 0, &[0, 48]).map_err(|wrong| wrong.0);
    assert_eq!(starts, Ok(vec![0, 0, 32]));
    for shapes in [vec![9], vec![0, 0], vec![0, 9, 9], vec![9, 0]] {
        columns.type_shapes = shapes;
        assert!(Events::check(3, &columns, 0, &[0, 48]).is_err());
    }
    columns.type_shapes = vec![0, 9];
    columns.payload_lengths = vec![u32::MAX - 14, 0, 0];
    let wrong = Events::check(3, &columns, 0, &[0, 0]).map_err(|wrong| wrong.0);
    assert_eq!(wrong, Err("the payloads of a type pass 4 GiB"));
}

#[test]
fn a_column_of_shapes_is_there_once_a_type_has_one() {
    let mut columns = Columns::default();
    let shapes = [None, None, NonZeroU64::new(7), None];
    for (at, shape) in shapes.into_iter().enumerate() {
        columns.add_type("Noise", 1, 0, shape);
        assert_eq!(columns.type_shapes.is_empty(), at < 2);
    }
    assert_eq!([0, 1, 2, 3].map(|at| columns.type_shape(at)), shapes);
    assert_eq!(columns.type_shapes, [0, 0, 7, 0]);
    columns.clear();
    assert!(columns.type_shapes.is_empty());
}
