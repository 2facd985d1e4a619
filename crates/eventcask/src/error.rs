//! What can go wrong, for people as a sentence and for programs as a kind.

use std::sync::Arc;

use eventcask_event::{EventId, Expected, Invalid, Place, conflict};
use eventcask_log::{Error as StorageError, ErrorKind as StorageErrorKind};
use eventcask_project::SpecError;
use eventcask_shard::{AppendError, Conflict};

use crate::named::Named;

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
    /// The directory holds no store.
    NotAStore,
    /// The store was written by a newer version.
    NewerFormat,
    /// The store was written by an older version: that one exports it, and this one ingests that.
    OlderFormat,
    /// Another process has the store open for writing.
    Locked,
    /// Stored bytes are not what was written.
    Damaged,
    /// What is asked for is not there: a view, a subscription, an aggregate, a shard.
    NotFound,
    /// A name is taken, or somebody holds what is asked for: let that one go first.
    InUse,
    /// A projection, a view, a read model or a fold stopped: begin it anew, once what stopped it is
    /// mended.
    Stopped,
    /// A group of consumers has parked as much as it may: somebody must look at what failed.
    Parked,
    /// A projection, a read model or a fold has not come so far yet: wait longer, or go on with what
    /// there is.
    Behind,
    /// Any other error of the disk or the operating system.
    Io,
}

/// An error: a sentence that says what, where and what to do, and a [kind](Self::kind).
///
/// Two errors are the same if they say the same.
///
/// ```
/// # let directory = tempfile::tempdir()?;
/// # let store = eventcask::open(directory.path())?;
/// use eventcask::{Error, Expected, NewEvent};
/// let event = [NewEvent::json("Opened", b"{}")];
/// store.producer().append("account-42", Expected::NoStream, &event)?.wait()?;
///
/// let again = store.producer().append("account-42", Expected::NoStream, &event)?.wait();
/// let Err(Error::Conflict { key, actual, missed_from, .. }) = again else {
///     panic!("it is not new any more");
/// };
/// let missed = store.aggregate(&key).from_version(missed_from).events()?;
/// assert_eq!((actual, missed.count()), (1, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An event that can not be taken.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// A view that can not be.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The aggregate is not at the expected version; nothing of the append is stored.
    #[error(
        "{}; read it again from version {missed_from} and decide anew",
        conflict(key, *expected, *actual)
    )]
    Conflict {
        /// Key of the aggregate.
        key: String,
        /// What the append expected.
        expected: Expected,
        /// The version that the aggregate has.
        actual: u64,
        /// The first version that the append did not know of: who decides anew reads from here.
        missed_from: u64,
    },
    /// Aggregates of an append over several are not at the expected versions; nothing of it is
    /// stored.
    #[error("{}", sentences(conflicts))]
    Conflicts {
        /// A [`Conflict`](Self::Conflict) for each aggregate that is not as expected, in the order
        /// in which they were given; at least one.
        conflicts: Vec<Error>,
    },
    /// The aggregates of one append are in several shards; nothing of it is stored.
    #[error(
        "an append is stored whole in one shard, and these aggregates are in several: {}; give them keys of one category in a store that is routed by category, or append to one aggregate at a time",
        places(keys)
    )]
    SeveralShards {
        /// Each key and its shard.
        keys: Vec<(String, u32)>,
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
    /// Stored bytes are not what was written.
    #[error("{0}")]
    Damaged(Arc<str>),
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
    /// Any other error of what the store lies on: the [kind](Self::kind) says which.
    #[error(transparent)]
    Storage(Arc<StorageError>),
    /// The queue of the shard is full.
    #[error("the queue of shard {shard} is full; try again later, or use the call that waits")]
    Full {
        /// The shard.
        shard: u32,
    },
    /// What is asked for by its name is not there.
    #[error("{}", what.not_found(name))]
    NotFound {
        /// What it is.
        what: Named,
        /// The name, the key of an aggregate, or the number of a shard.
        name: String,
    },
    /// The name is taken, or somebody holds what is asked for.
    #[error("{}", what.in_use(name))]
    InUse {
        /// What it is.
        what: Named,
        /// The name.
        name: String,
    },
    /// A name that is none.
    #[error("{name:?} can not name a {what}: 1 to 64 letters, digits, '-', '_' or '.' are allowed")]
    BadName {
        /// What it was to name.
        what: Named,
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
    /// A projection, a view or a read model has stopped, or a fold can not take in an event;
    /// everything else goes on.
    #[error("{what} {name:?} has stopped{}: {reason}; {}", in_shard(*shard), what.remedy())]
    Stopped {
        /// What it is.
        what: Named,
        /// Its name.
        name: String,
        /// The shard that it has stopped in, if it goes on in others.
        shard: Option<u32>,
        /// Why.
        reason: String,
    },
    /// A projection, a view, a read model or a fold has not come to a place in the time that was
    /// given.
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
    /// A question that has no answer: the sentence says what to ask instead.
    #[error("{0}")]
    Unsupported(&'static str),
}

impl Error {
    /// That there is no such shard.
    pub(crate) fn no_shard(shard: u32) -> Self {
        Self::NotFound {
            what: Named::Shard,
            name: shard.to_string(),
        }
    }

    /// What a caller can branch on.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path())?;
    /// use eventcask::{Error, ErrorKind};
    /// let error = store.view("sales").map(|_| ()).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::NotFound);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Invalid(_)
            | Self::Spec(_)
            | Self::SourceGap { .. }
            | Self::OtherShard { .. }
            | Self::Unsupported(_)
            | Self::SeveralShards { .. }
            | Self::BadName { .. } => ErrorKind::Invalid,
            Self::Conflict { .. } | Self::Conflicts { .. } => ErrorKind::Conflict,
            Self::IdConflict { .. } | Self::PartlyKnown { .. } => ErrorKind::IdConflict,
            Self::Full { .. } => ErrorKind::Full,
            Self::TooManyParked { .. } => ErrorKind::Parked,
            Self::StorageFull(_) => ErrorKind::StorageFull,
            Self::Poisoned(_) => ErrorKind::Poisoned,
            Self::Damaged(_) => ErrorKind::Damaged,
            Self::Closed => ErrorKind::Closed,
            Self::Storage(error) => kind_of(error.kind()),
            Self::NotFound { .. } => ErrorKind::NotFound,
            Self::InUse { .. } | Self::Owned => ErrorKind::InUse,
            Self::Stopped { .. } => ErrorKind::Stopped,
            Self::Behind { .. } => ErrorKind::Behind,
        }
    }

    /// Whether the same call can succeed later without anything else being changed.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path())?;
    /// let error = store.view("sales").map(|_| ()).unwrap_err();
    /// assert!(!error.is_retryable()); // it will not be there the next time either
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(
            self.kind(),
            ErrorKind::Full | ErrorKind::StorageFull | ErrorKind::Locked | ErrorKind::Behind
        )
    }
}

/// What an append can meet as well is the same error from either side.
impl From<StorageError> for Error {
    fn from(error: StorageError) -> Self {
        match error.kind() {
            StorageErrorKind::StorageFull => Self::StorageFull(error.to_string().into()),
            StorageErrorKind::Damaged => Self::Damaged(error.to_string().into()),
            _ => Self::Storage(Arc::new(error)),
        }
    }
}

/// The border between the shards, whose answers are small, and what callers are told.
impl From<AppendError> for Error {
    fn from(refused: AppendError) -> Self {
        match refused {
            AppendError::Conflict {
                key,
                expected,
                actual,
            } => conflict_of(Conflict {
                key,
                expected,
                actual,
            }),
            AppendError::Conflicts { conflicts } => Self::Conflicts {
                conflicts: conflicts.into_iter().map(conflict_of).collect(),
            },
            AppendError::IdConflict { id } => Self::IdConflict { id },
            AppendError::PartlyKnown { known } => Self::PartlyKnown { known },
            AppendError::SourceGap { source_name, next } => Self::SourceGap { source_name, next },
            AppendError::StorageFull(reason) => Self::StorageFull(reason),
            AppendError::Poisoned(reason) => Self::Poisoned(reason),
            AppendError::Damaged(reason) => Self::Damaged(reason),
            AppendError::Unreadable(reason) => {
                Self::Storage(Arc::new(StorageError::new(StorageErrorKind::Io, &*reason)))
            }
            AppendError::Closed => Self::Closed,
        }
    }
}

fn in_shard(shard: Option<u32>) -> String {
    shard.map_or_else(String::new, |shard| format!(" in shard {shard}"))
}

fn conflict_of(one: Conflict) -> Error {
    Error::Conflict {
        missed_from: first_unknown(one.expected, one.actual),
        key: one.key,
        expected: one.expected,
        actual: one.actual,
    }
}

fn sentences(errors: &[Error]) -> String {
    let texts = errors.iter().map(Error::to_string);
    texts.collect::<Vec<_>>().join("; ")
}

/// Keys that are named in a sentence; of more it says how many.
const NAMED: usize = 8;

fn places(keys: &[(String, u32)]) -> String {
    let named = keys.iter().take(NAMED);
    let named = named.map(|(key, shard)| format!("{key:?} in shard {shard}"));
    let mut text = named.collect::<Vec<_>>().join(", ");
    if keys.len() > NAMED {
        text += &format!(" and {} more", keys.len() - NAMED);
    }
    text
}

/// The first version that an append with this expectation did not know of. One that expected a
/// version that never was knows of nothing.
fn first_unknown(expected: Expected, actual: u64) -> u64 {
    match expected {
        Expected::Exact(version) if version < actual => version + 1,
        Expected::Exact(_) | Expected::Any | Expected::NoStream | Expected::Exists => 1,
    }
}

fn kind_of(kind: StorageErrorKind) -> ErrorKind {
    match kind {
        StorageErrorKind::NotAStore => ErrorKind::NotAStore,
        StorageErrorKind::NewerFormat => ErrorKind::NewerFormat,
        StorageErrorKind::OlderFormat => ErrorKind::OlderFormat,
        StorageErrorKind::Locked => ErrorKind::Locked,
        StorageErrorKind::Damaged => ErrorKind::Damaged,
        StorageErrorKind::StorageFull => ErrorKind::StorageFull,
        StorageErrorKind::Setting => ErrorKind::Invalid,
        _ => ErrorKind::Io,
    }
}
