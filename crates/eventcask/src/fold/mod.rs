//! Folding the events of single aggregates: what users write, and what keeps the states.

pub(crate) mod versioned;
pub(crate) mod snapshots;
pub(crate) mod shown;
pub(crate) mod repository;

use eventcask_event::EventRef;
use eventcask_project::ApplyError;

/// A state of one aggregate that its events are folded into, one after the other;
/// [`Repository`](crate::Repository) keeps and loads such states.
///
/// A fold looks at nothing but the state and the event: the same events give the same state,
/// whether they are folded from the first one on or from a snapshot.
///
/// ```
/// use eventcask::{ApplyError, Fold};
/// use eventcask::event::EventRef;
///
/// /// The cents of an account.
/// struct Balance;
///
/// impl Fold for Balance {
///     const NAME: &'static str = "balance";
///     const VERSION: u32 = 1;
///     type State = i64;
///
///     fn apply(&self, cents: &mut i64, event: &EventRef<'_>) -> Result<(), ApplyError> {
///         let amount = i64::from_le_bytes(event.payload.try_into()?);
///         *cents += if event.event_type == "Withdrawn" { -amount } else { amount };
///         Ok(())
///     }
///
///     fn encode(&self, cents: &i64, out: &mut Vec<u8>) {
///         out.extend_from_slice(&cents.to_le_bytes());
///     }
///
///     fn decode(&self, bytes: &[u8]) -> Option<i64> {
///         bytes.try_into().ok().map(i64::from_le_bytes)
///     }
/// }
/// ```
///
/// [`Repository`]: crate::Repository
pub trait Fold: Send + Sync + 'static {
    /// What snapshots are kept under. Two folds of a store must not share it.
    const NAME: &'static str;

    /// Raised whenever [`apply`](Self::apply) or the form of the state changes: snapshots of other
    /// versions are passed over, and the events are folded anew.
    const VERSION: u32;

    /// The state of an aggregate without events is the default one.
    type State: Default + Clone + Send + Sync + 'static;

    /// Folds one event into the state.
    ///
    /// # Errors
    /// Why the event can not be applied. The load that met it gives [`Error::Stopped`], which names
    /// the event; nothing of that load is kept, and other aggregates are not concerned. Where it
    /// panics, so does the load.
    ///
    /// [`Error::Stopped`]: crate::Error::Stopped
    fn apply(&self, state: &mut Self::State, event: &EventRef<'_>) -> Result<(), ApplyError>;

    /// Appends the bytes of a state, for a snapshot.
    fn encode(&self, state: &Self::State, out: &mut Vec<u8>);

    /// The state of which these are the bytes. Where it says `None` the events are folded from the
    /// first one on.
    fn decode(&self, bytes: &[u8]) -> Option<Self::State>;

    /// Bytes of memory that a state takes, about, by which the cache is bounded. States that hold
    /// memory of their own, such as texts and tables, should count it.
    fn bytes(&self, state: &Self::State) -> usize {
        size_of_val(state)
    }
}
