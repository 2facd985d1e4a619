//! An event on its way in.

use crate::{EventId, Invalid, Timestamp, check_type};

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
    /// The payload.
    pub payload: &'a [u8],
    /// The id by which a repeat is recognised; the engine makes one where it is absent.
    pub id: Option<EventId>,
    /// When it happened, as the caller knows it.
    pub time: Option<Timestamp>,
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
            payload,
            id: None,
            time: None,
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

    /// Tells whether a store with this payload limit can take the event.
    ///
    /// # Errors
    /// What is wrong with its type, id or payload.
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
        if self.id.is_some_and(|id| id.as_u128() == 0) {
            return Err(Invalid::IdNil);
        }
        Ok(())
    }
}
