//! What became of a command.

use std::fmt::Debug;

use eventcask::Place;

use crate::decider::Decider;
use crate::error::Error;
use crate::event_set::EventSet;

/// The answer to a command that was carried out, now or before.
#[non_exhaustive]
pub struct Decided<D: Decider> {
    /// What it is answered.
    pub reply: D::Reply,
    /// The events that carry it out; none where nothing had to happen.
    pub events: Vec<D::Event>,
    /// Version of the aggregate after them. Where there are none, the version that was decided by.
    pub version: u64,
    /// Where the last of them is stored, to wait for until a read model has it. Where there are
    /// none, the place of the newest event that was decided by. An aggregate without any has none:
    /// then it is the newest place of its shard, of another one where the shard is empty, and in an
    /// empty store the first place, which nothing reaches before there is an event.
    pub place: Place,
    /// Whether the command had been carried out before, and this is its first answer again.
    pub repeated: bool,
}

impl<D: Decider> Debug for Decided<D>
where
    D::Reply: Debug,
{
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let events: Vec<_> = self.events.iter().map(EventSet::view).collect();
        f.debug_struct("Decided")
            .field("reply", &self.reply)
            .field("events", &events)
            .field("version", &self.version)
            .field("place", &self.place)
            .field("repeated", &self.repeated)
            .finish()
    }
}

/// Why a command was not carried out: the rules refused it, or it failed.
///
/// ```
/// use eventcask_domain::{DecideError, Error};
///
/// #[derive(Debug, PartialEq, thiserror::Error)]
/// #[error("the account is closed")]
/// struct IsClosed;
///
/// let refused = DecideError::Refused(IsClosed);
/// assert_eq!(refused.refused(), Some(&IsClosed));
/// assert_eq!(refused.to_string(), "the account is closed");
///
/// let failed = DecideError::<IsClosed>::from(Error::from(eventcask::Error::Closed));
/// assert_eq!(failed.refused(), None);
/// ```
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum DecideError<E> {
    /// The rules of the domain said no. Nothing is stored.
    #[error(transparent)]
    Refused(E),
    /// It could not be decided on, or not be stored.
    #[error(transparent)]
    Failed(#[from] Error),
}

impl<E> DecideError<E> {
    /// Why the rules refused it, if they did.
    pub fn refused(&self) -> Option<&E> {
        match self {
            Self::Refused(reason) => Some(reason),
            Self::Failed(_) => None,
        }
    }

    /// Why it failed, if it did.
    pub fn failed(&self) -> Option<&Error> {
        match self {
            Self::Refused(_) => None,
            Self::Failed(error) => Some(error),
        }
    }
}

impl<E> From<eventcask::Error> for DecideError<E> {
    fn from(error: eventcask::Error) -> Self {
        Self::Failed(error.into())
    }
}
