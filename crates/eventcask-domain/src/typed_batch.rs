//! A batch of stored events, as events of a set.

use eventcask::event::EventRef;
use eventcask::{ApplyError, Batch};

use crate::error::DecodeError;
use crate::event_set::{Decoded, EventSet, Found, StoredType};

/// A batch of stored events as events of a set: what a [`Projection`](crate::Projection) is given.
/// Events of other types pass it by.
///
/// How each event type of the batch is to be decoded is looked up once, not for each event. A batch
/// that comes from elsewhere, such as the feed of a read model, is taken in by [`of`](Self::of).
pub struct TypedBatch<'b, 'a, S> {
    batch: &'b Batch<'a>,
    /// By index of the event type.
    types: Vec<Result<Option<Found>, DecodeError>>,
    set: std::marker::PhantomData<S>,
}

impl<'b, 'a, S: EventSet> TypedBatch<'b, 'a, S> {
    /// The events of a batch.
    ///
    /// ```
    /// use eventcask::{Expected, NewEvent};
    /// use eventcask_domain::TypedBatch;
    /// use eventcask_domain::prelude::*;
    ///
    /// #[event("account.deposited")]
    /// struct Deposited { cents: u64 }
    ///
    /// #[derive(EventSet)]
    /// enum MoneyMoved { Deposited(Deposited) }
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path())?;
    /// let deposit = NewEvent::json("account.deposited", br#"{"cents":500}"#);
    /// let other = NewEvent::json("account.noted", b"{}");
    /// store.append("account-42", Expected::Any, &[deposit, other, deposit])?.wait()?;
    ///
    /// let mut cents = 0;
    /// for batch in store.events().batches() {
    ///     TypedBatch::<MoneyMoved>::of(&batch?.get()).each(|_, event| match event {
    ///         MoneyMovedRef::Deposited(event) => cents += event.cents(),
    ///     })?;
    /// }
    /// assert_eq!(cents, 1_000);
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    #[must_use]
    pub fn of(batch: &'b Batch<'a>) -> Self {
        let stored = |number| StoredType {
            event_type: batch.type_name(number),
            version: batch.type_schema(number),
            encoding: batch.type_encoding(number),
            shape: batch.type_shape(number),
        };
        Self {
            batch,
            types: (0..batch.types())
                .map(|number| S::find(stored(number)))
                .collect(),
            set: std::marker::PhantomData,
        }
    }

    /// The stored events.
    #[must_use]
    pub fn stored(&self) -> &'b Batch<'a> {
        self.batch
    }

    /// Shows each event in its order, with the row that it is stored in.
    ///
    /// # Errors
    /// That an event can not be read, which names the event: those before it were shown.
    pub fn each(
        &self,
        mut show: impl FnMut(BatchRow<'b, 'a>, S::Ref<'_>),
    ) -> Result<(), ApplyError> {
        for row in self.batch.rows() {
            if let Some(decoded) = self.decode(row)? {
                let stored = BatchRow {
                    batch: self.batch,
                    row,
                };
                decoded.views().for_each(|view| show(stored, view));
            }
        }
        Ok(())
    }

    fn decode(&self, row: usize) -> Result<Option<Decoded<'a, S>>, ApplyError> {
        let found = &self.types[self.batch.type_index(row)];
        let decoded = match found {
            Ok(None) => return Ok(None),
            Ok(Some(found)) => S::decode_found(*found, self.batch.payload(row)),
            Err(error) => Err(error.clone()),
        };
        decoded
            .map(Some)
            .map_err(|error| self.batch.failed(row, error))
    }
}

/// Where an event of a batch is stored.
#[derive(Debug, Clone, Copy)]
pub struct BatchRow<'b, 'a> {
    batch: &'b Batch<'a>,
    row: usize,
}

impl<'a> BatchRow<'_, 'a> {
    /// Key of the aggregate.
    #[must_use]
    pub fn key(self) -> &'a str {
        self.batch.key(self.aggregate_index())
    }

    /// The index of the aggregate in the batch, which is a small number.
    #[must_use]
    #[inline]
    pub fn aggregate_index(self) -> usize {
        self.batch.aggregate_index(self.row)
    }

    /// Whether the event is read back from the log, as opposed to having just been stored.
    #[must_use]
    pub fn replay(self) -> bool {
        self.batch.replay()
    }

    /// All that the store knows of the event.
    #[must_use]
    pub fn event(self) -> EventRef<'a> {
        self.batch.event(self.row)
    }
}
