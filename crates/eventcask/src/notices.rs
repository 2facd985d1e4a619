//! What the program that uses a store finds in its log: by the crate `tracing`, where the feature
//! of that name is on. Without it nobody is told.

use std::sync::Arc;

use eventcask_shard::ShardReader;

use crate::clock::now_nanos;
use crate::lag::lag;
use crate::named::Named;

/// Something that stopped while everything else goes on.
#[derive(Debug, Clone)]
pub(crate) struct Who {
    pub(crate) kind: Named,
    pub(crate) name: String,
    pub(crate) shard: Option<u32>,
    /// The shard that it falls behind.
    pub(crate) behind: Option<Arc<ShardReader>>,
}

/// Tells that something has stopped; `position` is after the last event that it holds, if that is
/// known.
pub(crate) fn stopped(who: &Who, position: Option<u64>, error: &str) {
    let (kind, remedy) = (who.kind.word(), who.kind.remedy());
    let behind = who.behind.as_deref().zip(position);
    let lag = behind.map(|(reader, position)| lag(reader, position, now_nanos()));
    let (lag_events, lag_seconds) = lag.unzip();
    #[cfg(feature = "tracing")]
    tracing::error!(
        kind,
        name = who.name,
        shard = who.shard,
        position,
        lag_events,
        lag_seconds,
        error,
        remedy,
        "it has stopped"
    );
    #[cfg(not(feature = "tracing"))]
    let _ = (
        kind,
        remedy,
        lag_events,
        lag_seconds,
        error,
        &who.name,
        who.shard,
    );
}

/// Tells that the events of an aggregate are left out, since one failed.
pub(crate) fn parked(kind: &str, name: &str, shard: u32, position: u64, error: &str) {
    let remedy = "mend what is wrong, then redrive it";
    #[cfg(feature = "tracing")]
    tracing::error!(
        kind,
        name,
        shard,
        position,
        error,
        remedy,
        "an aggregate is parked"
    );
    #[cfg(not(feature = "tracing"))]
    let _ = (kind, remedy, name, shard, position, error);
}

/// Tells how a rebuild is getting on.
pub(crate) fn rebuild(kind: Named, name: &str, what: &str) {
    let kind = kind.word();
    #[cfg(feature = "tracing")]
    tracing::info!(kind, name, "a rebuild {what}");
    #[cfg(not(feature = "tracing"))]
    let _ = (kind, name, what);
}
