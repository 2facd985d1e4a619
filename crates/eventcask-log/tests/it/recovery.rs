//! What opening a shard for writing finds at its end, and what it does about it.

use eventcask_log::{MemoryStorage, Open, Storage};

use crate::support::{
    FIRST_BLOCK, FIRST_SEGMENT, Seen, Writer, bytes_of, damage, deposits, dump, flipped, put_file,
    read, recover,
};

/// Three blocks, the last of which nobody vouches for.
struct Store {
    storage: MemoryStorage,
    places: [u64; 3],
    seen: Vec<Seen>,
}

fn three_blocks() -> Store {
    let storage = MemoryStorage::default();
    let mut writer = Writer::new(&storage);
    let places = [0, 1, 2].map(|seed| {
        writer.sync();
        writer.append(&deposits(seed, 3)).place
    });
    let seen = read(&storage).unwrap();
    Store {
        storage,
        places,
        seen,
    }
}

fn kept(storage: &MemoryStorage) -> Vec<String> {
    let files = storage.files().into_iter();
    files.filter(|name| name.contains(".cut-")).collect()
}

#[test]
fn a_whole_log_is_taken_as_it_is() {
    let store = three_blocks();
    let before = dump(&store.storage);
    let (recovery, seen) = recover(&store.storage).unwrap();
    assert_eq!(seen, store.seen);
    assert_eq!(recovery.cut, None);
    let tail = recovery.tail;
    assert_eq!((tail.segment, tail.next_position, tail.epoch), (1, 9, 1));
    let end = bytes_of(&store.storage, FIRST_SEGMENT).len() as u64;
    assert_eq!((tail.place, tail.durable_place), (end, end));
    assert_eq!(tail.last_commit, store.seen[8].commit_time);
    assert!(!tail.closed);
    assert_eq!(dump(&store.storage), before);
}

#[test]
fn c5_a_torn_end_of_any_length_is_cut_off_and_kept_beside() {
    let store = three_blocks();
    let whole = bytes_of(&store.storage, FIRST_SEGMENT);
    let last = store.places[2] as usize;
    for length in last..whole.len() {
        let copy = store.storage.copy();
        put_file(&copy, FIRST_SEGMENT, &whole[..length]);
        let (recovery, seen) = recover(&copy).unwrap();
        assert_eq!(seen, store.seen[..6], "cut at {length}");
        assert_eq!(recovery.tail.place, store.places[2]);
        assert_eq!(bytes_of(&copy, FIRST_SEGMENT), whole[..last]);
        if length == last {
            assert_eq!(recovery.cut, None);
            continue;
        }
        let name = format!("shards/0000/0000000001.cut-{last}");
        assert_eq!(kept(&copy), [name.as_str()]);
        assert_eq!(bytes_of(&copy, &name), whole[last..length]);
        let cut = recovery.cut.unwrap();
        assert_eq!(cut.file, copy.describe(FIRST_SEGMENT));
        assert_eq!(cut.place, store.places[2]);
        assert!(cut.reason.contains(&copy.describe(&name)), "{}", cut.reason);
    }
}

#[test]
fn a_last_block_of_which_any_part_is_missing_is_cut_off() {
    let store = three_blocks();
    let whole = bytes_of(&store.storage, FIRST_SEGMENT);
    let last = store.places[2] as usize;
    let seed = 11;
    let mut random = fastrand::Rng::with_seed(seed);
    for _ in 0..500 {
        let start = random.usize(last..whole.len());
        let end = random.usize(start..whole.len()) + 1;
        let mut torn = whole.clone();
        torn[start..end].fill(0);
        let copy = store.storage.copy();
        put_file(&copy, FIRST_SEGMENT, &torn);
        let (recovery, seen) = recover(&copy).unwrap();
        let is_whole = torn == whole;
        let expected = if is_whole { 9 } else { 6 };
        assert_eq!(
            seen,
            store.seen[..expected],
            "seed {seed}: {start} to {end}"
        );
        assert_eq!(
            recovery.cut.is_some(),
            !is_whole && torn[last..].iter().any(|b| *b != 0)
        );
    }
}

#[test]
fn recovery_twice_gives_the_same() {
    let store = three_blocks();
    let file = store.storage.open(FIRST_SEGMENT, Open::Write).unwrap();
    file.set_len(store.places[2] + 300).unwrap();
    let (first, seen) = recover(&store.storage).unwrap();
    let after_first = dump(&store.storage);
    let (second, again) = recover(&store.storage).unwrap();
    assert_eq!((first.tail, seen), (second.tail, again));
    assert_eq!(second.cut, None);
    assert_eq!(dump(&store.storage), after_first);
}

#[test]
fn what_was_cut_makes_room_for_the_next_block() {
    let store = three_blocks();
    let file = store.storage.open(FIRST_SEGMENT, Open::Write).unwrap();
    file.set_len(store.places[2] + 300).unwrap();
    let (mut writer, recovery) = Writer::open(&store.storage).unwrap();
    assert!(recovery.cut.is_some());
    assert_eq!(writer.append(&deposits(7, 2)).place, store.places[2]);
    let seen = read(&store.storage).unwrap();
    assert_eq!(seen[..6], store.seen[..6]);
    assert_eq!(seen.len(), 8);
}

/// The second torn write at the same place took the name of the first one's bytes, which were
/// gone then.
#[test]
fn c5_a_second_cut_at_the_same_place_keeps_the_first() {
    let store = three_blocks();
    let whole = bytes_of(&store.storage, FIRST_SEGMENT);
    let last = store.places[2] as usize;
    for length in [last + 200, last + 300, last + 100] {
        put_file(&store.storage, FIRST_SEGMENT, &whole[..length]);
        recover(&store.storage).unwrap();
    }
    let first = format!("shards/0000/0000000001.cut-{last}");
    let names = [first.clone(), format!("{first}.2"), format!("{first}.3")];
    assert_eq!(kept(&store.storage), names);
    for (name, length) in names.iter().zip([200, 300, 100]) {
        let bytes = bytes_of(&store.storage, name);
        assert_eq!(bytes, whole[last..last + length], "{name}");
    }
}

#[test]
fn zeros_after_the_tail_are_room_for_more() {
    for more in [1, 63, 64, 127, 128, 129, 4096, 3 << 20] {
        let store = three_blocks();
        let file = store.storage.open(FIRST_SEGMENT, Open::Write).unwrap();
        let end = file.len().unwrap();
        file.set_len(end + more).unwrap();
        let (mut writer, recovery) = Writer::open(&store.storage).unwrap();
        assert_eq!(recovery.cut, None, "{more}");
        assert_eq!(recovery.tail.place, end);
        assert_eq!(file.len().unwrap(), end + more);
        assert_eq!(writer.append(&deposits(7, 2)).place, end);
        assert_eq!(read(&store.storage).unwrap().len(), 11);
    }
}

#[test]
fn bytes_after_zeros_after_the_tail_are_cut_off() {
    let store = three_blocks();
    let file = store.storage.open(FIRST_SEGMENT, Open::Write).unwrap();
    let end = file.len().unwrap();
    file.write_all_at(b"stray", end + (2 << 20)).unwrap();
    let (recovery, seen) = recover(&store.storage).unwrap();
    assert_eq!(seen, store.seen);
    assert_eq!(recovery.cut.unwrap().place, end);
    assert_eq!(file.len().unwrap(), end);
    let name = format!("shards/0000/0000000001.cut-{end}");
    assert!(bytes_of(&store.storage, &name).ends_with(b"\0stray"));
}

#[test]
fn c2_damage_before_the_last_durable_point_is_an_error_with_file_and_place() {
    let store = three_blocks();
    for at in FIRST_BLOCK..store.places[2] {
        let damaged = flipped(&store.storage, FIRST_SEGMENT, at as usize, 0xff);
        let before = dump(&damaged);
        let block = store.places.iter().rev().find(|place| **place <= at);
        let expected = (damaged.describe(FIRST_SEGMENT), *block.unwrap());
        assert_eq!(damage(recover(&damaged)), expected, "byte {at}");
        assert_eq!(damage(read(&damaged)), expected, "byte {at}");
        assert_eq!(dump(&damaged), before);
    }
}

#[test]
fn c2_durable_blocks_that_became_zeros_are_damage() {
    let store = three_blocks();
    let whole = bytes_of(&store.storage, FIRST_SEGMENT);
    for (from, to) in [(0, 1), (0, 2), (1, 2)] {
        let copy = store.storage.copy();
        let mut gone = whole.clone();
        gone[store.places[from] as usize..store.places[to] as usize].fill(0);
        put_file(&copy, FIRST_SEGMENT, &gone);
        let expected = (copy.describe(FIRST_SEGMENT), store.places[from]);
        assert_eq!(damage(recover(&copy)), expected);
    }
}

#[test]
fn c2_what_lies_after_the_last_durable_point_is_cut_and_not_called_damage() {
    let storage = MemoryStorage::default();
    let mut writer = Writer::new(&storage);
    writer.append(&deposits(0, 3));
    writer.sync();
    let places = [1, 2, 3].map(|seed| writer.append(&deposits(seed, 3)).place);
    let whole = bytes_of(&storage, FIRST_SEGMENT);
    for (before, place) in places.iter().enumerate() {
        let damaged = flipped(&storage, FIRST_SEGMENT, *place as usize + 200, 1);
        let (recovery, seen) = recover(&damaged).unwrap();
        assert_eq!(seen.len(), 3 + 3 * before);
        assert_eq!(recovery.tail.place, *place);
        let cut = bytes_of(&damaged, &kept(&damaged)[0]);
        assert_eq!(cut.len(), whole.len() - *place as usize);
    }
}

#[test]
fn c3_a_clean_close_covers_the_last_block() {
    let storage = MemoryStorage::default();
    let mut writer = Writer::new(&storage);
    writer.append(&deposits(0, 3));
    let last = writer.append(&deposits(1, 3)).place;
    let close = writer.close();
    assert_eq!((close.rows, close.durable_place), (0, close.place));
    let (recovery, seen) = recover(&storage).unwrap();
    assert!(recovery.tail.closed);
    for at in last..close.place {
        let damaged = flipped(&storage, FIRST_SEGMENT, at as usize, 1);
        let before = dump(&damaged);
        let expected = (damaged.describe(FIRST_SEGMENT), last);
        assert_eq!(damage(recover(&damaged)), expected, "byte {at}");
        assert_eq!(dump(&damaged), before);
    }
    for at in close.place..close.place + u64::from(close.length) {
        let damaged = flipped(&storage, FIRST_SEGMENT, at as usize, 1);
        let (recovery, again) = recover(&damaged).unwrap();
        assert_eq!(again, seen, "byte {at}");
        assert_eq!(recovery.tail.place, close.place);
    }
}

/// The one loss that no single copy can tell from a torn write: the last block was durable, but
/// nothing was written since that says so. What rotted is kept, and one more write ends the doubt.
#[test]
fn c4_a_last_block_that_rots_before_anything_else_is_written_looks_torn() {
    let storage = MemoryStorage::default();
    let mut writer = Writer::new(&storage);
    writer.append(&deposits(0, 3));
    writer.sync();
    let last = writer.append(&deposits(1, 3)).place;
    writer.sync();
    let damaged = flipped(&storage, FIRST_SEGMENT, last as usize + 200, 1);
    let (recovery, seen) = recover(&damaged).unwrap();
    assert_eq!((seen.len(), recovery.tail.place), (3, last));
    assert_eq!(kept(&damaged).len(), 1);

    writer.append(&deposits(2, 3));
    let damaged = flipped(&storage, FIRST_SEGMENT, last as usize + 200, 1);
    let expected = (damaged.describe(FIRST_SEGMENT), last);
    assert_eq!(damage(recover(&damaged)), expected);
}

#[test]
fn c3_a_log_goes_on_after_a_clean_close() {
    let storage = MemoryStorage::default();
    let mut writer = Writer::new(&storage);
    writer.append(&deposits(0, 3));
    let close = writer.close();
    let (mut writer, _) = Writer::open(&storage).unwrap();
    let next = writer.append(&deposits(1, 3));
    assert_eq!(next.place, close.place + u64::from(close.length));
    assert_eq!((next.previous_checksum, next.epoch), (close.checksum, 2));
    let (recovery, seen) = recover(&storage).unwrap();
    assert!(!recovery.tail.closed);
    assert_eq!(seen.len(), 6);
}

#[test]
fn c7_a_block_that_was_written_to_another_place_is_no_block() {
    let store = three_blocks();
    let whole = bytes_of(&store.storage, FIRST_SEGMENT);
    let [first, second, third] = store.places.map(|place| place as usize);
    // The second block's write went where the third one's should, and the other way round.
    let mut misdirected = whole.clone();
    misdirected.truncate(third);
    misdirected.extend_from_slice(&whole[second..third]);
    put_file(&store.storage, FIRST_SEGMENT, &misdirected);
    assert_eq!(recover(&store.storage).unwrap().1, store.seen[..6]);

    let mut lost = whole.clone();
    lost.splice(second..third, whole[first..second].iter().copied());
    lost.truncate(whole.len());
    let store = three_blocks();
    put_file(&store.storage, FIRST_SEGMENT, &lost);
    let (_, place) = damage(recover(&store.storage));
    assert_eq!(place, second as u64);
}

#[test]
fn what_the_visitor_says_ends_the_recovery_before_anything_is_changed() {
    use eventcask_log::{Error, ErrorKind};
    let store = three_blocks();
    let file = store.storage.open(FIRST_SEGMENT, Open::Write).unwrap();
    file.set_len(store.places[2] + 300).unwrap();
    let before = dump(&store.storage);
    let dir = crate::support::shard_on(store.storage.clone());
    let result = dir.recover(&mut |_, _| Err(Error::new(ErrorKind::Setting, "enough")));
    assert_eq!(result.unwrap_err().to_string(), "enough");
    assert_eq!(dump(&store.storage), before);
}
