//! What is left of changes of a file that nobody synced.

use std::sync::Arc;

use fastrand::Rng;

use crate::disk::live::write_at;

/// A disk writes whole sectors or none of them.
const SECTOR: usize = 512;

/// What becomes of that which nobody synced.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fate {
    Lost,
    Kept,
    Mixed,
}

/// A change of a file that is not durable yet.
#[derive(Debug)]
pub(crate) enum Change {
    Write(u64, Arc<[u8]>),
    SetLen(u64),
}

impl Change {
    /// Does all of it.
    pub(crate) fn apply(&self, file: &mut Vec<u8>) {
        match self {
            Self::Write(place, bytes) => write_at(file, *place, bytes),
            Self::SetLen(len) => file.resize(*len as usize, 0),
        }
    }

    /// Does as much of it as the fate wants; a mixed one is drawn for each change.
    pub(crate) fn settle(&self, file: &mut Vec<u8>, fate: Fate, rng: &mut Rng) {
        let fate = match fate {
            Fate::Mixed if rng.u32(..3) == 0 => Fate::Lost,
            Fate::Mixed if rng.bool() => Fate::Kept,
            fate => fate,
        };
        match (self, fate) {
            (_, Fate::Lost) => {}
            (Self::Write(place, bytes), Fate::Mixed) => write_torn(file, *place, bytes, rng),
            (change, _) => change.apply(file),
        }
    }
}

/// Writes some of the sectors; the file may be as long as if all of them were there.
fn write_torn(file: &mut Vec<u8>, place: u64, new: &[u8], rng: &mut Rng) {
    let end = place as usize + new.len();
    if rng.bool() && file.len() < end {
        file.resize(end, 0);
    }
    let kept_first = rng.usize(..=new.len() / SECTOR + 1);
    let in_order = rng.bool();
    let mut start = place as usize;
    let mut sector = 0;
    while start < end {
        let border = (start / SECTOR + 1) * SECTOR;
        let stop = border.min(end);
        let kept = if in_order {
            sector < kept_first
        } else {
            rng.bool()
        };
        if kept {
            let from = start - place as usize;
            write_at(file, start as u64, &new[from..from + stop - start]);
        }
        start = stop;
        sector += 1;
    }
}
