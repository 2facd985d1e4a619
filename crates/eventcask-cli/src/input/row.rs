//! One row: the event that it becomes, or why it can not be taken.

use std::borrow::Cow;

use eventcask::{EventId, Timestamp};

use super::{Carried, Reason};

/// Bytes of a rejected row that are kept to show it.
pub(super) const SHOWN_BYTES_MAX: usize = 64 << 10;

/// What comes next in a file.
#[derive(Debug)]
pub enum Next<'a> {
    /// A row that can be stored.
    Row(Row<'a>),
    /// A row that can not be taken.
    Rejected(Rejected<'a>),
    /// A pipe has nothing for now; whoever waits for an answer can get one meanwhile.
    Waiting,
}

/// A row as the event that it becomes; it borrows from the reader.
#[derive(Debug)]
pub struct Row<'a> {
    /// The 0-based number of the row in its file, counting rejected rows.
    pub ordinal: u64,
    /// The 1-based line that the row begins in.
    pub line: u64,
    /// The hash of all rows up to and with this one.
    pub check: u64,
    /// Key of the aggregate.
    pub key: Cow<'a, str>,
    /// Name of the event type.
    pub event_type: Cow<'a, str>,
    /// When it happened, if the row says so.
    pub time: Option<Timestamp>,
    /// The event's id, if the rows have ids.
    pub id: Option<EventId>,
    /// What the event carries beside its payload.
    pub carried: Carried,
    /// The payload, as JSON text.
    pub payload: &'a [u8],
    /// Whether nothing can be added to it; of a file that may grow, the last row has no end yet.
    pub is_whole: bool,
}

/// A row that can not be taken, and why.
#[derive(Debug)]
pub struct Rejected<'a> {
    /// The 0-based number of the row in its file.
    pub ordinal: u64,
    /// The 1-based line that the row begins in.
    pub line: u64,
    /// The hash of all rows up to and with this one.
    pub check: u64,
    /// Why, without the place.
    pub reason: String,
    /// The row, or its beginning, as it stands in the file.
    pub raw: &'a [u8],
    /// Whether nothing can be added to it, as of a [`Row`].
    pub is_whole: bool,
}

/// Where the reader is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) ordinal: u64,
    pub(super) line: u64,
    pub(super) check: u64,
}

impl Rejected<'_> {
    pub(super) fn new(place: Place, reason: Reason, raw: &[u8]) -> Rejected<'_> {
        let Place {
            ordinal,
            line,
            check,
        } = place;
        let raw = &raw[..raw.len().min(SHOWN_BYTES_MAX)];
        Rejected {
            ordinal,
            line,
            check,
            reason: reason.0,
            raw,
            is_whole: true,
        }
    }

    /// The row as text; bytes that are none are shown as `U+FFFD`.
    #[must_use]
    pub fn raw_text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.raw)
    }
}
