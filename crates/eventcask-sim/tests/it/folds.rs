//! Folded aggregates across crashes: whatever became of snapshots, a load says what the events say.

use eventcask::event::EventRef;
use eventcask::{ApplyError, Durability, Expected, Fold, NewEvent, Options, Store};
use eventcask_sim::SimDisk;
use fastrand::Rng;

use crate::bank::{open_with, options};

/// A chain over all events: another event, another order or one that is missing gives another
/// state.
struct Chain;

/// Events between two snapshots.
const SNAPSHOT_EVENTS: u64 = 4;

impl Fold for Chain {
    const NAME: &'static str = "chain";
    const VERSION: u32 = 1;
    type State = u64;

    fn apply(&self, chain: &mut u64, event: &EventRef<'_>) -> Result<(), ApplyError> {
        let bytes = event.payload.iter().map(|byte| u64::from(*byte));
        *chain = bytes.fold(*chain ^ event.version, |chain, byte| {
            (chain ^ byte).wrapping_mul(0x0100_0000_01b3)
        });
        Ok(())
    }

    fn encode(&self, chain: &u64, out: &mut Vec<u8>) {
        out.extend_from_slice(&chain.to_le_bytes());
    }

    fn decode(&self, bytes: &[u8]) -> Option<u64> {
        bytes.try_into().ok().map(u64::from_le_bytes)
    }
}

fn key(number: u64) -> String {
    format!("account-{number}")
}

fn truth(store: &Store, key: &str) -> u64 {
    let mut chain = 0;
    for event in store.aggregate(key).events().unwrap() {
        Chain.apply(&mut chain, &event.unwrap().get()).unwrap();
    }
    chain
}

/// Each load is that of the events, from what is on disk and again from memory.
fn check(store: &Store, what: &str) {
    let folded = store.fold(Chain).snapshot_every(SNAPSHOT_EVENTS);
    for key in (0..3).map(key) {
        for _ in 0..2 {
            assert_eq!(
                *folded.load(&key).unwrap(),
                truth(store, &key),
                "{what}: {key}"
            );
        }
    }
}

/// Appends that no two runs have in common: what a crash took is not stored again.
fn append(store: &Store, rng: &mut Rng) {
    let payload = format!("{:0200}", rng.u64(..));
    let event = NewEvent::json("Deposited", payload.as_bytes());
    let mut producer = store.producer();
    let key = key(rng.u64(0..3));
    let ticket = producer.append(&key, Expected::Any, &[event]);
    ticket.unwrap().wait().unwrap();
}

/// A store over many crashes, of which each is a beginning for the next: snapshots that are ahead
/// of their log, or from a log that went another way, are what is looked for.
fn trial(options: &Options, seed: u64) {
    let mut rng = Rng::with_seed(seed);
    let mut disk = SimDisk::new();
    for crash in 0..12 {
        let what = format!("seed {seed} crash {crash}");
        let store = open_with(options, &disk);
        check(&store, &what);
        let folded = store.fold(Chain).snapshot_every(SNAPSHOT_EVENTS);
        for _ in 0..rng.u32(1..30) {
            append(&store, &mut rng);
            let key = key(rng.u64(0..3));
            assert_eq!(*folded.load(&key).unwrap(), truth(&store, &key), "{what}");
            match rng.u32(0..30) {
                0 => drop(store.seal().unwrap()),
                1 => {
                    let version = store.aggregate(&key).version().unwrap();
                    if version > 0 {
                        store.truncate_aggregate(&key, version).unwrap();
                    }
                }
                2 => drop(store.reclaim().unwrap()),
                _ => {}
            }
        }
        assert_eq!(folded.snapshot_failure(), None, "{what}");
        drop((folded, store));
        let steps = disk.steps();
        let cut = rng.usize(steps - steps.min(60)..=steps);
        disk = SimDisk::of(disk.power_cut(cut, rng.u64(..)));
    }
}

#[test]
fn l7_a_power_cut_leaves_no_snapshot_that_makes_a_load_wrong() {
    for seed in 0..30 {
        let durability = match seed % 3 {
            0 => Durability::Sync,
            // What was acknowledged may be lost here, and snapshots of it be there.
            _ => Durability::Os,
        };
        trial(&options().durability(durability), seed);
    }
}
