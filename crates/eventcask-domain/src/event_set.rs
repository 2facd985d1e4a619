//! The events that some code knows, as an enum.

use std::fmt::Debug;
use std::num::NonZeroU64;

use eventcask::event::{Encoding, EventRef};

use crate::error::{DecodeError, EncodeError};
use crate::schema::EventSchema;
use crate::tag::TagList;

/// An enum of events: what a decider, a fold or a projection knows. The derive of this name
/// implements it, and makes an enum of views beside it, called `…Ref`.
///
/// Each variant holds one struct with `#[event]`. Events of older schemas are upcast on the way.
///
/// ```
/// use eventcask_domain::prelude::*;
///
/// #[event("account.deposited")]
/// struct Deposited { cents: u64 }
///
/// #[event("account.closed")]
/// struct Closed;
///
/// #[derive(EventSet)]
/// enum AccountEvent { Deposited(Deposited), Closed(Closed) }
///
/// assert_eq!(AccountEvent::TYPES, ["account.deposited", "account.closed"]);
/// let event: AccountEvent = Deposited { cents: 500 }.into();
/// match event.view() {
///     AccountEventRef::Deposited(event) => assert_eq!(event.cents(), 500),
///     AccountEventRef::Closed(_) => unreachable!("it is a deposit"),
/// }
/// ```
///
/// Two variants of one event type are refused by the compiler:
///
/// ```compile_fail,E0080
/// use eventcask_domain::prelude::*;
///
/// #[event("account.deposited")]
/// struct Deposited { cents: u64 }
///
/// #[event("account.deposited")]
/// struct Paid { cents: u64 }
///
/// #[derive(EventSet)]
/// enum AccountEvent { Deposited(Deposited), Paid(Paid) }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no set of events",
    label = "no set of events",
    note = "put `#[derive(EventSet)]` on an enum whose variants hold one event each"
)]
pub trait EventSet: Sized + Send + Sync + 'static {
    /// What is seen of an event: an enum with a variant for each event.
    type Ref<'a>: Copy + Debug;

    /// What is declared: the newest schema of each variant, in their order, then those of events
    /// that are no longer written.
    const SCHEMAS: &'static [&'static EventSchema];

    /// Names of all event types that may lead to an event of the set, each once: what filters take.
    const TYPES: &'static [&'static str];

    /// What is seen of an event that is not stored, or of one that was decoded.
    fn view(&self) -> Self::Ref<'_>;

    /// What is declared of the event.
    fn schema(&self) -> &'static EventSchema;

    /// Puts the payload at the end of `out`.
    ///
    /// # Errors
    /// Where its encoding can not hold it, such as JSON a number that is infinite.
    fn encode(&self, out: &mut Vec<u8>) -> Result<(), EncodeError>;

    /// Adds the tags of the event to a list.
    fn tags(&self, tags: &mut TagList);

    /// Decodes a payload by what [`find`](Self::find) found.
    ///
    /// # Errors
    /// [`DecodeError::Malformed`].
    fn decode_found(found: Found, payload: &[u8]) -> Result<Decoded<'_, Self>, DecodeError>;

    /// The same view for a shorter time.
    fn shorten<'b, 'a: 'b>(view: Self::Ref<'a>) -> Self::Ref<'b>;

    /// How events of a stored type are to be decoded; `None` where the set does not have the type.
    /// Many events of one type need to be asked for once.
    ///
    /// # Errors
    /// [`DecodeError::NewerSchema`], [`DecodeError::NoUpcaster`],
    /// [`DecodeError::OtherEncoding`] or [`DecodeError::OtherShape`].
    fn find(stored: StoredType<'_>) -> Result<Option<Found>, DecodeError> {
        find_in(Self::SCHEMAS, stored)
    }

    /// Decodes a stored event; `None` where the set does not have its type.
    ///
    /// ```
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
    /// use eventcask::{Expected, NewEvent};
    /// let stored = NewEvent::json("account.deposited", br#"{"cents":500}"#);
    /// store.append("account-42", Expected::Any, &[stored])?.wait()?;
    ///
    /// let stored = store.aggregate("account-42").events()?.next().ok_or("there is one")??;
    /// let decoded = AccountEvent::decode(&stored.get())?.ok_or("it is one of the set")?;
    /// for AccountEventRef::Deposited(event) in decoded.views() {
    ///     assert_eq!(event.cents(), 500);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`find`](Self::find), and [`DecodeError::Malformed`].
    fn decode<'a>(event: &EventRef<'a>) -> Result<Option<Decoded<'a, Self>>, DecodeError> {
        let found = Self::find(StoredType::of(event))?;
        let decoded = found.map(|found| Self::decode_found(found, event.payload));
        decoded.transpose()
    }
}

/// What a store says of an event's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredType<'a> {
    /// Name of the event type.
    pub event_type: &'a str,
    /// Version of the payload's schema.
    pub version: u32,
    /// How the payload is encoded.
    pub encoding: Encoding,
    /// What its bytes are laid out like, if it is an archive.
    pub shape: Option<NonZeroU64>,
}

impl<'a> StoredType<'a> {
    /// A type by what is stored of it.
    #[must_use]
    pub fn new(
        event_type: &'a str,
        version: u32,
        encoding: Encoding,
        shape: Option<NonZeroU64>,
    ) -> Self {
        Self {
            event_type,
            version,
            encoding,
            shape,
        }
    }

    /// The type of an event.
    #[must_use]
    pub fn of(event: &EventRef<'a>) -> Self {
        Self {
            event_type: event.event_type,
            version: event.schema,
            encoding: event.encoding,
            shape: event.shape,
        }
    }
}

/// Where a set has a stored type: a number of its [`SCHEMAS`](EventSet::SCHEMAS), and how many
/// steps before the newest one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Found {
    /// The number.
    pub member: u16,
    /// The steps.
    pub steps: u16,
}

/// What a stored event is in a set: one event as a rule. An event that was split is several, one
/// that was given up none.
pub enum Decoded<'a, S: EventSet> {
    /// One that is seen in place in its payload.
    InPlace(S::Ref<'a>),
    /// One that was decoded.
    Owned(S),
    /// As many as an upcaster made of it.
    Several(Vec<S>),
}

impl<S: EventSet> Decoded<'_, S> {
    /// How many events there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::InPlace(_) | Self::Owned(_) => 1,
            Self::Several(events) => events.len(),
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What is seen of one of them, from 0 on.
    #[must_use]
    #[inline]
    pub fn view(&self, number: usize) -> Option<S::Ref<'_>> {
        match self {
            Self::InPlace(view) => (number == 0).then(|| S::shorten(*view)),
            Self::Owned(event) => (number == 0).then(|| event.view()),
            Self::Several(events) => events.get(number).map(S::view),
        }
    }

    /// What is seen of each of them, in their order.
    #[inline]
    pub fn views(&self) -> impl Iterator<Item = S::Ref<'_>> {
        (0..self.len()).filter_map(|number| self.view(number))
    }
}

impl<S: EventSet> Debug for Decoded<'_, S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.views()).finish()
    }
}

fn find_in(
    heads: &[&'static EventSchema],
    stored: StoredType<'_>,
) -> Result<Option<Found>, DecodeError> {
    let mut newest = None;
    for (member, head) in (0..).zip(heads) {
        for (steps, schema) in (0..).zip(head.chain()) {
            if schema.event_type != stored.event_type {
                continue;
            }
            if schema.version == stored.version {
                return check(schema, stored).map(|()| Some(Found { member, steps }));
            }
            newest = newest.max(Some(schema.version));
        }
    }
    newest.map_or(Ok(None), |known| Err(not_known(stored, known)))
}

fn check(declared: &EventSchema, stored: StoredType<'_>) -> Result<(), DecodeError> {
    if declared.encoding != stored.encoding {
        return Err(DecodeError::OtherEncoding {
            event_type: stored.event_type.to_owned(),
            version: stored.version,
            stored: stored.encoding,
            declared: declared.encoding,
        });
    }
    if declared.shape != stored.shape {
        return Err(DecodeError::OtherShape {
            event_type: stored.event_type.to_owned(),
            version: stored.version,
        });
    }
    Ok(())
}

fn not_known(stored: StoredType<'_>, known: u32) -> DecodeError {
    let (event_type, version) = (stored.event_type.to_owned(), stored.version);
    if version > known {
        DecodeError::NewerSchema {
            event_type,
            version,
            known,
        }
    } else {
        DecodeError::NoUpcaster {
            event_type,
            version,
            known,
        }
    }
}
