//! A folded aggregate that was handed out.

use std::ops::Deref;
use std::sync::Arc;

use eventcask_event::{Events, Expected, Timestamp};
use eventcask_shard::{Bounds, Retired};

/// The state of an aggregate at a moment: a share of it, which does not change any more.
///
/// It derefs to the state.
///
/// ```
/// # use eventcask::{ApplyError, Fold};
/// # use eventcask::event::EventRef;
/// # struct Count;
/// # impl Fold for Count {
/// #     const NAME: &'static str = "count";
/// #     const VERSION: u32 = 1;
/// #     type State = u64;
/// #     fn apply(&self, count: &mut u64, _: &EventRef<'_>) -> Result<(), ApplyError> {
/// #         *count += 1;
/// #         Ok(())
/// #     }
/// #     fn encode(&self, count: &u64, out: &mut Vec<u8>) { out.extend(count.to_le_bytes()); }
/// #     fn decode(&self, bytes: &[u8]) -> Option<u64> { bytes.try_into().ok().map(u64::from_le_bytes) }
/// # }
/// # let directory = tempfile::tempdir()?;
/// # let store = eventcask::open(directory.path().join("s"))?;
/// # let counts = store.fold(Count);
/// use eventcask::{Expected, NewEvent};
/// let walk = counts.load("walk")?;
/// assert_eq!((*walk, walk.version()), (0, 0));
///
/// // What was decided by a state is stored only if it still holds.
/// let mut producer = store.producer();
/// let step = NewEvent::json("Step", b"{}");
/// producer.append("walk", walk.expected(), &[step])?.wait()?;
/// assert_eq!(counts.load("walk")?.expected(), Expected::Exact(1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Versioned<S> {
    kept: Arc<Kept<S>>,
}

impl<S> Clone for Versioned<S> {
    fn clone(&self) -> Self {
        Self {
            kept: Arc::clone(&self.kept),
        }
    }
}

impl<S> Deref for Versioned<S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.kept.state
    }
}

impl<S> Versioned<S> {
    pub(crate) fn new(kept: Arc<Kept<S>>) -> Self {
        Self { kept }
    }

    /// The first event in the state.
    pub(crate) fn first(&self) -> Option<Mark> {
        self.kept.first
    }

    /// Version of the last event in the snapshot on disk.
    pub(crate) fn saved(&self) -> u64 {
        self.kept.saved
    }

    /// Version of the aggregate's newest event at that moment; 0 where there was none.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.kept.newest.map_or(0, |newest| newest.version)
    }

    /// Position of that event in the aggregate's shard.
    #[must_use]
    pub fn position(&self) -> Option<u64> {
        self.kept.newest.map(|newest| newest.position)
    }

    /// When that event was committed.
    #[must_use]
    pub fn commit_time(&self) -> Option<Timestamp> {
        self.kept.newest.map(|newest| newest.commit_time)
    }

    /// What an append has to expect that was decided by this state.
    #[must_use]
    pub fn expected(&self) -> Expected {
        match self.version() {
            0 => Expected::NoStream,
            version => Expected::Exact(version),
        }
    }
}

/// A state, and which events are in it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Kept<S> {
    pub(crate) state: S,
    /// The first and the last event in the state.
    pub(crate) first: Option<Mark>,
    pub(crate) last: Option<Mark>,
    /// The aggregate's newest event when it was looked up: the last one, unless readers are not
    /// shown the newest.
    pub(crate) newest: Option<Mark>,
    /// Version of the last event in the snapshot on disk; 0 without one.
    pub(crate) saved: u64,
}

impl<S> Kept<S> {
    /// Whether no event in the state was given up since.
    pub(crate) fn is_shown(&self, retired: &Retired, key: &str) -> bool {
        // Of an aggregate only the beginning is ever given up.
        self.first.is_none_or(|first| first.is_shown(retired, key))
    }

    /// Whether the state is that of the aggregate now, of which this is the newest event that was
    /// met since the store was opened.
    pub(crate) fn is_newest(&self, met: Option<u64>) -> bool {
        met.is_none() || met == self.newest.map(|newest| newest.position)
    }

    /// Whether there is something in the state, and nothing that is out of bounds.
    pub(crate) fn is_within(&self, bounds: &Bounds) -> bool {
        self.last.is_some_and(|last| {
            last.version <= bounds.to_version
                && last.position <= bounds.to_position
                && last.commit_time <= bounds.until
        })
    }
}

/// Which event it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) version: u64,
    pub(crate) position: u64,
    pub(crate) commit_time: Timestamp,
}

impl Mark {
    pub(crate) fn of(events: &Events<'_>, row: usize) -> Self {
        Self {
            version: events.version(row),
            position: events.position(row),
            commit_time: events.commit_time(row),
        }
    }

    /// Whether the event of an aggregate is not given up.
    pub(crate) fn is_shown(self, retired: &Retired, key: &str) -> bool {
        retired.is_empty()
            || (self.commit_time.as_nanos() >= retired.before()
                && self.version >= retired.first_version(key))
    }
}
