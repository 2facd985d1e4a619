//! Up to where the log of each shard is known to go: what was noted, and how far those came who followed
//! it.

use eventcask_log::{Ends, Framed, FramedKind, Manifest, Storage};

use crate::Error;
use crate::subscribe::saved::Saved;
use crate::upkeep::side_files::{self, Layout};

/// The least end of each log that is known, one a shard.
///
/// # Errors
/// What the disk said.
pub(crate) fn known_ends(
    storage: &dyn Storage,
    manifest: &Manifest,
) -> Result<Vec<Option<u64>>, Error> {
    let noted = Ends::read_if_whole(storage, manifest)?;
    let mut ends: Vec<_> = (0..manifest.shards).map(|shard| noted.of(shard)).collect();
    if noted.binds_followers() {
        for (side, path) in side_files::framed(storage)? {
            // A state may be large, and its head tells.
            let read = match side.layout {
                Layout::States => Framed::read_head(storage, &path),
                _ => Framed::read(storage, &path),
            };
            // One that can not be read is named where it is checked.
            if let Ok(framed) = read.as_ref()
                && framed.store == manifest.store
            {
                follow(framed, &mut ends);
            }
        }
    }
    Ok(ends)
}

/// Takes in how far a follower came.
fn follow(framed: &Framed, ends: &mut [Option<u64>]) {
    let mut reached = |shard: usize, position: u64| {
        if let Some(end) = ends.get_mut(shard) {
            *end = (*end).max(Some(position));
        }
    };
    match framed.kind {
        FramedKind::State | FramedKind::Projected => {
            reached(framed.shard as usize, framed.progress);
        }
        FramedKind::Subscription => {
            let positions = Saved::decode(&framed.body).map(|saved| saved.positions);
            let positions = positions.into_iter().flatten().enumerate();
            positions.for_each(|(shard, position)| reached(shard, position));
        }
        _ => {}
    }
}
