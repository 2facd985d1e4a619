//! What a store can do with typed events.

use eventcask::projection::ProjectionOptions;
use eventcask::{Expected, Repository, Store, StoreReader, Ticket};

use crate::decider::Decider;
use crate::decider_handle::DeciderHandle;
use crate::encoded::EncodedEvents;
use crate::error::Error;
use crate::event_set::EventSet;
use crate::fold::{Fold, TypedFold};
use crate::per_aggregate::{OfEach, PerAggregate};
use crate::projection::{Projection, Typed};

/// What a store can do with typed events.
pub trait TypedStore {
    /// Appends events to one aggregate, all or none: [`Store::append`] with types.
    ///
    /// # Errors
    /// That an event can not be encoded, or as [`Store::append`].
    fn append_events<S: EventSet>(
        &self,
        key: &str,
        expected: Expected,
        events: &[S],
    ) -> Result<Ticket, Error>;

    /// The aggregates of a decider: carries out commands, and loads states.
    ///
    /// One handle, or clones of it, should serve the whole process: they share the states that are
    /// kept in memory.
    fn decider<D: Decider>(&self) -> DeciderHandle<D>;

    /// A projection that follows the store: one with types, or one without, as
    /// [`StoreReader::projection`] has it.
    fn projection<P, Kind>(&self, projection: P) -> ProjectionOptions<P::Stored>
    where
        P: IntoProjection<Kind>;
}

/// What a store that may be open for reading only can do with typed events.
pub trait TypedReader {
    /// Folds the events of single aggregates into states, and keeps those that are loaded most:
    /// [`StoreReader::fold`] with types.
    fn typed_fold<F: Fold>(&self, fold: F) -> Repository<TypedFold<F>>;

    /// A projection that follows the store: [`TypedStore::projection`] where it is open for reading
    /// only.
    fn typed_projection<P, Kind>(&self, projection: P) -> ProjectionOptions<P::Stored>
    where
        P: IntoProjection<Kind>;
}

impl TypedStore for Store {
    fn append_events<S: EventSet>(
        &self,
        key: &str,
        expected: Expected,
        events: &[S],
    ) -> Result<Ticket, Error> {
        let encoded = EncodedEvents::of(events)?;
        Ok(encoded.with(|events| self.append(key, expected, events))?)
    }

    fn decider<D: Decider>(&self) -> DeciderHandle<D> {
        DeciderHandle::new(self)
    }

    fn projection<P, Kind>(&self, projection: P) -> ProjectionOptions<P::Stored>
    where
        P: IntoProjection<Kind>,
    {
        self.typed_projection(projection)
    }
}

impl TypedReader for StoreReader {
    fn typed_fold<F: Fold>(&self, fold: F) -> Repository<TypedFold<F>> {
        self.fold(TypedFold(fold))
    }

    fn typed_projection<P, Kind>(&self, projection: P) -> ProjectionOptions<P::Stored>
    where
        P: IntoProjection<Kind>,
    {
        self.projection(projection.into_projection())
    }
}

/// Whatever can be started as a projection of a store. `Kind` tells the kinds apart, and is found
/// by the compiler.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no projection",
    label = "no projection",
    note = "implement `PerAggregate` or `Projection` for it"
)]
pub trait IntoProjection<Kind> {
    /// As the store knows it.
    type Stored: eventcask::Projection;

    /// As the store knows it.
    fn into_projection(self) -> Self::Stored;
}

/// The kind of [`eventcask::Projection`].
#[derive(Debug)]
pub enum Untyped {}

/// The kind of [`Projection`].
#[derive(Debug)]
pub enum OfBatches {}

/// The kind of [`PerAggregate`].
#[derive(Debug)]
pub enum OfAggregates {}

impl<P: eventcask::Projection> IntoProjection<Untyped> for P {
    type Stored = P;

    fn into_projection(self) -> P {
        self
    }
}

impl<P: Projection> IntoProjection<OfBatches> for P {
    type Stored = Typed<P>;

    fn into_projection(self) -> Typed<P> {
        Typed(self)
    }
}

impl<P: PerAggregate> IntoProjection<OfAggregates> for P {
    type Stored = OfEach<P>;

    fn into_projection(self) -> OfEach<P> {
        OfEach(self)
    }
}
