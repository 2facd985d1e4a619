//! Named subscriptions and consumer groups, with a crash at any moment.

use std::collections::{BTreeMap, BTreeSet};

use eventcask::subscribe::Retry;
use eventcask::{ConsumerGroup, Durability, DurableSubscription, Options, Store};
use eventcask_sim::SimDisk;
use fastrand::Rng;

use crate::bank::{deposit, open_with, options};

/// Aggregate and version.
type Name = (String, u64);

fn retry() -> Retry {
    Retry::new(3).first(std::time::Duration::ZERO)
}

fn group(store: &Store) -> ConsumerGroup {
    store.events().group("mailer", retry()).unwrap()
}

fn letters(store: &Store) -> DurableSubscription {
    store.events().named("letters").unwrap()
}

/// All events that are there, by name.
fn stored(store: &Store) -> BTreeSet<Name> {
    let name = |event: Result<eventcask::Event, eventcask::Error>| {
        let event = event.unwrap();
        (event.key().to_owned(), event.version())
    };
    store.events().iter().map(name).collect()
}

/// What was handled, and how many steps the disk had done by then.
type Handled = BTreeMap<Name, usize>;

/// Some of the work of a group: what it handled is noted before it is acknowledged.
fn work(group: &ConsumerGroup, handled: &mut Handled, disk: &SimDisk, rng: &mut Rng) {
    for _ in 0..rng.usize(1..12) {
        let Some(claim) = group.try_claim().unwrap() else {
            break;
        };
        let event = claim.event();
        let name = (event.key().to_owned(), event.version());
        match rng.u32(..6) {
            0 => claim.retry("now and then").unwrap(),
            1 => claim.park("once").unwrap(),
            2 => drop(claim),
            _ => {
                handled.entry(name).or_insert(disk.steps());
                claim.ack().unwrap();
            }
        }
    }
    match rng.u32(..3) {
        0 => group.checkpoint().unwrap(),
        1 => {
            for parked in group.parked() {
                group.redrive(&parked.key).unwrap();
            }
        }
        _ => {}
    }
}

/// Handles all that is left, and says what that was; each aggregate in order.
fn finish(group: &ConsumerGroup, what: &str) -> BTreeSet<Name> {
    let mut newest = BTreeMap::<String, u64>::new();
    let mut handled = BTreeSet::new();
    for parked in group.parked() {
        group.redrive(&parked.key).unwrap();
    }
    while let Some(claim) = group.try_claim().unwrap() {
        let event = claim.event();
        let before = newest.insert(event.key().to_owned(), event.version());
        assert!(
            before.is_none_or(|before| before < event.version()),
            "{what}: {} goes back from {before:?} to {}",
            event.key(),
            event.version()
        );
        handled.insert((event.key().to_owned(), event.version()));
        claim.ack().unwrap();
    }
    handled
}

/// Nothing that is stored is neither handled nor handed out, whatever was saved when.
fn check(options: &Options, disk: &SimDisk, handled: &BTreeSet<Name>, saved: &Saves, what: &str) {
    let store = open_with(options, disk);
    for subscription in store.stats().subscriptions {
        let ends = store.positions();
        let mut both = subscription.positions.iter().zip(&ends);
        assert!(both.all(|(at, end)| at <= end), "{what}: ahead of its log");
    }
    let left = finish(&group(&store), what);
    for name in stored(&store) {
        let is_there = handled.contains(&name) || left.contains(&name);
        assert!(is_there, "{what}: {name:?} is lost");
    }
    let at = letters(&store).positions();
    let fits = |saved: &Vec<u64>| {
        let mut both = saved.iter().zip(&at).zip(store.positions());
        both.all(|((saved, at), end)| *at == (*saved).min(end))
    };
    assert!(
        fits(&saved.before) || fits(&saved.after),
        "{what}: letters are at {at:?}, not {saved:?}"
    );
    // What comes now is not taken for what was there.
    let before = stored(&store);
    deposit(&store, 900..906);
    let new = finish(&group(&store), what);
    let expected: BTreeSet<_> = stored(&store).difference(&before).cloned().collect();
    assert_eq!(new, expected, "{what}: what came after the crash");
}

/// What was last saved of the plain subscription, before and after the step that may be cut.
#[derive(Debug, Clone)]
struct Saves {
    before: Vec<u64>,
    after: Vec<u64>,
}

fn trial(options: &Options, seed: u64) -> usize {
    let mut rng = Rng::with_seed(seed);
    let disk = SimDisk::new();
    let mut store = open_with(options, &disk);
    let (mut consumers, mut letter) = (group(&store), letters(&store));
    let mut handled = Handled::new();
    let mut saved = vec![0, 0];
    let mut states = 0;
    for step in 0..40 {
        let begin = disk.steps();
        let before = saved.clone();
        match rng.u32(..4) {
            0 => drop(deposit(&store, step * 8..step * 8 + rng.u32(1..8))),
            1 => {
                (0..rng.u32(..9)).for_each(|_| drop(letter.try_next().unwrap()));
                letter.checkpoint().unwrap();
                saved = letter.positions();
            }
            2 if rng.u32(..4) == 0 => drop(store.seal().unwrap()),
            _ => work(&consumers, &mut handled, &disk, &mut rng),
        }
        let saves = Saves {
            before,
            after: saved.clone(),
        };
        for crash in 0..2 {
            let what = format!("seed {seed} step {step} crash {crash}");
            let cut = rng.usize(begin..=disk.steps());
            let crashed = match rng.bool() {
                true => SimDisk::of(disk.power_cut(cut, rng.u64(..))),
                false => disk.killed(cut, rng.u64(..)),
            };
            let handled = handled.iter().filter(|(_, steps)| **steps <= cut);
            let handled = handled.map(|(name, _)| name.clone()).collect();
            check(options, &crashed, &handled, &saves, &what);
            states += 1;
        }
        if rng.u32(..10) == 0 {
            drop((consumers, letter));
            store.close().unwrap();
            store = open_with(options, &disk);
            (consumers, letter) = (group(&store), letters(&store));
        }
    }
    states
}

#[test]
fn l11_progress_never_passes_an_event_that_is_not_handled() {
    let states: usize = (0..12).map(|seed| trial(&options(), seed)).sum();
    println!("{states} crash states");
    assert!(states > 800);
}

/// A weaker level may lose the end of a log that a subscription had seen.
#[test]
fn progress_that_is_ahead_of_the_log_is_cut() {
    let options = options().durability(Durability::Os);
    let states: usize = (100..112).map(|seed| trial(&options, seed)).sum();
    assert!(states > 800);
}
