//! The open batch of a shard: events as columns, encoded once by the producer.

use std::num::NonZeroU64;

use crate::type_hints::TypeHints;
use crate::{
    Encoding, EventId, Invalid, Metadata, MetadataBuilder, MetadataColumns, NO_TIME, NewEvent,
    NewMetadata, PayloadBytes, Timestamp, payload_fill, same_bytes,
};

/// Event types that one batch can hold, so that the head of a block stays small.
pub const MAX_BATCH_TYPES: usize = 4096;
/// Bytes that a row takes besides its key and payload when it is stored raw.
const ROW_BYTES: usize = 40;

/// Events of one shard as columns, in the order they were pushed.
///
/// Payloads of one event type (name, schema version, encoding and shape) lie together, since they
/// compress better and can be left shut by a reader that does not need the type. The optional
/// columns stay empty until the first row needs them. Clearing keeps the memory, so that a
/// batch that goes round allocates nothing.
#[derive(Debug, Default)]
pub struct EventBatch {
    /// Keys of the rows, end to end.
    keys: String,
    rows: Vec<Row>,
    types: Vec<u16>,
    /// Empty, or one a row with [`NO_TIME`] where there is none.
    times: Vec<i64>,
    /// Empty, or one a row with 0 where the engine makes it.
    ids: Vec<u128>,
    groups: Vec<BatchType>,
    groups_used: usize,
    hints: TypeHints,
    /// What rows carry beside their payloads; empty where none does.
    metadata: MetadataBuilder,
    /// Without offsets where the rows come from no source; kept for its memory.
    source: SourceRows,
    bytes: usize,
}

/// What each row has, in one column: it is written and read together.
#[derive(Debug, Clone, Copy)]
struct Row {
    /// Table hash of the key.
    hash: u64,
    /// Where the key ends in the keys.
    key_end: u32,
    /// Where the payload starts in the bytes of its type.
    payload_start: u32,
    payload_len: u32,
}

/// One event type of a batch with the payloads of its events, end to end.
#[derive(Debug, Default)]
pub struct BatchType {
    name: String,
    schema: u32,
    encoding: u8,
    shape: Option<NonZeroU64>,
    bytes: PayloadBytes,
}

impl BatchType {
    /// Name of the type.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Version of its schema.
    #[must_use]
    pub fn schema(&self) -> u32 {
        self.schema
    }

    /// Number of its encoding, see [`Encoding`].
    #[must_use]
    pub fn encoding(&self) -> u8 {
        self.encoding
    }

    /// Shape of its payloads.
    #[must_use]
    pub fn shape(&self) -> Option<NonZeroU64> {
        self.shape
    }

    fn is(&self, event: &NewEvent<'_>) -> bool {
        self.schema == event.schema
            && self.encoding == event.encoding as u8
            && self.shape == event.shape
            && same_bytes(self.name.as_bytes(), event.event_type.as_bytes())
    }
}

/// Where the rows of a batch stand in the upstream that they come from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SourceRows {
    /// Name of the source.
    pub source: String,
    /// The offset after the last row that the producer sent to this shard before, or 0: where
    /// the shard has not come that far, rows between were refused and these must be as well.
    pub after: u64,
    /// The offset of each row in its source, rising.
    pub offsets: Vec<u64>,
    /// The upstream's own word for all it delivered up to and with the last row.
    pub check: u64,
}

impl EventBatch {
    /// Adds an event; `hash` is the table hash of its key (see the shard's directory).
    ///
    /// The caller has checked the key and the event.
    ///
    /// # Errors
    /// [`Invalid::TooManyTypes`]; the batch is then as it was before.
    ///
    /// # Panics
    /// When all keys, or the payloads of one type, pass 4 GiB; a batch closes long before.
    pub fn push(&mut self, key: &str, hash: u64, event: &NewEvent<'_>) -> Result<(), Invalid> {
        let group = self.group_of(event)?;
        let rows = self.rows.len();
        self.keys.push_str(key);
        let bytes = &mut self.groups[group].bytes;
        let payload_start = offset(bytes.len());
        bytes.push(event.payload, event.shape);
        self.types.push(group as u16);
        self.rows.push(Row {
            hash,
            key_end: offset(self.keys.len()),
            payload_start,
            payload_len: event.payload.len() as u32,
        });
        let time = event.time.map_or(NO_TIME, Timestamp::as_nanos);
        push_optional(&mut self.times, rows, time, NO_TIME);
        let id = event.id.map_or(0, EventId::as_u128);
        push_optional(&mut self.ids, rows, id, 0);
        if let Some(metadata) = &event.metadata {
            self.metadata.push(rows, metadata);
        }
        self.bytes += Self::row_bytes(key, event);
        Ok(())
    }

    /// Says where the row just pushed stands in its source; `after` as in [`SourceRows`].
    ///
    /// All rows of a batch come from one source, or none does.
    ///
    /// # Panics
    /// When rows of another source, or of none, are in the batch.
    pub fn mark(&mut self, source: &str, after: u64, offset: u64, check: u64) {
        let rows = &mut self.source;
        if rows.offsets.is_empty() {
            rows.source.clear();
            rows.source.push_str(source);
            rows.after = after;
        }
        rows.offsets.push(offset);
        rows.check = check;
        assert_eq!(rows.source, source, "a batch holds rows of one source");
        assert_eq!(
            rows.offsets.len(),
            self.rows.len(),
            "each row of a marked batch is marked"
        );
    }

    #[inline]
    fn group_of(&mut self, event: &NewEvent<'_>) -> Result<usize, Invalid> {
        let used = &self.groups[..self.groups_used];
        let place = TypeHints::place(event);
        let hinted = self.hints.get(place);
        if used.get(hinted).is_some_and(|group| group.is(event)) {
            return Ok(hinted);
        }
        let known = used.iter().position(|group| group.is(event));
        let group = known.map_or_else(|| self.open_group(event), Ok)?;
        self.hints.set(place, group);
        Ok(group)
    }

    fn open_group(&mut self, event: &NewEvent<'_>) -> Result<usize, Invalid> {
        if self.groups_used == MAX_BATCH_TYPES {
            return Err(Invalid::TooManyTypes);
        }
        if self.groups_used == self.groups.len() {
            self.groups.push(BatchType::default());
        }
        let group = &mut self.groups[self.groups_used];
        group.name.clear();
        group.name.push_str(event.event_type);
        group.schema = event.schema;
        group.encoding = event.encoding as u8;
        group.shape = event.shape;
        group.bytes.clear();
        self.groups_used += 1;
        Ok(self.groups_used - 1)
    }

    /// Raw bytes that an event adds to a batch.
    #[must_use]
    #[inline]
    pub fn row_bytes(key: &str, event: &NewEvent<'_>) -> usize {
        let metadata = event.metadata.as_ref().map_or(0, NewMetadata::bytes);
        let fill = payload_fill(event.shape) as usize;
        ROW_BYTES + key.len() + event.payload.len() + fill + metadata
    }

    /// Raw bytes of all rows.
    #[must_use]
    #[inline]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many rows there are.
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Removes all rows and keeps the memory.
    pub fn clear(&mut self) {
        self.keys.clear();
        self.rows.clear();
        self.types.clear();
        self.times.clear();
        self.ids.clear();
        self.metadata.clear();
        self.groups_used = 0;
        self.source.offsets.clear();
        self.bytes = 0;
    }

    /// The key of a row.
    #[must_use]
    #[inline]
    pub fn key(&self, row: usize) -> &str {
        let start = row.checked_sub(1).map_or(0, |row| self.rows[row].key_end);
        &self.keys[start as usize..self.rows[row].key_end as usize]
    }

    /// The table hash of a row's key.
    #[must_use]
    #[inline]
    pub fn hash(&self, row: usize) -> u64 {
        self.rows[row].hash
    }

    /// The id that a row came with.
    #[must_use]
    #[inline]
    pub fn id(&self, row: usize) -> Option<EventId> {
        let bits = self.ids.get(row).copied().unwrap_or(0);
        (bits != 0).then(|| EventId::from_u128(bits))
    }

    /// The time that a row came with, in nanoseconds, or [`NO_TIME`].
    #[must_use]
    #[inline]
    pub fn time(&self, row: usize) -> i64 {
        self.times.get(row).copied().unwrap_or(NO_TIME)
    }

    /// The index of a row's type in [`types`](Self::types).
    #[must_use]
    #[inline]
    pub fn type_index(&self, row: usize) -> u16 {
        self.types[row]
    }

    /// The index of each row's type.
    #[must_use]
    pub fn type_indexes(&self) -> &[u16] {
        &self.types
    }

    /// Bytes of a row's payload.
    #[must_use]
    #[inline]
    pub fn payload_len(&self, row: usize) -> u32 {
        self.rows[row].payload_len
    }

    /// The payload of a row.
    #[must_use]
    pub fn payload(&self, row: usize) -> &[u8] {
        let place = &self.rows[row];
        let bytes = &self.groups[usize::from(self.types[row])].bytes;
        &bytes[place.payload_start as usize..][..place.payload_len as usize]
    }

    /// The event types of the rows, each with its payloads.
    #[must_use]
    #[inline]
    pub fn types(&self) -> &[BatchType] {
        &self.groups[..self.groups_used]
    }

    /// Whether any row came with an id.
    #[must_use]
    #[inline]
    pub fn has_ids(&self) -> bool {
        !self.ids.is_empty()
    }

    /// Whether any row came with a time.
    #[must_use]
    pub fn has_times(&self) -> bool {
        !self.times.is_empty()
    }

    /// Whether any row carries something beside its payload.
    #[must_use]
    pub fn has_metadata(&self) -> bool {
        !self.metadata.is_empty()
    }

    /// What a row carries beside its payload.
    #[must_use]
    pub fn metadata(&self, row: usize) -> Metadata<'_> {
        self.metadata.row(row)
    }

    /// Hands over the metadata of all rows, and takes the memory of `columns` for the rows to come.
    pub fn swap_metadata(&mut self, columns: &mut MetadataColumns) {
        self.metadata.swap(self.rows.len(), columns);
    }

    /// Where the rows stand in their source, if they come from one.
    #[must_use]
    #[inline]
    pub fn source(&self) -> Option<&SourceRows> {
        (!self.source.offsets.is_empty()).then_some(&self.source)
    }

    /// Takes the payloads of all types out, in the order of the types.
    pub fn take_payloads(&mut self) -> Vec<PayloadBytes> {
        let groups = &mut self.groups[..self.groups_used];
        groups
            .iter_mut()
            .map(|group| std::mem::take(&mut group.bytes))
            .collect()
    }

    /// As [`take_payloads`](Self::take_payloads), and leaves the buffers of `payloads` in their
    /// place for the rows to come.
    pub fn swap_payloads(&mut self, payloads: &mut Vec<Option<PayloadBytes>>) {
        payloads.resize(self.groups_used, None);
        for (group, payloads) in self.groups.iter_mut().zip(payloads) {
            let mut spare = payloads.take().unwrap_or_default();
            spare.clear();
            *payloads = Some(std::mem::replace(&mut group.bytes, spare));
        }
    }

    /// The row as it was pushed.
    #[must_use]
    pub fn event(&self, row: usize) -> NewEvent<'_> {
        let group = &self.groups[usize::from(self.types[row])];
        let time = self.time(row);
        NewEvent {
            event_type: &group.name,
            schema: group.schema,
            encoding: Encoding::from_u8(group.encoding).expect("set from an Encoding"),
            shape: group.shape,
            payload: self.payload(row),
            id: self.id(row),
            time: (time != NO_TIME).then(|| Timestamp::from_nanos(time)),
            metadata: self.metadata(row).to_new(),
        }
    }
}

impl BatchType {
    /// All payloads of the type, in the order of their rows.
    #[must_use]
    pub fn payloads(&self) -> &[u8] {
        &self.bytes
    }
}

fn offset(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("a batch closes far below 4 GiB")
}

/// Adds to a column that is empty for as long as all its rows hold `absent`.
fn push_optional<T: Copy + PartialEq>(column: &mut Vec<T>, rows: usize, value: T, absent: T) {
    if value == absent && column.is_empty() {
        return;
    }
    if column.len() < rows {
        column.resize(rows, absent);
    }
    column.push(value);
}
