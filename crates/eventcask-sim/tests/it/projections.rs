//! Projections that keep snapshots, cut short at any moment.

use eventcask::projection::SnapshotPolicy;
use eventcask::{ApplyError, Batch, Durability, Options, Projection, ProjectionHandle, Store};
use eventcask_sim::{Faults, SimDisk};
use fastrand::Rng;

use crate::bank::{deposit, deposits, open_with, options};

/// The events of a shard, in order: position, aggregate and version.
#[derive(Clone, Copy)]
struct Diary<const VERSION: u32>;

impl<const V: u32> Projection for Diary<V> {
    const NAME: &'static str = "diary";
    const VERSION: u32 = V;
    type State = Vec<(u64, String, u64)>;

    fn apply(&self, state: &mut Self::State, batch: &Batch<'_>) -> Result<(), ApplyError> {
        let line = |event: eventcask::event::EventRef<'_>| {
            let key = event.key.to_owned();
            (event.position, key, event.version)
        };
        state.extend(batch.iter().map(line));
        Ok(())
    }
}

fn start<const V: u32>(store: &Store) -> ProjectionHandle<Diary<V>> {
    let policy = SnapshotPolicy::default().events(7);
    let options = store.projection(Diary::<V>).snapshots(policy);
    options.sync().start().unwrap()
}

/// The projection holds what the log has, each event once.
fn check<const V: u32>(store: &Store, projected: &ProjectionHandle<Diary<V>>, what: &str) {
    for shard in 0..store.shards() {
        let events = store.events().shard(shard).iter();
        let line = |event: Result<eventcask::Event, eventcask::Error>| {
            let event = event.unwrap();
            (event.position(), event.key().to_owned(), event.version())
        };
        let wanted: Vec<_> = events.map(line).collect();
        let noted = projected.read(shard, Clone::clone).unwrap();
        assert_eq!(noted, wanted, "{what}: shard {shard}");
    }
}

/// One store over many steps, with crashes at any moment of each.
fn trial(options: &Options, seed: u64) -> usize {
    let (mut rng, disk) = (Rng::with_seed(seed), SimDisk::new());
    let mut store = open_with(options, &disk);
    let mut projected = start::<1>(&store);
    let (mut states, mut number) = (0, 0);
    for step in 0..25 {
        let begin = disk.steps();
        match rng.u32(..8) {
            0 => drop(store.seal().unwrap()),
            1 => {
                let at = projected.rebuild().unwrap().wait().unwrap().unwrap();
                assert_eq!(at, store.positions());
            }
            2 => {
                drop(projected);
                projected = start::<1>(&store);
            }
            3 => {
                store.close().unwrap();
                drop(projected);
                store = open_with(options, &disk);
                projected = start::<1>(&store);
            }
            _ => {
                let more = rng.u32(1..12);
                deposit(&store, number..number + more);
                number += more;
            }
        }
        for crash in 0..3 {
            let what = format!("seed {seed} step {step} crash {crash}");
            let cut = rng.usize(begin..=disk.steps());
            let image = disk.power_cut(cut, rng.u64(..));
            let crashed = SimDisk::of(image);
            let store = open_with(options, &crashed);
            if rng.bool() {
                // What came after the crash takes the positions of what was lost.
                deposit(&store, 100_000..100_003);
            }
            match rng.u32(..3) {
                0 => check(&store, &start::<2>(&store), &what),
                _ => check(&store, &start::<1>(&store), &what),
            }
            states += 1;
        }
        check(&store, &projected, "in use");
    }
    assert_eq!(deposits(&store).len(), number as usize);
    states
}

#[test]
fn l5_state_and_progress_are_one_unit_whatever_is_cut_short() {
    let mut states = 0;
    for seed in 0..16 {
        println!("seed {seed}");
        let weak = options().durability(Durability::Os);
        let options = if seed % 2 == 0 { options() } else { weak };
        states += trial(&options, seed);
    }
    println!("{states} crash states");
    assert!(states >= 1_000);
}

#[test]
fn f3_a_full_disk_costs_a_projection_its_snapshots_and_nothing_else() {
    let disk = SimDisk::new();
    let store = open_with(&options(), &disk);
    let projected = start::<1>(&store);
    deposit(&store, 0..30);
    disk.set_faults(Faults::none().room(64));
    deposit(&store, 30..60);
    check(&store, &projected, "full");
    disk.set_faults(Faults::none());
    deposit(&store, 60..90);
    check(&store, &projected, "with room again");
    store.close().unwrap();
    let store = open_with(&options(), &disk);
    check(&store, &start::<1>(&store), "after a restart");
}
