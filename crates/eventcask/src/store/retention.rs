//! The time before which all events of a store are given up, in a small file of its own.

use eventcask_log::{Error as LogError, Framed, FramedKind, Manifest, Storage};
use eventcask_shard::ShardReader;

use crate::Error;
use crate::clock::now_nanos;

const NAME: &str = "RETENTION";

/// Hides what was given up by time, for a writer whose newest event was committed at `newest`; says
/// after which time its clock has to go on, so that what it stores is seen.
pub(crate) fn apply_to_writer<'r>(
    storage: &dyn Storage,
    manifest: &Manifest,
    readers: impl Iterator<Item = &'r ShardReader>,
    newest: i64,
) -> Result<i64, Error> {
    let Some(mut time) = read(storage, manifest)? else {
        return Ok(newest);
    };
    if time > now_nanos() {
        // From a clock that was ahead, or of a version that took times to come as they were: the
        // same events are given up by a time that does not reach beyond them.
        let beyond = time;
        time = time.min(newest.saturating_add(1));
        if time != beyond {
            write(storage, manifest, time)?;
        }
    }
    readers.for_each(|reader| reader.hide_before(time));
    Ok(newest.max(time.saturating_sub(1)))
}

/// Hides what was given up by time, for a reader.
pub(crate) fn apply<'r>(
    storage: &dyn Storage,
    manifest: &Manifest,
    readers: impl Iterator<Item = &'r ShardReader>,
) -> Result<(), Error> {
    if let Some(time) = read(storage, manifest)? {
        readers.for_each(|reader| reader.hide_before(time));
    }
    Ok(())
}

/// Copies what says so to another store.
pub(crate) fn copy(
    from: &dyn Storage,
    manifest: &Manifest,
    to: &dyn Storage,
) -> Result<(), LogError> {
    match read(from, manifest)? {
        Some(_) => Framed::read(from, NAME)?.write(to, "", NAME),
        None => Ok(()),
    }
}

/// Keeps, durably, the time before which all events are given up.
pub(crate) fn write(storage: &dyn Storage, manifest: &Manifest, time: i64) -> Result<(), LogError> {
    let framed = Framed {
        store: manifest.store,
        kind: FramedKind::Retention,
        shard: 0,
        progress: 0,
        definition: 0,
        body: time.to_le_bytes().to_vec(),
    };
    framed.write(storage, "", NAME)
}

/// The time before which all events are given up, if there is one.
pub(crate) fn read(storage: &dyn Storage, manifest: &Manifest) -> Result<Option<i64>, LogError> {
    let shown = storage.describe(NAME);
    let names = storage
        .list("")
        .map_err(|e| LogError::io("list", &shown, e))?;
    if !names.iter().any(|name| name == NAME) {
        return Ok(None);
    }
    let framed = Framed::read(storage, NAME)?;
    let body: Option<[u8; 8]> = framed.body.as_slice().try_into().ok();
    match body {
        Some(time) if (framed.store, framed.kind) == (manifest.store, FramedKind::Retention) => {
            Ok(Some(i64::from_le_bytes(time)))
        }
        _ => Err(LogError::damaged(
            &shown,
            128,
            "it does not say a time for this store",
        )),
    }
}
