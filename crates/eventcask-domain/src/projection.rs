//! Projections over events of a set.

use eventcask::ApplyError;
use eventcask::projection::Merge as StoredMerge;

use crate::event_set::EventSet;
use crate::typed_batch::TypedBatch;

/// A fold over the events of a set, in each shard: [`eventcask::Projection`] with types.
///
/// It is shown the event types of its set and no others, brought to their newest schema. An event
/// that can not be read stops it, or parks the aggregate, as `on_error` says.
///
/// ```
/// use std::collections::BTreeMap;
/// use eventcask::{ApplyError, Expected};
/// use eventcask_domain::TypedBatch;
/// use eventcask_domain::prelude::*;
///
/// #[event("account.opened")]
/// struct Opened { country: String }
///
/// #[derive(EventSet)]
/// enum AccountOpened { Opened(Opened) }
///
/// /// How many accounts each country has.
/// struct Countries;
///
/// impl Projection for Countries {
///     const NAME: &'static str = "countries";
///     const VERSION: u32 = 1;
///     type Event = AccountOpened;
///     type State = BTreeMap<String, u64>;
///
///     fn apply(
///         &self,
///         state: &mut Self::State,
///         batch: &TypedBatch<'_, '_, AccountOpened>,
///     ) -> Result<(), ApplyError> {
///         batch.each(|_, event| match event {
///             AccountOpenedRef::Opened(event) => {
///                 *state.entry(event.country().to_owned()).or_default() += 1;
///             }
///         })
///     }
/// }
///
/// # let directory = tempfile::tempdir()?;
/// # let store = eventcask::open(directory.path())?;
/// let countries = store.projection(Countries).sync().start()?;
/// let opened = AccountOpened::from(Opened { country: "PT".to_owned() });
/// store.append_events("account-42", Expected::NoStream, &[opened])?.wait()?;
/// assert_eq!(countries.read_of("account-42", |state| state["PT"])?, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Projection: Send + Sync + 'static {
    /// What it is called: see [`eventcask::Projection::NAME`].
    const NAME: &'static str;

    /// Raise it whenever the same events give another state, by another upcaster also.
    const VERSION: u32;

    /// What the keys of the aggregates begin with that it is shown; by default all are.
    const KEY_PREFIX: Option<&'static str> = None;

    /// The events that it knows.
    type Event: EventSet;

    /// What is known of the events of one shard; its default is what is known of none.
    type State: Default + Send + 'static;

    /// Takes in the events of a batch.
    ///
    /// # Errors
    /// Why it could not: see [`eventcask::Projection::apply`].
    fn apply(
        &self,
        state: &mut Self::State,
        batch: &TypedBatch<'_, '_, Self::Event>,
    ) -> Result<(), ApplyError>;
}

/// A projection whose states of all shards make one.
pub trait Merge: Projection {
    /// Adds what the state of another shard knows.
    fn merge(&self, into: &mut Self::State, from: &Self::State);
}

/// A [`Projection`] as the store knows it.
#[derive(Debug, Clone, Copy)]
pub struct Typed<P>(pub P);

impl<P: Projection> eventcask::Projection for Typed<P> {
    const NAME: &'static str = P::NAME;
    const VERSION: u32 = P::VERSION;
    const TYPES: Option<&'static [&'static str]> = Some(P::Event::TYPES);
    const KEY_PREFIX: Option<&'static str> = P::KEY_PREFIX;
    type State = P::State;

    fn apply(&self, state: &mut P::State, batch: &eventcask::Batch<'_>) -> Result<(), ApplyError> {
        self.0.apply(state, &TypedBatch::of(batch))
    }
}

impl<P: Merge> StoredMerge for Typed<P> {
    fn merge(&self, into: &mut P::State, from: &P::State) {
        self.0.merge(into, from);
    }
}
