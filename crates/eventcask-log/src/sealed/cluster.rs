//! Clusters: the events of a sealed segment once more, those of an aggregate side by side.
//!
//! A cluster is a block of a kind of its own. All clusters of a segment together are in the order
//! of the upper half of the hash of the aggregate's key, and then of the position. Their directory
//! says with what each begins and where it ends, so one look at it leads to the one cluster that
//! can hold an event.

use std::collections::HashMap;
use std::num::NonZeroU64;
use std::ops::Range;

use eventcask_event::{EventId, Events, MetadataBuilder, NO_TIME, PayloadBytes, Timestamp};
use foldhash::fast::RandomState;

use crate::format::codec::{Codec, Compressor};
use crate::format::wire::Fields;
use crate::sealed::index::hash;
use crate::segment::dir::ShardDir;
use crate::{Block, BlockHead, BlockParts, Error, NewSegment};

/// Bytes of envelopes and payloads after which a cluster ends with the aggregate in hand: a load
/// decompresses a whole one.
const CLUSTER_BYTES: usize = 16 << 10;
/// After so many it ends within the aggregate.
const MOST_CLUSTER_BYTES: usize = 32 << 10;
/// What a row is counted as beside its payload: about what its envelope takes.
const ROW_BYTES: usize = 48;
/// Bytes of a cluster in the directory: what it begins with, and its end.
pub(crate) const ENTRY_BYTES: usize = 12;
/// Ends are counted in these.
const ALIGN: u64 = 64;
/// Bytes that are handed on at once.
const WRITE_BYTES: usize = 1 << 20;

/// Where an event stands among all of a segment's clusters: the upper half of the hash of its key,
/// then how far its position lies behind the segment's first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Order(pub(crate) u64);

impl Order {
    /// `None` where the segment has more positions than clusters tell apart.
    pub(crate) fn of(hash: u64, position: u64, first_position: u64) -> Option<Self> {
        let within = u32::try_from(position.checked_sub(first_position)?).ok()?;
        Some(Self(hash >> 32 << 32 | u64::from(within)))
    }

    /// Those of all rows of a block.
    pub(crate) fn of_rows(store: u128, first: u64, events: &Events<'_>) -> Option<Vec<Self>> {
        let keys = (0..events.aggregates()).map(|index| hash(store, events.key_bytes(index)));
        let hashes: Vec<u64> = keys.collect();
        let of = |row| {
            Self::of(
                hashes[events.aggregate_index(row)],
                events.position(row),
                first,
            )
        };
        (0..events.len()).map(of).collect()
    }

    fn has_hash_of(self, other: Self) -> bool {
        self.0 >> 32 == other.0 >> 32
    }
}

/// The bytes of a cluster's place in the table of clusters.
pub(crate) fn nth(directory: &[u8], index: usize) -> Option<Range<u64>> {
    let entries = directory.as_chunks::<ENTRY_BYTES>().0;
    let end_of = |index: usize| Some(u64::from(Fields(entries.get(index)?).u32(8)) * ALIGN);
    let start = index.checked_sub(1).map_or(Some(0), end_of)?;
    Some(start..end_of(index)?)
}

/// With what the cluster begins.
pub(crate) fn begins_with(directory: &[u8], index: usize) -> Option<Order> {
    let entry = directory.as_chunks::<ENTRY_BYTES>().0.get(index)?;
    Some(Order(Fields(entry).u64(0)))
}

/// The one cluster that can hold an event, by its place in the table.
pub(crate) fn find(directory: &[u8], order: Order) -> Option<Range<u64>> {
    let entries = directory.as_chunks::<ENTRY_BYTES>().0;
    let behind = entries.partition_point(|entry| Fields(entry).u64(0) <= order.0);
    nth(directory, behind.checked_sub(1)?)
}

/// The head of the cluster that is to be at this place of a segment.
pub(crate) fn head_at(
    bytes: &[u8],
    dir: &ShardDir,
    segment: u64,
    place: u64,
) -> Result<BlockHead, &'static str> {
    let head = BlockHead::decode_cluster(bytes)?;
    let is_it = (head.store, head.shard, head.segment) == (dir.store, dir.shard, segment)
        && (head.place, head.length as usize) == (place, bytes.len());
    is_it
        .then_some(head)
        .ok_or("another cluster is in this place")
}

/// Position of the aggregate's newest event before the one of a row.
pub(crate) fn previous_of(events: &Events<'_>, row: usize) -> u64 {
    let aggregate = events.aggregate_index(row);
    let rows = events.rows_of(aggregate).take_while(|one| *one < row);
    match rows.last() {
        Some(before) => events.position(before),
        None => events.columns().previous[aggregate],
    }
}

/// Event types by a number of their own, so that names are hashed once a block and not for each
/// row.
#[derive(Default)]
pub(crate) struct TypeNumbers(HashMap<TypeName, u32, RandomState>);

/// What an event type is: its name, schema, encoding and shape.
pub(crate) type TypeName = (String, u32, u8, Option<NonZeroU64>);

/// What the event type with this index in a block is.
pub(crate) fn type_name(events: &Events<'_>, index: usize) -> TypeName {
    let (name, schema) = (
        events.type_name(index).to_owned(),
        events.type_schema(index),
    );
    let encoding = events.type_encoding(index) as u8;
    (name, schema, encoding, events.type_shape(index))
}

impl TypeNumbers {
    /// Those of a block's types.
    pub(crate) fn of(&mut self, events: &Events<'_>) -> Vec<u32> {
        let number = |index| {
            let next = self.0.len() as u32;
            *self.0.entry(type_name(events, index)).or_insert(next)
        };
        (0..events.types()).map(number).collect()
    }
}

/// An event on its way into a cluster: a row of a block whose types have these numbers.
#[derive(Clone, Copy)]
pub(crate) struct Row<'e> {
    pub(crate) events: Events<'e>,
    pub(crate) row: usize,
    pub(crate) types: &'e [u32],
}

/// Takes the bytes of clusters, and says whether to go on.
pub(crate) type Out<'w> = dyn FnMut(&mut Vec<u8>) -> Result<bool, Error> + 'w;

/// Makes clusters of events that come in their order.
pub(crate) struct ClusterWriter<'w> {
    /// The file that they become part of.
    file: String,
    /// Head of the next cluster, without its events.
    head: BlockHead,
    begin: u64,
    codec: Codec,
    compressor: Compressor,
    rows: Rows,
    bytes: Vec<u8>,
    directory: Vec<u8>,
    out: &'w mut Out<'w>,
    goes_on: bool,
}

impl<'w> ClusterWriter<'w> {
    /// Of a segment of this shard; the first cluster is at `place`.
    pub(crate) fn new(
        dir: &ShardDir,
        segment: &NewSegment,
        place: u64,
        codec: Codec,
        out: &'w mut Out<'w>,
    ) -> Self {
        let head = BlockHead {
            store: dir.store,
            shard: dir.shard,
            segment: segment.number,
            place,
            durable_place: place,
            is_cluster: true,
            ..BlockHead::default()
        };
        Self {
            file: dir.describe(segment.number),
            head,
            begin: place,
            codec,
            compressor: Compressor::default(),
            rows: Rows::default(),
            bytes: Vec::new(),
            directory: Vec::new(),
            out,
            goes_on: true,
        }
    }

    /// Adds the next event; says whether to go on.
    pub(crate) fn push(&mut self, order: Order, row: Row<'_>) -> Result<bool, Error> {
        if self.rows.is_full(order) {
            self.end_cluster()?;
        }
        self.rows.push(order, row);
        Ok(self.goes_on)
    }

    /// The directory of all clusters; `None` where it is not to go on.
    pub(crate) fn finish(mut self) -> Result<Option<Vec<u8>>, Error> {
        self.end_cluster()?;
        let goes_on = self.goes_on && (self.out)(&mut self.bytes)?;
        Ok(goes_on.then_some(self.directory))
    }

    fn end_cluster(&mut self) -> Result<(), Error> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let first = self.rows.first;
        let block = self.rows.finish(self.head.clone()).map_err(|reason| {
            let reason = format!("its events can not be clustered: {reason}");
            Error::damaged(&self.file, self.head.place, &reason)
        })?;
        let head = block.encode(self.codec, &mut self.compressor, &mut self.bytes);
        self.rows.recycle(block.into_parts());
        self.head.place += u64::from(head.length);
        self.head.durable_place = self.head.place;
        let end = ((self.head.place - self.begin) / ALIGN) as u32;
        self.directory.extend_from_slice(&first.0.to_le_bytes());
        self.directory.extend_from_slice(&end.to_le_bytes());
        if self.bytes.len() >= WRITE_BYTES {
            self.goes_on &= (self.out)(&mut self.bytes)?;
        }
        Ok(())
    }
}

/// Rows that become a cluster.
#[derive(Default)]
struct Rows {
    parts: BlockParts,
    /// What the types are called here, by their numbers.
    local_types: Vec<Option<u16>>,
    metadata: MetadataBuilder,
    /// Room for payloads that was used before.
    spare: Vec<PayloadBytes>,
    first: Order,
    last: Order,
    /// The first aggregate with the hash in hand.
    same_hash_from: usize,
    bytes: usize,
}

impl Rows {
    fn is_empty(&self) -> bool {
        self.parts.columns.versions.is_empty()
    }

    fn is_full(&self, next: Order) -> bool {
        self.bytes >= MOST_CLUSTER_BYTES
            || (self.bytes >= CLUSTER_BYTES && !next.has_hash_of(self.last))
    }

    fn push(&mut self, order: Order, from: Row<'_>) {
        let (events, row) = (&from.events, from.row);
        if self.is_empty() {
            self.first = order;
        }
        if !order.has_hash_of(self.last) {
            self.same_hash_from = self.parts.columns.previous.len();
        }
        self.last = order;
        let (aggregate, event_type) = (self.aggregate(&from), self.event_type(&from));
        let payload = events.payload(row).unwrap_or(&[]);
        let columns = &mut self.parts.columns;
        columns.aggregates.push(aggregate);
        columns.types.push(event_type);
        columns.versions.push(events.version(row));
        columns.payload_lengths.push(payload.len() as u32);
        let time = events.time(row).map_or(NO_TIME, Timestamp::as_nanos);
        columns.times.push(time);
        columns.positions.push(events.position(row));
        columns
            .commit_times
            .push(events.commit_time(row).as_nanos());
        let id = events.given_id(row).map_or(0, EventId::as_u128);
        self.parts.ids.extend_from_slice(&id.to_le_bytes());
        if let Some(payloads) = &mut self.parts.payloads[usize::from(event_type)] {
            payloads.push(payload, events.type_shape(events.type_index(row)));
        }
        self.bytes += payload.len() + ROW_BYTES;
        if let Some(metadata) = events.metadata(row).to_new() {
            self.metadata.push(columns.versions.len() - 1, &metadata);
            self.bytes += metadata.bytes();
        }
    }

    fn aggregate(&mut self, from: &Row<'_>) -> u32 {
        let old = from.events.aggregate_index(from.row);
        let key = from.events.key_bytes(old);
        let known = (self.same_hash_from..self.parts.columns.previous.len()).rev();
        let mut known = known.filter(|index| self.key(*index) == key);
        if let Some(index) = known.next() {
            return index as u32;
        }
        self.bytes += key.len();
        let previous = previous_of(&from.events, from.row);
        let columns = &mut self.parts.columns;
        columns.add_aggregate(from.events.key(old), previous)
    }

    fn key(&self, aggregate: usize) -> &[u8] {
        let ends = &self.parts.columns.key_ends;
        let start = aggregate.checked_sub(1).map_or(0, |before| ends[before]);
        let key = &self.parts.columns.keys[start as usize..ends[aggregate] as usize];
        key.as_bytes()
    }

    fn event_type(&mut self, from: &Row<'_>) -> u16 {
        let old = from.events.type_index(from.row);
        let number = from.types[old] as usize;
        if self.local_types.len() <= number {
            self.local_types.resize(number + 1, None);
        }
        if let Some(known) = self.local_types[number] {
            return known;
        }
        self.parts
            .payloads
            .push(Some(self.spare.pop().unwrap_or_default()));
        let events = &from.events;
        let (name, schema) = (events.type_name(old), events.type_schema(old));
        let (encoding, shape) = (events.type_encoding(old) as u8, events.type_shape(old));
        let new = (self.parts.columns).add_type(name, schema, encoding, shape);
        self.local_types[number] = Some(new);
        new
    }

    /// The cluster of the rows.
    fn finish(&mut self, mut head: BlockHead) -> Result<Block, String> {
        let columns = &mut self.parts.columns;
        let ends = |column: &[u64]| {
            column
                .iter()
                .min()
                .copied()
                .zip(column.iter().max().copied())
        };
        let (first, last) = ends(&columns.positions).ok_or("it has no events")?;
        let rows = columns.versions.len() as u64;
        (head.first_position, head.rows) = (first, rows as u32);
        head.gaps = last + 1 - first - rows;
        let commits = &columns.commit_times;
        let ends = commits.iter().min().zip(commits.iter().max());
        (head.first_commit, head.last_commit) =
            ends.map_or((0, 0), |(first, last)| (*first, *last));
        if head.first_commit == head.last_commit {
            columns.commit_times.clear();
        }
        if columns.times.iter().all(|time| *time == NO_TIME) {
            columns.times.clear();
        }
        self.metadata.swap(rows as usize, &mut columns.metadata);
        let mut parts = std::mem::take(&mut self.parts);
        if parts.ids.iter().all(|byte| *byte == 0) {
            parts.ids.clear();
        }
        let block = Block::of_parts(head, parts);
        self.local_types.fill(None);
        (self.same_hash_from, self.bytes) = (0, 0);
        block
    }

    /// Takes back the room of a cluster that was written.
    fn recycle(&mut self, mut parts: BlockParts) {
        parts.columns.clear();
        parts.ids.clear();
        for mut payloads in parts.payloads.drain(..).flatten() {
            payloads.clear();
            self.spare.push(payloads);
        }
        self.parts = parts;
    }
}
