//! What may become of a snapshot while its store is closed: it is lost, or its bytes are others.

use std::io;

use eventcask::storage::{Open, Storage};
use fastrand::Rng;

use crate::disk::sim_disk::SimDisk;

const DIR: &str = "projections";

/// Deletes some of the snapshots of projections, and damages some if `also_damages`. Says how many
/// were hit.
///
/// # Errors
/// What the disk said, which has no faults meanwhile.
pub(crate) fn strike(disk: &SimDisk, also_damages: bool, rng: &mut Rng) -> io::Result<u64> {
    let mut hits = 0;
    for number in disk.list(DIR)? {
        let dir = format!("{DIR}/{number}");
        for name in disk.list(&dir)? {
            if name.ends_with(".snapshot") && rng.bool() {
                hits += 1;
                let path = format!("{dir}/{name}");
                match also_damages && rng.bool() {
                    true => damage(disk, &path, rng)?,
                    false => disk.remove(&path)?,
                }
            }
        }
        disk.sync_dir(&dir)?;
    }
    Ok(hits)
}

/// Flips a bit, or cuts the file.
fn damage(disk: &SimDisk, path: &str, rng: &mut Rng) -> io::Result<()> {
    let file = disk.open(path, Open::Write)?;
    let place = rng.u64(..file.len()?.max(1));
    if rng.u32(..4) == 0 {
        file.set_len(place)?;
    } else {
        let mut byte = [0];
        file.read_at(&mut byte, place)?;
        byte[0] ^= 1 << rng.u32(..8);
        file.write_all_at(&byte, place)?;
    }
    file.sync()
}
