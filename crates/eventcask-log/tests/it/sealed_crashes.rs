//! The power is cut, or the process killed, while a segment is sealed.

use eventcask_event::Events;
use eventcask_log::{Codec, Fate, Storage};

use crate::disk::{Disk, Kept};
use crate::sealed::mixed;
use crate::support::{
    FIRST_SEGMENT, Seen, Writer, bytes_of, deposits, problems_of, read, recover, seal, seal_with,
    shard_on,
};

fn complete_store() -> Disk {
    let disk = Disk::default();
    let mut writer = Writer::new(&disk);
    for seed in 0..3 {
        writer.append(&mixed(seed, 9));
    }
    writer.roll();
    writer.append(&deposits(4, 9));
    writer.sync();
    disk
}

fn kept(events: &Events<'_>, row: usize) -> Fate {
    match events.position(row) {
        3..12 => Fate::Removed,
        _ => Fate::Kept,
    }
}

/// All that a crash can leave, after each step of sealing the first segment.
fn check_crashes(disk: &Disk, allowed: &[Vec<Seen>], fate: &dyn Fn(&Events<'_>, usize) -> Fate) {
    let mut random = fastrand::Rng::with_seed(4);
    for steps in 0.. {
        let crashed = disk.killed();
        crashed.fail_after(steps);
        let dir = shard_on(crashed.clone());
        let is_done = seal_with(&dir, 1, Codec::Zstd(3), fate).is_ok();
        let mut states = vec![crashed.killed()];
        let cuts = [Kept::All, Kept::Nothing]
            .into_iter()
            .chain([Kept::Some; 20]);
        states.extend(cuts.map(|kept| crashed.power_cut(kept, &mut random)));
        for state in states {
            let seen = read(&state).unwrap();
            assert!(allowed.contains(&seen), "{steps} steps");
            assert_eq!(problems_of(&state), [], "{steps} steps");
            let (recovery, recovered) = recover(&state).unwrap();
            assert_eq!(recovery.cut, None, "{steps} steps");
            assert!(recovered == seen, "{steps} steps");
            // Whatever was left of the attempt is in nobody's way.
            seal(&state, 1);
            assert!(read(&state).unwrap() == seen, "{steps} steps");
        }
        if is_done {
            return;
        }
    }
}

#[test]
fn c2_no_crash_while_a_segment_is_sealed_needs_mending() {
    let disk = complete_store();
    let truth = read(&disk).unwrap();
    check_crashes(&disk, &[truth], &|_, _| Fate::Kept);
}

#[test]
fn c2_no_crash_while_a_sealed_segment_is_written_anew_needs_mending() {
    let disk = complete_store();
    seal(&disk, 1);
    let truth = read(&disk).unwrap();
    let is_left = |seen: &&Seen| !(3..12).contains(&seen.position);
    let left = truth.iter().filter(is_left).cloned().collect();
    check_crashes(&disk, &[truth, left], &kept);
}

#[test]
fn d4_a_sealed_segment_is_durable_when_sealing_returns() {
    let disk = complete_store();
    let truth = read(&disk).unwrap();
    let mut random = fastrand::Rng::with_seed(5);
    for rewrite in 1..4 {
        seal(&disk, 1);
        let whole = bytes_of(&disk, FIRST_SEGMENT);
        for kept in [Kept::Nothing, Kept::Some, Kept::All] {
            let after = disk.power_cut(kept, &mut random);
            assert!(
                bytes_of(&after, FIRST_SEGMENT) == whole,
                "{rewrite} {kept:?}"
            );
            assert!(read(&after).unwrap() == truth);
        }
        let names = disk.list("shards/0000").unwrap();
        assert_eq!(names.len(), 2, "{names:?}");
    }
}

/// A writer is at work in the tail while the segment before is sealed, and the power goes.
#[test]
fn c2_sealing_beside_a_writer_loses_nothing_of_either() {
    let mut random = fastrand::Rng::with_seed(6);
    for steps in 0..14 {
        let disk = complete_store();
        let (mut writer, _) = Writer::open(&disk).unwrap();
        writer.append(&deposits(7, 5));
        writer.sync();
        let synced = read(&disk).unwrap();
        writer.append(&deposits(8, 5));
        disk.fail_after(steps);
        let dir = shard_on(disk.clone());
        let _ = seal_with(&dir, 1, Codec::Lz4, &|_, _| Fate::Kept);
        for _ in 0..20 {
            let state = disk.power_cut(Kept::Some, &mut random);
            let seen = recover(&state).unwrap().1;
            assert!(seen[..synced.len()] == synced[..], "{steps} steps");
            assert_eq!(problems_of(&state), []);
        }
    }
}
