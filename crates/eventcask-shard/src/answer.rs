//! What an append is answered.

use std::sync::Arc;

use eventcask_event::{EventId, Expected, Place, conflict};

/// An append that was taken, or had been taken before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Appended {
    /// The events are stored, as durable as the store's policy says.
    Stored {
        /// Where the last event is.
        place: Place,
        /// Version of the aggregate after the last event.
        version: u64,
    },
    /// The events had been stored before; nothing was stored now.
    Duplicate {
        /// Where the last event is; where the version is unknown, a place that is not before it.
        place: Place,
        /// Version of the last event; unknown where the events were recognised by how far their
        /// source was consumed.
        version: Option<u64>,
    },
}

impl Appended {
    /// What to wait for so that the events are seen: where the last one is, or, for duplicates that
    /// were recognised by how far their source was consumed, a place that is not before it.
    #[must_use]
    pub fn place(&self) -> Place {
        match self {
            Self::Stored { place, .. } | Self::Duplicate { place, .. } => *place,
        }
    }

    /// Version of the last event, where it is known.
    #[must_use]
    pub fn version(&self) -> Option<u64> {
        match self {
            Self::Stored { version, .. } => Some(*version),
            Self::Duplicate { version, .. } => *version,
        }
    }

    /// Position of the last event in its shard, where it is known.
    #[must_use]
    pub fn position(&self) -> Option<u64> {
        self.version().map(|_| self.place().position)
    }

    /// Whether the events had been stored before.
    #[must_use]
    pub fn is_duplicate(&self) -> bool {
        matches!(self, Self::Duplicate { .. })
    }
}

/// An aggregate that is not at the expected version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// Its key.
    pub key: String,
    /// What the append expected.
    pub expected: Expected,
    /// The version that it has.
    pub actual: u64,
}

fn conflicts_text(conflicts: &[Conflict]) -> String {
    let text = |one: &Conflict| conflict(&one.key, one.expected, one.actual);
    conflicts.iter().map(text).collect::<Vec<_>>().join("; ")
}

/// An append that was not taken. Nothing of it is stored, but for [`AppendError::Poisoned`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The aggregate is not at the expected version.
    #[error("{}", conflict(key, *expected, *actual))]
    Conflict {
        /// Key of the aggregate.
        key: String,
        /// What the append expected.
        expected: Expected,
        /// The version that the aggregate has.
        actual: u64,
    },
    /// Aggregates of an append over several are not at the expected versions.
    #[error("{}", conflicts_text(conflicts))]
    Conflicts {
        /// All of them that are not, in the order in which they were given; at least one.
        conflicts: Vec<Conflict>,
    },
    /// An event with this id and other content is stored, or in the same append.
    #[error("the id {id} belongs to an event with other content; give each event an id of its own")]
    IdConflict {
        /// The id.
        id: EventId,
    },
    /// Some of the append's events are stored, others are not.
    #[error(
        "{} of the events in this append are stored already, the first of them {}; an append is stored whole or not at all",
        known.len(), known[0]
    )]
    PartlyKnown {
        /// The ids that are stored; at least one.
        known: Vec<EventId>,
    },
    /// Rows of the same source that come before these were refused.
    #[error(
        "source {source_name:?} goes on at a row after {next}, but rows before it were refused; begin again at the store's mark"
    )]
    SourceGap {
        /// Name of the source.
        source_name: String,
        /// Where the shard's mark stands.
        next: u64,
    },
    /// The disk is full; once there is space the same append can be tried again.
    #[error("{0}")]
    StorageFull(Arc<str>),
    /// The shard stopped for a reason that only opening the store again can clear. Whether the
    /// disk has the events is known only then; to append them again with the same ids is safe.
    #[error("the shard has stopped: {0}; close the store and open it again")]
    Poisoned(Arc<str>),
    /// Stored events that had to be compared are not what was written.
    #[error("{0}")]
    Damaged(Arc<str>),
    /// Stored events that had to be compared could not be read: the disk failed.
    #[error("{0}")]
    Unreadable(Arc<str>),
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

/// The one answer that each append gets.
pub type AppendResult = Result<Appended, AppendError>;
