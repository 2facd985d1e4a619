//! What can go wrong, for people as a sentence and for programs as a kind.

use eventcask_event::{Invalid, Place};
use eventcask_project::SpecError;
use eventcask_shard::Refused;

/// What a caller can branch on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An event, a key, a name or a setting that can not be: the sentence says which.
    Invalid,
    /// The aggregate is at another version than expected: read it again and decide anew.
    Conflict,
    /// The id belongs to an event with other content, or only part of an append is known.
    IdConflict,
    /// The queue of the shard is full: try again, or use the call that waits.
    Full,
    /// The disk is full: what was acknowledged is kept, the append can be tried again.
    StorageFull,
    /// The shard stopped after an error of the disk: close the store and open it again.
    Poisoned,
    /// The store was closed.
    Closed,
    /// The store is open for reading only.
    ReadOnly,
    /// The directory holds no store.
    NotAStore,
    /// The store was written by a newer version.
    NewerFormat,
    /// Another process has the store open for writing.
    Locked,
    /// Stored bytes are not what was written.
    Damaged,
    /// There is no view of this name.
    UnknownView,
    /// A projection stopped: make it anew, once what stopped it is mended.
    ProjectionStopped,
    /// A read model stopped: feed it anew, once what stopped it is mended.
    ReadModelStopped,
    /// A projection or a read model has not come so far yet: wait longer, or go on with what it holds.
    Behind,
    /// There is no aggregate with this key.
    UnknownAggregate,
    /// There is no subscription of this name.
    UnknownSubscription,
    /// What is asked for is not there yet: wait for it, or ask for less.
    NotYet,
    /// Any other error of the disk or the operating system.
    Io,
}

/// An error: a sentence that says what, where and what to do, and a [kind](Self::kind).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An event that can not be taken.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// A view that can not be.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// An append of which nothing was stored.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// An error of the log.
    #[error(transparent)]
    Log(#[from] eventcask_log::Error),
    /// The queue of the shard is full.
    #[error("the queue of shard {shard} is full; try again later, or use the call that waits")]
    Full {
        /// The shard.
        shard: u32,
    },
    /// The store is open for reading only.
    #[error("the store is open for reading only; open it with Store::options().open(..) to write")]
    ReadOnly,
    /// There is no view of this name.
    #[error("there is no view named {name:?}; `eventcask view list` shows those there are")]
    UnknownView {
        /// The name that was asked for.
        name: String,
    },
    /// There is no aggregate with this key.
    #[error("there is no aggregate {key:?}")]
    UnknownAggregate {
        /// The key.
        key: String,
    },
    /// A view of this name exists.
    #[error("there is a view named {name:?} already; drop it first or choose another name")]
    ViewExists {
        /// The name.
        name: String,
    },
    /// A name that a view can not have.
    #[error("{name:?} can not name a view: 1 to 64 letters, digits, '-', '_' or '.' are allowed")]
    ViewName {
        /// The name.
        name: String,
    },
    /// There is no subscription of this name.
    #[error("there is no subscription named {name:?}")]
    UnknownSubscription {
        /// The name that was asked for.
        name: String,
    },
    /// A subscription of this name is held by someone else in this process.
    #[error("subscription {name:?} is in use; drop the other one first, or clone its group")]
    SubscriptionInUse {
        /// The name.
        name: String,
    },
    /// A name that a subscription can not have.
    #[error(
        "{name:?} can not name a subscription: 1 to 64 letters, digits, '-', '_' or '.' are allowed"
    )]
    SubscriptionName {
        /// The name.
        name: String,
    },
    /// So many aggregates are parked that a group hands out no others.
    #[error(
        "{parked} aggregates are parked in group {name:?}; redrive or skip them, then it goes on"
    )]
    TooManyParked {
        /// Name of the group.
        name: String,
        /// How many.
        parked: usize,
    },
    /// The key of an event belongs to another shard than its owner's.
    #[error("aggregate {key:?} belongs to shard {shard}: give its events to the owner of that one")]
    OtherShard {
        /// The key.
        key: String,
        /// The shard that it belongs to.
        shard: u32,
    },
    /// A shard has an owner, who must be gone before the store can be closed.
    #[error("a shard of the store has an owner; drop all of them, then close the store")]
    Owned,
    /// A projection has stopped in a shard; the others go on, and so does the store.
    #[error("the projection has stopped in shard {shard}: {reason}; mend it and make it anew")]
    ProjectionStopped {
        /// The shard.
        shard: u32,
        /// Why.
        reason: String,
    },
    /// A read model has stopped; the store goes on.
    #[error("the read model {name:?} has stopped: {reason}; mend it and feed it anew")]
    ReadModelStopped {
        /// Name of the model.
        name: String,
        /// Why.
        reason: String,
    },
    /// A read model of this name is fed already.
    #[error("the store feeds a read model named {name:?} already; stop that feed first")]
    ReadModelInUse {
        /// Name of the model.
        name: String,
    },
    /// A place that the shard has not come to yet, as far as this handle knows.
    #[error("the store has not come to {place} yet: the next one there is {next}; ask again later")]
    NotYet {
        /// The place that was asked for.
        place: Place,
        /// Position after the last durable event.
        next: u64,
    },
    /// A projection or a read model has not come to a place in the time that was given.
    #[error(
        "{name:?} has not come to {place} in the time given: it is at {progress} there; wait longer, or take the stale answer"
    )]
    Behind {
        /// Its name.
        name: String,
        /// The place that was waited for.
        place: Place,
        /// Position after the last event that it holds.
        progress: u64,
    },
    /// A place of a shard that the store has not.
    #[error("there is no shard {shard} in this store; the place is of another store")]
    UnknownShard {
        /// The shard.
        shard: u32,
    },
    /// A projection of this name follows the store already.
    #[error(
        "projection {name:?} runs already in this store; use clones of its handle, or drop them all first"
    )]
    ProjectionRuns {
        /// The name.
        name: &'static str,
    },
    /// A projection was asked for as of a version.
    #[error("only an aggregate has versions; a projection is asked for as of a position or a time")]
    AsOfVersion,
    /// A name that a projection can not have.
    #[error(
        "{name:?} can not name a projection: 1 to 64 letters, digits, '-', '_' or '.' are allowed"
    )]
    ProjectionName {
        /// The name.
        name: &'static str,
    },
    /// Another producer of the same source is open.
    #[error(
        "source {name:?} has a producer already; rows of one source come through one producer at a time"
    )]
    SourceInUse {
        /// Name of the source.
        name: String,
    },
}

impl Error {
    /// What a caller can branch on.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Invalid(_)
            | Self::Spec(_)
            | Self::ViewExists { .. }
            | Self::ViewName { .. }
            | Self::OtherShard { .. }
            | Self::Owned
            | Self::SubscriptionInUse { .. }
            | Self::SubscriptionName { .. }
            | Self::ReadModelInUse { .. }
            | Self::ProjectionRuns { .. }
            | Self::AsOfVersion
            | Self::UnknownShard { .. }
            | Self::ProjectionName { .. }
            | Self::SourceInUse { .. } => ErrorKind::Invalid,
            Self::Refused(refused) => kind_of_refused(refused),
            Self::Log(error) => kind_of_log(error.kind()),
            Self::Full { .. } | Self::TooManyParked { .. } => ErrorKind::Full,
            Self::ReadOnly => ErrorKind::ReadOnly,
            Self::UnknownView { .. } => ErrorKind::UnknownView,
            Self::UnknownAggregate { .. } => ErrorKind::UnknownAggregate,
            Self::UnknownSubscription { .. } => ErrorKind::UnknownSubscription,
            Self::Behind { .. } => ErrorKind::Behind,
            Self::ProjectionStopped { .. } => ErrorKind::ProjectionStopped,
            Self::ReadModelStopped { .. } => ErrorKind::ReadModelStopped,
            Self::NotYet { .. } => ErrorKind::NotYet,
        }
    }

    /// Whether the same call can succeed later without anything else being changed.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(
            self.kind(),
            ErrorKind::Full | ErrorKind::StorageFull | ErrorKind::Locked | ErrorKind::NotYet
        )
    }
}

fn kind_of_refused(refused: &Refused) -> ErrorKind {
    match refused {
        Refused::Conflict { .. } => ErrorKind::Conflict,
        Refused::IdConflict { .. } | Refused::PartlyKnown { .. } => ErrorKind::IdConflict,
        Refused::SourceGap { .. } => ErrorKind::Invalid,
        Refused::StorageFull(_) => ErrorKind::StorageFull,
        Refused::Poisoned(_) => ErrorKind::Poisoned,
        Refused::Closed => ErrorKind::Closed,
        Refused::Damaged(_) => ErrorKind::Damaged,
        _ => ErrorKind::Io,
    }
}

fn kind_of_log(kind: eventcask_log::ErrorKind) -> ErrorKind {
    match kind {
        eventcask_log::ErrorKind::NotAStore => ErrorKind::NotAStore,
        eventcask_log::ErrorKind::NewerFormat => ErrorKind::NewerFormat,
        eventcask_log::ErrorKind::Locked => ErrorKind::Locked,
        eventcask_log::ErrorKind::Damaged => ErrorKind::Damaged,
        eventcask_log::ErrorKind::StorageFull => ErrorKind::StorageFull,
        eventcask_log::ErrorKind::Setting => ErrorKind::Invalid,
        _ => ErrorKind::Io,
    }
}
