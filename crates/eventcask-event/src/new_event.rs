//! An event on its way in.

use std::num::NonZeroU64;

use crate::{EventId, Headers, Invalid, Metadata, NewMetadata, Tags, Timestamp, check_type};

/// How the bytes of a payload are to be read. The number is part of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum Encoding {
    /// Bytes that the engine knows nothing about.
    Bytes = 0,
    /// One JSON value as UTF-8 text.
    Json = 1,
}

impl Encoding {
    /// The encoding with this number, or `None` where this version knows none.
    #[must_use]
    pub const fn from_u8(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Bytes),
            1 => Some(Self::Json),
            _ => None,
        }
    }
}

/// Type of the event by which the beginning of an aggregate is given up. Its payload is the
/// first version that is still there, as eight little-endian bytes.
pub const TRUNCATED_TYPE: &str = "$truncated";

/// An event that has not been stored yet; it borrows its parts.
///
/// ```
/// use eventcask_event::{EventId, NewEvent};
/// let event = NewEvent::json("Deposited", br#"{"cents":500}"#)
///     .id(EventId::from_name("transfer 7"))
///     .schema(2);
/// assert_eq!(event.payload.len(), 13);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct NewEvent<'a> {
    /// Name of the event type, 1 to 255 bytes.
    pub event_type: &'a str,
    /// Version of the payload's schema; 1 unless set.
    pub schema: u32,
    /// How the payload is encoded.
    pub encoding: Encoding,
    /// What the bytes of the payload are laid out like, where the caller says so.
    pub shape: Option<NonZeroU64>,
    /// The payload.
    pub payload: &'a [u8],
    /// The id by which a repeat is recognised; the engine makes one where it is absent.
    pub id: Option<EventId>,
    /// When it happened, as the caller knows it.
    pub time: Option<Timestamp>,
    /// What it carries beside the payload.
    pub metadata: Option<NewMetadata<'a>>,
}

impl<'a> NewEvent<'a> {
    /// An event whose payload is JSON text.
    ///
    /// ```
    /// use eventcask_event::NewEvent;
    /// let deposit = NewEvent::json("Deposited", br#"{"cents":500}"#);
    /// assert_eq!(deposit.event_type, "Deposited");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn json(event_type: &'a str, payload: &'a [u8]) -> Self {
        Self::new(event_type, Encoding::Json, payload)
    }

    /// An event whose payload is bytes in the caller's own encoding.
    ///
    /// ```
    /// use eventcask_event::NewEvent;
    /// let frame = NewEvent::bytes("Frame", &[0xff, 0xd8]);
    /// assert_eq!(frame.payload.len(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn bytes(event_type: &'a str, payload: &'a [u8]) -> Self {
        Self::new(event_type, Encoding::Bytes, payload)
    }

    /// The event that gives up all versions of its aggregate before the one in `version`,
    /// little-endian. Only the engine makes it.
    #[must_use]
    pub const fn truncation(version: &'a [u8; 8]) -> Self {
        Self::new(TRUNCATED_TYPE, Encoding::Bytes, version)
    }

    const fn new(event_type: &'a str, encoding: Encoding, payload: &'a [u8]) -> Self {
        Self {
            event_type,
            schema: 1,
            encoding,
            shape: None,
            payload,
            id: None,
            time: None,
            metadata: None,
        }
    }

    /// Sets the id by which a repeat of this event is recognised.
    ///
    /// ```
    /// use eventcask_event::{EventId, NewEvent};
    /// // The same name gives the same id: sent again, the event is known.
    /// let order = NewEvent::json("Placed", b"{}").id(EventId::from_name("order-7"));
    /// assert!(order.id.is_some());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn id(mut self, id: EventId) -> Self {
        self.id = Some(id);
        self
    }

    /// Sets when the event happened; the store adds its own commit time to it.
    ///
    /// ```
    /// use eventcask_event::{NewEvent, Timestamp};
    /// let noon: Timestamp = "2026-01-01T12:00:00Z".parse()?;
    /// let measured = NewEvent::json("Measured", b"{}").time(noon);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn time(mut self, time: Timestamp) -> Self {
        self.time = Some(time);
        self
    }

    /// Sets the version of the payload's schema.
    #[must_use]
    pub const fn schema(mut self, schema: u32) -> Self {
        self.schema = schema;
        self
    }

    /// Says what the bytes of the payload are laid out like: a hash, or any other number, but 0,
    /// which says nothing. Who reads the payload where it lies compares it with its own before;
    /// and to that end it starts at a multiple of 16 in memory, wherever it is read; one without
    /// bytes is anywhere.
    ///
    /// ```
    /// use eventcask_event::NewEvent;
    /// let archived = NewEvent::bytes("Deposited", &[0xf4, 1, 0, 0, 0, 0, 0, 0]).shape(0x5e_ed);
    /// assert!(archived.check(1024).is_ok());
    /// // Text has no shape.
    /// assert!(NewEvent::json("Deposited", b"500").shape(0x5e_ed).check(1024).is_err());
    /// ```
    #[must_use]
    pub const fn shape(mut self, shape: u64) -> Self {
        self.shape = NonZeroU64::new(shape);
        self
    }

    /// Sets which conversation the event belongs to: all that came of one request have the same
    /// correlation id.
    ///
    /// ```
    /// use eventcask_event::{EventId, NewEvent};
    /// let request = EventId::from_name("request 7");
    /// let order = NewEvent::json("Placed", b"{}").correlation(request).causation(request);
    /// let paid = NewEvent::json("Paid", b"{}").correlation(request);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn correlation(mut self, id: EventId) -> Self {
        let mut metadata = self.metadata_or_none();
        metadata.correlation = Some(id);
        self.metadata = Some(metadata);
        self
    }

    /// Sets which event or command caused the event.
    #[must_use]
    pub const fn causation(mut self, id: EventId) -> Self {
        let mut metadata = self.metadata_or_none();
        metadata.causation = Some(id);
        self.metadata = Some(metadata);
        self
    }

    /// Sets names and bytes that go with the event, beside its payload: up to
    /// [`MAX_HEADERS`](crate::MAX_HEADERS), each name once.
    ///
    /// ```
    /// use eventcask_event::NewEvent;
    /// let traced = NewEvent::json("Placed", b"{}").headers(&[("trace", b"00-4bf92f"), ("by", b"web")]);
    /// assert!(traced.check(1024).is_ok());
    /// ```
    #[must_use]
    pub const fn headers(mut self, headers: &'a [(&'a str, &'a [u8])]) -> Self {
        let mut metadata = self.metadata_or_none();
        metadata.headers = Headers::new(headers);
        self.metadata = Some(metadata);
        self
    }

    /// Sets names and values by which the event can be found: up to
    /// [`MAX_TAGS`](crate::MAX_TAGS), each name once. Their order does not matter.
    ///
    /// ```
    /// use eventcask_event::NewEvent;
    /// let order = NewEvent::json("Placed", b"{}").tags(&[("customer", "ada"), ("shop", "7")]);
    /// assert!(order.check(1024).is_ok());
    /// ```
    #[must_use]
    pub const fn tags(mut self, tags: &'a [(&'a str, &'a str)]) -> Self {
        let mut metadata = self.metadata_or_none();
        metadata.tags = Tags::new(tags);
        self.metadata = Some(metadata);
        self
    }

    /// Gives the event all the metadata of one that is stored.
    ///
    /// ```
    /// use eventcask_event::{EventBatch, NewEvent};
    /// let mut batch = EventBatch::default();
    /// batch.push("a", 0, &NewEvent::json("Placed", b"{}").tags(&[("shop", "7")]))?;
    /// let copy = NewEvent::json("Placed", b"{}").metadata(batch.metadata(0));
    /// assert_eq!(copy.metadata.and_then(|one| one.tags.get("shop")), Some("7"));
    /// # Ok::<(), eventcask_event::Invalid>(())
    /// ```
    #[must_use]
    pub fn metadata(mut self, metadata: Metadata<'a>) -> Self {
        self.metadata = metadata.to_new();
        self
    }

    const fn metadata_or_none(&self) -> NewMetadata<'a> {
        match self.metadata {
            Some(metadata) => metadata,
            None => NewMetadata {
                correlation: None,
                causation: None,
                headers: Headers::new(&[]),
                tags: Tags::new(&[]),
            },
        }
    }

    /// Tells whether a store with this payload limit can take the event.
    ///
    /// # Errors
    /// What is wrong with its type, shape, id, payload or metadata.
    pub fn check(&self, max_payload_bytes: usize) -> Result<(), Invalid> {
        check_type(self.event_type)?;
        if self.event_type == TRUNCATED_TYPE {
            return Err(Invalid::TypeReserved);
        }
        if self.payload.len() > max_payload_bytes {
            let bytes = self.payload.len();
            return Err(Invalid::PayloadTooLarge {
                bytes,
                limit: max_payload_bytes,
            });
        }
        if self.shape.is_some() && self.encoding != Encoding::Bytes {
            return Err(Invalid::ShapeOfText);
        }
        if self.id.is_some_and(|id| id.as_u128() == 0) {
            return Err(Invalid::IdNil);
        }
        match &self.metadata {
            Some(metadata) => metadata.check(),
            None => Ok(()),
        }
    }
}
