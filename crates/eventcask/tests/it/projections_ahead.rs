//! Projections that are filled from a log of many segments and more blocks than are read ahead at
//! once.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use eventcask::storage::{Open, Storage};
use eventcask::{
    ApplyError, AsOf, Batch, Codec, ErrorKind, NewEvent, Place, Projection, ProjectionHandle,
    Store, Timeout, ViewSpec,
};

use crate::support::Bank;

const LONG: Timeout = Timeout::Error(Duration::from_secs(60));
/// Bytes of each payload: as many events as make some tens of MiB are pushed in no time.
const PAYLOAD_BYTES: usize = 4096;

/// The positions that it was shown, in order.
#[derive(Default)]
struct Positions {
    /// Where it waits in a replay, if it is to.
    gate: Option<Gate>,
}

/// Tells that a position was reached, and waits for the word to go on.
struct Gate {
    position: u64,
    reached: SyncSender<()>,
    goes_on: Mutex<Receiver<()>>,
}

impl Gate {
    fn pass(&self, batch: &Batch<'_>) {
        let is_here = batch.rows().any(|row| batch.position(row) == self.position);
        if is_here && batch.replay() {
            self.reached.send(()).unwrap();
            self.goes_on.lock().unwrap().recv().unwrap();
        }
    }
}

impl Projection for Positions {
    const NAME: &'static str = "positions";
    const VERSION: u32 = 1;
    type State = Vec<u64>;

    fn apply(&self, state: &mut Self::State, batch: &Batch<'_>) -> Result<(), ApplyError> {
        if let Some(gate) = &self.gate {
            gate.pass(batch);
        }
        state.extend(batch.rows().map(|row| {
            assert_eq!(batch.payload(row).len(), PAYLOAD_BYTES);
            batch.position(row)
        }));
        Ok(())
    }
}

/// A bank of so many shards whose segments are small.
fn bank(shards: u32, codec: Codec) -> Bank {
    let mut bank = Bank::new(shards);
    let options = bank.options.codec(codec).batch_bytes(64 << 10);
    bank.options = options.segment_bytes(2 << 20).seal(false);
    bank
}

/// Pushes events whose payloads begin with their number.
fn push(store: &Store, numbers: std::ops::Range<usize>) {
    let mut producer = store.producer();
    for number in numbers {
        let payload = format!("{:<PAYLOAD_BYTES$}", format!("number {number:08};"));
        let key = format!("account-{}", number % 50);
        let event = NewEvent::bytes("Numbered", payload.as_bytes());
        producer.push(&key, &event).unwrap();
    }
    producer.flush().unwrap().wait().unwrap();
}

/// Checks that it holds each event below its progress, once and in order.
fn check(projected: &ProjectionHandle<Positions>, at_least: &[u64]) {
    for (shard, at_least) in (0..).zip(at_least) {
        let held = projected.read(shard, Clone::clone).unwrap();
        assert!(held.len() as u64 >= *at_least, "shard {shard}");
        assert!((0..).zip(&held).all(|(wanted, is)| wanted == *is));
    }
}

#[test]
fn a_state_is_that_of_the_log_in_its_order_while_segments_are_sealed_and_events_come_in() {
    let store = bank(2, Codec::Zstd(1)).open();
    push(&store, 0..8_000);
    let projected = store
        .projection(Positions::default())
        .sync()
        .start()
        .unwrap();
    check(&projected, &store.positions());
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 2..6 {
                store.seal().unwrap();
                push(&store, round * 4_000..(round + 1) * 4_000);
            }
            is_done.store(true, Ordering::SeqCst);
        });
        while !is_done.load(Ordering::SeqCst) {
            let before = store.positions();
            let swapped = projected.rebuild().unwrap().wait().unwrap();
            let swapped = swapped.expect("nobody cancels it");
            assert!(before.iter().zip(&swapped).all(|(before, at)| at >= before));
            check(&projected, &before);
            let past = projected.as_of(AsOf::Position(1_999)).unwrap();
            assert_eq!(past.positions(), [2_000, 2_000]);
            assert!((0..2_000).eq(past.state(1).iter().copied()));
        }
    });
    assert_eq!(store.positions().iter().sum::<u64>(), 24_000);
    check(&projected, &store.positions());
    drop(projected);
    let late = store
        .projection(Positions::default())
        .sync()
        .start()
        .unwrap();
    check(&late, &store.positions());
    drop(late);
    let behind = store.projection(Positions::default()).start().unwrap();
    for (shard, end) in (0..).zip(store.positions()) {
        behind.wait_for(Place::new(shard, end - 1), LONG).unwrap();
    }
    check(&behind, &store.positions());
}

/// Changes a byte of the payload of an event.
fn damage(bank: &Bank, number: usize) {
    let wanted = format!("number {number:08};");
    let dir = "shards/0000";
    for name in bank.storage.list(dir).unwrap() {
        let file = bank.storage.open(&format!("{dir}/{name}"), Open::Write);
        let file = file.unwrap();
        let mut bytes = vec![0; file.len().unwrap() as usize];
        file.read_at(&mut bytes, 0).unwrap();
        let mut windows = bytes.windows(wanted.len());
        if let Some(at) = windows.position(|window| window == wanted.as_bytes()) {
            return file.write_all_at(b"N", at as u64).unwrap();
        }
    }
    panic!("event {number} is not there");
}

/// Changes a byte of the block that holds a position, and says which position that block begins at.
fn damage_block(bank: &Bank, position: u64) -> Option<u64> {
    let dir = "shards/0000";
    for name in bank.storage.list(dir).unwrap() {
        let file = bank
            .storage
            .open(&format!("{dir}/{name}"), Open::Write)
            .unwrap();
        let mut bytes = vec![0; file.len().unwrap() as usize];
        file.read_at(&mut bytes, 0).unwrap();
        let number = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
        let heads = (0..bytes.len()).step_by(64);
        for at in heads.filter(|at| bytes[*at..].starts_with(b"ECASKBLK")) {
            let rows = u64::from(u32::from_le_bytes(
                bytes[at + 44..at + 48].try_into().unwrap(),
            ));
            let first = number(at + 64);
            if (first..first + rows).contains(&position) {
                let length = u32::from_le_bytes(bytes[at + 16..at + 20].try_into().unwrap());
                let middle = at + length as usize / 2;
                file.write_all_at(&[!bytes[middle]], middle as u64).unwrap();
                return Some(first);
            }
        }
    }
    None
}

#[test]
fn f5_damage_ends_it_right_there_and_nothing_is_stepped_over() {
    let bank = bank(1, Codec::None);
    let store = bank.open();
    push(&store, 0..10_000);
    let before = store
        .projection(Positions::default())
        .sync()
        .start()
        .unwrap();
    let spec = ViewSpec::new("n", &["count"], None, None).unwrap();
    damage(&bank, 7_000);

    let rebuilt = before.rebuild().unwrap().wait().unwrap_err();
    assert_eq!(rebuilt.kind(), ErrorKind::Stopped);
    check(&before, &[10_000]);
    drop(before);

    let late = store
        .projection(Positions::default())
        .sync()
        .start()
        .unwrap_err();
    assert_eq!(late.kind(), ErrorKind::Stopped);
    assert!(late.to_string().contains(".segment"), "{late}");

    let behind = store.projection(Positions::default()).start().unwrap();
    let stopped = behind.wait_for(Place::new(0, 9_999), LONG).unwrap_err();
    assert_eq!(stopped.kind(), ErrorKind::Stopped);
    let progress = behind.progress(0);
    // The block with the event holds some others before it.
    assert!((6_950..=7_000).contains(&progress), "{progress}");
    assert!(behind.as_of(AsOf::Position(progress - 1)).is_ok());
    assert!(behind.as_of(AsOf::Position(7_000)).is_err());
    assert!(store.create_view("counts", spec).is_err());
}

/// Scans read ahead as well: what is damaged is told when its turn comes, each time it is asked
/// for, and all before it was handed out.
#[test]
fn f5_a_scan_hands_out_all_before_damage_and_then_tells_of_it() {
    for codec in [Codec::None, Codec::Zstd(1)] {
        let bank = bank(1, codec);
        let store = bank.open();
        push(&store, 0..10_000);
        assert_eq!(store.events().iter().map(Result::unwrap).count(), 10_000);
        let Some(first_lost) = damage_block(&bank, 7_000) else {
            panic!("there is no block with event 7,000");
        };

        let mut events = store.events().iter();
        for position in 0..first_lost {
            assert_eq!(events.next().unwrap().unwrap().position(), position);
        }
        for _ in 0..3 {
            let error = events.next().unwrap().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
        }
        let mut batches = store.events().batches();
        let mut rows = 0;
        let error = loop {
            match batches.next().unwrap() {
                Ok(batch) => rows += batch.get().len(),
                Err(error) => break error,
            }
        };
        assert_eq!(
            (rows as u64, error.kind()),
            (first_lost, ErrorKind::Damaged)
        );
    }
}

/// Scans that end early, with blocks on their way, leave nothing behind that others wait for.
#[test]
fn scans_that_are_given_up_in_the_middle_disturb_nobody() {
    let bank = bank(2, Codec::Zstd(1));
    let store = bank.open();
    push(&store, 0..4_000);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let store = &store;
            scope.spawn(move || {
                for round in 0..20 {
                    let wanted = (thread * 997 + round * 331) % 4_000;
                    assert_eq!(store.events().iter().take(wanted).count(), wanted);
                }
            });
        }
    });
    store.close().unwrap();
}

#[test]
fn a_rebuild_is_cancelled_in_the_middle() {
    let store = bank(1, Codec::Zstd(1)).open();
    let (reached, is_reached) = sync_channel(1);
    let (go_on, goes_on) = sync_channel(1);
    let gate = Gate {
        position: 5_000,
        reached,
        goes_on: Mutex::new(goes_on),
    };
    let projection = Positions { gate: Some(gate) };
    let projected = store.projection(projection).sync().start().unwrap();
    push(&store, 0..10_000);

    let rebuild = projected.rebuild().unwrap();
    is_reached.recv().unwrap();
    let done = rebuild.progress().events_done;
    assert!((1..=5_000).contains(&done), "{done}");
    rebuild.cancel();
    go_on.send(()).unwrap();
    assert_eq!(rebuild.wait().unwrap(), None);
    check(&projected, &[10_000]);

    go_on.send(()).unwrap();
    let swapped = projected.rebuild().unwrap().wait().unwrap();
    assert_eq!(swapped, Some(vec![10_000]));
    check(&projected, &[10_000]);
}
