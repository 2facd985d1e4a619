//! The limits of an event, and what is said when one is passed.

/// Longest key of an aggregate, in bytes of UTF-8.
pub const MAX_KEY_BYTES: usize = 1024;
/// What the keys begin with that stand for erased ones.
pub const ERASED_PREFIX: &str = "$erased:";
/// Longest name of an event type, in bytes of UTF-8.
pub const MAX_TYPE_BYTES: usize = 255;
/// Longest name of a source, in bytes of UTF-8.
pub const MAX_SOURCE_BYTES: usize = 1024;
/// What the sources of sessions begin with.
pub const SESSION_PREFIX: &str = "$session/";
/// Longest name of a session, in bytes of UTF-8.
pub const MAX_SESSION_BYTES: usize = MAX_SOURCE_BYTES - SESSION_PREFIX.len();
/// Largest payload unless the store is opened with another limit, in bytes.
pub const MAX_PAYLOAD_BYTES: usize = 1 << 20;
/// The highest limit that can be set for payloads: half of the largest block.
pub const MAX_PAYLOAD_BYTES_LIMIT: usize = 8 << 20;

/// The most headers of an event: requests of the web carry ten to twenty, and what is read with
/// each event is to stay below a page.
pub const MAX_HEADERS: usize = 32;
/// The most tags of an event: a tag names what it is found by, and a handful is many.
pub const MAX_TAGS: usize = 32;
/// The longest name of a header or tag, in bytes of UTF-8: those of HTTP headers have some 40 at
/// most, and prefixes of tools come before them.
pub const MAX_NAME_BYTES: usize = 128;
/// The most bytes of the values of an event's headers together: one page. What is larger belongs
/// into the payload.
pub const MAX_HEADER_BYTES: usize = 4096;
/// The longest value of a tag, in bytes of UTF-8: a tag is compared, not read.
pub const MAX_TAG_BYTES: usize = 256;

/// Why an event can not be taken, as a sentence for the person who sent it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Invalid {
    /// The key of the aggregate is empty.
    #[error("the aggregate's key is empty; every event belongs to an aggregate with a key")]
    KeyEmpty,
    /// The key of the aggregate is too long.
    #[error("the aggregate's key has {bytes} bytes; at most {MAX_KEY_BYTES} are allowed")]
    KeyTooLong {
        /// Bytes that the key has.
        bytes: usize,
    },
    /// A key that only the engine gives.
    #[error(
        "aggregate keys that begin with \"$erased:\" are reserved; name the aggregate otherwise"
    )]
    KeyReserved,
    /// The name of the event type is empty.
    #[error("the event type's name is empty")]
    TypeEmpty,
    /// The name of the event type is too long.
    #[error("the event type's name has {bytes} bytes; at most {MAX_TYPE_BYTES} are allowed")]
    TypeTooLong {
        /// Bytes that the name has.
        bytes: usize,
    },
    /// The payload is larger than the store takes.
    #[error("the payload has {bytes} bytes; this store takes at most {limit}")]
    PayloadTooLarge {
        /// Bytes that the payload has.
        bytes: usize,
        /// Bytes that this store takes.
        limit: usize,
    },
    /// The events of one append do not fit into one block.
    #[error(
        "the events of one append have {bytes} bytes; together they may have {limit}, since they are stored as one unit"
    )]
    AppendTooLarge {
        /// Bytes of all events of the append.
        bytes: usize,
        /// Bytes that one append may have.
        limit: usize,
    },
    /// An append without events.
    #[error("an append needs at least one event")]
    AppendEmpty,
    /// A type that only the engine gives.
    #[error("the event type \"$truncated\" is reserved for what was given up; name it otherwise")]
    TypeReserved,
    /// JSON text that is said to be laid out like something.
    #[error("the event has a shape and JSON text; only a payload of bytes has a shape")]
    ShapeOfText,
    /// The id of all zeros, which stands for "no id" in stored blocks.
    #[error("the id 00000000-0000-0000-0000-000000000000 is reserved; leave the id out instead")]
    IdNil,
    /// The correlation or causation id of all zeros, which stands for "none" in stored blocks.
    #[error(
        "the {what} id 00000000-0000-0000-0000-000000000000 is reserved; leave the {what} id out instead"
    )]
    MetadataIdNil {
        /// Which of the two.
        what: &'static str,
    },
    /// More headers than an event can have.
    #[error("the event has {headers} headers; at most {MAX_HEADERS} are allowed")]
    TooManyHeaders {
        /// How many it has.
        headers: usize,
    },
    /// The headers of an event are too large together.
    #[error(
        "the values of the event's headers have {bytes} bytes; at most {MAX_HEADER_BYTES} are allowed together, and what is larger belongs into the payload"
    )]
    HeadersTooLarge {
        /// Bytes that the values have.
        bytes: usize,
    },
    /// More tags than an event can have.
    #[error("the event has {tags} tags; at most {MAX_TAGS} are allowed")]
    TooManyTags {
        /// How many it has.
        tags: usize,
    },
    /// The value of a tag is too long.
    #[error("the value of the tag {name:?} has {bytes} bytes; at most {MAX_TAG_BYTES} are allowed")]
    TagTooLong {
        /// Name of the tag.
        name: String,
        /// Bytes that the value has.
        bytes: usize,
    },
    /// The name of a header or tag is empty or too long.
    #[error("a {what}'s name has 1 to {MAX_NAME_BYTES} bytes, not {bytes}")]
    NameLength {
        /// A header or a tag.
        what: &'static str,
        /// Bytes that the name has.
        bytes: usize,
    },
    /// A header or tag that is there twice.
    #[error("the event has the {what} {name:?} twice; an event has each {what} once")]
    NameTwice {
        /// A header or a tag.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// More event types in one batch than its type column can tell apart.
    #[error("a batch can hold at most 4096 event types")]
    TooManyTypes,
    /// The name of a source is empty or too long.
    #[error("a source's name has 1 to {MAX_SOURCE_BYTES} bytes, not {bytes}")]
    Source {
        /// Bytes that the name has.
        bytes: usize,
    },
    /// A row's place in its source that does not follow the one before.
    #[error(
        "the offset {offset} of a row does not follow: the next one is {next} or higher, and below 2^64 - 1"
    )]
    Offset {
        /// The offset that was given.
        offset: u64,
        /// The lowest that would have been taken.
        next: u64,
    },
    /// A row's place in a source, from a producer that has none.
    #[error("this producer has no source; make one with Store::producer_from")]
    NoSource,
    /// The name of a source that only the engine gives.
    #[error("names of sources that begin with \"$session/\" are reserved; name it otherwise")]
    SourceReserved,
    /// The name of a session is empty or too long.
    #[error("a session's name has 1 to {MAX_SESSION_BYTES} bytes, not {bytes}")]
    Session {
        /// Bytes that the name has.
        bytes: usize,
    },
    /// A call that only the producer of a session answers.
    #[error("this producer is of no session; make one with Store::session")]
    NoSession,
    /// An append of a session whose answer could change when it is sent again.
    #[error(
        "an append of a session can expect any version, an exact one, or no events; whether there are events can change until it is sent again"
    )]
    ExistsInSession,
    /// An append of a session over several aggregates whose answer could change when it is sent
    /// again.
    #[error(
        "an append of a session over several aggregates expects any version of all, or an exact one, or no events, of one that it adds to; what else it expects can change until it is sent again"
    )]
    SetInSession,
    /// An append over more aggregates than can be looked up at once.
    #[error("an append names {aggregates} aggregates; together there may be {limit}")]
    TooManyAggregates {
        /// How many it names.
        aggregates: usize,
        /// How many one append may name.
        limit: usize,
    },
    /// Text that is not a point in time.
    #[error(
        "{text:?} is not a time: RFC 3339 such as 2013-01-31T10:00:00Z, or a count of s, ms, us or ns since 1970, is expected"
    )]
    Time {
        /// The text that was given.
        text: String,
    },
    /// A point in time that 64 bits of nanoseconds do not reach.
    #[error(
        "{text:?} is a time out of range: times from 1677-09-21T00:12:44Z to 2262-04-11T23:47:16Z can be kept"
    )]
    TimeRange {
        /// The text that was given.
        text: String,
    },
    /// Text that is not an event id.
    #[error(
        "{text:?} is not an event id: a UUID such as 01941f29-7c00-7000-8000-000000000001 is expected"
    )]
    Id {
        /// The text that was given.
        text: String,
    },
}

/// Tells whether `key` may name an aggregate: 1 to [`MAX_KEY_BYTES`] bytes, and none of those that
/// stand for erased keys.
///
/// # Errors
/// [`Invalid::KeyEmpty`], [`Invalid::KeyTooLong`] or [`Invalid::KeyReserved`].
pub fn check_key(key: &str) -> Result<(), Invalid> {
    match key.len() {
        _ if key.starts_with(ERASED_PREFIX) => Err(Invalid::KeyReserved),
        0 => Err(Invalid::KeyEmpty),
        1..=MAX_KEY_BYTES => Ok(()),
        bytes => Err(Invalid::KeyTooLong { bytes }),
    }
}

/// Tells whether `name` may name an event type: 1 to [`MAX_TYPE_BYTES`] bytes.
///
/// # Errors
/// [`Invalid::TypeEmpty`] or [`Invalid::TypeTooLong`].
pub fn check_type(name: &str) -> Result<(), Invalid> {
    match name.len() {
        0 => Err(Invalid::TypeEmpty),
        1..=MAX_TYPE_BYTES => Ok(()),
        bytes => Err(Invalid::TypeTooLong { bytes }),
    }
}

/// Tells whether `name` may name a source: 1 to [`MAX_SOURCE_BYTES`] bytes, and none of those that
/// stand for sessions.
///
/// # Errors
/// [`Invalid::Source`] or [`Invalid::SourceReserved`].
pub fn check_source(name: &str) -> Result<(), Invalid> {
    match name.len() {
        _ if name.starts_with(SESSION_PREFIX) => Err(Invalid::SourceReserved),
        1..=MAX_SOURCE_BYTES => Ok(()),
        bytes => Err(Invalid::Source { bytes }),
    }
}

/// The source that a session is kept as: its name may have 1 to [`MAX_SESSION_BYTES`] bytes.
///
/// # Errors
/// [`Invalid::Session`].
pub fn source_of_session(name: &str) -> Result<String, Invalid> {
    match name.len() {
        1..=MAX_SESSION_BYTES => Ok(format!("{SESSION_PREFIX}{name}")),
        bytes => Err(Invalid::Session { bytes }),
    }
}
