//! What the tables of a sealed segment say, gathered from its blocks.
//!
//! All of it follows from the blocks, so a table that is damaged can be gathered again. The
//! same code fills the tables of a file, stands in for them in memory, and checks them.

use std::collections::BTreeMap;

use eventcask_event::{EventId, EventRef, NO_POSITION};
use twox_hash::XxHash3_64;

use crate::BlockPlace;
use crate::FIRST_BLOCK;
use crate::format::head::{decode_marks_of, encode_marks_of};
use crate::format::sealed_header::{Sealed, TableKind};
use crate::format::wire::Fields;
use crate::sealed::digest::Digest;
use crate::sealed::filter;
use crate::sealed::keys::{KeyPlace, Keys};
use crate::sealed::pages::{self, PageBuilder};
use crate::{Block, BlockHead, MAX_BLOCK_BYTES, SourceMark};

/// Bytes of a block in the table of blocks.
const BLOCK_BYTES: usize = 48;
/// About the bytes of an entry in the tables of keys and of ids.
const KEY_ENTRY_BYTES: usize = 32;
const ID_ENTRY_BYTES: usize = 37;

/// An event that came with an id, as the tables of its segment know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdPlace {
    /// Its position.
    pub position: u64,
    /// Its version.
    pub version: u64,
    /// What it is beside its id.
    pub digest: Digest,
}

impl IdPlace {
    pub(crate) fn of(store: u128, event: &EventRef<'_>) -> Self {
        Self {
            position: event.position,
            version: event.version,
            digest: Digest::of_stored(store, event),
        }
    }
}

/// The facts of one segment.
#[derive(Debug, Default)]
pub(crate) struct Index {
    store: u128,
    pub(crate) blocks: Vec<BlockPlace>,
    pub(crate) keys: Keys,
    pub(crate) ids: Ids,
    pub(crate) marks: Vec<SourceMark>,
    pub(crate) truncations: BTreeMap<String, u64>,
    /// Events with version 1.
    pub(crate) first_events: u64,
}

/// Ids with their events.
///
/// There are many, and they are looked up only after the last one came: a list that is sorted then
/// takes a third of the time of a table, since ids come in order more or less.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    entries: Vec<IdEntry>,
    /// How many there may be: room is made for them with the first one.
    expected: usize,
}

/// The event that came with an id, and the number of its aggregate.
#[derive(Debug, Clone, Copy)]
struct IdEntry {
    id: u128,
    aggregate: u32,
    at: IdPlace,
}

impl Ids {
    /// Says how many may come: a list that is made longer bit by bit is copied each time.
    pub(crate) fn expect(&mut self, events: usize) {
        self.expected = events;
    }

    fn push(&mut self, entry: IdEntry) {
        if self.entries.is_empty() {
            self.entries.reserve(self.expected);
        }
        self.entries.push(entry);
    }

    /// Orders them. An aggregate may have one twice that a window had forgotten: the newest event
    /// has it.
    pub(crate) fn settle(&mut self) {
        let newest_first = |one: &IdEntry| (one.id, one.aggregate, u64::MAX - one.at.position);
        self.entries.sort_unstable_by_key(newest_first);
        self.entries.dedup_by_key(|one| (one.id, one.aggregate));
    }

    /// The newest event before `before` with this id; they must be settled.
    pub(crate) fn newest(&self, id: u128, before: u64) -> Option<IdPlace> {
        let from = self.entries.partition_point(|one| one.id < id);
        let same = self.entries[from..].iter().take_while(|one| one.id == id);
        let places = same.map(|one| one.at);
        let older = places.filter(|at| at.position < before);
        older.max_by_key(|at| at.position)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// An id that is looked up, hashed once for all segments.
#[derive(Debug, Clone, Copy)]
pub struct IdQuery {
    pub(crate) id: u128,
    pub(crate) hash: u64,
}

impl IdQuery {
    /// A question for an id of this store.
    #[must_use]
    pub fn new(store: u128, id: EventId) -> Self {
        let id = id.as_u128();
        let hash = hash(store, &id.to_le_bytes());
        Self { id, hash }
    }
}

/// The hash by which keys and ids are looked up on disk: seeded by the store's id, so that a
/// set of keys that collide in one store does not in another.
pub(crate) fn hash(store: u128, bytes: &[u8]) -> u64 {
    XxHash3_64::oneshot_with_seed(store as u64, bytes)
}

impl Index {
    /// An index of a segment of this store.
    pub(crate) fn of(store: u128) -> Self {
        Self {
            store,
            ..Self::default()
        }
    }

    /// Takes in a block with all its payloads; `block` is absent where it has no events.
    pub(crate) fn add(&mut self, head: &BlockHead, rewrite: u32, block: Option<&Block>) {
        let mut numbers = Vec::new();
        if let Some(block) = block {
            self.keys.number_all(&block.events(), &mut numbers);
        }
        self.add_numbered(head, rewrite, block, &numbers);
    }

    /// As [`add`](Self::add), for a block whose aggregates have these numbers among the keys.
    pub(crate) fn add_numbered(
        &mut self,
        head: &BlockHead,
        rewrite: u32,
        block: Option<&Block>,
        numbers: &[u32],
    ) {
        self.add_marks(&head.marks);
        let Some(block) = block else { return };
        self.blocks.push(BlockPlace {
            rewrite,
            // The table of blocks does not say it.
            group_rows: 0,
            ..BlockPlace::of(head)
        });
        let events = block.events();
        for row in 0..events.len() {
            let aggregate = numbers[events.aggregate_index(row)];
            let position = events.position(row);
            let place = KeyPlace {
                version: events.columns().versions[row],
                position,
            };
            self.first_events += u64::from(place.version == 1);
            self.keys.note(aggregate, place);
            if let Some(id) = events.given_id(row) {
                self.ids.push(IdEntry {
                    id: id.as_u128(),
                    aggregate,
                    at: IdPlace::of(self.store, &events.event(row)),
                });
            }
        }
        for (key, before) in events.truncations() {
            let known = self.truncations.entry(key.to_owned()).or_default();
            *known = before.max(*known);
        }
    }

    /// Where an aggregate stands at the end of the segment.
    pub(crate) fn place_of(&self, key: &str) -> Option<KeyPlace> {
        self.keys.place_of(key)
    }

    pub(crate) fn add_marks(&mut self, marks: &[SourceMark]) {
        for mark in marks {
            self.marks.retain(|old| old.source != mark.source);
            self.marks.push(mark.clone());
        }
    }

    /// The lowest and the highest id that rises with time; 0 without one.
    pub(crate) fn rising_ids(&self) -> (u128, u128) {
        let ids = self.ids.entries.iter().map(|one| one.id);
        let rising = ids.filter(|id| EventId::from_u128(*id).rises_with_time());
        let range = rising.fold((u128::MAX, 0), |(lowest, highest), id| {
            (id.min(lowest), id.max(highest))
        });
        if range.1 == 0 { (0, 0) } else { range }
    }

    /// Commit times of the first and of the last event.
    pub(crate) fn commit_range(&self) -> (i64, i64) {
        let first = self.blocks.first().map_or(i64::MAX, |at| at.first_commit);
        (
            first,
            self.blocks.last().map_or(i64::MIN, |at| at.last_commit),
        )
    }

    /// The bytes of each table that is not empty.
    pub(crate) fn tables(&mut self, sealed: &Sealed) -> Vec<(TableKind, Vec<u8>)> {
        let mut keys = PageBuilder::with_room(self.keys.len(), KEY_ENTRY_BYTES);
        for (key, place) in self.keys.iter() {
            keys.add(hash(self.store, key.as_bytes()), |entry| {
                encode_key(entry, key, place, sealed.next_position);
            });
        }
        self.ids.settle();
        let mut ids = PageBuilder::with_room(self.ids.entries.len(), ID_ENTRY_BYTES);
        for IdEntry { id, at, .. } in &self.ids.entries {
            let id = id.to_le_bytes();
            ids.add(hash(self.store, &id), |entry| {
                encode_id(entry, &id, at, sealed.next_position);
            });
        }
        let (key_filter, id_filter) = (filter::build(keys.hashes()), filter::build(ids.hashes()));
        let ((key_directory, key_pages), (id_directory, id_pages)) = (keys.finish(), ids.finish());
        let mut marks = Vec::new();
        encode_marks_of(&self.marks, &mut marks);
        let tables = [
            self.encode_blocks(),
            marks,
            self.encode_truncations(),
            key_filter,
            key_directory,
            key_pages,
            id_filter,
            id_directory,
            id_pages,
        ];
        let tables = TableKind::ALL.into_iter().zip(tables);
        tables.filter(|(_, bytes)| !bytes.is_empty()).collect()
    }

    fn encode_blocks(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.blocks.len() * BLOCK_BYTES);
        for at in &self.blocks {
            bytes.extend_from_slice(&at.place.to_le_bytes());
            bytes.extend_from_slice(&at.length.to_le_bytes());
            bytes.extend_from_slice(&at.rows.to_le_bytes());
            bytes.extend_from_slice(&at.first_position.to_le_bytes());
            bytes.extend_from_slice(&at.next_position.to_le_bytes());
            bytes.extend_from_slice(&at.first_commit.to_le_bytes());
            bytes.extend_from_slice(&at.last_commit.to_le_bytes());
        }
        bytes
    }

    fn encode_truncations(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (key, before) in &self.truncations {
            bytes.extend_from_slice(&before.to_le_bytes());
            bytes.extend_from_slice(&(key.len() as u16).to_le_bytes());
            bytes.extend_from_slice(key.as_bytes());
        }
        bytes
    }
}

/// Finds in the table of blocks the one with the first event at `position` or after it.
pub(crate) fn find_block(
    table: &[u8],
    position: u64,
    segment: u64,
    sealed: &Sealed,
) -> Result<Option<BlockPlace>, &'static str> {
    let entries = table.as_chunks::<BLOCK_BYTES>().0;
    let at = entries.partition_point(|entry| Fields(entry).u64(24) <= position);
    let Some(entry) = entries.get(at) else {
        return Ok(None);
    };
    let at = decode_block(Fields(entry), segment, sealed.rewrite);
    let end = at.place.checked_add(u64::from(at.length));
    let is_possible = at.place >= FIRST_BLOCK
        && end.is_some_and(|end| end <= sealed.blocks_end)
        && at.length <= MAX_BLOCK_BYTES
        && at.next_position > position
        && at.next_position <= sealed.next_position;
    match is_possible {
        true => Ok(Some(at)),
        false => Err("the table of blocks is malformed"),
    }
}

fn decode_block(fields: Fields<'_>, segment: u64, rewrite: u32) -> BlockPlace {
    BlockPlace {
        group_rows: 0,
        segment,
        rewrite,
        place: fields.u64(0),
        length: fields.u32(8),
        rows: fields.u32(12),
        first_position: fields.u64(16),
        next_position: fields.u64(24),
        first_commit: fields.i64(32),
        last_commit: fields.i64(40),
    }
}

/// Reads the table of marks.
pub(crate) fn decode_marks(table: &[u8]) -> Result<Vec<SourceMark>, &'static str> {
    decode_marks_of(table, usize::MAX)
}

/// Reads the table of truncations.
pub(crate) fn decode_truncations(mut table: &[u8]) -> Result<Vec<(String, u64)>, &'static str> {
    const BAD: &str = "the table of truncations is malformed";
    let mut truncations = Vec::new();
    while !table.is_empty() {
        let (fixed, rest) = table.split_at_checked(10).ok_or(BAD)?;
        let fields = Fields(fixed);
        let key = rest.split_at_checked(usize::from(fields.u16(8)));
        let (key, rest) = key.ok_or(BAD)?;
        let key = str::from_utf8(key).map_err(|_| BAD)?.to_owned();
        truncations.push((key, fields.u64(0)));
        table = rest;
    }
    Ok(truncations)
}

fn encode_key(entry: &mut Vec<u8>, key: &str, place: KeyPlace, next_position: u64) {
    debug_assert_ne!(place.position, NO_POSITION);
    pages::put_varint(entry, key.len() as u64);
    entry.extend_from_slice(key.as_bytes());
    pages::put_varint(entry, place.version);
    pages::put_varint(entry, next_position - place.position);
}

/// Finds a key in its page.
pub(crate) fn find_key(
    mut page: &[u8],
    key: &str,
    next_position: u64,
) -> Result<Option<KeyPlace>, &'static str> {
    const BAD: &str = "a page of keys is malformed";
    while !page.is_empty() {
        let length = pages::take_varint(&mut page).ok_or(BAD)?;
        let length = usize::try_from(length).map_err(|_| BAD)?;
        let (found, rest) = page.split_at_checked(length).ok_or(BAD)?;
        page = rest;
        let version = pages::take_varint(&mut page).ok_or(BAD)?;
        let back = pages::take_varint(&mut page).ok_or(BAD)?;
        if found == key.as_bytes() {
            let position = next_position.checked_sub(back).ok_or(BAD)?;
            return Ok(Some(KeyPlace { version, position }));
        }
    }
    Ok(None)
}

fn encode_id(entry: &mut Vec<u8>, id: &[u8; 16], at: &IdPlace, next_position: u64) {
    entry.extend_from_slice(id);
    entry.extend_from_slice(at.digest.as_bytes());
    pages::put_varint(entry, at.version);
    pages::put_varint(entry, next_position - at.position);
}

/// Finds in its page the newest event before `before` that came with an id. Those with the same id
/// follow each other.
pub(crate) fn find_id(
    mut page: &[u8],
    id: u128,
    before: u64,
    next_position: u64,
) -> Result<Option<IdPlace>, &'static str> {
    const BAD: &str = "a page of ids is malformed";
    let id = id.to_le_bytes();
    let (mut newest, mut was_met) = (None::<IdPlace>, false);
    while !page.is_empty() {
        let (found, rest) = page.split_first_chunk().ok_or(BAD)?;
        let (digest, rest) = rest.split_first_chunk().ok_or(BAD)?;
        page = rest;
        if *found != id {
            if was_met {
                break;
            }
            pages::skip_varint(&mut page).ok_or(BAD)?;
            pages::skip_varint(&mut page).ok_or(BAD)?;
            continue;
        }
        was_met = true;
        let version = pages::take_varint(&mut page).ok_or(BAD)?;
        let back = pages::take_varint(&mut page).ok_or(BAD)?;
        let at = IdPlace {
            position: next_position.checked_sub(back).ok_or(BAD)?,
            version,
            digest: Digest::from_bytes(*digest),
        };
        let is_newer = newest.is_none_or(|newest| newest.position < at.position);
        if at.position < before && is_newer {
            newest = Some(at);
        }
    }
    Ok(newest)
}
