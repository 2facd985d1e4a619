//! A stored event that was handed out.

use std::num::NonZeroU64;
use std::sync::Arc;

use eventcask_event::{
    Encoding, EventId, EventRef, Events, Headers, Metadata, Place, Tags, Timestamp,
};
use eventcask_log::Block;

/// A stored event: a share of its block, in which it is read in place.
///
/// ```
/// # let directory = tempfile::tempdir()?;
/// # let store = eventcask::open(directory.path().join("s"))?;
/// use eventcask::{Expected, NewEvent};
/// let deposit = NewEvent::json("Deposited", br#"{"cents":500}"#);
/// store.producer().append("account-42", Expected::Any, &[deposit])?.wait()?;
///
/// for event in store.aggregate("account-42").events()? {
///     let event = event?;
///     assert_eq!((event.key(), event.version()), ("account-42", 1));
///     assert_eq!((event.event_type(), event.payload()), ("Deposited", deposit.payload));
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Event {
    block: Arc<Block>,
    row: u32,
}

impl Event {
    /// The event of a row of a block.
    #[inline]
    pub(crate) fn new(block: Arc<Block>, row: u32) -> Self {
        Self { block, row }
    }

    #[inline]
    fn events(&self) -> (Events<'_>, usize) {
        (self.block.events(), self.row as usize)
    }

    /// The block that it is a share of.
    pub(crate) fn block(&self) -> &Arc<Block> {
        &self.block
    }

    /// Key of the aggregate that the event is about.
    #[must_use]
    #[inline]
    pub fn key(&self) -> &str {
        let (events, row) = self.events();
        events.key(events.aggregate_index(row))
    }

    /// The 1-based ordinal of the event in its aggregate.
    #[must_use]
    #[inline]
    pub fn version(&self) -> u64 {
        let (events, row) = self.events();
        events.version(row)
    }

    /// The shard that stores the aggregate.
    #[must_use]
    pub fn shard(&self) -> u32 {
        self.block.head().shard
    }

    /// The 0-based ordinal of the event in its shard.
    #[must_use]
    #[inline]
    pub fn position(&self) -> u64 {
        let (events, row) = self.events();
        events.position(row)
    }

    /// Where the event is.
    #[must_use]
    pub fn place(&self) -> Place {
        Place::new(self.shard(), self.position())
    }

    /// Name of the event type.
    #[must_use]
    #[inline]
    pub fn event_type(&self) -> &str {
        let (events, row) = self.events();
        events.event_type(row)
    }

    /// Version of the payload's schema.
    #[must_use]
    pub fn schema(&self) -> u32 {
        let (events, row) = self.events();
        events.type_schema(events.type_index(row))
    }

    /// How the payload is encoded.
    #[must_use]
    pub fn encoding(&self) -> Encoding {
        let (events, row) = self.events();
        events.type_encoding(events.type_index(row))
    }

    /// What the bytes of the payload are laid out like, if the event came with a
    /// [shape](eventcask_event::NewEvent::shape). Such a payload starts at a multiple of 16 in
    /// memory, unless it has no bytes.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path().join("s"))?;
    /// use eventcask::{Expected, NewEvent};
    /// let archived = NewEvent::bytes("Deposited", &[0xf4, 1, 0, 0, 0, 0, 0, 0]).shape(0x5e_ed);
    /// store.append("account-42", Expected::Any, &[archived])?.wait()?;
    ///
    /// let event = store.events().iter().next().ok_or("there is one")??;
    /// assert_eq!(event.shape(), archived.shape);
    /// assert!(event.payload().as_ptr().addr().is_multiple_of(16));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn shape(&self) -> Option<NonZeroU64> {
        let (events, row) = self.events();
        events.type_shape(events.type_index(row))
    }

    /// The event's id.
    #[must_use]
    pub fn id(&self) -> EventId {
        let (events, row) = self.events();
        events.id(row)
    }

    /// When the engine accepted the event; never decreases along a shard.
    #[must_use]
    #[inline]
    pub fn commit_time(&self) -> Timestamp {
        let (events, row) = self.events();
        events.commit_time(row)
    }

    /// When the event happened, as its sender knows it.
    #[must_use]
    pub fn time(&self) -> Option<Timestamp> {
        let (events, row) = self.events();
        events.time(row)
    }

    /// The payload.
    #[must_use]
    #[inline]
    pub fn payload(&self) -> &[u8] {
        let (events, row) = self.events();
        events.payload(row).unwrap_or_default()
    }

    /// What the event carries beside its payload.
    #[must_use]
    pub fn metadata(&self) -> Metadata<'_> {
        let (events, row) = self.events();
        events.metadata(row)
    }

    /// Which conversation the event belongs to.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path())?;
    /// use eventcask::{EventId, Expected, NewEvent};
    /// let request = EventId::from_name("request 7");
    /// let placed = NewEvent::json("Placed", b"{}")
    ///     .correlation(request)
    ///     .headers(&[("trace", b"00-4bf92f")])
    ///     .tags(&[("customer", "ada")]);
    /// store.append("order-7", Expected::Any, &[placed])?.wait()?;
    ///
    /// let event = store.events().iter().next().ok_or("there is one")??;
    /// assert_eq!(event.correlation_id(), Some(request));
    /// assert_eq!(event.causation_id(), None);
    /// assert_eq!(event.headers().get("trace"), Some(&b"00-4bf92f"[..]));
    /// assert_eq!(event.tags().get("customer"), Some("ada"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn correlation_id(&self) -> Option<EventId> {
        self.metadata().correlation_id()
    }

    /// Which event or command caused the event.
    #[must_use]
    pub fn causation_id(&self) -> Option<EventId> {
        self.metadata().causation_id()
    }

    /// Names and bytes that the sender wrote beside the payload, in their order.
    #[must_use]
    pub fn headers(&self) -> Headers<'_> {
        self.metadata().headers()
    }

    /// Names and values by which the event can be found, in the order of their names.
    #[must_use]
    pub fn tags(&self) -> Tags<'_> {
        self.metadata().tags()
    }

    /// All of it at once; everything in it borrows from the block. It is what folds are given.
    #[must_use]
    #[inline]
    pub fn get(&self) -> EventRef<'_> {
        let (events, row) = self.events();
        events.event(row)
    }
}

impl std::fmt::Debug for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.get().fmt(f)
    }
}
