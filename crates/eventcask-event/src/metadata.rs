//! The metadata of an event: which conversation it belongs to, what caused it, and what its sender
//! wrote beside it.

use std::fmt;

use crate::metadata_columns::MetadataColumns;
use crate::words::Words;
use crate::{
    EventId, Invalid, MAX_HEADER_BYTES, MAX_HEADERS, MAX_NAME_BYTES, MAX_TAG_BYTES, MAX_TAGS,
};

/// The metadata of an event that has not been stored yet.
///
/// [`NewEvent`](crate::NewEvent) has a setter for each part of it.
#[derive(Debug, Clone, Copy, Default)]
pub struct NewMetadata<'a> {
    /// Which conversation the event belongs to.
    pub correlation: Option<EventId>,
    /// Which event or command caused it.
    pub causation: Option<EventId>,
    /// Names and bytes, in their order.
    pub headers: Headers<'a>,
    /// Names and values, by which it can be found.
    pub tags: Tags<'a>,
}

impl NewMetadata<'_> {
    /// Tells whether it is within the limits.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), Invalid> {
        check_id("correlation", self.correlation)?;
        check_id("causation", self.causation)?;
        self.headers.check()?;
        self.tags.check()
    }

    /// Whether it says nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.correlation.is_none()
            && self.causation.is_none()
            && self.headers.is_empty()
            && self.tags.is_empty()
    }

    /// Raw bytes that it adds to a batch, at most.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let headers = self.headers.iter();
        let headers = headers.map(|(name, value)| 16 + name.len() + value.len());
        let tags = self.tags.iter();
        let tags = tags.map(|(name, value)| 16 + name.len() + value.len());
        40 + headers.sum::<usize>() + tags.sum::<usize>()
    }

    /// Whether two events with these are the same in this: headers in their order, tags in any.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        (self.correlation, self.causation) == (other.correlation, other.causation)
            && self.headers == other.headers
            && self.tags == other.tags
    }
}

fn check_id(what: &'static str, id: Option<EventId>) -> Result<(), Invalid> {
    match id.is_some_and(|id| id.as_u128() == 0) {
        true => Err(Invalid::MetadataIdNil { what }),
        false => Ok(()),
    }
}

/// What a name of a header or tag must be like.
fn check_name(what: &'static str, name: &str) -> Result<(), Invalid> {
    match name.len() {
        1..=MAX_NAME_BYTES => Ok(()),
        bytes => Err(Invalid::NameLength { what, bytes }),
    }
}

/// No name is there twice.
fn check_distinct<'n>(
    what: &'static str,
    names: &(impl Iterator<Item = &'n str> + Clone),
) -> Result<(), Invalid> {
    for (index, name) in names.clone().enumerate() {
        if names.clone().take(index).any(|before| before == name) {
            let name = name.to_owned();
            return Err(Invalid::NameTwice { what, name });
        }
    }
    Ok(())
}

/// The metadata of a stored event; it borrows from the block.
///
/// ```
/// # use eventcask_event::{EventBatch, EventId, NewEvent};
/// let conversation = EventId::from_name("call 7");
/// let event = NewEvent::json("Deposited", b"{}")
///     .correlation(conversation)
///     .headers(&[("trace", b"00-4bf92f")])
///     .tags(&[("customer", "ada")]);
/// let mut batch = EventBatch::default();
/// batch.push("account-42", 0, &event)?;
///
/// let metadata = batch.metadata(0);
/// assert_eq!(metadata.correlation_id(), Some(conversation));
/// assert_eq!(metadata.causation_id(), None);
/// assert_eq!(metadata.headers().get("trace"), Some(&b"00-4bf92f"[..]));
/// assert_eq!(metadata.tags().get("customer"), Some("ada"));
/// # Ok::<(), eventcask_event::Invalid>(())
/// ```
#[derive(Clone, Copy)]
pub struct Metadata<'a> {
    columns: &'a MetadataColumns,
    words: &'a Words,
    row: u32,
}

static NO_COLUMNS: MetadataColumns = MetadataColumns::NONE;

impl<'a> Metadata<'a> {
    /// That of an event that has none.
    pub const NONE: Metadata<'static> = Metadata {
        columns: &NO_COLUMNS,
        words: &NO_COLUMNS.words,
        row: 0,
    };

    /// That of a row of these columns, whose names are these words.
    #[must_use]
    #[inline]
    pub fn new(columns: &'a MetadataColumns, words: &'a Words, row: usize) -> Self {
        let row = row as u32;
        Self {
            columns,
            words,
            row,
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
            || (self.correlation_id().is_none()
                && self.causation_id().is_none()
                && self.headers().is_empty()
                && self.tags().is_empty())
    }

    /// Which conversation the event belongs to.
    #[must_use]
    pub fn correlation_id(&self) -> Option<EventId> {
        EventId::given(&self.columns.correlations, self.row as usize)
    }

    /// Which event or command caused the event.
    #[must_use]
    pub fn causation_id(&self) -> Option<EventId> {
        EventId::given(&self.columns.causations, self.row as usize)
    }

    /// Names and bytes that the sender wrote beside the payload, in their order.
    #[must_use]
    pub fn headers(&self) -> Headers<'a> {
        Headers(Pairs::Stored(*self))
    }

    /// Names and values by which the event can be found, in the order of their names.
    #[must_use]
    pub fn tags(&self) -> Tags<'a> {
        Tags(Pairs::Stored(*self))
    }

    /// The same as an event on its way in carries it.
    #[must_use]
    pub fn to_new(self) -> Option<NewMetadata<'a>> {
        (!self.is_empty()).then(|| NewMetadata {
            correlation: self.correlation_id(),
            causation: self.causation_id(),
            headers: self.headers(),
            tags: self.tags(),
        })
    }
}

impl MetadataColumns {
    /// The metadata of a row.
    #[must_use]
    #[inline]
    pub fn row(&self, row: usize) -> Metadata<'_> {
        Metadata::new(self, &self.words, row)
    }
}

impl Default for Metadata<'_> {
    fn default() -> Self {
        Metadata::NONE
    }
}

impl PartialEq for Metadata<'_> {
    fn eq(&self, other: &Self) -> bool {
        let ids = |one: &Self| (one.correlation_id(), one.causation_id());
        ids(self) == ids(other) && self.headers() == other.headers() && self.tags() == other.tags()
    }
}

impl Eq for Metadata<'_> {}

impl fmt::Debug for Metadata<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to_new() {
            Some(metadata) => metadata.fmt(f),
            None => f.write_str("none"),
        }
    }
}

/// Where pairs come from: a slice of the caller, or the columns of a block.
#[derive(Clone, Copy)]
enum Pairs<'a, T> {
    Given(&'a [(&'a str, T)]),
    Stored(Metadata<'a>),
}

/// The headers of an event: names and bytes, in their order.
#[derive(Clone, Copy)]
pub struct Headers<'a>(Pairs<'a, &'a [u8]>);

impl<'a> Headers<'a> {
    /// These.
    #[must_use]
    pub const fn new(headers: &'a [(&'a str, &'a [u8])]) -> Self {
        Self(Pairs::Given(headers))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match self.0 {
            Pairs::Given(headers) => headers.len(),
            Pairs::Stored(at) => at.columns.headers_of(at.row as usize).len(),
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Each name and its value, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> + Clone + use<'a> {
        let from = self.0;
        (0..self.len()).map(move |index| match from {
            Pairs::Given(headers) => headers[index],
            Pairs::Stored(at) => {
                let header = at.columns.headers_of(at.row as usize).start + index;
                let (name, value) = at.columns.header(header);
                (at.words.get(name), value)
            }
        })
    }

    /// The value of the header with this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'a [u8]> {
        self.iter().find(|one| one.0 == name).map(|one| one.1)
    }

    fn check(&self) -> Result<(), Invalid> {
        let headers = self.len();
        if headers > MAX_HEADERS {
            return Err(Invalid::TooManyHeaders { headers });
        }
        self.iter()
            .try_for_each(|(name, _)| check_name("header", name))?;
        check_distinct("header", &self.iter().map(|one| one.0))?;
        let bytes = self.iter().map(|(_, value)| value.len()).sum();
        match bytes > MAX_HEADER_BYTES {
            true => Err(Invalid::HeadersTooLarge { bytes }),
            false => Ok(()),
        }
    }
}

impl Default for Headers<'_> {
    fn default() -> Self {
        Self::new(&[])
    }
}

impl PartialEq for Headers<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Headers<'_> {}

impl fmt::Debug for Headers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers = self.iter();
        f.debug_map()
            .entries(headers.map(|(name, value)| (name, value.escape_ascii().to_string())))
            .finish()
    }
}

/// The tags of an event: names and values, by which it can be found. Those of a stored event are in
/// the order of their names.
#[derive(Clone, Copy)]
pub struct Tags<'a>(Pairs<'a, &'a str>);

impl<'a> Tags<'a> {
    /// These, in any order.
    #[must_use]
    pub const fn new(tags: &'a [(&'a str, &'a str)]) -> Self {
        Self(Pairs::Given(tags))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match self.0 {
            Pairs::Given(tags) => tags.len(),
            Pairs::Stored(at) => at.columns.tags_of(at.row as usize).len(),
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Each name and its value.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a str)> + Clone + use<'a> {
        let from = self.0;
        (0..self.len()).map(move |index| match from {
            Pairs::Given(tags) => tags[index],
            Pairs::Stored(at) => {
                let tag = at.columns.tags_of(at.row as usize).start + index;
                let (name, value) = at.columns.tag(tag);
                (at.words.get(name), at.words.get(value))
            }
        })
    }

    /// The value of the tag with this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.iter().find(|one| one.0 == name).map(|one| one.1)
    }

    /// Each name and its value, in the order of the names.
    pub fn sorted(&self) -> impl Iterator<Item = (&'a str, &'a str)> + Clone + use<'a> {
        let mut sorted = [("", ""); MAX_TAGS];
        let mut tags = 0;
        for (room, tag) in sorted.iter_mut().zip(self.iter()) {
            *room = tag;
            tags += 1;
        }
        if matches!(self.0, Pairs::Given(_)) {
            sorted[..tags].sort_unstable();
        }
        sorted.into_iter().take(tags)
    }

    fn check(&self) -> Result<(), Invalid> {
        let tags = self.len();
        if tags > MAX_TAGS {
            return Err(Invalid::TooManyTags { tags });
        }
        for (name, value) in self.iter() {
            check_name("tag", name)?;
            if value.len() > MAX_TAG_BYTES {
                let (name, bytes) = (name.to_owned(), value.len());
                return Err(Invalid::TagTooLong { name, bytes });
            }
        }
        check_distinct("tag", &self.iter().map(|one| one.0))
    }
}

impl Default for Tags<'_> {
    fn default() -> Self {
        Self::new(&[])
    }
}

impl PartialEq for Tags<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.sorted().eq(other.sorted())
    }
}

impl Eq for Tags<'_> {}

impl fmt::Debug for Tags<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}
