//! The power is cut, or the process killed, at any moment.

use std::io;

use eventcask_log::ErrorKind;

use crate::disk::{Disk, Kept};
use crate::support::{Seen, Writer, deposits, read, recover};

fn power_cut(disk: &Disk, kept: Kept) -> Disk {
    disk.power_cut(kept, &mut fastrand::Rng::with_seed(1))
}

/// A shard at work, and what it may have promised.
struct Trial {
    disk: Disk,
    writer: Writer,
    /// All events that were written, in order.
    written: usize,
    /// How many of them were synced.
    synced: usize,
}

impl Trial {
    fn on(disk: Disk) -> Self {
        let (writer, recovery) = Writer::open(&disk).unwrap();
        let there = recovery.tail.next_position as usize;
        Self {
            disk,
            writer,
            written: there,
            synced: there,
        }
    }

    fn work(&mut self, random: &mut fastrand::Rng) {
        for _ in 0..random.usize(1..8) {
            let rows = deposits(random.u64(..), random.usize(1..12));
            match random.u8(..10) {
                0 if self.writer.tail.segment > 0 => {
                    self.writer.roll();
                    self.synced = self.written;
                }
                1..5 => {
                    self.writer.sync();
                    self.synced = self.written;
                }
                _ => {
                    self.writer.append(&rows);
                    self.written += rows.len();
                }
            }
        }
        if random.u8(..4) == 0 && self.writer.tail.segment > 0 {
            self.writer.sync();
            self.synced = self.written;
            self.writer.write_close();
        }
    }
}

#[test]
fn c2_no_crash_state_is_called_damage_and_none_loses_what_was_synced() {
    for seed in 0..300 {
        let mut random = fastrand::Rng::with_seed(seed);
        let disk = Disk::default();
        Writer::new(&disk);
        let mut trial = Trial::on(disk);
        let mut before: Vec<Seen> = Vec::new();
        for life in 0..4 {
            trial.work(&mut random);
            let all = read(&trial.disk).unwrap();
            assert_eq!(all[..before.len()], before);
            let kept = [Kept::All, Kept::Nothing, Kept::Some, Kept::Some][random.usize(..4)];
            let disk = if random.bool() {
                trial.disk.power_cut(kept, &mut random)
            } else {
                trial.disk.killed()
            };
            let read_first = read(&disk);
            let (_, seen) = recover(&disk).unwrap_or_else(|error| {
                panic!("seed {seed}, life {life}: {error}");
            });
            assert_eq!(read_first.unwrap(), seen, "seed {seed}, life {life}");
            assert!(seen.len() >= trial.synced, "seed {seed}, life {life}");
            assert_eq!(seen, all[..seen.len()], "seed {seed}, life {life}");
            before = seen;
            trial = Trial::on(disk);
        }
    }
}

#[test]
fn recovery_can_be_cut_short_at_any_step_and_begun_again() {
    for seed in 0..40 {
        let mut random = fastrand::Rng::with_seed(seed);
        let disk = Disk::default();
        Writer::new(&disk);
        let mut trial = Trial::on(disk);
        trial.work(&mut random);
        let crashed = trial.disk.power_cut(Kept::Some, &mut random);
        let expected = recover(&crashed.killed()).unwrap().1;
        for steps in 0.. {
            let disk = crashed.killed();
            disk.fail_after(steps);
            let is_done = recover(&disk).is_ok();
            let kept = [Kept::All, Kept::Nothing, Kept::Some][random.usize(..3)];
            for after in [disk.killed(), disk.power_cut(kept, &mut random)] {
                let seen = recover(&after).unwrap().1;
                assert_eq!(seen, expected, "seed {seed}, {steps} steps");
            }
            if is_done {
                break;
            }
        }
    }
}

#[test]
fn d4_a_store_that_was_made_is_there_after_a_loss_of_power() {
    let disk = Disk::default();
    crate::support::make_store(&disk);
    let disk = power_cut(&disk, Kept::Nothing);
    assert!(eventcask_log::Manifest::read(&disk).is_ok());
    assert_eq!(recover(&disk).unwrap().1, []);
}

#[test]
fn d4_a_new_segment_is_durable_in_its_directory_before_anything_is_put_into_it() {
    let disk = Disk::default();
    let mut writer = Writer::new(&disk);
    for seed in 0..3 {
        if seed > 0 {
            writer.roll();
        }
        writer.append(&deposits(seed, 2));
        writer.sync();
        let seen = read(&power_cut(&disk, Kept::Nothing)).unwrap();
        assert_eq!(seen.len() as u64, 2 * (seed + 1));
    }
}

/// A process that is killed between giving a file its name and syncing the directory leaves a
/// name that is in memory only. The next one wrote on in that file, synced the file, answered,
/// and a loss of power took the name with all events.
#[test]
fn d4_names_that_a_killed_process_left_are_made_durable_before_they_are_built_upon() {
    for forgets in ["manifest", "segment"] {
        let disk = Disk::default();
        disk.lose_dir_syncs(forgets == "manifest");
        let mut writer = Writer::new(&disk);
        disk.lose_dir_syncs(forgets == "segment");
        if forgets == "segment" {
            writer.roll();
        }
        drop(writer);
        disk.lose_dir_syncs(false);

        let disk = disk.killed();
        let (mut writer, _) = Writer::open(&disk).unwrap();
        writer.append(&deposits(1, 2));
        writer.sync();
        let disk = power_cut(&disk, Kept::Nothing);
        assert_eq!(read(&disk).unwrap().len(), 2, "{forgets}");
        assert!(eventcask_log::Manifest::read(&disk).is_ok(), "{forgets}");
    }
}

#[test]
fn d4_what_was_cut_is_kept_through_a_loss_of_power() {
    use eventcask_log::Storage as _;
    let disk = Disk::default();
    let mut writer = Writer::new(&disk);
    writer.append(&deposits(1, 2));
    writer.sync();
    let place = writer.tail.place;
    let name = crate::support::FIRST_SEGMENT;
    let file = disk.open(name, eventcask_log::Open::Write).unwrap();
    file.write_all_at(b"half a block", place).unwrap();
    recover(&disk).unwrap();
    let disk = power_cut(&disk, Kept::Nothing);
    let kept = format!("shards/0000/0000000001.cut-{place}");
    assert_eq!(crate::support::bytes_of(&disk, &kept), b"half a block");
    assert_eq!(crate::support::bytes_of(&disk, name).len() as u64, place);
}

/// At each step of a recovery what is cut is where it was, or beside.
#[test]
fn c5_no_crash_during_a_recovery_loses_what_is_cut() {
    use eventcask_log::Storage as _;
    let name = crate::support::FIRST_SEGMENT;
    let disk = Disk::default();
    let mut writer = Writer::new(&disk);
    writer.append(&deposits(1, 2));
    writer.sync();
    let place = writer.tail.place as usize;
    let file = disk.open(name, eventcask_log::Open::Write).unwrap();
    let torn: Vec<u8> = (0..1500).map(|at| at as u8 | 1).collect();
    file.write_all_at(&torn, place as u64).unwrap();
    let crashed = power_cut(&disk, Kept::All);
    let mut random = fastrand::Rng::with_seed(9);
    for steps in 0.. {
        let disk = crashed.killed();
        disk.fail_after(steps);
        let is_done = recover(&disk).is_ok();
        for kept in [Kept::All, Kept::Nothing]
            .into_iter()
            .chain([Kept::Some; 20])
        {
            let after = disk.power_cut(kept, &mut random);
            let is_there = crate::support::bytes_of(&after, name)[place..] == torn;
            let names = after.list("shards/0000").unwrap();
            let mut beside = names
                .iter()
                .filter(|name| name.contains(".cut-") && !name.ends_with(".new"))
                .map(|name| crate::support::bytes_of(&after, &format!("shards/0000/{name}")));
            let is_beside = beside.any(|bytes| bytes == torn);
            assert!(is_there || is_beside, "{steps} steps, {kept:?}");
        }
        if is_done {
            break;
        }
    }
}

#[test]
fn d5_what_a_killed_process_left_unsynced_is_durable_before_it_is_served() {
    let disk = Disk::default();
    let mut writer = Writer::new(&disk);
    writer.append(&deposits(1, 2));
    writer.sync();
    writer.append(&deposits(2, 3));
    writer.append(&deposits(3, 3));
    let disk = disk.killed();
    assert_eq!(recover(&disk).unwrap().1.len(), 8);
    assert_eq!(read(&power_cut(&disk, Kept::Nothing)).unwrap().len(), 8);
}

/// After a failed sync the kernel holds what it could not write for written: it is still read,
/// and no later sync brings it to the disk.
#[test]
fn d5_what_a_failed_sync_left_in_memory_is_written_again() {
    let disk = Disk::default();
    let mut writer = Writer::new(&disk);
    writer.append(&deposits(1, 2));
    writer.sync();
    writer.append(&deposits(2, 3));
    disk.fail_next_sync(io::ErrorKind::Other);
    assert_eq!(writer.try_sync().unwrap_err().kind(), ErrorKind::Io);
    assert_eq!(read(&power_cut(&disk, Kept::All)).unwrap().len(), 2);
    let (mut writer, _) = Writer::open(&disk).unwrap();
    writer.append(&deposits(3, 4));
    writer.sync();
    assert_eq!(read(&power_cut(&disk, Kept::Nothing)).unwrap().len(), 9);
}

/// The mark of a clean close was taken for the proof that all was durable, itself included.
/// But its own sync may have failed, or never come: the next block, synced and answered, was
/// then chained to a mark that the disk did not have.
#[test]
fn d5_the_mark_of_a_clean_close_is_written_again_too() {
    for sync_fails in [false, true] {
        let disk = Disk::default();
        let mut writer = Writer::new(&disk);
        writer.append(&deposits(1, 2));
        writer.sync();
        writer.write_close();
        if sync_fails {
            disk.fail_next_sync(io::ErrorKind::Other);
            assert!(writer.try_sync().is_err());
        }
        let disk = disk.killed();
        let (mut writer, recovery) = Writer::open(&disk).unwrap();
        assert!(recovery.tail.closed);
        writer.append(&deposits(2, 3));
        // The power goes while the block is being written: the block stays, the mark does not.
        let mut random = fastrand::Rng::with_seed(5);
        for _ in 0..50 {
            assert!(
                read(&disk.power_cut(Kept::Some, &mut random))
                    .unwrap()
                    .len()
                    >= 2
            );
        }
        writer.sync();
        assert_eq!(read(&power_cut(&disk, Kept::Nothing)).unwrap().len(), 5);
    }
}
