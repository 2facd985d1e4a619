use eventcask::Durability;
use eventcask_sim::{After, Level, SimDisk, Trial};

use crate::bank::{acknowledged, deposit, deposits, open_with, options};

/// Runs the trials of some seeds with the same settings.
fn run(seeds: std::ops::Range<u64>, settings: impl Fn(Trial) -> Trial) {
    for seed in seeds {
        if let Err(failure) = settings(Trial::new(seed)).run() {
            panic!("{failure}");
        }
    }
}

#[test]
fn d1_power_cut_at_every_step_loses_nothing_acknowledged() {
    let disk = SimDisk::new();
    let mut durable_after = vec![(0, 0)];
    {
        let store = open_with(&options(), &disk);
        for number in 0..24 {
            let answers = deposit(&store, number..number + 1);
            assert_eq!(acknowledged(&answers).len(), 1);
            durable_after.push((disk.steps(), number + 1));
        }
    }
    for steps in 0..=disk.steps() {
        let durable = durable_after
            .iter()
            .rev()
            .find(|(after, _)| *after <= steps);
        let durable = durable.map_or(0, |(_, deposits)| *deposits);
        for seed in 0..3 {
            let image = disk.power_cut(steps, seed);
            let store = open_with(&options(), &SimDisk::of(image));
            let found = deposits(&store);
            let all = (0..durable).all(|number| found.contains(&number));
            assert!(
                all,
                "step {steps} seed {seed}: {durable} acknowledged, {found:?} found"
            );
        }
    }
}

#[test]
fn d1_sync_acknowledgements_survive_a_loss_of_power() {
    run(100..106, |trial| {
        trial.durability(Durability::Sync).crash(Level::Power)
    });
}

#[test]
fn d1_os_acknowledgements_survive_the_end_of_the_process() {
    run(200..204, |trial| {
        let trial = trial.durability(Durability::Os).after(After::SentAgain);
        trial.crash(Level::Process)
    });
}

#[test]
fn d1_flush_makes_weaker_acknowledgements_durable() {
    let disk = SimDisk::new();
    let options = options().durability(Durability::Os);
    let store = open_with(&options, &disk);
    let before = acknowledged(&deposit(&store, 0..15));
    store.flush().unwrap();
    let flushed = disk.steps();
    deposit(&store, 15..20);
    for seed in 0..40 {
        let image = disk.power_cut(flushed, seed);
        let store = open_with(&options, &SimDisk::of(image));
        assert!(deposits(&store).is_superset(&before), "seed {seed}");
    }
}

#[test]
fn d2_what_a_store_shows_is_durable() {
    // Each trial notes what the store served before it was closed, answers or not.
    run(300..303, |trial| trial.durability(Durability::Sync));
}

#[test]
fn d3_a_weaker_level_loses_a_suffix_and_leaves_no_hole() {
    let disk = SimDisk::new();
    let options = options().durability(Durability::Os).shards(1);
    let store = open_with(&options, &disk);
    deposit(&store, 0..40);
    for steps in (0..=disk.steps()).step_by(2) {
        for seed in 0..4 {
            let image = disk.power_cut(steps, seed);
            let found = deposits(&open_with(&options, &SimDisk::of(image)));
            let is_prefix = found.iter().copied().eq(0..found.len() as u32);
            assert!(is_prefix, "step {steps} seed {seed}: {found:?}");
        }
    }
}

#[test]
fn d4_names_that_were_not_synced_hold_nothing_acknowledged() {
    // Each segment takes a few events, so most steps make, rename or sync a name.
    let disk = SimDisk::new();
    let options = options().segment_bytes(1);
    let store = open_with(&options, &disk);
    let stored = acknowledged(&deposit(&store, 0..12));
    assert_eq!(stored.len(), 12);
    for seed in 0..60 {
        let image = disk.power_cut(disk.steps(), seed);
        let found = deposits(&open_with(&options, &SimDisk::of(image)));
        assert_eq!(found, stored, "seed {seed}");
    }
}

#[test]
fn d4_a_name_that_a_killed_process_left_unsynced_is_made_durable_before_it_is_used() {
    let disk = SimDisk::new();
    let options = options().segment_bytes(1);
    deposit(&open_with(&options, &disk), 0..4);
    for steps in 0..=disk.steps() {
        let killed = disk.killed(steps, 1);
        let store = open_with(&options, &killed);
        let mut wanted = deposits(&store);
        wanted.extend(acknowledged(&deposit(&store, 10..12)));
        for seed in 0..4 {
            let image = killed.power_cut(killed.steps(), seed);
            let found = deposits(&open_with(&options, &SimDisk::of(image)));
            assert_eq!(found, wanted, "killed after {steps}, seed {seed}");
        }
    }
}

#[test]
fn d5_what_is_served_after_an_unclean_end_is_durable_first() {
    run(400..404, |trial| {
        let trial = trial.durability(Durability::Sync).crash(Level::Process);
        trial.after(After::CrashedAgain)
    });
}

#[test]
fn d5_a_crash_while_opening_is_harmless() {
    run(500..504, |trial| {
        let trial = trial.durability(Durability::Sync).crash(Level::Power);
        trial.after(After::CrashedAgain)
    });
}
