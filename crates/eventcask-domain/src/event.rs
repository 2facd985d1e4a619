//! One event type at one schema version, as a struct.

use std::fmt::Debug;

use crate::error::{DecodeError, EncodeError};
use crate::schema::EventSchema;
use crate::tag::TagList;

/// A struct that is an event type at one schema version. The attribute `#[event]` implements it.
///
/// ```
/// use eventcask_domain::prelude::*;
///
/// #[event("account.opened", version = 2, prev = OpenedV1, tags = [owner])]
/// struct Opened { owner: String, email: String }
///
/// #[event("account.opened", version = 1)]
/// struct OpenedV1 { owner: String }
///
/// impl From<OpenedV1> for Opened {
///     fn from(old: OpenedV1) -> Self { Self { owner: old.owner, email: String::new() } }
/// }
///
/// assert_eq!((Opened::SCHEMA.event_type, Opened::SCHEMA.version), ("account.opened", 2));
/// let opened = Opened { owner: "Ada".to_owned(), email: String::new() };
/// assert_eq!(opened.view().owner(), "Ada"); // what a fold is shown, stored or not
/// ```
///
/// Without the `From` that brings an older schema to the newer one it does not compile:
///
/// ```compile_fail,E0277
/// use eventcask_domain::prelude::*;
///
/// #[event("account.opened", version = 2, prev = OpenedV1)]
/// struct Opened { owner: String }
///
/// #[event("account.opened", version = 1)]
/// struct OpenedV1 { owner: String }
/// ```
///
/// Nor does it with a `prev` of the same event type whose version is not lower:
///
/// ```compile_fail,E0080
/// use eventcask_domain::prelude::*;
///
/// #[event("account.opened", version = 2, prev = OpenedV2)]
/// struct Opened { owner: String }
///
/// #[event("account.opened", version = 2)]
/// struct OpenedV2 { owner: String }
///
/// impl From<OpenedV2> for Opened {
///     fn from(old: OpenedV2) -> Self { Self { owner: old.owner } }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no event",
    label = "no event",
    note = "put `#[event(\"name\", version = 1)]` on the struct"
)]
pub trait Event: Sized + Send + Sync + 'static {
    /// What is declared of it.
    const SCHEMA: EventSchema;

    /// What is seen of it: a method for each field.
    type Ref<'a>: Copy + Debug;

    /// What is seen of an event that is not stored, or of one that was decoded.
    fn view(&self) -> Self::Ref<'_>;

    /// Puts the payload at the end of `out`.
    ///
    /// # Errors
    /// Where its encoding can not hold it, such as JSON a number that is infinite, or where what is
    /// written of its plain fields can not be read.
    fn encode(&self, out: &mut Vec<u8>) -> Result<(), EncodeError>;

    /// Adds its tags to a list.
    fn tags(&self, tags: &mut TagList);

    /// Reads a payload of this very schema.
    ///
    /// # Errors
    /// [`DecodeError::Malformed`].
    fn read(payload: &[u8]) -> Result<Reading<'_, Self>, DecodeError>;

    /// Decodes a payload of this schema, or of one that is so many steps before it, and upcasts it.
    ///
    /// # Errors
    /// [`DecodeError::Malformed`]. [`DecodeError::NoUpcaster`] where there are not so many steps.
    fn decode_past(steps: u16, payload: &[u8]) -> Result<Self, DecodeError>;

    /// The same view for a shorter time.
    fn shorten<'b, 'a: 'b>(view: Self::Ref<'a>) -> Self::Ref<'b>;
}

/// An event that was read: seen in place in its payload, or decoded.
pub enum Reading<'a, E: Event> {
    /// Seen in place.
    InPlace(E::Ref<'a>),
    /// Decoded.
    Owned(E),
}
