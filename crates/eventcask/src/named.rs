//! What a name names, in errors and in the log of the program, and what is to be done about it.

use std::fmt;

/// What the name in an [`Error`](crate::Error) names.
///
/// ```
/// # let directory = tempfile::tempdir()?;
/// # let store = eventcask::open(directory.path())?;
/// use eventcask::{Error, stats::Named};
/// let missing = store.view("sales").map(|_| ());
/// assert!(matches!(missing, Err(Error::NotFound { what: Named::View, name }) if name == "sales"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Named {
    /// An aggregate, by its key.
    Aggregate,
    /// A view.
    View,
    /// A projection.
    Projection,
    /// A read model.
    ReadModel,
    /// A fold.
    Fold,
    /// A named subscription or a group of consumers.
    Subscription,
    /// A source of events.
    Source,
    /// A shard, by its number.
    Shard,
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl Named {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Aggregate => "aggregate",
            Self::View => "view",
            Self::Projection => "projection",
            Self::ReadModel => "read model",
            Self::Fold => "fold",
            Self::Subscription => "subscription",
            Self::Source => "source",
            Self::Shard => "shard",
        }
    }

    /// What sets going again what has stopped.
    pub(crate) fn remedy(self) -> &'static str {
        match self {
            Self::Projection => "mend it, then rebuild it or start it with a raised version",
            Self::View => "rebuild it",
            Self::Fold => "mend it and load again",
            Self::Shard => "close the store and open it again",
            _ => "mend it and start it again",
        }
    }

    /// That there is none of this name.
    pub(crate) fn not_found(self, name: &str) -> String {
        match self {
            Self::Aggregate => format!("there is no aggregate {name:?}"),
            Self::View => format!(
                "there is no view named {name:?}; `eventcask view list` shows those there are"
            ),
            Self::Shard => format!(
                "there is no shard {name} in this store; its first is 0, and Store::shards() counts them"
            ),
            _ => format!("there is no {self} named {name:?}"),
        }
    }

    /// That somebody has it, and what to do then.
    pub(crate) fn in_use(self, name: &str) -> String {
        let remedy = match self {
            Self::View => "is there already; drop it first or choose another name",
            Self::Subscription => "is in use; drop the other one first, or clone its group",
            Self::ReadModel => "runs already; stop its runner first",
            Self::Source => {
                "has a producer already; rows of one source come through one producer at a time"
            }
            Self::Projection => {
                "runs already in this store; use clones of its handle, or drop them all first"
            }
            Self::Aggregate | Self::Fold | Self::Shard => "is in use; let it go first",
        };
        format!("{self} {name:?} {remedy}")
    }
}
