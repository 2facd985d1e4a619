//! The open batch of a shard.

use std::num::NonZeroU64;

use eventcask_event::{
    Encoding, EventBatch, EventId, Invalid, MAX_BATCH_TYPES, NO_TIME, NewEvent, PAYLOAD_ALIGN,
    Timestamp,
};

#[test]
fn a_batch_gives_back_what_was_pushed() {
    let seed = 7;
    let mut random = fastrand::Rng::with_seed(seed);
    let mut batch = EventBatch::default();
    // A batch goes round: it is cleared and filled again.
    for round in 0..4 {
        let rows: Vec<_> = (0..500).map(|_| random_row(&mut random, round)).collect();
        for (key, hash, row) in &rows {
            batch.push(key, *hash, &row.event()).unwrap();
        }
        assert_eq!(batch.len(), 500);
        for (at, (key, hash, row)) in rows.iter().enumerate() {
            let (pushed, event) = (row.event(), batch.event(at));
            assert_eq!((batch.key(at), batch.hash(at)), (key.as_str(), *hash));
            assert_eq!(event.event_type, pushed.event_type, "seed {seed}");
            assert_eq!(
                (event.schema, event.encoding),
                (pushed.schema, pushed.encoding)
            );
            assert_eq!((event.id, event.time), (pushed.id, pushed.time));
            assert_eq!((event.payload, event.shape), (pushed.payload, pushed.shape));
            let is_aligned = event.payload.as_ptr().addr().is_multiple_of(PAYLOAD_ALIGN);
            assert!(is_aligned || event.shape.is_none() || event.payload.is_empty());
        }
        let bytes = rows
            .iter()
            .map(|(key, _, row)| EventBatch::row_bytes(key, &row.event()));
        assert_eq!(batch.bytes(), bytes.sum::<usize>());
        batch.clear();
        assert!(batch.is_empty());
        assert_eq!(
            (batch.bytes(), batch.has_ids(), batch.has_times()),
            (0, false, false)
        );
        assert_eq!(batch.types().len(), 0);
    }
}

struct Row {
    event_type: String,
    schema: u32,
    encoding: Encoding,
    shape: Option<NonZeroU64>,
    payload: Vec<u8>,
    id: Option<EventId>,
    time: Option<Timestamp>,
}

impl Row {
    fn event(&self) -> NewEvent<'_> {
        NewEvent {
            event_type: &self.event_type,
            schema: self.schema,
            encoding: self.encoding,
            shape: self.shape,
            payload: &self.payload,
            id: self.id,
            time: self.time,
            metadata: None,
        }
    }
}

/// A row; in every other round no row has an id, or a time.
fn random_row(random: &mut fastrand::Rng, round: u8) -> (String, u64, Row) {
    let payload = (0..random.usize(..30)).map(|_| random.u8(..)).collect();
    let id = random.u128(1..);
    let row = Row {
        event_type: format!("Type{}", random.u8(..5)),
        schema: random.u32(..3),
        encoding: *random.choice(&[Encoding::Bytes, Encoding::Json]).unwrap(),
        shape: NonZeroU64::new(random.u64(..3)),
        payload,
        id: (round & 1 == 1 && random.bool()).then_some(EventId::from_u128(id)),
        time: (round & 2 == 2 && random.bool()).then_some(Timestamp::from_nanos(random.i64(..))),
    };
    (format!("key {}", random.u8(..)), random.u64(..), row)
}

#[test]
fn payloads_of_one_type_lie_together() {
    let mut batch = EventBatch::default();
    let pushes: [(NewEvent<'_>, &[u8]); 6] = [
        (NewEvent::json("A", b"1"), b"1"),
        (NewEvent::json("B", b"22"), b"22"),
        (NewEvent::json("A", b""), b""),
        (NewEvent::json("A", b"333").schema(2), b"333"),
        (NewEvent::bytes("A", b"4"), b"4"),
        (NewEvent::json("A", b"55"), b"55"),
    ];
    for (event, _) in &pushes {
        batch.push("k", 0, event).unwrap();
    }
    let types: Vec<_> = batch
        .types()
        .iter()
        .map(|one| (one.name(), one.schema(), one.encoding(), one.payloads()))
        .collect();
    let expected: [(&str, u32, u8, &[u8]); 4] = [
        ("A", 1, 1, b"155"),
        ("B", 1, 1, b"22"),
        ("A", 2, 1, b"333"),
        ("A", 1, 0, b"4"),
    ];
    assert_eq!(types, expected);
    let indexes: Vec<u16> = (0..6).map(|row| batch.type_index(row)).collect();
    assert_eq!(indexes, [0, 1, 0, 2, 3, 0]);
    for (row, (_, payload)) in pushes.iter().enumerate() {
        assert_eq!(batch.payload(row), *payload);
    }
    let taken = batch.take_payloads();
    let taken: Vec<&[u8]> = taken.iter().map(|one| &**one).collect();
    assert_eq!(taken, [&b"155"[..], b"22", b"333", b"4"]);
}

#[test]
fn ids_and_times_take_no_room_until_a_row_has_one() {
    let mut batch = EventBatch::default();
    let plain = NewEvent::json("A", b"{}");
    batch.push("k", 0, &plain).unwrap();
    assert!(!batch.has_ids() && !batch.has_times());
    assert_eq!((batch.id(0), batch.time(0)), (None, NO_TIME));
    let id = EventId::from_u128(9);
    let rich = plain.id(id).time(Timestamp::from_nanos(5));
    batch.push("k", 0, &rich).unwrap();
    batch.push("k", 0, &plain).unwrap();
    assert!(batch.has_ids() && batch.has_times());
    assert_eq!([0, 1, 2].map(|row| batch.id(row)), [None, Some(id), None]);
    assert_eq!([0, 1, 2].map(|row| batch.time(row)), [NO_TIME, 5, NO_TIME]);
}

#[test]
fn one_type_too_many_leaves_the_batch_as_it_was() {
    let mut batch = EventBatch::default();
    let names: Vec<String> = (0..=MAX_BATCH_TYPES)
        .map(|at| format!("Type{at}"))
        .collect();
    for name in &names[..MAX_BATCH_TYPES] {
        batch.push("k", 0, &NewEvent::json(name, b"{}")).unwrap();
    }
    let bytes = batch.bytes();
    let refused = batch.push("k", 0, &NewEvent::json(&names[MAX_BATCH_TYPES], b"{}"));
    assert_eq!(refused, Err(Invalid::TooManyTypes));
    assert_eq!((batch.len(), batch.bytes()), (MAX_BATCH_TYPES, bytes));
    batch
        .push("k", 0, &NewEvent::json(&names[17], b"[]"))
        .unwrap();
    assert_eq!(batch.payload(MAX_BATCH_TYPES), b"[]");
    assert_eq!(batch.types().len(), MAX_BATCH_TYPES);
}

#[test]
fn rows_of_a_source_know_their_offsets() {
    let mut batch = EventBatch::default();
    let event = NewEvent::json("A", b"{}");
    assert_eq!(batch.source(), None);
    for (offset, check) in [(4, 40), (7, 70), (8, 80)] {
        batch.push("k", 0, &event).unwrap();
        batch.mark("flights.csv", 3, offset, check);
    }
    let source = batch.source().unwrap();
    assert_eq!(source.source, "flights.csv");
    assert_eq!((source.after, source.check), (3, 80));
    assert_eq!(source.offsets, [4, 7, 8]);
    batch.clear();
    assert_eq!(batch.source(), None);
}

#[test]
#[should_panic(expected = "a batch holds rows of one source")]
fn rows_of_two_sources_do_not_mix() {
    let mut batch = EventBatch::default();
    for source in ["a", "b"] {
        batch.push("k", 0, &NewEvent::json("A", b"{}")).unwrap();
        batch.mark(source, 0, 1, 0);
    }
}

#[test]
#[should_panic(expected = "each row of a marked batch is marked")]
fn rows_without_a_source_do_not_mix_with_those_of_one() {
    let mut batch = EventBatch::default();
    for _ in 0..2 {
        batch.push("k", 0, &NewEvent::json("A", b"{}")).unwrap();
    }
    batch.mark("a", 0, 1, 0);
}
