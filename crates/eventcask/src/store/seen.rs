//! How far the log is known to go, by what was noted of its ends and by what was saved of it.
//!
//! Where the durability is `sync` nothing of the log is saved before it is durable. So a snapshot
//! or a subscription that knows of more than the log holds tells that the log has lost its end.
//! Below `sync` a loss of power may leave it so, and it tells nothing.

use eventcask_log::{Ends, Error as LogError, ErrorKind, Framed, FramedKind, Manifest, Storage};

use crate::follow::saved::Saved;
use crate::store::side_files;

/// Up to where each log is known to go.
///
/// # Errors
/// [`ErrorKind::NewerFormat`], [`ErrorKind::OlderFormat`], or what the disk said.
pub(crate) fn known_ends(storage: &dyn Storage, manifest: &Manifest) -> Result<Ends, LogError> {
    let mut ends = Ends::read_if_whole(storage, manifest)?;
    if ends.is_synced_first() {
        for (_, path) in side_files::framed(storage)? {
            for (shard, position) in seen_by(storage, &path, manifest)? {
                ends.saw(shard, position);
            }
        }
    }
    Ok(ends)
}

/// Of which shards a file knows, and up to which position.
fn seen_by(
    storage: &dyn Storage,
    path: &str,
    manifest: &Manifest,
) -> Result<Vec<(u32, u64)>, LogError> {
    let Some(head) = readable(Framed::read_head(storage, path))? else {
        return Ok(Vec::new());
    };
    Ok(match head.kind {
        _ if head.store != manifest.store => Vec::new(),
        FramedKind::ViewState | FramedKind::ProjectionState => vec![(head.shard, head.progress)],
        FramedKind::Subscription => {
            let framed = readable(Framed::read(storage, path))?;
            let saved = framed.and_then(|framed| Saved::decode(&framed.body));
            saved.map_or(Vec::new(), |saved| (0..).zip(saved.positions).collect())
        }
        _ => Vec::new(),
    })
}

/// What is damaged, or removed by now, tells nothing.
fn readable(read: Result<Framed, LogError>) -> Result<Option<Framed>, LogError> {
    match read {
        Err(error) if error.is_not_found() || error.kind() == ErrorKind::Damaged => Ok(None),
        other => other.map(Some),
    }
}
