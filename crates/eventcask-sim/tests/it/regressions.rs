//! Faults that trials found, each with its story: fault, mechanism, cure.

use eventcask::{Codec, Durability, ErrorKind, Expected, NewEvent, Options, Store, ViewSpec};
use eventcask_sim::{Faults, Image, SimDisk, Trial};

use crate::bank::{acknowledged, deposit, deposits, kind, open_with, options, try_open};

#[test]
fn c2_a_close_that_the_power_interrupts_is_no_damage() {
    // A clean close wrote its mark, which says that all before it is durable, and only then
    // synced. Where the disk took the mark first, opening called the rest damaged.
    let disk = SimDisk::new();
    let options = options().durability(Durability::Os);
    let store = open_with(&options, &disk);
    deposit(&store, 0..6);
    let before = disk.steps();
    store.close().unwrap();
    for steps in before..=disk.steps() {
        for seed in 0..40 {
            let image = disk.power_cut(steps, seed);
            let found = deposits(&open_with(&options, &SimDisk::of(image)));
            assert!(found.len() <= 6, "step {steps}, seed {seed}");
        }
    }
}

#[test]
fn d5_a_close_that_was_killed_is_not_trusted() {
    // The mark of a clean close was in the page cache only, the process was killed: opening
    // took the log for closed and served what the disk did not have.
    let disk = SimDisk::new();
    let options = options().durability(Durability::Os);
    let store = open_with(&options, &disk);
    deposit(&store, 0..6);
    let before = disk.steps();
    store.close().unwrap();
    for steps in before..=disk.steps() {
        let killed = disk.killed(steps, 1);
        let store = open_with(&options, &killed);
        let served = deposits(&store);
        for seed in 0..10 {
            let image = killed.power_cut(killed.steps(), seed);
            let found = deposits(&open_with(&options, &SimDisk::of(image)));
            assert_eq!(found, served, "killed after {steps}, seed {seed}");
        }
    }
}

#[test]
fn c3_a_close_after_a_refused_roll_ends_the_log() {
    // The disk was full just when a new segment had been made and its first block was
    // written. The block was taken back to the segment before, and the mark of the close got
    // its place there, but was written into the new file: opening found rubbish to cut.
    let disk = SimDisk::new();
    let options = options().shards(1).segment_bytes(1);
    let store = open_with(&options, &disk);
    let stored = acknowledged(&deposit(&store, 0..3));
    disk.set_faults(Faults::none().room(4_200));
    let refused = deposit(&store, 3..4);
    assert_eq!(kind(&refused[0].1), Some(ErrorKind::StorageFull));
    disk.set_faults(Faults::none());
    store.close().unwrap();

    let store = open_with(&options, &disk);
    assert_eq!(store.stats().recovered, [""; 0]);
    assert_eq!(deposits(&store), stored);
}

fn count(store: &Store) -> Vec<String> {
    let rows = store.view("kinds").unwrap().rows().unwrap();
    let number = |row: &eventcask::view::ViewRow| row.value("count").unwrap().number().unwrap();
    let text = |row: &eventcask::view::ViewRow| format!("{} {}", row.key, number(row));
    rows.iter().map(text).collect()
}

fn append(store: &Store, kind: &str, events: usize) {
    let payload = format!(r#"{{"kind":"{kind}"}}"#);
    let event = NewEvent::json("Noted", payload.as_bytes());
    let mut producer = store.producer();
    let ticket = producer.append("diary", Expected::Any, &vec![event; events]);
    ticket.unwrap().wait().unwrap();
}

/// A store whose view knows of three events that the power then took out of the log.
fn with_a_snapshot_ahead(options: &Options) -> Image {
    let disk = SimDisk::new();
    let store = open_with(options, &disk);
    append(&store, "lost", 3);
    let spec = ViewSpec::new("kind", &["count"], None, None).unwrap();
    store.create_view("kinds", spec).unwrap();
    (0..100)
        .map(|seed| disk.power_cut(disk.steps(), seed))
        .find(|image| {
            let store = open_with(options, &SimDisk::of(image.clone()));
            store.positions() == [0] && !store.views().is_empty()
        })
        .unwrap()
}

#[test]
fn l5_a_snapshot_that_is_ahead_of_its_log_is_forgotten_for_good() {
    // The state of a view was saved with events that the power then took out of the log. It
    // was left aside once, but stayed on the disk, and was taken up when other events had
    // filled the same positions.
    let options = options().shards(1).durability(Durability::Os);
    let disk = SimDisk::of(with_a_snapshot_ahead(&options));
    let store = open_with(&options, &disk);
    append(&store, "kept", 4);
    assert_eq!(count(&store), ["kept 4"]);
    store.flush().unwrap();
    let killed = disk.killed(disk.steps(), 1);
    assert_eq!(count(&open_with(&options, &killed)), ["kept 4"]);
}

#[test]
fn l5_a_snapshot_that_is_ahead_is_forgotten_also_where_the_disk_fails_meanwhile() {
    // An opening removed the snapshot, but could not sync the directory, or ended before that. The
    // next one found none and synced nothing: the power brought the snapshot back when other
    // events had filled its positions. Where it could not be read once, it was left as it was.
    let options = options().shards(1).durability(Durability::Os);
    let image = with_a_snapshot_ahead(&options);
    let faults = |n| [Faults::none().sync_fails(n), Faults::none().read_fails(n)];
    for faults in (1..30).flat_map(faults) {
        let disk = SimDisk::of(image.clone());
        disk.set_faults(faults.clone());
        let store = try_open(&options, &disk);
        disk.set_faults(Faults::none());
        let store = store.unwrap_or_else(|_| open_with(&options, &disk));
        append(&store, "kept", 4);
        store.flush().unwrap();
        for seed in 0..8 {
            let image = disk.power_cut(disk.steps(), seed);
            let found = count(&open_with(&options, &SimDisk::of(image)));
            assert_eq!(found, ["kept 4"], "{faults:?}, seed {seed}");
        }
    }
}

#[test]
fn f5_an_aggregate_is_read_whole_while_its_segment_is_sealed() {
    // A reader walked back over blocks and noted the aggregate's newest event of each. Sealing then
    // cut the events into other blocks: of a block that had become two, the part before was left
    // out.
    let options = options().shards(1).segment_bytes(150_000);
    let store = open_with(&options.codec(Codec::None), &SimDisk::new());
    let kind = "x".repeat(1000);
    for _ in 0..40 {
        append(&store, &kind, 10);
    }
    let events = store.aggregate("diary").events().unwrap();
    assert!(store.seal().unwrap() > 0);
    let versions: Vec<u64> = events.map(|event| event.unwrap().version()).collect();
    assert!(versions.into_iter().eq(1..=400));
}

#[test]
fn d3_weaker_levels_break_no_other_promise() {
    for seed in 800..812 {
        let durability = match seed % 3 {
            0 => Durability::Interval(std::time::Duration::from_millis(2)),
            _ => Durability::Os,
        };
        if let Err(failure) = Trial::new(seed).durability(durability).run() {
            panic!("{failure}");
        }
    }
}
