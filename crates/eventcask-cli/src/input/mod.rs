//! From a file of rows to events that can be pushed.
//!
//! 1. `source` opens the file, or standard input through `piped`, and `unpack` takes the
//!    compression off.
//! 2. `window` shows the bytes as one contiguous piece that slides forward.
//! 3. `ndjson` or `csv` finds the next row in it, checks it and finds its fields.
//! 4. `envelope` turns the fields into key, type, time and id, and `carried` those that are asked for
//!    into metadata, or they say why they can not.
//! 5. `check` adds the row to the running hash of everything read so far.
//!
//! A row that can not be taken is an answer, not an error: the caller decides whether to go
//! on. Reading costs no allocation a row as long as rows are well-formed and texts free of
//! escapes.

mod source;
mod piped;
mod unpack;
mod window;
mod format;
mod ndjson;
mod records;
mod quotes;
mod csv;
mod json;
mod number;
mod time;
mod text;
mod carried;
mod envelope;
mod check;
mod row;
mod rows;

pub use carried::Carried;
pub use check::RowCheck;
pub use format::Format;
pub(crate) use json::{MAX_NESTING, is_too_deep};
pub use row::{Next, Rejected, Row};
pub use rows::Rows;
pub use source::check_source;
pub use text::event_id;

/// A field of the rows, by its column or by its dotted path.
pub type FieldName = String;

/// Where the parts of an event are found in a row.
///
/// ```
/// use eventcask_cli::input::{RowSpec, TypeFrom};
/// let spec = RowSpec { null: Some("NA".into()), ..RowSpec::new("tailnum") };
/// assert!(matches!(spec.event_type, TypeFrom::Name(name) if name == "Event"));
/// ```
#[derive(Debug, Clone)]
pub struct RowSpec {
    /// The field with the key of the aggregate.
    pub key: FieldName,
    /// Where the event type comes from.
    pub event_type: TypeFrom,
    /// The field with the event's own time.
    pub time: Option<FieldName>,
    /// The field with the event's id.
    pub id: Option<FieldName>,
    /// What events carry beside their payloads.
    pub carried: CarriedFrom,
    /// The text that stands for a missing value.
    pub null: Option<String>,
    /// The format, where it is not to be told from name and content.
    pub format: Option<Format>,
    /// The largest payload that is taken, in bytes.
    pub payload_bytes_max: usize,
}

/// Which fields of a row its event carries beside the payload.
#[derive(Debug, Clone, Default)]
pub struct CarriedFrom {
    /// The field with the correlation id.
    pub correlation: Option<FieldName>,
    /// The field with the causation id.
    pub causation: Option<FieldName>,
    /// The field with an object of headers.
    pub all_headers: Option<FieldName>,
    /// The field with an object of tags.
    pub all_tags: Option<FieldName>,
    /// Names of headers, and the field with the value of each.
    pub headers: Vec<(String, FieldName)>,
    /// Names of tags, and the field with the value of each.
    pub tags: Vec<(String, FieldName)>,
}

/// Where the event type of a row comes from.
#[derive(Debug, Clone)]
pub enum TypeFrom {
    /// The same for all rows.
    Name(String),
    /// A field of the row.
    Field(FieldName),
}

impl RowSpec {
    /// Takes the key from `key` and nothing else from the rows; the type is `Event`.
    #[must_use]
    pub fn new(key: &str) -> Self {
        Self {
            key: key.to_owned(),
            event_type: TypeFrom::Name("Event".to_owned()),
            time: None,
            id: None,
            carried: CarriedFrom::default(),
            null: None,
            format: None,
            payload_bytes_max: eventcask::limits::MAX_PAYLOAD_BYTES,
        }
    }

    /// The fields that are taken from a row, in the order of [`Parts`].
    fn fields(&self) -> Parts<Option<&str>> {
        let event_type = match &self.event_type {
            TypeFrom::Name(_) => None,
            TypeFrom::Field(field) => Some(field.as_str()),
        };
        [
            Some(self.key.as_str()),
            event_type,
            self.time.as_deref(),
            self.id.as_deref(),
        ]
    }
}

/// One of each: key, type, time, id.
type Parts<T> = [T; 4];

/// What a row holds in a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Value<'a> {
    /// The row has no such field.
    Absent,
    /// The field is null, or holds the text that stands for it.
    Null,
    /// Text, as it is.
    Text(&'a str),
    /// A JSON string that has escapes in it, with its quotes.
    Escaped(&'a str),
    /// A number, as it is written.
    Number(&'a str),
    /// An object, as its JSON text.
    Object(&'a str),
    /// Something that is neither text nor a number; here is what it is.
    Other(&'static str),
}

/// Why a row can not be taken: the end of a sentence that begins with its place.
#[derive(Debug, PartialEq, Eq)]
struct Reason(String);

impl Reason {
    fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }

    fn over_the_limit(limit: usize) -> Self {
        Self(format!("the payload is over the limit of {limit} bytes"))
    }
}
