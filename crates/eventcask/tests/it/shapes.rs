//! Payloads with a shape: wherever such an event is read, it has its shape, and its payload starts
//! where it can be read in place.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use eventcask::event::{EventRef, Invalid, PAYLOAD_ALIGN};
use eventcask::storage::MemoryStorage;
use eventcask::{
    ApplyError, Batch, Codec, Error, EventId, Expected, NewEvent, Options, Projection, RouteBy,
    Store, StoreReader,
};

use crate::reshard::{anew, reader};
use crate::support::Bank;

/// Rows of three accounts, of one type with two shapes and with none.
const ROWS: usize = 3_000;
const SHAPES: [u64; 4] = [0, 7, 7, u64::MAX];

fn payload(at: usize) -> Vec<u8> {
    let mut payload = (at as u64).to_le_bytes().to_vec();
    payload.resize(8 + at * 7 % 50, b'.');
    payload
}

fn options(codec: Codec) -> Options {
    let options = Store::options().shards(2).threads(1).pin(false);
    options.codec(codec).segment_bytes(60_000).clustered(true)
}

fn fill(store: &Store) {
    let mut producer = store.producer();
    for at in 0..ROWS {
        let payload = payload(at);
        let event = NewEvent::bytes("Archived", &payload).shape(SHAPES[at % SHAPES.len()]);
        let event = event.id(EventId::from_u128(1 + at as u128));
        producer
            .push(&format!("account-{}", at % 3), &event)
            .unwrap();
        if at % 700 == 0 {
            producer.flush().unwrap().wait().unwrap();
        }
    }
    producer.flush().unwrap().wait().unwrap();
}

/// Which row it is; it has its shape and can be read in place.
fn check(event: &EventRef<'_>) -> usize {
    let (number, _) = event.payload.split_first_chunk::<8>().unwrap();
    let at = u64::from_le_bytes(*number) as usize;
    assert_eq!(event.payload, payload(at));
    assert_eq!(
        event.shape,
        NonZeroU64::new(SHAPES[at % SHAPES.len()]),
        "row {at}"
    );
    let is_aligned = event.payload.as_ptr().addr().is_multiple_of(PAYLOAD_ALIGN);
    assert!(is_aligned || event.shape.is_none(), "row {at}");
    at
}

fn check_all(store: &StoreReader) {
    let mut seen = vec![0; ROWS];
    for event in &store.events() {
        let event = event.unwrap();
        assert_eq!(event.shape(), event.get().shape);
        seen[check(&event.get())] += 1;
    }
    for batch in store.events().batches() {
        let batch = batch.unwrap();
        let batch = batch.get();
        for row in batch.rows() {
            let event = batch.event(row);
            assert_eq!(batch.type_shape(batch.type_index(row)), event.shape);
            assert!(std::ptr::eq(batch.payload(row), event.payload));
            seen[check(&event)] += 1;
        }
    }
    for account in 0..3 {
        for event in store
            .aggregate(&format!("account-{account}"))
            .events()
            .unwrap()
        {
            seen[check(&event.unwrap().get())] += 1;
        }
    }
    assert!(seen.iter().all(|times| *times == 3));
}

/// Counts what it is shown, as it comes in or is read back.
struct Checking(Arc<AtomicUsize>);

impl Projection for Checking {
    const NAME: &'static str = "checking";
    const VERSION: u32 = 1;
    type State = u64;

    fn apply(&self, _: &mut u64, batch: &Batch<'_>) -> Result<(), ApplyError> {
        for event in batch.iter() {
            check(&event);
        }
        self.0.fetch_add(batch.len(), Ordering::Relaxed);
        Ok(())
    }
}

#[test]
fn payloads_with_a_shape_are_read_in_place_wherever_they_are_read() {
    for codec in [Codec::None, Codec::Lz4, Codec::Zstd(1)] {
        let storage = MemoryStorage::default();
        let store = options(codec).open(storage.clone()).unwrap();
        let shown = Arc::new(AtomicUsize::new(0));
        let checking = store.projection(Checking(Arc::clone(&shown)));
        let checking = checking.sync().start().unwrap();
        fill(&store);
        assert_eq!(shown.load(Ordering::Relaxed), ROWS, "{codec}");
        check_all(&store);
        let mut followed = store.events().subscribe().unwrap();
        let mut count = 0;
        while let Some(event) = followed.try_next().unwrap() {
            check(&event.get());
            count += 1;
        }
        assert_eq!(count, ROWS);
        store.seal().unwrap();
        check_all(&store);
        let copy = MemoryStorage::default();
        store.backup(copy.clone()).unwrap();
        check_all(&reader(&copy));
        checking.rebuild().unwrap().wait().unwrap();
        drop((checking, followed));
        store.close().unwrap();

        // Nothing is kept, so that events are read one by one.
        let alone = options(codec).block_cache_bytes(1);
        check_all(&alone.open_read_only(storage.clone()).unwrap());
        let (other, _) = anew(&storage, (4, RouteBy::Category));
        check_all(&reader(&other));
    }
}

#[test]
fn an_event_with_another_shape_is_another_event() {
    let bank = Bank::new(1);
    let store = bank.open();
    let plain = NewEvent::bytes("Archived", b"12345678").id(EventId::from_u128(7));
    let append = |store: &Store, event: NewEvent<'_>| {
        let ticket = store.append("account-1", Expected::Any, &[event]);
        ticket.and_then(eventcask::Ticket::wait)
    };
    append(&store, plain.shape(9)).unwrap();
    for round in 0..3 {
        assert!(
            append(&store, plain.shape(9)).unwrap().is_duplicate(),
            "round {round}"
        );
        for other in [plain, plain.shape(8)] {
            let answer = append(&store, other);
            assert!(
                matches!(answer, Err(Error::IdConflict { .. })),
                "{answer:?}"
            );
        }
        fill(&store);
        store.seal().unwrap();
    }
    let of_text = append(&store, NewEvent::json("Archived", b"1").shape(9));
    let is_refused = |error: &Error| matches!(error, Error::Invalid(Invalid::ShapeOfText));
    assert!(of_text.as_ref().is_err_and(is_refused), "{of_text:?}");
}
