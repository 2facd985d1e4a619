//! What was given up is nowhere on the disk once its room was taken back, wherever that was cut
//! short.

use std::collections::BTreeMap;
use std::sync::Arc;

use eventcask::storage::{Open, Storage};
use eventcask::upkeep::Reclaimed;
use eventcask::{Codec, Expected, NewEvent, Store, ViewSpec, verify};
use eventcask_sim::SimDisk;
use fastrand::Rng;
use memchr::memmem;

use crate::bank::{open_with, options};

/// People by key, and the version that each has.
type People = BTreeMap<String, u64>;

/// A bug put in on purpose.
#[derive(Clone, Copy, PartialEq)]
enum Planted {
    Nothing,
    /// What the newest segment of each shard was before is kept.
    OpenSegmentIsKept,
}

fn secret(key: &str) -> String {
    format!("letter of {key}")
}

fn write(store: &Store, people: &mut People, rng: &mut Rng) {
    let key = format!("person-{:02}", rng.u32(..8));
    let events = rng.u64(1..4);
    let payload = format!(r#"{{"who":"{key}","text":"{}"}}"#, secret(&key));
    let all: Vec<_> = (0..events)
        .map(|_| NewEvent::json("Wrote", payload.as_bytes()))
        .collect();
    let ticket = store.producer().append(&key, Expected::Any, &all);
    ticket.unwrap().wait().unwrap();
    *people.entry(key).or_default() += events;
}

fn list(disk: &SimDisk, dir: &str) -> Vec<String> {
    let join = |name: String| match dir {
        "" => name,
        dir => format!("{dir}/{name}"),
    };
    disk.list(dir).unwrap().into_iter().map(join).collect()
}

fn bytes_of(disk: &SimDisk, path: &str) -> Option<Vec<u8>> {
    let file = disk.open(path, Open::Read).ok()?;
    let mut bytes = vec![0; file.len().unwrap() as usize];
    file.read_at(&mut bytes, 0).unwrap();
    Some(bytes)
}

fn newest_segments(disk: &SimDisk) -> Vec<(String, Vec<u8>)> {
    let newest = |shard| {
        let mut names = list(disk, &format!("shards/{shard:04}"));
        names.retain(|name| name.ends_with(".segment"));
        names.sort();
        let path = names.pop()?;
        let bytes = bytes_of(disk, &path)?;
        Some((path, bytes))
    };
    (0..2).filter_map(newest).collect()
}

fn reclaim(store: &Store, disk: &SimDisk, planted: Planted) -> Reclaimed {
    let kept = newest_segments(disk);
    let reclaimed = store.reclaim().unwrap();
    if planted == Planted::OpenSegmentIsKept {
        for (path, bytes) in kept {
            let file = disk.open(&format!("{path}.kept"), Open::Create).unwrap();
            file.write_all_at(&bytes, 0).unwrap();
        }
    }
    reclaimed
}

/// The files that tell of one who is to be forgotten, but for those that are said to.
fn traces(disk: &SimDisk, key: &str, left: &[String]) -> Vec<String> {
    let needles = [key.to_owned(), secret(key)];
    let (mut paths, mut found) = (list(disk, ""), Vec::new());
    while let Some(path) = paths.pop() {
        let Some(bytes) = bytes_of(disk, &path) else {
            paths.extend(list(disk, &path));
            continue;
        };
        let tells = |needle: &String| memmem::find(&bytes, needle.as_bytes()).is_some();
        if needles.iter().any(tells) && !left.contains(&disk.describe(&path)) {
            found.push(path);
        }
    }
    found
}

/// Forgets one after the other, with a crash at some moments of each time; says how many states
/// were looked at, or what was found.
fn trial(seed: u64, planted: Planted) -> Result<usize, String> {
    let mut rng = Rng::with_seed(seed);
    let options = options().codec(Codec::None).seal(seed.is_multiple_of(2));
    let options = options
        .clustered(seed.is_multiple_of(3))
        .view_snapshot_events(5);
    let disk = SimDisk::new();
    let store = open_with(&options, &disk);
    let spec = ViewSpec::new("who", &["count"], None, None).unwrap();
    store.create_view("by-name", spec).unwrap();
    let (mut people, mut states) = (People::new(), 0);
    for round in 0..6 {
        (0..rng.u32(5..25)).for_each(|_| write(&store, &mut people, &mut rng));
        let Some(key) = people.keys().nth(rng.usize(..people.len())).cloned() else {
            continue;
        };
        store.delete_aggregate(&key).unwrap();
        let version = people.get_mut(&key).unwrap();
        *version += 1;
        let version = *version;
        let begin = disk.steps();
        let left = reclaim(&store, &disk, planted).left;
        let mut check = |disk: &SimDisk, store: &Store, left: &[String], what: &str| {
            let found = traces(disk, &key, left);
            let known = store.aggregate(&key).version().unwrap();
            states += 1;
            match found.is_empty() && known == version {
                true => Ok(()),
                false => Err(format!("{what}: {key} has version {known} in {found:?}")),
            }
        };
        check(&disk, &store, &left, &format!("seed {seed} round {round}"))?;
        for crash in 0..3 {
            let what = format!("seed {seed} round {round} crash {crash}");
            let cut = rng.usize(begin..=disk.steps());
            let crashed = SimDisk::of(disk.power_cut(cut, rng.u64(..)));
            let store = open_with(&options, &crashed);
            let left = reclaim(&store, &crashed, planted).left;
            check(&crashed, &store, &left, &what)?;
            store.close().unwrap();
            let store = open_with(&options, &crashed);
            check(&crashed, &store, &left, &what)?;
            drop(store);
            let storage: Arc<dyn Storage> = Arc::new(crashed);
            let report = verify(&storage).unwrap();
            assert!(report.is_ok(), "{what}: {:?}", report.problems);
        }
    }
    Ok(states)
}

#[test]
fn l13_what_was_given_up_is_nowhere_whenever_taking_it_back_is_cut_short() {
    let states: Result<Vec<_>, String> = (0..8).map(|seed| trial(seed, Planted::Nothing)).collect();
    let states: usize = states.unwrap().iter().sum();
    println!("{states} states");
    assert!(states >= 300);
}

#[test]
fn a_newest_segment_that_is_kept_is_found() {
    let found = (0..8).any(|seed| trial(seed, Planted::OpenSegmentIsKept).is_err());
    assert!(found, "nobody has looked");
}
