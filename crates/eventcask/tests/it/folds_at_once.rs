//! Folded aggregates that are loaded while other things happen to them.

use std::sync::{Arc, Barrier, Mutex};

use eventcask::event::EventRef;
use eventcask::{ApplyError, AsOf, Fold, Store};

use crate::support::{Bank, put};

/// The versions of an aggregate: says at once where an event is missing.
#[derive(Default)]
struct Versions {
    /// Events of this store are given up once, while a snapshot is decoded.
    gives_up: Arc<Mutex<Option<Store>>>,
}

impl Fold for Versions {
    const NAME: &'static str = "versions";
    const VERSION: u32 = 1;
    type State = Vec<u64>;

    fn apply(&self, versions: &mut Vec<u64>, event: &EventRef<'_>) -> Result<(), ApplyError> {
        versions.push(event.version);
        Ok(())
    }

    fn encode(&self, versions: &Vec<u64>, out: &mut Vec<u8>) {
        out.extend(versions.iter().flat_map(|version| version.to_le_bytes()));
    }

    fn decode(&self, bytes: &[u8]) -> Option<Vec<u64>> {
        let store = self.gives_up.lock().unwrap().take();
        if let Some(store) = store {
            store.truncate_aggregate("ada", 20).unwrap();
        }
        let numbers = bytes.as_chunks::<8>().0.iter();
        Some(numbers.copied().map(u64::from_le_bytes).collect())
    }
}

/// An aggregate of thirty events, and a snapshot of the first ten.
fn thirty_of_which_ten_are_saved() -> (Bank, Store) {
    let bank = Bank::new(1);
    let store = bank.open();
    for _ in 0..10 {
        put(&store, "ada", "1");
    }
    let folded = store.fold(Versions::default()).snapshot_every(10);
    folded.load("ada").unwrap();
    for _ in 0..20 {
        put(&store, "ada", "1");
    }
    (bank, store)
}

#[test]
fn a_load_beside_a_truncation_holds_no_events_from_before_and_after_it() {
    // A state from before the truncation lacked those between its snapshot and what is still shown.
    for moment in [None, Some(AsOf::Version(25))] {
        let (_bank, store) = thirty_of_which_ten_are_saved();
        let gives_up = Arc::new(Mutex::new(Some(store.clone())));
        let fold = Versions {
            gives_up: Arc::clone(&gives_up),
        };
        let folded = store.fold(fold).snapshot_every(10);
        let loaded = match moment {
            None => folded.load("ada").unwrap(),
            Some(moment) => folded.load_as_of("ada", moment).unwrap(),
        };
        assert!(gives_up.lock().unwrap().is_none(), "it read the snapshot");
        let last = if moment.is_some() { 25 } else { 30 };
        assert_eq!(*loaded, (20..=last).collect::<Vec<_>>());
    }
}

#[test]
fn a_snapshot_that_many_loads_make_at_once_is_written() {
    let (_bank, store) = thirty_of_which_ten_are_saved();
    for round in 1..=20 {
        for _ in 0..10 {
            put(&store, "ada", "1");
        }
        // Clones of one fold, and another one of the same name.
        let folds = [(); 2].map(|()| store.fold(Versions::default()).snapshot_every(10));
        let start = Barrier::new(8);
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let (folded, start) = (folds[thread % 2].clone(), &start);
                scope.spawn(move || {
                    start.wait();
                    assert_eq!(folded.load("ada").unwrap().len(), 30 + 10 * round);
                    assert_eq!(folded.snapshot_failure(), None);
                });
            }
        });
    }
}
