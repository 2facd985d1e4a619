//! Projections that keep one value for each aggregate.

use eventcask::{ApplyError, Error, ProjectionHandle};

use crate::event_set::EventSet;
use crate::typed_batch::TypedBatch;

/// One value for each aggregate, folded from events of a set: the most frequent projection.
///
/// ```
/// use eventcask::Expected;
/// use eventcask_domain::prelude::*;
///
/// #[event("account.deposited")]
/// struct Deposited { cents: u64 }
///
/// #[event("account.withdrawn")]
/// struct Withdrawn { cents: u64 }
///
/// #[derive(EventSet)]
/// enum MoneyMoved { Deposited(Deposited), Withdrawn(Withdrawn) }
///
/// struct Balances;
///
/// impl PerAggregate for Balances {
///     const NAME: &'static str = "balances";
///     const VERSION: u32 = 1;
///     type Event = MoneyMoved;
///     type Value = i64;
///
///     fn apply(&self, balance: &mut i64, event: MoneyMovedRef<'_>) {
///         match event {
///             MoneyMovedRef::Deposited(event) => *balance += event.cents() as i64,
///             MoneyMovedRef::Withdrawn(event) => *balance -= event.cents() as i64,
///         }
///     }
/// }
///
/// # let directory = tempfile::tempdir()?;
/// # let store = eventcask::open(directory.path())?;
/// let balances = store.projection(Balances).sync().start()?;
/// let events = [Deposited { cents: 500 }.into(), Withdrawn { cents: 20 }.into()];
/// store.append_events::<MoneyMoved>("account-42", Expected::NoStream, &events)?.wait()?;
/// assert_eq!(balances.get("account-42")?, Some(480));
/// assert_eq!(balances.get("account-43")?, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait PerAggregate: Send + Sync + 'static {
    /// What it is called: see [`eventcask::Projection::NAME`].
    const NAME: &'static str;

    /// Raise it whenever the same events give another value, by another upcaster also.
    const VERSION: u32;

    /// What the keys of the aggregates begin with that it is shown; by default all are.
    const KEY_PREFIX: Option<&'static str> = None;

    /// The events that it knows.
    type Event: EventSet;

    /// What is kept of an aggregate; its default is what is known of none.
    type Value: Default + Send + 'static;

    /// Takes in an event of the aggregate.
    fn apply(&self, value: &mut Self::Value, event: <Self::Event as EventSet>::Ref<'_>);
}

/// A [`PerAggregate`] as the store knows it.
#[derive(Debug, Clone, Copy)]
pub struct OfEach<P>(pub P);

impl<P: PerAggregate> eventcask::Projection for OfEach<P> {
    const NAME: &'static str = P::NAME;
    const VERSION: u32 = P::VERSION;
    const TYPES: Option<&'static [&'static str]> = Some(P::Event::TYPES);
    const KEY_PREFIX: Option<&'static str> = P::KEY_PREFIX;
    type State = eventcask::PerAggregate<P::Value>;

    fn apply(
        &self,
        state: &mut Self::State,
        batch: &eventcask::Batch<'_>,
    ) -> Result<(), ApplyError> {
        let mut values = state.of(batch);
        TypedBatch::<P::Event>::of(batch).each(|row, event| {
            self.0.apply(&mut values[row.aggregate_index()], event);
        })
    }
}

/// Questions to a [`PerAggregate`] that runs.
pub trait Values<V> {
    /// The value of an aggregate; `None` where no event of it was shown. It is the default one where
    /// all events of it were upcast to none.
    ///
    /// # Errors
    /// As [`ProjectionHandle::read_of`].
    fn get(&self, key: &str) -> Result<Option<V>, Error>;
}

impl<P: PerAggregate> Values<P::Value> for ProjectionHandle<OfEach<P>>
where
    P::Value: Clone,
{
    fn get(&self, key: &str) -> Result<Option<P::Value>, Error> {
        self.read_of(key, |state| state.get(key).cloned())
    }
}
