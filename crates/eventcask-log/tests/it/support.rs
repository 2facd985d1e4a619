//! A shard that is written as the worker writes it, and what is read back from it.

use std::collections::HashMap;
use std::num::NonZeroU64;
use std::sync::Arc;

use eventcask_event::{
    Columns, Encoding, EventId, EventRef, Events, MetadataBuilder, NO_POSITION, NO_TIME, NewEvent,
    PAYLOAD_ALIGN, PayloadBytes, Timestamp,
};
use eventcask_log::{
    Block, BlockHead, BlockPlace, BlockReader, Caches, ClosedSegment, Codec, Compressor, Digest,
    Error, ErrorKind, Fate, IdPlace, IdQuery, Manifest, MemoryStorage, NewSegment, Open, Payloads,
    Problem, Recovery, Rewriting, SORT_BYTES, SegmentWriter, ShardDir, SourceMark, Storage, Tail,
};

use crate::carried::Carried;

pub(crate) const STORE: u128 = 0x0123_4567_89ab_cdef_0011_2233_4455_6677;
pub(crate) const FIRST_BLOCK: u64 = 4096;
pub(crate) const FIRST_SEGMENT: &str = "shards/0000/0000000001.segment";
pub(crate) const SECOND_SEGMENT: &str = "shards/0000/0000000002.segment";

/// The newest event of a segment with an id.
pub(crate) fn find_id(
    reader: &BlockReader,
    segment: &ClosedSegment,
    id: EventId,
) -> Result<Option<IdPlace>, Error> {
    reader.find_id(segment, &IdQuery::new(STORE, id), u64::MAX)
}

/// An event on its way into a block.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) key: String,
    pub(crate) event_type: String,
    pub(crate) payload: Vec<u8>,
    /// 0 where it has none, and is JSON text.
    pub(crate) shape: u64,
    pub(crate) id: Option<u128>,
    pub(crate) time: Option<i64>,
    pub(crate) carried: Carried,
}

pub(crate) fn row(key: &str, event_type: &str, payload: impl Into<Vec<u8>>) -> Row {
    Row {
        key: key.to_owned(),
        event_type: event_type.to_owned(),
        payload: payload.into(),
        shape: 0,
        id: None,
        time: None,
        carried: Carried::default(),
    }
}

/// Deposits into a few accounts; `seed` makes them differ.
pub(crate) fn deposits(seed: u64, count: usize) -> Vec<Row> {
    let mut random = fastrand::Rng::with_seed(seed);
    let deposit = |_| {
        let key = format!("account-{}", random.u8(..4));
        let payload = format!(r#"{{"cents":{},"by":"teller"}}"#, random.u32(..));
        row(&key, "Deposited", payload)
    };
    (0..count).map(deposit).collect()
}

/// An event as it was read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) aggregate: String,
    pub(crate) version: u64,
    pub(crate) position: u64,
    pub(crate) event_type: String,
    pub(crate) id: EventId,
    pub(crate) commit_time: i64,
    pub(crate) time: Option<i64>,
    pub(crate) payload: Vec<u8>,
    pub(crate) shape: Option<NonZeroU64>,
    pub(crate) carried: Carried,
}

impl Seen {
    pub(crate) fn of(event: &EventRef<'_>) -> Self {
        let is_aligned = event.payload.as_ptr().addr().is_multiple_of(PAYLOAD_ALIGN);
        let has_place = event.shape.is_some() && !event.payload.is_empty();
        assert!(is_aligned || !has_place, "{event:?}");
        Self {
            aggregate: event.key.to_owned(),
            version: event.version,
            position: event.position,
            event_type: event.event_type.to_owned(),
            id: event.id,
            commit_time: event.commit_time.as_nanos(),
            time: event.time.map(Timestamp::as_nanos),
            payload: event.payload.to_vec(),
            shape: event.shape,
            carried: Carried::of(event.metadata),
        }
    }

    /// What an event that came again would be compared by: payloads without a shape are JSON text.
    pub(crate) fn digest(&self) -> Digest {
        let mut event = NewEvent::json(&self.event_type, &self.payload);
        event.time = self.time.map(Timestamp::from_nanos);
        if self.shape.is_some() {
            (event.shape, event.encoding) = (self.shape, Encoding::Bytes);
        }
        self.carried.with(|carried| {
            let metadata = Some(carried);
            Digest::of(STORE, &self.aggregate, &NewEvent { metadata, ..event })
        })
    }
}

/// The parts of a block of these rows, for a shard in which nothing else is.
pub(crate) fn parts(rows: &[Row]) -> (Columns, Vec<u8>, Vec<PayloadBytes>) {
    parts_after(rows, &mut HashMap::new(), 0)
}

/// The parts of a block; `newest` has version and position of each aggregate's newest event.
fn parts_after(
    rows: &[Row],
    newest: &mut HashMap<String, (u64, u64)>,
    first_position: u64,
) -> (Columns, Vec<u8>, Vec<PayloadBytes>) {
    let mut columns = Columns::default();
    let mut keys: Vec<&str> = Vec::new();
    let mut types: Vec<(&str, u64)> = Vec::new();
    let mut payloads: Vec<PayloadBytes> = Vec::new();
    let mut metadata = MetadataBuilder::default();
    for (at, row) in rows.iter().enumerate() {
        let (version, position) = newest.get(&row.key).copied().unwrap_or((0, NO_POSITION));
        let aggregate = keys.iter().position(|key| *key == row.key);
        let aggregate = aggregate.unwrap_or_else(|| {
            columns.add_aggregate(&row.key, position);
            keys.push(&row.key);
            keys.len() - 1
        });
        let (named, shape) = ((&*row.event_type, row.shape), NonZeroU64::new(row.shape));
        let event_type = types.iter().position(|known| *known == named);
        let event_type = event_type.unwrap_or_else(|| {
            columns.add_type(&row.event_type, 1, u8::from(shape.is_none()), shape);
            types.push(named);
            payloads.push(PayloadBytes::default());
            types.len() - 1
        });
        row.carried.with(|carried| metadata.push(at, &carried));
        columns.aggregates.push(aggregate as u32);
        columns.types.push(event_type as u16);
        columns.versions.push(version + 1);
        columns.payload_lengths.push(row.payload.len() as u32);
        payloads[event_type].push(&row.payload, shape);
        newest.insert(row.key.clone(), (version + 1, first_position + at as u64));
    }
    metadata.swap(rows.len(), &mut columns.metadata);
    if rows.iter().any(|row| row.time.is_some()) {
        columns.times = rows.iter().map(|row| row.time.unwrap_or(NO_TIME)).collect();
    }
    let mut ids = Vec::new();
    if rows.iter().any(|row| row.id.is_some()) {
        let all = rows.iter().map(|row| row.id.unwrap_or(0).to_le_bytes());
        ids = all.flatten().collect();
    }
    (columns, ids, payloads)
}

/// Shard 0 of a store with one shard, on any storage.
pub(crate) fn shard_on(storage: impl Storage + 'static) -> ShardDir {
    let manifest = Manifest::new(STORE, 1, 0).unwrap();
    ShardDir::new(Arc::new(storage), &manifest, 0)
}

/// Makes an empty store with one shard.
pub(crate) fn make_store(storage: &(impl Storage + Clone + 'static)) {
    shard_on(storage.clone()).create().unwrap();
    let manifest = Manifest::new(STORE, 1, 0).unwrap();
    manifest.create(storage).unwrap();
}

/// Writes blocks as the worker does: chained, with the durable place that it knows.
pub(crate) struct Writer {
    dir: ShardDir,
    writer: SegmentWriter,
    pub(crate) tail: Tail,
    pub(crate) codec: Codec,
    compressor: Compressor,
    newest: HashMap<String, (u64, u64)>,
    clock: i64,
    pub(crate) marks: Vec<SourceMark>,
}

impl Writer {
    /// Makes a store with one shard and opens it.
    pub(crate) fn new(storage: &(impl Storage + Clone + 'static)) -> Self {
        make_store(storage);
        Self::open(storage).unwrap().0
    }

    /// Recovers the shard and goes on.
    pub(crate) fn open(
        storage: &(impl Storage + Clone + 'static),
    ) -> Result<(Self, Recovery), Error> {
        let dir = shard_on(storage.clone());
        let mut newest = HashMap::new();
        let recovery = dir.recover(&mut |block, _| {
            for event in (0..block.events().len()).map(|row| block.events().event(row)) {
                newest.insert(event.key.to_owned(), (event.version, event.position));
            }
            Ok(())
        })?;
        let mut tail = recovery.tail.clone();
        tail.epoch += 1;
        let writer = Self {
            writer: SegmentWriter::open(dir.clone(), &tail)?,
            clock: tail.last_commit.max(1_000_000_000),
            dir,
            tail,
            codec: Codec::None,
            compressor: Compressor::default(),
            newest,
            marks: Vec::new(),
        };
        Ok((writer, recovery))
    }

    /// Writes a block of these rows, in a first segment if there is none.
    pub(crate) fn append(&mut self, rows: &[Row]) -> BlockHead {
        self.try_append(rows).unwrap()
    }

    pub(crate) fn try_append(&mut self, rows: &[Row]) -> Result<BlockHead, Error> {
        if self.tail.segment == 0 {
            self.try_roll()?;
        }
        self.clock += 1_000;
        let mut head = self.head();
        head.rows = rows.len() as u32;
        head.marks.clone_from(&self.marks);
        let (columns, ids, payloads) = parts_after(rows, &mut self.newest, self.tail.next_position);
        let block = Block::new(head, columns, ids, payloads).unwrap();
        let mut bytes = Vec::new();
        let head = block.encode(self.codec, &mut self.compressor, &mut bytes);
        self.put(head, &bytes)
    }

    fn put(&mut self, head: BlockHead, bytes: &[u8]) -> Result<BlockHead, Error> {
        self.writer.append(head.segment, head.place, &[bytes])?;
        self.tail.place += u64::from(head.length);
        self.tail.next_position = head.next_position();
        self.tail.previous_checksum = head.checksum;
        Ok(head)
    }

    fn head(&self) -> BlockHead {
        BlockHead {
            store: self.dir.store(),
            shard: self.dir.shard(),
            segment: self.tail.segment,
            place: self.tail.place,
            first_position: self.tail.next_position,
            durable_place: self.tail.durable_place,
            first_commit: self.clock,
            last_commit: self.clock,
            epoch: self.tail.epoch,
            previous_checksum: self.tail.previous_checksum,
            ..BlockHead::default()
        }
    }

    /// Makes all so far durable; the next block says so.
    pub(crate) fn sync(&mut self) {
        self.try_sync().unwrap();
    }

    pub(crate) fn try_sync(&mut self) -> Result<(), Error> {
        self.writer.sync()?;
        self.tail.durable_place = self.tail.place;
        Ok(())
    }

    /// Begins the next segment.
    pub(crate) fn roll(&mut self) {
        self.try_roll().unwrap();
    }

    pub(crate) fn try_roll(&mut self) -> Result<(), Error> {
        self.writer.roll(&NewSegment {
            number: self.tail.segment + 1,
            first_position: self.tail.next_position,
            previous_checksum: self.tail.previous_checksum,
        })?;
        self.tail.segment += 1;
        self.tail.place = FIRST_BLOCK;
        self.tail.durable_place = FIRST_BLOCK;
        Ok(())
    }

    /// Ends with the mark of a clean close.
    pub(crate) fn close(mut self) -> BlockHead {
        self.sync();
        let head = self.write_close();
        self.sync();
        head
    }

    /// Writes the mark of a clean close, without the sync after it.
    pub(crate) fn write_close(&mut self) -> BlockHead {
        let mut bytes = Vec::new();
        let head = BlockHead {
            close: true,
            durable_place: self.tail.place,
            ..self.head()
        };
        let head = Block::encode_empty(head, &mut bytes);
        self.put(head, &bytes).unwrap()
    }
}

/// Reads all events as a reader does that changes nothing.
pub(crate) fn read(storage: &(impl Storage + Clone + 'static)) -> Result<Vec<Seen>, Error> {
    let dir = shard_on(storage.clone());
    let mut places = Vec::new();
    let ended = dir.follow(&mut Tail::empty(), &mut |_, at| {
        places.push(*at);
        Ok(())
    })?;
    read_places(&dir, &ended, &places)
}

/// Recovers the shard, then reads all events.
pub(crate) fn recover(
    storage: &(impl Storage + Clone + 'static),
) -> Result<(Recovery, Vec<Seen>), Error> {
    let dir = shard_on(storage.clone());
    let mut places = Vec::new();
    let recovery = dir.recover(&mut |_, at| {
        places.push(*at);
        Ok(())
    })?;
    let seen = read_places(&dir, &recovery.ended, &places)?;
    Ok((recovery, seen))
}

fn read_places(
    dir: &ShardDir,
    ended: &[ClosedSegment],
    places: &[BlockPlace],
) -> Result<Vec<Seen>, Error> {
    let reader = reader_of(dir);
    let mut seen = Vec::new();
    let mut all = Vec::new();
    for segment in ended {
        all.extend(places_of(&reader, segment)?);
    }
    for at in all.iter().chain(places) {
        let block = reader.read(at, Payloads::All)?;
        let of_block: Vec<Seen> = block.events().iter().map(|one| Seen::of(&one)).collect();
        let block = reader.read_in_place(at, Payloads::All)?;
        let in_place = block.events().iter().map(|one| Seen::of(&one));
        assert!(in_place.eq(of_block.iter().cloned()));
        seen.extend(of_block);
    }
    Ok(seen)
}

pub(crate) fn reader_of(dir: &ShardDir) -> BlockReader {
    BlockReader::new(dir.clone(), Caches::default())
}

/// The places of all blocks of an ended segment, found one after the other.
pub(crate) fn places_of(
    reader: &BlockReader,
    segment: &ClosedSegment,
) -> Result<Vec<BlockPlace>, Error> {
    let mut places = Vec::new();
    let mut position = segment.first_position();
    while let Some(at) = reader.place_from(segment, position)? {
        assert!(at.next_position > position, "it goes on");
        position = at.next_position;
        places.push(at);
    }
    Ok(places)
}

/// Seals a segment with this codec and this fate of its events.
pub(crate) fn seal_with(
    dir: &ShardDir,
    segment: u64,
    codec: Codec,
    fate: &dyn Fn(&Events<'_>, usize) -> Fate,
) -> Result<ClosedSegment, Error> {
    let how = Rewriting {
        codec,
        clustered: false,
        sort_bytes: SORT_BYTES,
        fate,
        go_on: &|| true,
    };
    Ok(dir.seal(segment, &how)?.expect("it goes on"))
}

/// Seals a segment with clusters, so many bytes of events sorted at once.
pub(crate) fn seal_clustered(
    dir: &ShardDir,
    segment: u64,
    codec: Codec,
    sort_bytes: usize,
) -> ClosedSegment {
    let how = Rewriting {
        codec,
        clustered: true,
        sort_bytes,
        fate: &|_, _| Fate::Kept,
        go_on: &|| true,
    };
    dir.seal(segment, &how).unwrap().expect("it goes on")
}

/// Seals a segment and keeps all its events.
pub(crate) fn seal(storage: &(impl Storage + Clone + 'static), segment: u64) -> ClosedSegment {
    let dir = shard_on(storage.clone());
    seal_with(&dir, segment, Codec::Lz4, &|_, _| Fate::Kept).unwrap()
}

/// What is wrong with a shard, as the check of every byte sees it.
pub(crate) fn problems_of(storage: &(impl Storage + Clone + 'static)) -> Vec<Problem> {
    let mut problems = Vec::new();
    let dir = shard_on(storage.clone());
    let verified = dir.verify(
        &|| false,
        &mut problems,
        &mut |head, bytes, _| match head.rows {
            0 => Ok(()),
            _ => Block::decode(head.clone(), bytes, Payloads::All)
                .and_then(|block| block.check_closely()),
        },
    );
    problems.extend(verified.unwrap().unfinished);
    problems
}

/// The damage that an error is about.
pub(crate) fn damage<T: std::fmt::Debug>(result: Result<T, Error>) -> (String, u64) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
    let problem = error.into_problem().unwrap();
    (problem.file, problem.place)
}

/// The bytes of a file.
pub(crate) fn bytes_of(storage: &dyn Storage, name: &str) -> Vec<u8> {
    let file = storage.open(name, Open::Read).unwrap();
    let mut bytes = vec![0; file.len().unwrap() as usize];
    file.read_at(&mut bytes, 0).unwrap();
    bytes
}

/// Makes a file of these bytes.
pub(crate) fn put_file(storage: &dyn Storage, name: &str, bytes: &[u8]) {
    let file = storage.open(name, Open::Create).unwrap();
    file.write_all_at(bytes, 0).unwrap();
}

/// A copy of a storage in which one byte of a file is another.
pub(crate) fn flipped(storage: &MemoryStorage, name: &str, at: usize, flip: u8) -> MemoryStorage {
    let copy = storage.copy();
    let mut bytes = bytes_of(&copy, name);
    bytes[at] ^= flip;
    put_file(&copy, name, &bytes);
    copy
}

/// All files with their bytes.
pub(crate) fn dump(storage: &MemoryStorage) -> Vec<(String, Vec<u8>)> {
    let files = storage.files().into_iter();
    files
        .map(|name| (name.clone(), bytes_of(storage, &name)))
        .collect()
}

/// Puts the checksum of a file's header right.
pub(crate) fn seal_header(bytes: &mut [u8]) {
    let checksum = crc32c::crc32c(&bytes[..124]);
    bytes[124..128].copy_from_slice(&checksum.to_le_bytes());
}

/// Puts the checksum of a block's head right, where the head's length allows it.
pub(crate) fn seal_head(block: &mut [u8]) {
    let length = u32::from_le_bytes(block[8..12].try_into().unwrap()) as usize;
    if let Some(head) = block.get(..length).filter(|head| head.len() >= 16) {
        let checksum = eventcask_log::head_checksum(head);
        block[12..16].copy_from_slice(&checksum.to_le_bytes());
    }
}
