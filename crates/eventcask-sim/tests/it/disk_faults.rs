use std::collections::BTreeSet;

use eventcask::{AppendResult, Durability, ErrorKind, Expected, FlushTicket, NewEvent, Options};
use eventcask_sim::{Faults, SimDisk};

use crate::bank::{
    account, acknowledged, deposit, deposits, kind, open_with, options, payload, reopened, try_open,
};

/// Appends with a sync that fails, opens again, loses the power: nothing acknowledged is lost.
fn check_failed_sync(options: &Options, faults: Faults) -> bool {
    let disk = SimDisk::new();
    let mut stored: BTreeSet<u32>;
    {
        let store = open_with(options, &disk);
        stored = acknowledged(&deposit(&store, 0..3));
        disk.set_faults(faults);
        let answers = deposit(&store, 3..30);
        stored.extend(acknowledged(&answers));
        check_poisoned(&answers);
        assert!(
            deposits(&store).is_superset(&stored),
            "durable data stays readable"
        );
        let stopped = store
            .stats()
            .shards
            .iter()
            .any(|shard| shard.poisoned.is_some());
        let has_failed = disk.faults_given() > 0;
        assert_eq!(stopped, has_failed, "a shard says so when it stops");
        assert!(store.close().is_err() || !has_failed);
    }
    let has_failed = disk.faults_given() > 0;
    let store = reopened(options, &disk);
    assert!(
        deposits(&store).is_superset(&stored),
        "opening loses nothing"
    );
    let more = deposit(&store, 100..110);
    assert_eq!(acknowledged(&more).len(), 10, "opening clears the shard");
    stored.extend(acknowledged(&more));
    for seed in 0..12 {
        let image = disk.power_cut(disk.steps(), seed);
        let store = open_with(options, &SimDisk::of(image));
        assert!(deposits(&store).is_superset(&stored), "seed {seed}");
    }
    has_failed
}

/// Once a shard has stopped, it answers nothing else any more.
fn check_poisoned(answers: &[(u32, AppendResult)]) {
    let mut stopped = BTreeSet::new();
    for (number, outcome) in answers {
        let shard = eventcask::event::route(&account(*number), 2);
        match outcome {
            Ok(_) => assert!(
                !stopped.contains(&shard),
                "shard {shard} goes on after a failed sync"
            ),
            Err(_) => {
                assert_eq!(kind(outcome), Some(ErrorKind::Poisoned));
                stopped.insert(shard);
            }
        }
    }
}

#[test]
fn f1_every_failed_sync_stops_its_shard_and_loses_nothing() {
    let options = options();
    let failed = (1..).take_while(|n| check_failed_sync(&options, Faults::none().sync_fails(*n)));
    assert!(failed.count() > 30);
}

#[test]
fn f1_a_sync_that_finds_no_room_stops_its_shard_as_well() {
    let options = options();
    for n in 1..40 {
        // A header or a name that could not be synced is written anew, so a shard may go on.
        let disk = SimDisk::new();
        let store = open_with(&options, &disk);
        disk.set_faults(Faults::none().sync_finds_no_room(n));
        let mut stored = acknowledged(&deposit(&store, 0..30));
        drop(store);
        let store = reopened(&options, &disk);
        assert!(deposits(&store).is_superset(&stored), "sync {n}");
        stored.extend(acknowledged(&deposit(&store, 100..104)));
        for seed in 0..4 {
            let image = disk.power_cut(disk.steps(), seed);
            let store = open_with(&options, &SimDisk::of(image));
            assert!(
                deposits(&store).is_superset(&stored),
                "sync {n}, seed {seed}"
            );
        }
    }
}

#[test]
fn f3_a_full_disk_refuses_and_goes_on_once_there_is_space() {
    for room in (0..14_000).step_by(450) {
        let disk = SimDisk::new();
        let store = open_with(&options(), &disk);
        let mut stored = acknowledged(&deposit(&store, 0..4));
        disk.set_faults(Faults::none().room(room));
        let answers = deposit(&store, 4..60);
        stored.extend(acknowledged(&answers));
        let refused = answers.iter().filter(|(_, outcome)| outcome.is_err());
        let mut refused = refused.map(|(_, outcome)| kind(outcome)).peekable();
        assert!(refused.peek().is_some(), "room {room} is not enough");
        assert!(refused.all(|kind| kind == Some(ErrorKind::StorageFull)));

        disk.set_faults(Faults::none());
        let more = deposit(&store, 60..70);
        assert_eq!(acknowledged(&more).len(), 10, "room {room}");
        stored.extend(acknowledged(&more));
        assert_eq!(deposits(&store), stored, "what was refused is not there");
        for seed in 0..4 {
            let image = disk.power_cut(disk.steps(), seed);
            let found = deposits(&open_with(&options(), &SimDisk::of(image)));
            assert_eq!(found, stored, "room {room}, seed {seed}");
        }
    }
}

#[test]
fn f3_a_store_closed_on_a_full_disk_opens() {
    for room in (0..9_000).step_by(300) {
        let disk = SimDisk::new();
        let store = open_with(&options(), &disk);
        disk.set_faults(Faults::none().room(room));
        let stored = acknowledged(&deposit(&store, 0..40));
        // Whether there was room for the mark of the close does not matter.
        let _ = store.close();
        let store = reopened(&options(), &disk);
        assert_eq!(deposits(&store), stored, "room {room}");
        assert_eq!(acknowledged(&deposit(&store, 40..50)).len(), 10);
    }
}

#[test]
fn f3_a_refused_source_gets_a_gap_and_not_a_hole() {
    let disk = SimDisk::new();
    let options = options().shards(1);
    let store = open_with(&options, &disk);
    let mut producer = store.producer_from("upstream").unwrap();
    let mut push = |rows: std::ops::Range<u32>| {
        for row in rows {
            let payload = payload(row);
            let event = NewEvent::json("Deposited", payload.as_bytes());
            producer
                .push_at(u64::from(row), 0, &account(row), &event)
                .unwrap();
        }
        producer.flush().and_then(FlushTicket::wait)
    };
    assert_eq!(push(0..5).unwrap().stored, 5);
    disk.set_faults(Faults::none().room(10));
    // The segment has some room already.
    let mut refused = 5;
    let full = loop {
        match push(refused..refused + 5) {
            Ok(_) => refused += 5,
            Err(full) => break full,
        }
    };
    assert_eq!(full.kind(), ErrorKind::StorageFull);
    disk.set_faults(Faults::none());
    let end = refused + 10;
    let gap = push(refused + 5..end).unwrap_err();
    let eventcask::Error::SourceGap { next, .. } = gap else {
        panic!("no gap: {gap}");
    };
    assert!((refused..refused + 5).contains(&(next as u32)), "{next}");
    drop(producer);

    let mark = store.source_marks("upstream")[0].clone().unwrap();
    assert_eq!(mark.next, next);
    let mut producer = store.producer_from("upstream").unwrap();
    for row in next as u32..end {
        let payload = payload(row);
        let event = NewEvent::json("Deposited", payload.as_bytes());
        producer
            .push_at(u64::from(row), 0, &account(row), &event)
            .unwrap();
    }
    let rest = u64::from(end) - next;
    assert_eq!(producer.flush().unwrap().wait().unwrap().stored, rest);
    assert_eq!(deposits(&store), (0..end).collect());
}

#[test]
fn f5_an_iterator_never_steps_over_what_can_not_be_read() {
    let disk = SimDisk::new();
    let store = open_with(&options(), &disk);
    let stored = acknowledged(&deposit(&store, 0..20));
    let mut errors = 0;
    for n in 1.. {
        disk.set_faults(Faults::none().read_fails(n));
        let events: Result<Vec<_>, _> = store.events().iter().collect();
        match events {
            Err(error) => assert_eq!(error.kind(), ErrorKind::Io),
            Ok(events) => {
                assert_eq!(events.len(), stored.len());
                assert_eq!(disk.faults_given(), 0, "read {n} failed and nobody said so");
                break;
            }
        }
        errors += 1;
        disk.set_faults(Faults::none());
        assert_eq!(deposits(&store), stored, "the next read is well again");
    }
    assert!(errors >= 10);
}

#[test]
fn f5_a_read_that_fails_while_opening_is_an_error_and_changes_nothing() {
    let disk = SimDisk::new();
    let stored = acknowledged(&deposit(&open_with(&options(), &disk), 0..20));
    for n in 1.. {
        disk.set_faults(Faults::none().read_fails(n));
        let opened = try_open(&options(), &disk);
        if disk.faults_given() == 0 {
            break;
        }
        assert_eq!(
            opened.err().map(|error| error.kind()),
            Some(ErrorKind::Io),
            "read {n}"
        );
        assert_eq!(deposits(&reopened(&options(), &disk)), stored, "read {n}");
    }
}

#[test]
fn f6_a_write_that_stops_half_way_is_undone_by_opening() {
    for n in 1..25 {
        let disk = SimDisk::new();
        let store = open_with(&options(), &disk);
        disk.set_faults(Faults::none().write_fails(n, 37 * n % 1000));
        let stored = acknowledged(&deposit(&store, 0..30));
        drop(store);
        let store = reopened(&options(), &disk);
        assert!(deposits(&store).is_superset(&stored), "write {n}");
        let event = NewEvent::json("Deposited", b"{}");
        let version = store.aggregate("account-1").version().unwrap();
        let mut producer = store.producer();
        let next = producer.append("account-1", Expected::Exact(version), &[event]);
        assert_eq!(next.unwrap().wait().unwrap().version(), Some(version + 1));
    }
}

/// What was written of a refused block is cut off, and the cut is durable before anything else is
/// written there: no loss of power brings the block back.
#[test]
fn f3_what_a_full_disk_refused_does_not_come_back() {
    let options = options().shards(1).durability(Durability::Os);
    for room in (3_000..3_700).step_by(7) {
        let disk = SimDisk::new();
        let store = open_with(&options, &disk);
        disk.set_faults(Faults::none().room(room));
        let mut answers = deposit(&store, 0..8);
        disk.set_faults(Faults::none());
        answers.extend(deposit(&store, 8..10));
        let stored = acknowledged(&answers);
        assert!(stored.len() < 10, "the disk was full");
        for seed in 0..24 {
            let image = disk.power_cut(disk.steps(), seed);
            let store = open_with(&options, &SimDisk::of(image));
            let found = deposits(&store);
            assert!(
                found.is_subset(&stored),
                "room {room} seed {seed}: {found:?} of {stored:?}"
            );
        }
    }
}
