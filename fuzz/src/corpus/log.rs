//! Writes blocks as the worker does, with fixed times.

use std::collections::HashMap;
use std::num::NonZeroU64;
use std::sync::OnceLock;

use eventcask_event::{
    Columns, EventId, Headers, MetadataBuilder, NO_POSITION, NO_TIME, NewMetadata, PayloadBytes,
    Tags,
};
use eventcask_log::{
    Block, BlockHead, Codec, Compressor, Fate, Manifest, MemoryStorage, NewSegment, Rewriting,
    SORT_BYTES, SegmentWriter, ShardDir, SourceMark, Tail,
};

use crate::repair::STORE;
use crate::targets::stage;

pub(crate) const FIRST_BLOCK: u64 = eventcask_log::FIRST_BLOCK;
const HEADER: usize = FIRST_BLOCK as usize;

/// An event on its way into a block.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) key: String,
    pub(super) event_type: String,
    pub(super) payload: String,
    /// 0 where it has none.
    pub(super) shape: u64,
    pub(super) id: u128,
    pub(super) time: i64,
    /// 0 where it carries nothing beside the payload.
    pub(super) carried: u8,
}

impl Row {
    pub(super) fn new(key: &str, event_type: &str, payload: &str) -> Self {
        Self {
            key: key.to_owned(),
            event_type: event_type.to_owned(),
            payload: payload.to_owned(),
            shape: 0,
            id: 0,
            time: NO_TIME,
            carried: 0,
        }
    }
}

pub(super) fn deposits(seed: u64, count: usize) -> Vec<Row> {
    let mut random = fastrand::Rng::with_seed(seed);
    let deposit = |_| {
        let key = format!("account-{}", random.u8(..3));
        let payload = format!(r#"{{"cents":{},"by":"teller"}}"#, random.u16(..));
        Row::new(&key, "Deposited", &payload)
    };
    (0..count).map(deposit).collect()
}

/// Deposits of which every other one has an id and a time.
pub(super) fn deposits_with_ids(seed: u64, count: usize) -> Vec<Row> {
    let mut rows = deposits(seed, count);
    for (at, row) in rows.iter_mut().enumerate().step_by(2) {
        row.id = u128::from(seed) << 64 | (at as u128 + 1);
        row.time = at as i64 - 2;
    }
    rows
}

/// Rows of which some carry ids, headers or tags.
pub(super) fn carrying(count: usize) -> Vec<Row> {
    let mut rows = short(count);
    for (at, row) in rows.iter_mut().enumerate() {
        row.carried = (at % 5) as u8;
    }
    rows
}

/// What a row of this number carries.
fn carried(number: u8) -> NewMetadata<'static> {
    const HEADERS: &[(&str, &[u8])] = &[("trace", b"00-4bf92f"), ("raw", &[0xff, 0])];
    const TAGS: &[(&str, &str)] = &[("customer", "ada"), ("shop", "")];
    let id = EventId::from_u128(u128::from(number));
    NewMetadata {
        correlation: (number & 1 != 0).then_some(id),
        causation: (number & 2 != 0).then_some(id),
        headers: Headers::new(if number & 2 != 0 { HEADERS } else { &[] }),
        tags: Tags::new(if number & 4 != 0 { TAGS } else { &[] }),
    }
}

pub(super) fn many_types(count: usize) -> Vec<Row> {
    let row = |at: usize| {
        let event_type = format!("Type-{}", at % 5);
        Row::new(&format!("ключ-{at}"), &event_type, &"x".repeat(at * 20))
    };
    (0..count).map(row).collect()
}

/// Rows of one name with shapes and without, in more than one group.
pub(super) fn shaped(count: usize) -> Vec<Row> {
    let row = |at: usize| Row {
        shape: [0, 5, 6][at % 3],
        ..Row::new(&format!("a-{}", at % 3), "Archived", &"7".repeat(at % 20))
    };
    (0..count).map(row).collect()
}

/// Payloads of which two do not go into a chunk, and that compress to little.
pub(super) fn large(count: usize) -> Vec<Row> {
    let row = |at: usize| Row::new("account-1", "Scanned", &"scan".repeat(9_000 + at));
    (0..count).map(row).collect()
}

/// Rows of more than one group, with payloads of next to nothing.
pub(super) fn short(count: usize) -> Vec<Row> {
    let row = |at: usize| Row::new(&format!("a-{}", at % 3), "Ticked", ["", "1"][at % 2]);
    (0..count).map(row).collect()
}

pub(super) fn manifest_of(shards: u32, created: i64) -> Vec<u8> {
    let storage = MemoryStorage::default();
    let manifest = Manifest::new(STORE, shards, created).expect("so many shards are allowed");
    manifest.create(&storage).expect("memory can be written");
    stage::bytes_of(&storage, "MANIFEST")
}

/// The id of the store that the events of another one began in.
pub(super) const FIRST_STORE: u128 = 7;

/// The manifest of a store that was made of another one's events.
pub(crate) fn manifest_of_another() -> Vec<u8> {
    let storage = MemoryStorage::default();
    let manifest = |store| Manifest::new(store, 1, 0).expect("one shard is allowed");
    let made = manifest(STORE).made_of(&manifest(FIRST_STORE));
    made.create(&storage).expect("memory can be written");
    stage::bytes_of(&storage, "MANIFEST")
}

pub(crate) fn manifest_file() -> Vec<u8> {
    manifest_of(1, 0)
}

/// These bytes where the first block of a segment is.
pub(crate) fn in_a_segment(block: &[u8]) -> Vec<u8> {
    static HEADER: OnceLock<Vec<u8>> = OnceLock::new();
    let header = HEADER.get_or_init(|| Log::new().segment());
    [header, block].concat()
}

/// A second segment, with three events, behind a first one that ends like this.
pub(crate) fn segment_after(first_position: u64, previous_checksum: u32) -> Vec<u8> {
    let mut log = Log::beginning_with(NewSegment {
        number: 2,
        first_position,
        previous_checksum,
    });
    log.append(&deposits(7, 3)).segment()
}

/// A shard with one segment.
pub(super) struct Log {
    storage: MemoryStorage,
    dir: ShardDir,
    writer: SegmentWriter,
    tail: Tail,
    codec: Codec,
    compressor: Compressor,
    newest: HashMap<String, (u64, u64)>,
    marks: Vec<SourceMark>,
    has_places: bool,
}

impl Log {
    pub(super) fn new() -> Self {
        Self::beginning_with(NewSegment {
            number: 1,
            first_position: 0,
            previous_checksum: 0,
        })
    }

    fn beginning_with(first: NewSegment) -> Self {
        let (storage, dir) = stage::empty_store();
        let mut writer =
            SegmentWriter::open(dir.clone(), &Tail::empty()).expect("there is no segment yet");
        writer.roll(&first).expect("memory can be written");
        let tail = Tail {
            segment: first.number,
            next_position: first.first_position,
            previous_checksum: first.previous_checksum,
            place: FIRST_BLOCK,
            durable_place: FIRST_BLOCK,
            epoch: 1,
            last_commit: 1_700_000_000_000_000_000,
            ..Tail::default()
        };
        Self {
            storage,
            dir,
            writer,
            tail,
            codec: Codec::None,
            compressor: Compressor::default(),
            newest: HashMap::new(),
            marks: Vec::new(),
            has_places: false,
        }
    }

    pub(super) fn with_codec(&mut self, codec: Codec) -> &mut Self {
        self.codec = codec;
        self
    }

    /// Blocks say positions and commit times of each row, and have them backwards.
    pub(super) fn with_places(&mut self) -> &mut Self {
        self.has_places = true;
        self
    }

    pub(super) fn mark(&mut self, source: &str, next: u64) {
        self.marks.push(SourceMark {
            source: source.to_owned(),
            next,
            check: next ^ 7,
        });
    }

    pub(super) fn append(&mut self, rows: &[Row]) -> &mut Self {
        self.tail.last_commit += 1_000;
        let head = BlockHead {
            rows: rows.len() as u32,
            ..self.head()
        };
        let parts = self.parts(rows);
        let block = Block::new(head, parts.0, parts.1, parts.2).expect("the rows fit a block");
        let mut bytes = Vec::new();
        let head = block.encode(self.codec, &mut self.compressor, &mut bytes);
        self.put(&head, &bytes)
    }

    /// From now on blocks say that all so far is durable.
    pub(super) fn sync(&mut self) -> &mut Self {
        self.tail.durable_place = self.tail.place;
        self
    }

    pub(super) fn close(&mut self) -> &mut Self {
        self.sync();
        let head = BlockHead {
            close: true,
            ..self.head()
        };
        let mut bytes = Vec::new();
        let head = Block::encode_empty(head, &mut bytes);
        self.put(&head, &bytes)
    }

    pub(super) fn segment(&self) -> Vec<u8> {
        let name = format!("shards/0000/{:010}.segment", self.tail.segment);
        stage::bytes_of(&self.storage, &name)
    }

    /// The segment sealed; `fate` is asked about each position.
    pub(super) fn sealed(&self, codec: Codec, fate: &dyn Fn(u64) -> Fate) -> Vec<u8> {
        self.rewritten(codec, false, fate)
    }

    /// The segment sealed with clusters.
    pub(super) fn clustered(&self, codec: Codec) -> Vec<u8> {
        self.rewritten(codec, true, &|_| Fate::Kept)
    }

    fn rewritten(&self, codec: Codec, clustered: bool, fate: &dyn Fn(u64) -> Fate) -> Vec<u8> {
        let how = Rewriting {
            codec,
            clustered,
            sort_bytes: SORT_BYTES,
            fate: &|events, row| fate(events.position(row)),
            go_on: &|| true,
        };
        let sealed = self.dir.seal(1, &how);
        sealed.expect("memory can be written").expect("it goes on");
        self.segment()
    }

    /// The segment without its header.
    pub(super) fn blocks(&self) -> Vec<u8> {
        self.segment().split_off(HEADER)
    }

    fn head(&self) -> BlockHead {
        BlockHead {
            store: self.dir.store(),
            segment: self.tail.segment,
            place: self.tail.place,
            first_position: self.tail.next_position,
            durable_place: self.tail.durable_place,
            first_commit: self.tail.last_commit,
            last_commit: self.tail.last_commit,
            epoch: self.tail.epoch,
            previous_checksum: self.tail.previous_checksum,
            marks: self.marks.clone(),
            ..BlockHead::default()
        }
    }

    fn put(&mut self, head: &BlockHead, bytes: &[u8]) -> &mut Self {
        let written = self.writer.append(head.segment, head.place, &[bytes]);
        written.expect("memory can be written");
        self.tail.place += u64::from(head.length);
        self.tail.next_position = head.next_position();
        self.tail.previous_checksum = head.checksum;
        self
    }

    fn parts(&mut self, rows: &[Row]) -> (Columns, Vec<u8>, Vec<PayloadBytes>) {
        let mut columns = Columns::default();
        let (mut keys, mut types) = (Vec::new(), Vec::new());
        let mut payloads: Vec<PayloadBytes> = Vec::new();
        for (at, row) in rows.iter().enumerate() {
            let position = self.tail.next_position + at as u64;
            let known = self.newest.get(&row.key).copied();
            let (version, previous) = known.unwrap_or((0, NO_POSITION));
            let aggregate = index_of(&mut keys, &*row.key, |key| {
                columns.add_aggregate(key, previous);
            });
            columns.aggregates.push(aggregate as u32);
            let shape = NonZeroU64::new(row.shape);
            let event_type = index_of(&mut types, (&*row.event_type, shape), |(name, shape)| {
                columns.add_type(name, 1, u8::from(row.payload.starts_with('{')), shape);
                payloads.push(PayloadBytes::default());
            });
            columns.types.push(event_type as u16);
            columns.versions.push(version + 1);
            columns.payload_lengths.push(row.payload.len() as u32);
            payloads[event_type].push(row.payload.as_bytes(), shape);
            self.newest.insert(row.key.clone(), (version + 1, position));
        }
        let mut metadata = MetadataBuilder::default();
        for (at, row) in rows.iter().enumerate() {
            metadata.push(at, &carried(row.carried));
        }
        metadata.swap(rows.len(), &mut columns.metadata);
        self.add_optional(&mut columns, rows);
        let has_ids = rows.iter().any(|row| row.id != 0);
        let ids = rows
            .iter()
            .filter(|_| has_ids)
            .flat_map(|row| row.id.to_le_bytes());
        (columns, ids.collect(), payloads)
    }

    fn add_optional(&self, columns: &mut Columns, rows: &[Row]) {
        if rows.iter().any(|row| row.time != NO_TIME) {
            columns.times = rows.iter().map(|row| row.time).collect();
        }
        if self.has_places {
            let positions = self.tail.next_position..self.tail.next_position + rows.len() as u64;
            columns.positions = positions.collect();
            columns.commit_times = rows.iter().map(|_| self.tail.last_commit).collect();
        }
    }
}

/// The index of a name among those that came before; `add` is told of a new one.
fn index_of<N: Copy + PartialEq>(known: &mut Vec<N>, name: N, add: impl FnOnce(N)) -> usize {
    if let Some(index) = known.iter().position(|old| *old == name) {
        return index;
    }
    add(name);
    known.push(name);
    known.len() - 1
}
