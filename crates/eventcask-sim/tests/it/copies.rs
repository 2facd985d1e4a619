use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use eventcask::storage::{MemoryStorage, Storage};
use eventcask::{Expected, NewEvent, Store, verify};
use eventcask_sim::SimDisk;

use crate::bank::{account, deposits, open_with, options, payload};

/// Copies of a store in one test.
const ROUNDS: u32 = 25;

/// Numbers of the deposits in a store, which must be those below some number: whoever knew of
/// one deposit had been told of all before it.
fn check_prefix(store: &Store, what: &str) -> u32 {
    let found = deposits(store);
    let count = found.len() as u32;
    assert_eq!(found, (0..count).collect::<BTreeSet<_>>(), "{what}");
    count
}

/// Deposits one after the other, each after the answer to the one before, over all shards.
/// As many as `wanted` says, until it says none.
fn deposit_as_wanted(store: &Store, acknowledged: &AtomicU32, wanted: &AtomicU32) {
    let mut producer = store.producer();
    loop {
        let number = acknowledged.load(Ordering::Relaxed);
        match wanted.load(Ordering::Acquire) {
            0 => return,
            wanted if wanted == number => {
                std::thread::yield_now();
                continue;
            }
            _ => {}
        }
        let payload = payload(number);
        let event = NewEvent::json("Deposited", payload.as_bytes());
        let ticket = producer.append(&account(number), Expected::Any, &[event]);
        ticket.unwrap().wait().unwrap();
        acknowledged.store(number + 1, Ordering::Release);
    }
}

/// Copies the store again and again while deposits come in; `copy` is told how many there were.
fn while_depositing(options: &eventcask::Options, disk: &SimDisk, copy: impl Fn(&Store, u32)) {
    let store = open_with(options, disk);
    let (acknowledged, wanted) = (AtomicU32::new(0), AtomicU32::new(8));
    std::thread::scope(|scope| {
        scope.spawn(|| deposit_as_wanted(&store, &acknowledged, &wanted));
        // Also where a copy is not as it should be, the other thread must end.
        let _end = Ending(&wanted);
        for round in 0..ROUNDS {
            wanted.fetch_add(8, Ordering::Release);
            while acknowledged.load(Ordering::Acquire) < round * 8 {
                std::thread::yield_now();
            }
            copy(&store, acknowledged.load(Ordering::Acquire));
        }
    });
}

/// Says at its end that no more deposits are wanted.
struct Ending<'a>(&'a AtomicU32);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(0, Ordering::Release);
    }
}

fn check_copy(options: &eventcask::Options, copy: MemoryStorage, at_least: u32) {
    let storage: Arc<dyn Storage> = Arc::new(copy);
    let report = verify(&storage).unwrap();
    assert!(report.is_ok(), "{:?}", report.problems);
    let store = options.open(storage).unwrap();
    let found = check_prefix(&store, "a copy is one cut");
    assert!(found >= at_least, "{found} of {at_least}");
    // It is a store like any other.
    let mut producer = store.producer();
    let event = NewEvent::json("Closed", b"{}");
    let ticket = producer.append("account-0", Expected::Any, &[event]);
    ticket.unwrap().wait().unwrap();
}

#[test]
fn l9_a_backup_is_one_consistent_cut_of_a_running_store() {
    for seals in [false, true] {
        let options = options().seal(seals);
        while_depositing(&options, &SimDisk::new(), |store, acknowledged| {
            let copy = MemoryStorage::default();
            let to: Arc<dyn Storage> = Arc::new(copy.clone());
            store.backup(&to).unwrap();
            check_copy(&options, copy, acknowledged);
        });
    }
}

#[test]
fn l9_a_reader_beside_the_writer_takes_a_consistent_backup_too() {
    let (options, disk) = (options().seal(true), SimDisk::new());
    while_depositing(&options, &disk, |_, acknowledged| {
        let reader = options.open_read_only(Arc::new(disk.clone()));
        let copy = MemoryStorage::default();
        let to: Arc<dyn Storage> = Arc::new(copy.clone());
        reader.unwrap().backup(&to).unwrap();
        check_copy(&options, copy, acknowledged);
    });
}

/// Copies all files as a program does that knows nothing of stores: the names first, then file
/// after file.
fn copy_plainly(disk: &SimDisk) -> MemoryStorage {
    let copy = MemoryStorage::default();
    let mut dirs = vec![String::new()];
    let mut files = Vec::new();
    while let Some(dir) = dirs.pop() {
        for name in disk.list(&dir).unwrap() {
            let path = match dir.as_str() {
                "" => name,
                dir => format!("{dir}/{name}"),
            };
            match disk.open(&path, eventcask::storage::Open::Read) {
                Ok(_) => files.push(path),
                Err(_) => dirs.push(path),
            }
        }
    }
    for path in files {
        // What was there for a moment is not part of the data.
        let Ok(file) = disk.open(&path, eventcask::storage::Open::Read) else {
            continue;
        };
        let mut bytes = vec![0; file.len().unwrap() as usize];
        let read = file.read_at(&mut bytes, 0).unwrap();
        let to = copy.open(&path, eventcask::storage::Open::Create).unwrap();
        to.write_all_at(&bytes[..read], 0).unwrap();
    }
    for shard in 0..2 {
        copy.create_dir(&format!("shards/{shard:04}")).unwrap();
    }
    copy
}

#[test]
fn l9_a_copy_of_the_directory_taken_while_running_opens_to_a_valid_prefix() {
    for seals in [false, true] {
        let (options, disk) = (options().seal(seals), SimDisk::new());
        while_depositing(&options, &disk, |_, _| {
            let store = options.open(Arc::new(copy_plainly(&disk))).unwrap();
            // Each shard is copied at another moment, and has its own events without a hole.
            for shard in 0..store.shards() {
                let events = store.events().shard(shard).iter();
                let positions: Result<Vec<_>, _> = events
                    .map(|event| Ok::<_, eventcask::Error>(event?.position()))
                    .collect();
                let positions = positions.unwrap();
                assert_eq!(positions, (0..positions.len() as u64).collect::<Vec<_>>());
            }
        });
    }
}
