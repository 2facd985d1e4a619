//! The events of one block, as a projection sees them.

use std::num::NonZeroU64;

use eventcask_event::{AggregateNumbers, Encoding, EventRef, Events, Metadata, Timestamp};

use crate::{ApplyError, FailedEvent};

/// Events of one shard in their order, to be folded into the state of a [`Projection`].
///
/// Everything is reached by a *row*, and what many rows share by an index: the aggregate and
/// the event type of a row are small numbers within the batch, so that a fast handler looks at
/// their names once a batch. Nothing is copied. Rows that are not to be seen, since they were
/// applied before, given up, or are of types that the projection does not
/// [declare](crate::Projection::TYPES), are left out by [`rows`](Self::rows): use no others.
///
/// [`Projection`]: crate::Projection
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    events: Events<'a>,
    rows: Rows<'a>,
    replay: bool,
}

/// Which rows are to be seen.
#[derive(Debug, Clone, Copy)]
enum Rows<'a> {
    /// All from this one on.
    From(usize),
    /// These.
    Listed(&'a [u32]),
}

impl<'a> Batch<'a> {
    /// All events of a block from a row on; `replay` as in [`replay`](Self::replay).
    #[must_use]
    pub fn new(events: Events<'a>, first_row: usize, replay: bool) -> Self {
        Self {
            events,
            rows: Rows::From(first_row.min(events.len())),
            replay,
        }
    }

    /// The events of a block in these rows, which rise.
    #[must_use]
    pub fn listed(events: Events<'a>, rows: &'a [u32], replay: bool) -> Self {
        Self {
            events,
            rows: Rows::Listed(rows),
            replay,
        }
    }

    /// The same events, as if they carried nothing beside their payloads.
    #[must_use]
    pub fn without_metadata(self) -> Self {
        let events = self.events.without_metadata();
        Self { events, ..self }
    }

    pub(crate) fn events(&self) -> &Events<'a> {
        &self.events
    }

    /// Whether the events are read back from the log, as opposed to having just been stored. What
    /// is done to the world outside of the state must not be done again.
    #[must_use]
    pub fn replay(&self) -> bool {
        self.replay
    }

    /// The shard that all events are of.
    #[must_use]
    pub fn shard(&self) -> u32 {
        self.events.shard()
    }

    /// How many events there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match self.rows {
            Rows::From(first) => self.events.len() - first,
            Rows::Listed(rows) => rows.len(),
        }
    }

    /// Whether there is no event.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The rows of the events, in order.
    pub fn rows(&self) -> impl Iterator<Item = usize> + use<'a> {
        let (range, listed) = match self.rows {
            Rows::From(first) => (first..self.events.len(), &[][..]),
            Rows::Listed(rows) => (0..0, rows),
        };
        range.chain(listed.iter().map(|row| *row as usize))
    }

    /// Whether each aggregate of the block has an event in the batch.
    pub(crate) fn has_all_aggregates(&self) -> bool {
        matches!(self.rows, Rows::From(0))
    }

    /// How many aggregates the block lists; their indexes are below it. Where rows are left out,
    /// some of them may have no event in the batch.
    #[must_use]
    pub fn aggregates(&self) -> usize {
        self.events.aggregates()
    }

    /// The index of a row's aggregate.
    #[must_use]
    #[inline]
    pub fn aggregate_index(&self, row: usize) -> usize {
        self.events.aggregate_index(row)
    }

    /// Key of the aggregate with this index.
    #[must_use]
    pub fn key(&self, aggregate: usize) -> &'a str {
        self.events.key(aggregate)
    }

    /// Numbers by which aggregates can be known without their keys.
    pub(crate) fn numbers(&self) -> Option<AggregateNumbers<'a>> {
        self.events.numbers()
    }

    #[inline]
    pub(crate) fn key_bytes(&self, aggregate: usize) -> &'a [u8] {
        self.events.key_bytes(aggregate)
    }

    /// The event's version in its aggregate.
    #[must_use]
    #[inline]
    pub fn version(&self, row: usize) -> u64 {
        self.events.version(row)
    }

    /// The event's position in the shard.
    #[must_use]
    #[inline]
    pub fn position(&self, row: usize) -> u64 {
        self.events.position(row)
    }

    /// How many event types the block lists; their indexes are below it. Where rows are left out,
    /// some of them may have no event in the batch.
    #[must_use]
    pub fn types(&self) -> usize {
        self.events.types()
    }

    /// The index of a row's event type.
    #[must_use]
    #[inline]
    pub fn type_index(&self, row: usize) -> usize {
        self.events.type_index(row)
    }

    /// Name of the event type with this index. One name may be listed with several schemas,
    /// encodings and shapes.
    #[must_use]
    pub fn type_name(&self, event_type: usize) -> &'a str {
        self.events.type_name(event_type)
    }

    /// Version of the schema of the event type with this index.
    #[must_use]
    pub fn type_schema(&self, event_type: usize) -> u32 {
        self.events.type_schema(event_type)
    }

    /// Encoding of the event type with this index.
    #[must_use]
    pub fn type_encoding(&self, event_type: usize) -> Encoding {
        self.events.type_encoding(event_type)
    }

    /// What the bytes of the payloads of the event type with this index are laid out like, if its
    /// events came with a shape. Such payloads start at multiples of 16 in memory,
    /// but for those without bytes.
    #[must_use]
    pub fn type_shape(&self, event_type: usize) -> Option<NonZeroU64> {
        self.events.type_shape(event_type)
    }

    /// The event's payload.
    #[must_use]
    #[inline]
    pub fn payload(&self, row: usize) -> &'a [u8] {
        self.events.payload(row).unwrap_or(&[])
    }

    /// Bytes of the event's payload, which need not be looked at for it.
    #[must_use]
    #[inline]
    pub fn payload_len(&self, row: usize) -> usize {
        self.events.payload_len(row)
    }

    /// What the event carries beside its payload: ids of correlation and causation, headers, tags.
    #[must_use]
    pub fn metadata(&self, row: usize) -> Metadata<'a> {
        self.events.metadata(row)
    }

    /// When the engine accepted the event.
    #[must_use]
    pub fn commit_time(&self, row: usize) -> Timestamp {
        self.events.commit_time(row)
    }

    /// When the event happened, as its sender knows it.
    #[must_use]
    pub fn time(&self, row: usize) -> Option<Timestamp> {
        self.events.time(row)
    }

    /// All of the event of a row.
    #[must_use]
    pub fn event(&self, row: usize) -> EventRef<'a> {
        self.events.event(row)
    }

    /// What [`apply`](crate::Projection::apply) gives where it can not take in the event of a row:
    /// so it is known which one it is, and its aggregate alone can be parked. All rows before it
    /// are to be in the state by then, and nothing of this one.
    ///
    /// ```
    /// use eventcask_project::{ApplyError, Batch, PerAggregate, Projection};
    ///
    /// /// The cents of each account.
    /// struct Balances;
    ///
    /// impl Projection for Balances {
    ///     const NAME: &'static str = "balances";
    ///     const VERSION: u32 = 1;
    ///     type State = PerAggregate<i64>;
    ///
    ///     fn apply(&self, state: &mut Self::State, batch: &Batch<'_>) -> Result<(), ApplyError> {
    ///         let mut balances = state.of(batch);
    ///         for row in batch.rows() {
    ///             let cents = batch.payload(row).try_into();
    ///             let cents = cents.map_err(|error| batch.failed(row, error))?;
    ///             balances[batch.aggregate_index(row)] += i64::from_le_bytes(cents);
    ///         }
    ///         Ok(())
    ///     }
    /// }
    /// ```
    #[must_use]
    pub fn failed(&self, row: usize, reason: impl Into<ApplyError>) -> ApplyError {
        Box::new(FailedEvent {
            row,
            key: self.key(self.aggregate_index(row)).to_owned(),
            version: self.version(row),
            position: self.position(row),
            reason: reason.into(),
        })
    }

    /// All events in their order: the plain way, where speed is no matter.
    pub fn iter(&self) -> impl Iterator<Item = EventRef<'a>> + use<'a> {
        let events = self.events;
        self.rows().map(move |row| events.event(row))
    }
}
