//! Feeds of read models: what they tell the model, and how long they go on.

use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use eventcask::read_model::{Batches, ModelError, ModelProgress};
use eventcask::storage::Storage;
use eventcask::{ErrorKind, Place, ReadModel, Timeout};

use crate::support::{Bank, in_time, put};

/// Long enough for any machine.
const FOR_EVER: Duration = Duration::from_secs(60);
const PATIENT: Timeout = Timeout::Error(FOR_EVER);

/// Notes of each event its position, and whether it was told of as history. The first transaction
/// waits for the gate.
#[derive(Clone)]
struct Notes {
    entered: mpsc::Sender<()>,
    gate: Arc<Mutex<()>>,
    told: Arc<Mutex<Vec<(u64, bool)>>>,
}

impl Notes {
    /// With the other side of what says that a transaction was begun.
    fn new() -> (Self, mpsc::Receiver<()>) {
        let (entered, begins) = mpsc::channel();
        let notes = Self {
            entered,
            gate: Arc::default(),
            told: Arc::default(),
        };
        (notes, begins)
    }
}

impl ReadModel for Notes {
    fn name(&self) -> &str {
        "notes"
    }

    fn progress(&mut self, _store: u128) -> Result<Vec<ModelProgress>, ModelError> {
        Ok(Vec::new())
    }

    fn apply(&mut self, batches: &Batches<'_>) -> Result<(), ModelError> {
        // Only some tests wait for it.
        let _ = self.entered.send(());
        let _open = self.gate.lock().unwrap();
        let mut told = self.told.lock().unwrap();
        for batch in batches.iter() {
            let rows = batch.rows().map(|row| batch.position(row));
            told.extend(rows.map(|position| (position, batch.replay())));
        }
        Ok(())
    }
}

/// A block that is written anew can hold events from before the feed and from after it: all of them
/// were told of as new.
#[test]
fn a_block_over_the_border_is_told_of_as_history_and_as_new() {
    in_time("a feed", || {
        let mut bank = Bank::new(1);
        bank.options = bank.options.segment_bytes(12_000);
        let store = bank.open();
        for _ in 0..3 {
            put(&store, "a", "1");
        }
        let (notes, begins) = Notes::new();
        let closed = notes.gate.lock().unwrap();
        let feed = store
            .read_model(notes.clone())
            .batch_events(2)
            .start()
            .unwrap();
        begins.recv().unwrap();
        while bank.storage.list("shards/0000").unwrap().len() < 3 {
            put(&store, "a", "1");
        }
        store.seal().unwrap();
        drop(closed);
        put(&store, "a", "1");
        feed.catch_up(PATIENT).unwrap();
        let expected: Vec<_> = (0..store.positions()[0]).map(|at| (at, at < 3)).collect();
        assert_eq!(*notes.told.lock().unwrap(), expected);
    });
}

/// The moment at which it would have been over can not be told: the thread ended without a word.
#[test]
fn a_delay_may_be_longer_than_any_clock_goes() {
    let store = Bank::new(1).open();
    let (notes, _begins) = Notes::new();
    let options = store.read_model(notes.clone()).batch_delay(Duration::MAX);
    let feed = options.batch_events(1).start().unwrap();
    put(&store, "a", "1");
    feed.catch_up(PATIENT).unwrap();
    assert_eq!(*notes.told.lock().unwrap(), [(0, false)]);
}

/// It was never told: whoever waited for what would not come waited on.
#[test]
fn a_feed_that_begins_when_the_store_is_closed_ends_the_waiting() {
    in_time("a feed", || {
        let store = Bank::new(1).open();
        put(&store, "a", "1");
        let handle = store.clone();
        store.close().unwrap();
        let (notes, _begins) = Notes::new();
        let feed = handle.read_model(notes).start().unwrap();
        assert_eq!(
            feed.wait_for(Place::new(0, 0), PATIENT).unwrap(),
            1,
            "it is durable"
        );
        let error = feed.wait_for(Place::new(0, 1), PATIENT).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Closed);
    });
}
