//! Segments that are written anew.

use std::cell::Cell;
use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex};

use eventcask_event::{Events, NO_POSITION};
use eventcask_log::{
    Codec, ErrorKind, Fate, Lock, MemoryStorage, Open, Payloads, Rewriting, SORT_BYTES, ShardDir,
    SourceMark, Storage, StoredFile, Tail,
};

use crate::carried::Carried;
use crate::disk::Disk;
use crate::support::{
    FIRST_BLOCK, FIRST_SEGMENT, Row, SECOND_SEGMENT, Seen, Writer, bytes_of, deposits, dump,
    find_id, places_of, problems_of, put_file, read, reader_of, recover, row, seal, seal_with,
    shard_on,
};

pub(crate) fn mark(source: &str, next: u64) -> SourceMark {
    SourceMark {
        source: source.to_owned(),
        next,
        check: next / 2,
    }
}

/// Rows with all that rows can have.
pub(crate) fn mixed(seed: u64, count: usize) -> Vec<Row> {
    let mut random = fastrand::Rng::with_seed(seed);
    let one = |_| {
        let mut one = row(
            &format!("account-{}", random.u16(..300)),
            ["Opened", "Deposited", "Withdrawn"][random.usize(..3)],
            vec![b'7'; random.usize(..200)],
        );
        if random.bool() {
            one.id = Some(random.u128(1..));
        }
        if random.u8(..4) == 0 {
            one.time = Some(random.i64(-100..100));
        }
        one.carried = Carried::random(&mut random);
        one
    };
    (0..count).map(one).collect()
}

/// Three segments; the blocks of the first two have `rows` rows each.
fn three_segments<S: Storage + Clone + 'static>(storage: &S, rows: usize, kind: usize) -> Writer {
    let mut writer = Writer::new(storage);
    for segment in 0..3 {
        if segment > 0 {
            writer.roll();
        }
        for block in 0..(60 / rows).max(3) {
            let seed = (segment * 1000 + block + kind) as u64;
            let new = match kind {
                0 => deposits(seed, rows),
                _ => mixed(seed, rows),
            };
            if kind > 1 {
                // More sources than a head has room for, over several blocks.
                let sources = (0..9).map(|at| format!("source-{}", (block * 3 + at) % 40));
                writer.marks = sources.map(|name| mark(&name, seed)).collect();
            }
            writer.append(&new);
        }
        writer.sync();
    }
    writer
}

/// What the links of all blocks say: walking back from its newest event meets each event of an
/// aggregate that is left.
fn check_links(dir: &ShardDir, are_exact: bool) {
    let mut blocks = Vec::new();
    let reader = reader_of(dir);
    let ended = dir.follow(&mut Tail::empty(), &mut |_, at| {
        blocks.push(*at);
        Ok(())
    });
    let ended = ended.unwrap();
    let mut places = Vec::new();
    for segment in &ended {
        places.extend(places_of(&reader, segment).unwrap());
    }
    places.extend(blocks);
    let mut left: HashMap<String, Vec<u64>> = HashMap::new();
    for at in &places {
        let block = reader.read(at, Payloads::Shut).unwrap();
        let events = block.events();
        for aggregate in 0..events.aggregates() {
            let before = left.get(events.key(aggregate)).and_then(|all| all.last());
            let link = events.columns().previous[aggregate];
            match before {
                // Where the event is gone the chain goes on at the newest one before it.
                Some(newest) if !are_exact => assert!(
                    link >= *newest && link < at.first_position,
                    "{link} leads past {newest}"
                ),
                Some(newest) => assert_eq!(link, *newest),
                None => assert!(link == NO_POSITION || (!are_exact && link < at.first_position)),
            }
        }
        for row in 0..events.len() {
            let key = events.key(events.aggregate_index(row)).to_owned();
            left.entry(key).or_default().push(events.position(row));
        }
    }
}

const CODECS: [Codec; 4] = [Codec::None, Codec::Lz4, Codec::Zstd(3), Codec::Zstd(19)];

#[test]
fn sealing_keeps_every_event() {
    for (round, codec) in CODECS.into_iter().enumerate() {
        for rows in [1, 7, 3_000] {
            for kind in 0..3 {
                let storage = MemoryStorage::default();
                let writer = three_segments(&storage, rows, kind);
                let truth = read(&storage).unwrap();
                let dir = shard_on(storage.clone());
                for segment in [[1, 2], [2, 1]][round % 2] {
                    let ended = seal_with(&dir, segment, codec, &|_, _| Fate::Kept).unwrap();
                    let what = format!("{codec:?}, {rows} rows, kind {kind}, segment {segment}");
                    assert!(read(&storage).unwrap() == truth, "{what}");
                    assert_eq!(problems_of(&storage), [], "{what}");
                    assert_eq!((ended.sealed().removed, ended.sealed().lost), (0, 0));
                }
                check_links(&dir, true);
                let (recovery, seen) = recover(&storage).unwrap();
                assert!(seen == truth);
                assert_eq!(recovery.cut, None);
                assert_eq!(recovery.tail.next_position, writer.tail.next_position);
                assert_eq!(
                    recovery.tail.previous_checksum,
                    writer.tail.previous_checksum
                );
            }
        }
    }
}

#[test]
fn sealing_makes_few_blocks_of_many() {
    let storage = MemoryStorage::default();
    three_segments(&storage, 1, 1);
    let ended = seal(&storage, 1);
    assert_eq!((ended.blocks(), ended.sealed().events), (1, 60));
}

#[test]
fn large_payloads_get_blocks_within_the_limits() {
    let storage = MemoryStorage::default();
    let mut writer = Writer::new(&storage);
    for bytes in [7 << 20, 8 << 20, 9 << 20, 1] {
        writer.append(&[row("large", "Stored", vec![b'x'; bytes])]);
    }
    writer.roll();
    writer.append(&deposits(1, 1));
    writer.sync();
    let truth = read(&storage).unwrap();
    for codec in [Codec::None, Codec::Lz4] {
        let dir = shard_on(storage.clone());
        seal_with(&dir, 1, codec, &|_, _| Fate::Kept).unwrap();
        assert!(read(&storage).unwrap() == truth);
        assert_eq!(problems_of(&storage), []);
    }
}

/// Sealing again and again leaves the same events, and counts.
#[test]
fn a_sealed_segment_can_be_sealed_again() {
    let storage = MemoryStorage::default();
    three_segments(&storage, 7, 2);
    let truth = read(&storage).unwrap();
    seal(&storage, 1);
    let first = bytes_of(&storage, FIRST_SEGMENT);
    for rewrite in 2..5 {
        let ended = seal(&storage, 1);
        assert_eq!(ended.sealed().rewrite, rewrite);
        assert!(read(&storage).unwrap() == truth);
        assert_eq!(problems_of(&storage), []);
        // The blocks are the same; only the header counts on.
        let again = bytes_of(&storage, FIRST_SEGMENT);
        assert!(again[FIRST_BLOCK as usize..] == first[FIRST_BLOCK as usize..]);
    }
}

#[test]
fn the_newest_mark_of_each_source_outlives_sealing() {
    let storage = MemoryStorage::default();
    three_segments(&storage, 7, 2);
    let dir = shard_on(storage.clone());
    let mut newest: HashMap<String, SourceMark> = HashMap::new();
    let segment_of = |number: u64, newest: &mut HashMap<String, SourceMark>| {
        let bytes = bytes_of(&storage, &format!("shards/0000/{number:010}.segment"));
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("a.segment");
        std::fs::write(&file, &bytes).unwrap();
        let Ok(eventcask_log::Inspection::Segment(seen)) = eventcask_log::inspect(&file) else {
            panic!("it is a segment");
        };
        for mark in seen.blocks.into_iter().flat_map(|head| head.marks) {
            newest.insert(mark.source.clone(), mark);
        }
    };
    segment_of(1, &mut newest);
    assert!(newest.len() > 16);
    let ended = seal(&storage, 1);
    let sorted = |marks: Vec<SourceMark>| {
        let mut marks = marks;
        marks.sort_by(|a, b| a.source.cmp(&b.source));
        marks
    };
    let before = sorted(newest.into_values().collect());
    let reader = reader_of(&dir);
    assert_eq!(sorted(reader.marks(&ended).unwrap()), before);
    let mut in_blocks = HashMap::new();
    segment_of(1, &mut in_blocks);
    assert_eq!(sorted(in_blocks.into_values().collect()), before);
}

/// What is behind the header of a sealed segment may be anything: opening does not look at it.
#[test]
fn opening_reads_no_block_of_a_sealed_segment() {
    let storage = MemoryStorage::default();
    let writer = three_segments(&storage, 7, 2);
    for segment in [1, 2] {
        seal(&storage, segment);
    }
    for name in [FIRST_SEGMENT, SECOND_SEGMENT] {
        let mut bytes = bytes_of(&storage, name);
        bytes[FIRST_BLOCK as usize..].fill(0xaa);
        put_file(&storage, name, &bytes);
    }
    let mut rows = 0;
    let dir = shard_on(storage.clone());
    let recovery = dir.recover(&mut |block, _| {
        rows += block.events().len();
        Ok(())
    });
    let recovery = recovery.unwrap();
    assert_eq!(recovery.tail.next_position, writer.tail.next_position);
    assert_eq!((recovery.ended.len(), rows), (2, 8 * 7));
    // And it is met by whoever reads.
    assert_eq!(read(&storage).unwrap_err().kind(), ErrorKind::Damaged);
}

/// A later segment that is sealed before an earlier one does not hide the earlier one's events.
#[test]
fn a_segment_before_a_sealed_one_is_ended_too() {
    let storage = MemoryStorage::default();
    three_segments(&storage, 7, 2);
    let truth = read(&storage).unwrap();
    seal(&storage, 2);
    let (recovery, seen) = recover(&storage).unwrap();
    assert!(seen == truth);
    let facts: Vec<_> = recovery
        .ended
        .iter()
        .map(|one| one.sealed().rewrite)
        .collect();
    assert_eq!(facts, [0, 1]);
    assert!(!recovery.ended[0].answers_from_tables());
    assert_eq!(recovery.ended[0].sealed().events, 8 * 7);
}

/// The position before which events are given up, in the second segment.
const EARLY: u64 = 56 + 40;

fn is_early(events: &Events<'_>, row: usize) -> bool {
    events.position(row) < EARLY
}

/// Takes early events out; the newest event of an aggregate stays as a truncation.
fn thin(dir: &ShardDir, segment: u64, truth: &[Seen]) -> eventcask_log::ClosedSegment {
    let newest: HashMap<&str, u64> = truth
        .iter()
        .map(|seen| (&*seen.aggregate, seen.position))
        .collect();
    let fate = |events: &Events<'_>, row: usize| {
        let key = events.key(events.aggregate_index(row));
        match (is_early(events, row), newest[key] == events.position(row)) {
            (false, _) => Fate::Kept,
            (true, false) => Fate::Removed,
            (true, true) => Fate::Emptied,
        }
    };
    seal_with(dir, segment, Codec::Zstd(3), &fate).unwrap()
}

#[test]
fn events_that_were_given_up_leave_gaps_and_truncations() {
    let storage = MemoryStorage::default();
    let writer = three_segments(&storage, 7, 1);
    let truth = read(&storage).unwrap();
    let dir = shard_on(storage.clone());
    let newest: HashMap<&str, u64> = truth
        .iter()
        .map(|seen| (&*seen.aggregate, seen.position))
        .collect();
    seal(&storage, 1);
    // The second time it is sealed already, and so are the gaps of the first time.
    for (segment, times) in [(1, 1), (2, 1), (1, 2)] {
        let ended = thin(&dir, segment, &truth);
        let range = ended.first_position()..ended.sealed().next_position;
        let seen = read(&storage).unwrap();
        let here: Vec<&Seen> = seen
            .iter()
            .filter(|one| range.contains(&one.position))
            .collect();
        let (mut kept, mut emptied) = (0, 0);
        for old in truth.iter().filter(|one| range.contains(&one.position)) {
            let new = here.iter().find(|one| one.position == old.position);
            if old.position >= EARLY {
                assert_eq!(*new.unwrap(), old);
                kept += 1;
            } else if newest[&*old.aggregate] == old.position {
                let new = new.unwrap();
                assert_eq!(new.event_type, "$truncated");
                assert_eq!(new.payload, (old.version + 1).to_le_bytes());
                let same = (new.version, new.commit_time, &new.aggregate);
                assert_eq!(same, (old.version, old.commit_time, &old.aggregate));
                emptied += 1;
            } else {
                assert_eq!(new, None);
            }
        }
        let sealed = ended.sealed();
        assert_eq!(sealed.events, kept + emptied, "segment {segment}, {times}");
        assert_eq!(sealed.removed, 56 - kept - emptied);
        assert!(emptied > 0 && sealed.removed > 0 && sealed.lost == 0);
        assert_eq!(problems_of(&storage), []);
        check_links(&dir, false);
        assert_eq!(ended.blocks(), 1);
        let reader = reader_of(&dir);
        let truncations: HashMap<_, _> = reader.truncations(&ended).unwrap().into_iter().collect();
        assert_eq!(truncations.len() as u64, emptied);
        for seen in here.iter().filter(|one| one.event_type == "$truncated") {
            assert_eq!(truncations[&seen.aggregate], seen.version + 1);
        }
    }
    let (recovery, _) = recover(&storage).unwrap();
    assert_eq!(recovery.tail.next_position, writer.tail.next_position);
    // An id of an event that is gone is known no more.
    let ended = &recovery.ended[0];
    let gone = truth.iter().find(|one| one.position < 40).unwrap();
    assert_eq!(find_id(&reader_of(&dir), ended, gone.id).unwrap(), None);
}

/// A segment of which nothing is left is a header and keeps its place.
#[test]
fn a_segment_without_events_keeps_its_place() {
    let storage = MemoryStorage::default();
    three_segments(&storage, 7, 2);
    let truth = read(&storage).unwrap();
    let dir = shard_on(storage.clone());
    let marks = {
        let ended = seal(&storage, 2);
        reader_of(&dir).marks(&ended).unwrap().len()
    };
    let ended = seal_with(&dir, 2, Codec::Lz4, &|_, _| Fate::Removed).unwrap();
    assert_eq!((ended.sealed().events, ended.sealed().removed), (0, 56));
    assert_eq!(
        (ended.sealed().first_commit, ended.sealed().last_commit),
        (i64::MAX, i64::MIN)
    );
    assert!(ended.sealed().newest_commit > 0);
    assert_eq!(reader_of(&dir).marks(&ended).unwrap().len(), marks);
    assert_eq!(problems_of(&storage), []);
    let left: Vec<Seen> = truth
        .into_iter()
        .filter(|seen| !(56..112).contains(&seen.position))
        .collect();
    assert!(read(&storage).unwrap() == left);
    assert!(recover(&storage).unwrap().1 == left);
}

#[test]
fn sealing_that_is_told_to_stop_leaves_the_old_segment() {
    let storage = MemoryStorage::default();
    let mut writer = Writer::new(&storage);
    for seed in 0..9 {
        writer.append(&[row("large", "Stored", vec![seed; 80 << 10])]);
    }
    writer.roll();
    writer.sync();
    let before = dump(&storage);
    let dir = shard_on(storage.clone());
    for after in 0..8u32 {
        let left = Cell::new(after);
        let go_on = || {
            let goes_on = left.get() > 0;
            left.set(left.get().saturating_sub(1));
            goes_on
        };
        let how = Rewriting {
            codec: Codec::Lz4,
            clustered: false,
            sort_bytes: SORT_BYTES,
            fate: &|_, _| Fate::Kept,
            go_on: &go_on,
        };
        assert!(dir.seal(1, &how).unwrap().is_none(), "after {after} blocks");
        assert!(dump(&storage) == before);
    }
}

#[test]
fn sealing_that_fails_leaves_the_old_segment() {
    for error in [io::ErrorKind::StorageFull, io::ErrorKind::Other] {
        let disk = Disk::default();
        three_segments(&disk, 7, 2);
        let truth = read(&disk).unwrap();
        let before = bytes_of(&disk, FIRST_SEGMENT);
        disk.fail_next_sync(error);
        let dir = shard_on(disk.clone());
        assert!(seal_with(&dir, 1, Codec::Lz4, &|_, _| Fate::Kept).is_err());
        assert!(bytes_of(&disk, FIRST_SEGMENT) == before);
        // On a full disk above all nothing is left of the attempt.
        let names = disk.list("shards/0000").unwrap();
        assert!(
            !names.iter().any(|name| name.ends_with(".new")),
            "{names:?}"
        );
        assert!(recover(&disk).unwrap().1 == truth);
        assert_eq!(seal(&disk, 1).sealed().rewrite, 1);
        assert!(read(&disk).unwrap() == truth);
    }
}

/// A sealed segment whose header counts other events than it holds took more events out than
/// there were positions when it was sealed again, which is a panic in a build with checks.
#[test]
fn a_header_that_counts_other_events_is_not_built_upon() {
    let storage = MemoryStorage::default();
    three_segments(&storage, 7, 1);
    seal(&storage, 1);
    let mut bytes = bytes_of(&storage, FIRST_SEGMENT);
    bytes[144..152].copy_from_slice(&0u64.to_le_bytes());
    bytes[216..224].copy_from_slice(&56u64.to_le_bytes());
    bytes[208..216].fill(0);
    crate::sealed_hostile::seal_page(&mut bytes);
    put_file(&storage, FIRST_SEGMENT, &bytes);
    let dir = shard_on(storage.clone());
    let error = seal_with(&dir, 1, Codec::Lz4, &|_, _| Fate::Kept).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Damaged);
    assert_eq!(problems_of(&storage).len(), 1);
}

/// Follows, and returns the positions that are new, in order.
fn follow_new(dir: &ShardDir, tail: &mut Tail) -> Vec<u64> {
    let from = tail.next_position;
    let mut new = Vec::new();
    let visited = dir.follow(tail, &mut |block, at| {
        let events = block.events();
        let positions = (0..events.len()).map(|row| events.position(row));
        assert_eq!(events.len(), at.rows as usize);
        new.extend(positions.filter(|position| *position >= from));
        Ok(())
    });
    visited.unwrap();
    new
}

#[test]
fn a_reader_goes_on_after_its_segment_was_sealed_behind_its_back() {
    for (met, seal_second) in [(0, false), (1, false), (3, true), (5, false), (5, true)] {
        let storage = MemoryStorage::default();
        let mut writer = Writer::new(&storage);
        let dir = shard_on(storage.clone());
        let mut tail = Tail::empty();
        for block in 0..5 {
            if block == met {
                follow_new(&dir, &mut tail);
            }
            writer.append(&deposits(block, 6));
        }
        if met == 5 {
            follow_new(&dir, &mut tail);
        }
        writer.roll();
        writer.append(&deposits(7, 6));
        writer.roll();
        writer.append(&deposits(8, 6));
        writer.sync();
        seal(&storage, 1);
        if seal_second {
            seal(&storage, 2);
        }
        let expected: Vec<u64> = (met * 6..42).collect();
        let new = follow_new(&dir, &mut tail);
        // Where it began at the very start the sealed segment is not visited but returned.
        if met > 0 {
            assert_eq!(new, expected, "{met}, {seal_second}");
        }
        assert_eq!(tail.place, writer.tail.place);
        assert_eq!(follow_new(&dir, &mut tail), [0; 0]);
        writer.append(&deposits(9, 6));
        assert_eq!(follow_new(&dir, &mut tail), (42..48).collect::<Vec<_>>());
    }
}

/// A segment with its middle taken out while a reader stood there.
#[test]
fn a_reader_goes_on_behind_events_that_were_taken_out() {
    let storage = MemoryStorage::default();
    let mut writer = Writer::new(&storage);
    let dir = shard_on(storage.clone());
    let mut tail = Tail::empty();
    writer.append(&deposits(1, 6));
    follow_new(&dir, &mut tail);
    writer.append(&deposits(2, 6));
    writer.roll();
    writer.append(&deposits(3, 6));
    writer.sync();
    let fate = |events: &Events<'_>, row: usize| match events.position(row) {
        2..9 => Fate::Removed,
        _ => Fate::Kept,
    };
    seal_with(&dir, 1, Codec::None, &fate).unwrap();
    assert_eq!(follow_new(&dir, &mut tail), (9..18).collect::<Vec<_>>());
}

#[test]
fn a_place_in_an_older_form_of_a_segment_is_replaced() {
    let storage = MemoryStorage::default();
    three_segments(&storage, 7, 1);
    let dir = shard_on(storage.clone());
    let mut old = Vec::new();
    let follow = dir.follow(&mut Tail::empty(), &mut |_, at| {
        old.push(*at);
        Ok(())
    });
    follow.unwrap();
    let warm = reader_of(&dir);
    let before: Vec<usize> = old
        .iter()
        .map(|at| warm.read(at, Payloads::All).unwrap().events().len())
        .collect();
    let ended = seal(&storage, 1);
    // Who has the old file open reads on in it.
    assert_eq!(
        warm.read(&old[0], Payloads::All).unwrap().events().len(),
        before[0]
    );
    warm.forget(1);
    for reader in [warm, reader_of(&dir)] {
        for at in old.iter().filter(|at| at.segment == 1) {
            let error = reader.read(at, Payloads::All).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Replaced, "{error}");
        }
        let of_another = old.iter().find(|at| at.segment == 2).unwrap();
        assert!(reader.read(of_another, Payloads::All).is_ok());
    }
    seal(&storage, 1);
    let reader = reader_of(&dir);
    let kind = |error: eventcask_log::Error| error.kind();
    assert_eq!(
        reader.place_from(&ended, 0).map_err(kind),
        Err(ErrorKind::Replaced)
    );
    assert_eq!(
        reader.find_key(&ended, "account-1").map_err(kind),
        Err(ErrorKind::Replaced)
    );
    let newer = dir.sealed_segment(1).unwrap();
    assert_eq!(newer.sealed().rewrite, 2);
    assert!(reader.place_from(&newer, 0).unwrap().is_some());
}

type Hook = Box<dyn FnMut() + Send>;

/// A storage on which something happens right before a segment is opened.
#[derive(Clone)]
struct Hooked {
    inner: MemoryStorage,
    /// How many times it is opened before that, and what happens.
    hook: Arc<Mutex<(usize, Option<Hook>)>>,
}

impl Storage for Hooked {
    fn create_dir(&self, name: &str) -> io::Result<()> {
        self.inner.create_dir(name)
    }
    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        self.inner.list(dir)
    }
    fn open(&self, name: &str, how: Open) -> io::Result<Box<dyn StoredFile>> {
        let mut hook = self.hook.lock().unwrap();
        if name == FIRST_SEGMENT {
            if hook.0 == 0
                && let Some(mut happen) = hook.1.take()
            {
                happen();
            }
            hook.0 = hook.0.saturating_sub(1);
        }
        self.inner.open(name, how)
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.inner.rename(from, to)
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.inner.remove(name)
    }
    fn remove_dir(&self, name: &str) -> io::Result<()> {
        self.inner.remove_dir(name)
    }
    fn sync_dir(&self, name: &str) -> io::Result<()> {
        self.inner.sync_dir(name)
    }
    fn lock(&self) -> io::Result<Option<Box<dyn Lock>>> {
        self.inner.lock()
    }
    fn is_locked(&self) -> io::Result<bool> {
        self.inner.is_locked()
    }
    fn describe(&self, name: &str) -> String {
        self.inner.describe(name)
    }
}

/// A reader read the header of its segment, then opened the file again to read on, which was
/// sealed by then: it took the place of its next block for damage.
#[test]
fn c2_a_segment_that_is_sealed_while_a_reader_opens_it_is_no_damage() {
    for is_torn in [false, true] {
        for opens in 0..5 {
            let inner = MemoryStorage::default();
            let mut writer = Writer::new(&inner);
            let hook = Arc::new(Mutex::new((opens, None)));
            let dir = shard_on(Hooked {
                inner: inner.clone(),
                hook: Arc::clone(&hook),
            });
            let mut tail = Tail::empty();
            writer.append(&deposits(1, 6));
            assert_eq!(follow_new(&dir, &mut tail).len(), 6);
            let second = writer.append(&deposits(2, 6)).place as usize;
            writer.sync();
            writer.append(&deposits(3, 6));
            let complete = |writer: &mut Writer| {
                writer.roll();
                writer.append(&deposits(4, 6));
                writer.sync();
            };
            let whole = bytes_of(&inner, FIRST_SEGMENT);
            if is_torn {
                // At first the end of a block is not there yet.
                put_file(&inner, FIRST_SEGMENT, &whole[..second + 200]);
            } else {
                complete(&mut writer);
            }
            let storage = inner.clone();
            let happens = move || {
                if is_torn {
                    put_file(&storage, FIRST_SEGMENT, &whole);
                    complete(&mut writer);
                }
                seal(&storage, 1);
            };
            *hook.lock().unwrap() = (opens, Some(Box::new(happens) as Hook));
            let mut new = follow_new(&dir, &mut tail);
            for _ in 0..5 {
                new.extend(follow_new(&dir, &mut tail));
            }
            let all: Vec<u64> = (6..24).collect();
            assert_eq!(new, all, "torn: {is_torn}, after {opens} times");
        }
    }
}

/// Zeros behind the last block are room that was taken ahead; or blocks that a disk has lost, where
/// another segment goes on after them.
#[test]
fn c6_a_segment_that_lost_its_last_block_is_not_sealed_without_it() {
    let storage = MemoryStorage::default();
    let mut writer = Writer::new(&storage);
    writer.append(&deposits(0, 4));
    let end_of_first = bytes_of(&storage, FIRST_SEGMENT).len();
    writer.append(&deposits(1, 4));
    writer.roll();
    writer.append(&deposits(2, 4));
    let mut bytes = bytes_of(&storage, FIRST_SEGMENT);
    bytes[end_of_first..].fill(0);
    put_file(&storage, FIRST_SEGMENT, &bytes);

    let before = dump(&storage);
    let dir = shard_on(storage.clone());
    let error = seal_with(&dir, 1, Codec::Lz4, &|_, _| Fate::Kept).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Damaged);
    assert!(error.to_string().contains("0000000001.segment"), "{error}");
    assert_eq!(dump(&storage), before);
}
