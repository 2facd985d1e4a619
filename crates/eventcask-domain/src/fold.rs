//! Folds of single aggregates over events of a set.

use eventcask::ApplyError;
use eventcask::event::EventRef;
use eventcask::projection::Snapshot;

use crate::error::DecodeError;
use crate::event_set::EventSet;

/// The state of one aggregate, folded from events of a set: [`eventcask::Fold`] with types.
///
/// ```
/// use eventcask::Expected;
/// use eventcask_domain::prelude::*;
///
/// #[event("account.deposited")]
/// struct Deposited { cents: u64 }
///
/// #[derive(EventSet)]
/// enum AccountEvent { Deposited(Deposited) }
///
/// struct Balance;
///
/// impl Fold for Balance {
///     const NAME: &'static str = "balance";
///     const VERSION: u32 = 1;
///     type Event = AccountEvent;
///     type State = u64;
///
///     fn apply(&self, cents: &mut u64, event: AccountEventRef<'_>) {
///         match event {
///             AccountEventRef::Deposited(event) => *cents += event.cents(),
///         }
///     }
/// }
///
/// # let directory = tempfile::tempdir()?;
/// # let store = eventcask::open(directory.path())?;
/// let deposit = AccountEvent::from(Deposited { cents: 500 });
/// store.append_events("account-42", Expected::NoStream, &[deposit])?.wait()?;
/// let balances = store.typed_fold(Balance);
/// assert_eq!(*balances.load("account-42")?, 500);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Fold: Send + Sync + 'static {
    /// What snapshots are kept under: see [`eventcask::Fold::NAME`].
    const NAME: &'static str;

    /// Raise it whenever the same events give another state, by another upcaster also.
    const VERSION: u32;

    /// Whether events of the aggregate that are of other types are passed over. By default they are
    /// an error: who knows an aggregate in part would not know what it is.
    const PASSES_OTHERS: bool = false;

    /// The events that it knows.
    type Event: EventSet;

    /// The state; that of an aggregate without events is the default one.
    type State: Default + Clone + Send + Sync + Snapshot + 'static;

    /// Takes in an event.
    fn apply(&self, state: &mut Self::State, event: <Self::Event as EventSet>::Ref<'_>);

    /// Bytes of memory that a state takes, about: see [`eventcask::Fold::bytes`].
    fn bytes(&self, state: &Self::State) -> usize {
        size_of_val(state)
    }
}

/// A [`Fold`] as the store knows it.
#[derive(Debug, Clone, Copy)]
pub struct TypedFold<F>(pub F);

impl<F: Fold> eventcask::Fold for TypedFold<F> {
    const NAME: &'static str = F::NAME;
    const VERSION: u32 = F::VERSION;
    type State = F::State;

    fn apply(&self, state: &mut F::State, event: &EventRef<'_>) -> Result<(), ApplyError> {
        match F::Event::decode(event)? {
            Some(decoded) => decoded.views().for_each(|view| self.0.apply(state, view)),
            None if F::PASSES_OTHERS => {}
            None => return Err(DecodeError::unknown(event.event_type).into()),
        }
        Ok(())
    }

    fn encode(&self, state: &F::State, out: &mut Vec<u8>) {
        state.encode(out);
    }

    fn decode(&self, mut bytes: &[u8]) -> Option<F::State> {
        let state = F::State::decode(&mut bytes)?;
        bytes.is_empty().then_some(state)
    }

    fn bytes(&self, state: &F::State) -> usize {
        self.0.bytes(state)
    }
}
