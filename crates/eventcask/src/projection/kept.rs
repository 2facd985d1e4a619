//! What is kept of projections, for those who look at a store from outside.

use std::sync::Arc;

use eventcask_log::Storage;
use eventcask_shard::ShardReader;

use crate::Error;
use crate::StoreReader;
use crate::clock::now_nanos;
use crate::lag::lag;
use crate::state::found::list_projections;

/// What is kept of a projection with snapshots, whichever process runs it: how far its next start
/// has to go back. From [`Store::kept_projections`](crate::StoreReader::kept_projections).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeptProjection {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: u32,
    /// Position after the last event in the snapshot that a start would take up, one a shard;
    /// `None` where there is none.
    pub positions: Vec<Option<u64>>,
    /// Durable events that are in no snapshot.
    pub lag_events: u64,
    /// Age of the oldest of them in seconds.
    pub lag_seconds: u64,
}

/// All that are kept, by name.
///
/// # Errors
/// What the disk said.
pub(crate) fn list(
    storage: &dyn Storage,
    store: u128,
    readers: &[Arc<ShardReader>],
) -> Result<Vec<KeptProjection>, Error> {
    let now = now_nanos();
    let mut all = Vec::new();
    for found in list_projections(storage, store)? {
        let positions = readers.iter().map(|reader| found.position(storage, reader));
        let positions: Vec<_> = positions.collect();
        let lags = readers.iter().zip(&positions);
        let lags = lags.map(|(reader, at)| lag(reader, at.unwrap_or(0), now));
        let (events, seconds): (Vec<_>, Vec<_>) = lags.unzip();
        all.push(KeptProjection {
            name: found.name,
            version: found.version,
            positions,
            lag_events: events.iter().sum(),
            lag_seconds: seconds.into_iter().max().unwrap_or(0),
        });
    }
    all.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(all)
}

impl StoreReader {
    /// What is kept of projections with snapshots, by name, whichever process runs them: how far
    /// they had come when they were last saved. Reads the head of each snapshot.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path())?;
    /// for kept in store.kept_projections()? {
    ///     println!("{} {}: {} events to go", kept.name, kept.version, kept.lag_events);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// What the disk said.
    pub fn kept_projections(&self) -> Result<Vec<KeptProjection>, Error> {
        let inner = &*self.inner;
        list(&*inner.storage, inner.manifest.store, &inner.readers)
    }
}
