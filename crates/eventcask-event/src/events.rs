//! The events of a block, read in place.

use std::collections::HashSet;
use std::num::NonZeroU64;
use std::ops::Range;

use foldhash::fast::RandomState;

use crate::{
    Columns, Encoding, EventId, Headers, MAX_KEY_BYTES, MAX_TAG_BYTES, MAX_TYPE_BYTES, Malformed,
    Metadata, NO_POSITION, NO_TIME, PayloadBytes, Place, TRUNCATED_TYPE, Tags, Timestamp,
    payload_end, payload_fill,
};

/// One stored event; everything in it borrows from the block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventRef<'a> {
    /// Key of the aggregate that the event is about.
    pub key: &'a str,
    /// The 1-based ordinal of the event in its aggregate.
    pub version: u64,
    /// The shard that stores the aggregate.
    pub shard: u32,
    /// The 0-based ordinal of the event in its shard.
    pub position: u64,
    /// Name of the event type.
    pub event_type: &'a str,
    /// Version of the payload's schema.
    pub schema: u32,
    /// How the payload is encoded.
    pub encoding: Encoding,
    /// What the bytes of the payload are laid out like, if its sender said so; the payload then
    /// starts at a multiple of 16 in memory, unless it has no bytes.
    pub shape: Option<NonZeroU64>,
    /// The event's id.
    pub id: EventId,
    /// When the engine accepted the event; never decreases along a shard.
    pub commit_time: Timestamp,
    /// When the event happened, as its sender knows it.
    pub time: Option<Timestamp>,
    /// The payload.
    pub payload: &'a [u8],
    /// What it carries beside the payload.
    pub metadata: Metadata<'a>,
}

impl<'a> EventRef<'a> {
    /// Where the event is.
    #[must_use]
    pub fn place(&self) -> Place {
        Place::new(self.shard, self.position)
    }

    /// Which conversation the event belongs to.
    #[must_use]
    pub fn correlation_id(&self) -> Option<EventId> {
        self.metadata.correlation_id()
    }

    /// Which event or command caused the event.
    #[must_use]
    pub fn causation_id(&self) -> Option<EventId> {
        self.metadata.causation_id()
    }

    /// Names and bytes that the sender wrote beside the payload, in their order.
    #[must_use]
    pub fn headers(&self) -> Headers<'a> {
        self.metadata.headers()
    }

    /// Names and values by which the event can be found, in the order of their names.
    #[must_use]
    pub fn tags(&self) -> Tags<'a> {
        self.metadata.tags()
    }
}

/// The parts that [`Events`] reads: decoded, but borrowed from whoever holds the block.
#[derive(Debug, Clone, Copy)]
pub struct EventsParts<'a> {
    /// The store's id.
    pub store: u128,
    /// The shard.
    pub shard: u32,
    /// Position of the first row.
    pub first_position: u64,
    /// Commit time of the rows, unless the column says it for each.
    pub commit_time: Timestamp,
    /// The envelopes.
    pub columns: &'a Columns,
    /// Ids, 16 bytes little-endian each, one a row or none at all; 0 where the engine makes it.
    pub ids: &'a [u8],
    /// One a type: the payloads of its rows, or `None` where the reader left the type shut.
    pub payloads: &'a [Option<PayloadBytes>],
    /// One a row: where its payload starts, as [`Events::check`] returned it.
    pub payload_starts: &'a [u32],
}

/// Where the payload of a row starts that is read [in place](Events::in_place), and was left shut.
pub const SHUT: u32 = u32::MAX;

/// The events of a block, readable one by one without a copy.
///
/// It borrows from a block whose parts went through [`check`](Self::check) when the block was
/// decoded, so nothing can be out of bounds here.
#[derive(Debug, Clone, Copy)]
pub struct Events<'a> {
    parts: EventsParts<'a>,
    in_place: Option<&'a [u8]>,
    numbers: Option<AggregateNumbers<'a>>,
    hides_metadata: bool,
}

/// Numbers of the aggregates of a block that was written a moment ago: each has one of its own, for
/// as long as its shard is open, so that whoever keeps something of each aggregate finds it without
/// its key.
#[derive(Debug, Clone, Copy)]
pub struct AggregateNumbers<'a> {
    /// Which opening of a shard they are of; no other in this process has the same.
    pub opening: u64,
    /// One an aggregate of the block, from a range that has some gaps.
    pub numbers: &'a [u32],
}

impl<'a> Events<'a> {
    /// Checks that the columns agree with each other and with `rows`, and returns where each
    /// row's payload starts in its type's section. `payload_bytes` has the size of each
    /// type's section.
    ///
    /// # Errors
    /// The first disagreement found. Bytes of any content get an answer, never a panic.
    pub fn check(
        rows: usize,
        columns: &Columns,
        ids: usize,
        payload_bytes: &[usize],
    ) -> Result<Vec<u32>, Malformed> {
        check_lengths(rows, columns, ids)?;
        Self::check_names(columns, payload_bytes.len())?;
        check_aggregates(columns)?;
        columns.metadata.words.check(MAX_TAG_BYTES)?;
        columns.metadata.check(rows, &columns.metadata.words)?;
        check_payloads(columns, payload_bytes)
    }

    /// Checks the keys of the aggregates, and the columns of the event types, so many.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn check_names(columns: &Columns, types: usize) -> Result<(), Malformed> {
        check_texts(&columns.keys, &columns.key_ends, MAX_KEY_BYTES)
            .map_err(|()| Malformed("the aggregates' keys are not texts within the limits"))?;
        Self::check_types(columns, types)
    }

    /// Checks that the columns of the event types, so many, agree with each other.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn check_types(columns: &Columns, types: usize) -> Result<(), Malformed> {
        let one_a_type = [
            columns.type_name_ends.len(),
            columns.type_schemas.len(),
            columns.type_encodings.len(),
        ];
        if one_a_type.iter().any(|len| *len != types) {
            return Err(Malformed("the columns of the block have different lengths"));
        }
        check_texts(&columns.type_names, &columns.type_name_ends, MAX_TYPE_BYTES)
            .map_err(|()| Malformed("the event types' names are not texts within the limits"))?;
        let mut encodings = columns.type_encodings.iter();
        match encodings.all(|number| Encoding::from_u8(*number).is_some()) {
            true => Self::check_shapes(columns, types),
            false => Err(Malformed(
                "an event type has an encoding that this version does not know",
            )),
        }
    }

    /// There is a shape of each type or none at all, and none of text.
    fn check_shapes(columns: &Columns, types: usize) -> Result<(), Malformed> {
        let shapes = &columns.type_shapes;
        if shapes.is_empty() {
            return Ok(());
        }
        if shapes.len() != types || shapes.iter().all(|shape| *shape == 0) {
            return Err(Malformed("a block has shapes of other types than it lists"));
        }
        let mut of_types = shapes.iter().zip(&columns.type_encodings);
        match of_types.all(|(shape, encoding)| *shape == 0 || *encoding == Encoding::Bytes as u8) {
            true => Ok(()),
            false => Err(Malformed("an event type of JSON text has a shape")),
        }
    }

    /// Checks that no aggregate, and no name of a header or tag, is listed twice. It takes as long as all of
    /// [`check`](Self::check), so it is for those who read a block for good, not for every reader.
    ///
    /// # Errors
    /// That one is.
    pub fn check_keys(&self) -> Result<(), Malformed> {
        let mut known =
            HashSet::with_capacity_and_hasher(self.aggregates(), RandomState::default());
        if !(0..self.aggregates()).all(|aggregate| known.insert(self.key(aggregate))) {
            return Err(Malformed("the block lists an aggregate twice"));
        }
        let words = &self.parts.columns.metadata.words;
        let mut known = HashSet::with_capacity_and_hasher(words.len(), RandomState::default());
        match (0..words.len() as u32).all(|word| known.insert(words.bytes_of(word))) {
            true => Ok(()),
            false => Err(Malformed("the block lists a name of headers or tags twice")),
        }
    }

    /// The events of parts that were checked.
    #[must_use]
    #[inline]
    pub fn new(parts: EventsParts<'a>) -> Self {
        Self {
            parts,
            in_place: None,
            numbers: None,
            hides_metadata: false,
        }
    }

    /// The same events, as if they carried nothing beside their payloads.
    #[must_use]
    pub fn without_metadata(self) -> Self {
        Self {
            hides_metadata: true,
            ..self
        }
    }

    /// The same events with payloads among these bytes: `payload_starts` say where, or that it was
    /// left [`SHUT`].
    #[must_use]
    #[inline]
    pub fn in_place(self, bytes: &'a [u8]) -> Self {
        Self {
            in_place: Some(bytes),
            ..self
        }
    }

    /// The same events, of aggregates with these numbers.
    #[must_use]
    #[inline]
    pub fn numbered(self, numbers: AggregateNumbers<'a>) -> Self {
        Self {
            numbers: Some(numbers),
            ..self
        }
    }

    /// The numbers of the aggregates, where the shard's writer has just made the block.
    #[must_use]
    pub fn numbers(&self) -> Option<AggregateNumbers<'a>> {
        let one_each = |one: &AggregateNumbers<'_>| one.numbers.len() == self.aggregates();
        self.numbers.filter(one_each)
    }

    /// How many events there are.
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        self.parts.columns.versions.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The shard that all events are of.
    #[must_use]
    pub fn shard(&self) -> u32 {
        self.parts.shard
    }

    /// The columns themselves.
    #[must_use]
    pub fn columns(&self) -> &'a Columns {
        self.parts.columns
    }

    /// Position of a row in the shard.
    #[must_use]
    #[inline]
    pub fn position(&self, row: usize) -> u64 {
        match self.parts.columns.positions.get(row) {
            Some(position) => *position,
            None => self.parts.first_position + row as u64,
        }
    }

    /// The row that has this position in the shard.
    #[must_use]
    pub fn row_at(&self, position: u64) -> Option<usize> {
        let guess = position.checked_sub(self.parts.first_position);
        let guess = guess.and_then(|guess| usize::try_from(guess).ok())?;
        if guess < self.len() && self.position(guess) == position {
            return Some(guess);
        }
        // Where events are gone the others have moved up. Those of a cluster do not rise, and
        // neither kind of block is long.
        let mut positions = self.parts.columns.positions.iter();
        positions.position(|one| *one == position)
    }

    /// The index of a row's aggregate in this block.
    #[must_use]
    #[inline]
    pub fn aggregate_index(&self, row: usize) -> usize {
        self.parts.columns.aggregates[row] as usize
    }

    /// The rows of the aggregate with this index in the block, in order.
    pub fn rows_of(&self, aggregate: usize) -> impl Iterator<Item = usize> + use<'a> {
        // Nothing but the column is looked at: of most blocks hardly a row is the aggregate's.
        let aggregates = self.parts.columns.aggregates.as_slice();
        let rows = aggregates.iter().enumerate();
        rows.filter(move |(_, index)| **index as usize == aggregate)
            .map(|(row, _)| row)
    }

    /// How many aggregates the block holds events of.
    #[must_use]
    #[inline]
    pub fn aggregates(&self) -> usize {
        self.parts.columns.key_ends.len()
    }

    /// Key of the aggregate with this index in the block.
    #[must_use]
    #[inline]
    pub fn key(&self, aggregate: usize) -> &'a str {
        let columns = self.parts.columns;
        text(&columns.keys, &columns.key_ends, aggregate)
    }

    /// The same as bytes, for those who only hash and compare: it is not looked at as text.
    #[must_use]
    pub fn key_bytes(&self, aggregate: usize) -> &'a [u8] {
        let columns = self.parts.columns;
        text(&columns.keys, &columns.key_ends, aggregate).as_bytes()
    }

    /// The event's version in its aggregate.
    #[must_use]
    #[inline]
    pub fn version(&self, row: usize) -> u64 {
        self.parts.columns.versions[row]
    }

    /// How many event types the block lists.
    #[must_use]
    pub fn types(&self) -> usize {
        self.parts.columns.type_name_ends.len()
    }

    /// The index of a row's event type in this block.
    #[must_use]
    #[inline]
    pub fn type_index(&self, row: usize) -> usize {
        usize::from(self.parts.columns.types[row])
    }

    /// Adds the rows of a range whose event types are wanted, in order; `wanted` has one entry a
    /// type.
    ///
    /// # Panics
    /// Where there are not so many rows, or fewer entries than types.
    pub fn rows_of_types(&self, range: Range<usize>, wanted: &[bool], rows: &mut Vec<u32>) {
        let types = &self.parts.columns.types[range.clone()];
        let mut end = rows.len();
        rows.resize(end + types.len(), 0);
        // Each row is written, and stays if it is wanted: no branch has to guess which are.
        for (row, event_type) in range.zip(types) {
            rows[end] = row as u32;
            end += usize::from(wanted[usize::from(*event_type)]);
        }
        rows.truncate(end);
    }

    /// Which event types of the block have one of these names, by index.
    #[must_use]
    pub fn types_named<S: AsRef<str>>(&self, names: &[S]) -> Vec<bool> {
        let is_named = |index| {
            let mut names = names.iter();
            names.any(|name| name.as_ref() == self.type_name(index))
        };
        (0..self.types()).map(is_named).collect()
    }

    /// Name of the event type with this index in the block.
    #[must_use]
    #[inline]
    pub fn type_name(&self, event_type: usize) -> &'a str {
        let columns = self.parts.columns;
        text(&columns.type_names, &columns.type_name_ends, event_type)
    }

    /// Version of the schema of the event type with this index.
    #[must_use]
    #[inline]
    pub fn type_schema(&self, event_type: usize) -> u32 {
        self.parts.columns.type_schemas[event_type]
    }

    /// Encoding of the event type with this index.
    #[must_use]
    #[inline]
    pub fn type_encoding(&self, event_type: usize) -> Encoding {
        let number = self.parts.columns.type_encodings[event_type];
        Encoding::from_u8(number).unwrap_or(Encoding::Bytes)
    }

    /// Shape of the payloads of the event type with this index.
    #[must_use]
    #[inline]
    pub fn type_shape(&self, event_type: usize) -> Option<NonZeroU64> {
        self.parts.columns.type_shape(event_type)
    }

    /// When the event of a row happened, as its sender knows it.
    #[must_use]
    #[inline]
    pub fn time(&self, row: usize) -> Option<Timestamp> {
        let nanos = *self.parts.columns.times.get(row)?;
        (nanos != NO_TIME).then(|| Timestamp::from_nanos(nanos))
    }

    /// Position of the newest event that the aggregate has before this block.
    #[must_use]
    pub fn previous(&self, aggregate: usize) -> Option<u64> {
        let position = self.parts.columns.previous[aggregate];
        (position != NO_POSITION).then_some(position)
    }

    /// The id that a row came with, or `None` where the engine makes it.
    #[must_use]
    #[inline]
    pub fn given_id(&self, row: usize) -> Option<EventId> {
        EventId::given(self.parts.ids, row)
    }

    /// The id of a row: the one that it came with, or the one that the engine makes.
    #[must_use]
    #[inline]
    pub fn id(&self, row: usize) -> EventId {
        self.given_id(row).unwrap_or_else(|| {
            let (store, shard) = (self.parts.store, self.parts.shard);
            EventId::engine_made(store, shard, self.position(row), self.commit_time(row))
        })
    }

    /// Name of a row's event type.
    #[must_use]
    #[inline]
    pub fn event_type(&self, row: usize) -> &'a str {
        self.type_name(self.type_index(row))
    }

    /// The aggregates whose beginning was given up by events of this block, by key, with the
    /// first version that is still there. Their payloads must be open.
    pub fn truncations(&self) -> impl Iterator<Item = (&'a str, u64)> + use<'a> {
        let events = *self;
        // Hardly any block has one, so the rows are looked at only where the type is listed.
        let rows = if self.lists_truncation() {
            0..events.len()
        } else {
            0..0
        };
        rows.filter(move |row| events.event_type(*row) == TRUNCATED_TYPE)
            .filter_map(move |row| {
                let before = events.payload(row)?.try_into().ok()?;
                let key = events.key(events.aggregate_index(row));
                Some((key, u64::from_le_bytes(before)))
            })
    }

    /// Whether the block lists the type of events by which others are given up.
    #[must_use]
    pub fn lists_truncation(&self) -> bool {
        (0..self.types()).any(|index| self.type_name(index) == TRUNCATED_TYPE)
    }

    /// The payload of a row, or `None` where the reader left its type shut.
    #[must_use]
    #[inline]
    pub fn payload(&self, row: usize) -> Option<&'a [u8]> {
        let columns = self.parts.columns;
        let start = self.parts.payload_starts[row];
        let bytes = match self.in_place {
            Some(_) if start == SHUT => return None,
            Some(bytes) => bytes,
            None => self.parts.payloads[usize::from(columns.types[row])].as_ref()?,
        };
        Some(&bytes[start as usize..][..columns.payload_lengths[row] as usize])
    }

    /// Bytes of a row's payload.
    #[must_use]
    #[inline]
    pub fn payload_len(&self, row: usize) -> usize {
        self.parts.columns.payload_lengths[row] as usize
    }

    /// When the engine accepted a row.
    #[must_use]
    #[inline]
    pub fn commit_time(&self, row: usize) -> Timestamp {
        match self.parts.columns.commit_times.get(row) {
            Some(nanos) => Timestamp::from_nanos(*nanos),
            None => self.parts.commit_time,
        }
    }

    /// What a row carries beside its payload; nothing where the reader left all payloads shut.
    #[must_use]
    #[inline]
    pub fn metadata(&self, row: usize) -> Metadata<'a> {
        match self.hides_metadata {
            true => Metadata::NONE,
            false => self.parts.columns.metadata.row(row),
        }
    }

    /// The event of a row; its payload is empty where the reader left its type shut.
    ///
    /// # Panics
    /// When there is no such row.
    #[must_use]
    #[inline]
    pub fn event(&self, row: usize) -> EventRef<'a> {
        let event_type = self.type_index(row);
        EventRef {
            key: self.key(self.aggregate_index(row)),
            version: self.version(row),
            shard: self.parts.shard,
            position: self.position(row),
            event_type: self.type_name(event_type),
            schema: self.type_schema(event_type),
            encoding: self.type_encoding(event_type),
            shape: self.type_shape(event_type),
            id: self.id(row),
            commit_time: self.commit_time(row),
            time: self.time(row),
            payload: self.payload(row).unwrap_or(&[]),
            metadata: self.metadata(row),
        }
    }

    /// All events in the order of their rows, without those whose type was left shut.
    pub fn iter(&self) -> impl Iterator<Item = EventRef<'a>> + use<'a> {
        let events = *self;
        (0..events.len())
            .filter(move |row| events.payload(*row).is_some())
            .map(move |row| events.event(row))
    }
}

/// The text with this index among texts that stand end to end, as was checked.
#[inline]
fn text<'a>(texts: &'a str, ends: &[u32], index: usize) -> &'a str {
    let start = if index == 0 { 0 } else { ends[index - 1] };
    &texts[start as usize..ends[index] as usize]
}

fn check_lengths(rows: usize, columns: &Columns, ids: usize) -> Result<(), Malformed> {
    let one_a_row = [
        columns.aggregates.len(),
        columns.types.len(),
        columns.versions.len(),
        columns.payload_lengths.len(),
    ];
    let optional = [
        columns.times.len(),
        columns.positions.len(),
        columns.commit_times.len(),
        ids,
    ];
    if one_a_row.iter().any(|len| *len != rows)
        || optional.iter().any(|len| *len != rows && *len != 0)
        || columns.previous.len() != columns.key_ends.len()
    {
        return Err(Malformed("the columns of the block have different lengths"));
    }
    Ok(())
}

/// Texts end where they should, on character borders, and are neither empty nor too long.
fn check_texts(text: &str, ends: &[u32], limit: usize) -> Result<(), ()> {
    let mut start = 0;
    for end in ends {
        let end = *end as usize;
        if end <= start || end - start > limit || !text.is_char_boundary(end) {
            return Err(());
        }
        start = end;
    }
    if start == text.len() { Ok(()) } else { Err(()) }
}

/// Each row has an aggregate, and each aggregate a row.
fn check_aggregates(columns: &Columns) -> Result<(), Malformed> {
    let mut has_row = vec![false; columns.key_ends.len()];
    for index in &columns.aggregates {
        let Some(has_row) = has_row.get_mut(*index as usize) else {
            return Err(Malformed(
                "a row names an aggregate that the block does not list",
            ));
        };
        *has_row = true;
    }
    match has_row.iter().all(|has_row| *has_row) {
        true => Ok(()),
        false => Err(Malformed(
            "the block lists an aggregate of which it has no event",
        )),
    }
}

fn check_payloads(columns: &Columns, payload_bytes: &[usize]) -> Result<Vec<u32>, Malformed> {
    let fills = (0..payload_bytes.len()).map(|index| payload_fill(columns.type_shape(index)));
    let mut ends: Vec<(u32, u32)> = fills.map(|fill| (0, fill)).collect();
    let mut starts = Vec::with_capacity(columns.types.len());
    for (event_type, length) in columns.types.iter().zip(&columns.payload_lengths) {
        let Some((end, fill)) = ends.get_mut(usize::from(*event_type)) else {
            return Err(Malformed(
                "a row names an event type that the block does not list",
            ));
        };
        starts.push(*end);
        let next = payload_end(*end, *length, *fill);
        *end = next.ok_or(Malformed("the payloads of a type pass 4 GiB"))?;
    }
    let ends = ends.iter().map(|(end, _)| *end as usize);
    if !ends.eq(payload_bytes.iter().copied()) {
        return Err(Malformed(
            "the payloads do not fill the sections of their types",
        ));
    }
    Ok(starts)
}
