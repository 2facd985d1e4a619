//! What the program that uses a store finds in its log: by the crate `tracing`, where the feature
//! of that name is on. Without it nobody is told.

use std::sync::Arc;

use eventcask_shard::ShardReader;

use crate::clock::now_nanos;
use crate::lag::lag;

/// Something that stopped while everything else goes on.
#[derive(Debug, Clone)]
pub(crate) struct Who {
    pub(crate) kind: Kind,
    pub(crate) name: String,
    pub(crate) shard: Option<u32>,
    /// The shard that it falls behind.
    pub(crate) behind: Option<Arc<ShardReader>>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Projection,
    View,
    ReadModel,
    Shard,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Projection => "projection",
            Self::View => "view",
            Self::ReadModel => "read model",
            Self::Shard => "shard",
        }
    }

    /// What sets it going again.
    fn remedy(self) -> &'static str {
        match self {
            Self::Projection => "mend it, then rebuild it or start it with a raised version",
            Self::View => "rebuild it",
            Self::ReadModel => "mend it and start it again",
            Self::Shard => "close the store and open it again",
        }
    }
}

/// Tells that something has stopped; `position` is after the last event that it holds, if that is
/// known.
pub(crate) fn stopped(who: &Who, position: Option<u64>, error: &str) {
    let (kind, remedy) = (who.kind.name(), who.kind.remedy());
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
pub(crate) fn rebuild(kind: Kind, name: &str, what: &str) {
    let kind = kind.name();
    #[cfg(feature = "tracing")]
    tracing::info!(kind, name, "a rebuild {what}");
    #[cfg(not(feature = "tracing"))]
    let _ = (kind, name, what);
}
