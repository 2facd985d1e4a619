//! Events on their way into a store.

use std::ops::Range;

use eventcask::NewEvent;
use eventcask::event::Encoding;

use crate::error::EncodeError;
use crate::event_set::EventSet;
use crate::schema::EventSchema;
use crate::tag::TagList;

/// Events that were encoded, to be appended to one aggregate: their payloads and tags.
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
/// # let directory = tempfile::tempdir()?;
/// # let store = eventcask::open(directory.path())?;
/// let events = EncodedEvents::of(&[AccountEvent::from(Deposited { cents: 500 })])?;
/// let ticket = events.with(|events| store.append("account-42", Expected::NoStream, events))?;
/// assert_eq!(ticket.wait()?.version(), Some(1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default, Clone)]
pub struct EncodedEvents {
    payloads: Vec<u8>,
    tags: TagList,
    rows: Vec<Row>,
}

#[derive(Debug, Clone)]
struct Row {
    schema: &'static EventSchema,
    payload: Range<usize>,
    tags: Range<usize>,
}

impl EncodedEvents {
    /// Encodes some events.
    ///
    /// # Errors
    /// Where the encoding of one can not hold it.
    pub fn of<S: EventSet>(events: &[S]) -> Result<Self, EncodeError> {
        let mut encoded = Self::default();
        for event in events {
            encoded.push(event)?;
        }
        Ok(encoded)
    }

    /// Encodes one more.
    ///
    /// # Errors
    /// Where its encoding can not hold it; those before it stay.
    pub fn push<S: EventSet>(&mut self, event: &S) -> Result<(), EncodeError> {
        let (start, first_tag) = (self.payloads.len(), self.tags.len());
        if let Err(error) = event.encode(&mut self.payloads) {
            self.payloads.truncate(start);
            return Err(error);
        }
        event.tags(&mut self.tags);
        self.rows.push(Row {
            schema: event.schema(),
            payload: start..self.payloads.len(),
            tags: first_tag..self.tags.len(),
        });
        Ok(())
    }

    /// How many events there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Forgets all events and keeps the memory, for the next ones.
    pub fn clear(&mut self) {
        self.payloads.clear();
        self.tags = TagList::default();
        self.rows.clear();
    }

    /// Shows the events as an append takes them. What else they carry, such as ids, is set on
    /// copies of them there.
    pub fn with<T>(&self, append: impl FnOnce(&[NewEvent<'_>]) -> T) -> T {
        let tags: Vec<(&str, &str)> = self.tags.iter().collect();
        let event = |row: &Row| self.event(row, &tags);
        let events: Vec<NewEvent<'_>> = self.rows.iter().map(event).collect();
        append(&events)
    }

    fn event<'a>(&'a self, row: &Row, tags: &'a [(&'a str, &'a str)]) -> NewEvent<'a> {
        let payload = &self.payloads[row.payload.clone()];
        let event = match row.schema.encoding {
            Encoding::Json => NewEvent::json(row.schema.event_type, payload),
            _ => NewEvent::bytes(row.schema.event_type, payload),
        };
        let event = event.schema(row.schema.version);
        let event = row
            .schema
            .shape
            .map_or(event, |shape| event.shape(shape.get()));
        match &tags[row.tags.clone()] {
            [] => event,
            tags => event.tags(tags),
        }
    }
}
