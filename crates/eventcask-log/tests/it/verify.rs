//! The check of everything, and what it says.

use eventcask_log::{MemoryStorage, Open, Problem, Storage};

use crate::support::{
    FIRST_BLOCK, FIRST_SEGMENT, SECOND_SEGMENT, Writer, bytes_of, deposits, flipped, put_file,
    shard_on,
};

fn verify(storage: &MemoryStorage, is_live: bool) -> (u64, Vec<Problem>) {
    let mut problems = Vec::new();
    let dir = shard_on(storage.clone());
    let bytes = dir.verify(&|| is_live, &mut problems, &mut |_, _, _| Ok(()));
    (bytes.unwrap().bytes, problems)
}

fn two_segments() -> (MemoryStorage, [u64; 4]) {
    let storage = MemoryStorage::default();
    let mut writer = Writer::new(&storage);
    let places = [0, 1, 2, 3].map(|seed| {
        if seed == 2 {
            writer.roll();
        }
        writer.sync();
        writer.append(&deposits(seed, 3)).place
    });
    writer.close();
    (storage, places)
}

#[test]
fn a_whole_shard_has_no_problem_and_all_its_bytes_are_read() {
    let (storage, _) = two_segments();
    let (bytes, problems) = verify(&storage, false);
    assert_eq!(problems, []);
    let files = [FIRST_SEGMENT, SECOND_SEGMENT].map(|name| bytes_of(&storage, name).len());
    assert_eq!(bytes, files.iter().sum::<usize>() as u64);
}

#[test]
fn c6_each_damage_is_named_with_file_and_place() {
    let (storage, places) = two_segments();
    let damages = [
        (FIRST_SEGMENT, 7, 0),
        (FIRST_SEGMENT, 2000, 60),
        (FIRST_SEGMENT, places[0] + 1, places[0]),
        (FIRST_SEGMENT, places[1] + 300, places[1]),
        (SECOND_SEGMENT, places[2] + 130, places[2]),
        (SECOND_SEGMENT, places[3] + 300, places[3]),
    ];
    for (name, at, place) in damages {
        let damaged = flipped(&storage, name, at as usize, 1);
        let (_, problems) = verify(&damaged, false);
        assert_eq!(problems.len(), 1, "{name} {at}: {problems:?}");
        assert_eq!(problems[0].file, storage.describe(name));
        assert_eq!(problems[0].place, place);
    }
}

#[test]
fn c6_damage_in_one_segment_does_not_hide_damage_in_the_next() {
    let (storage, places) = two_segments();
    for at in [7, places[1] + 300] {
        let damaged = flipped(&storage, FIRST_SEGMENT, at as usize, 1);
        let damaged = flipped(&damaged, SECOND_SEGMENT, places[3] as usize + 300, 1);
        let files: Vec<String> = verify(&damaged, false)
            .1
            .into_iter()
            .map(|p| p.file)
            .collect();
        let both = [FIRST_SEGMENT, SECOND_SEGMENT].map(|name| storage.describe(name));
        assert_eq!(files, both);
    }
}

#[test]
fn an_unfinished_end_is_a_problem_only_without_a_writer() {
    let (storage, _) = two_segments();
    let file = storage.open(SECOND_SEGMENT, Open::Write).unwrap();
    let end = file.len().unwrap();
    file.write_all_at(b"bytes that do not begin as blocks", end)
        .unwrap();
    assert_eq!(verify(&storage, true).1, []);
    let (_, problems) = verify(&storage, false);
    assert_eq!((problems.len(), problems[0].place), (1, end));
}

#[test]
fn c6_what_a_writer_has_made_durable_is_checked_beside_it() {
    let (storage, places) = two_segments();
    for place in &places[2..] {
        let damaged = flipped(&storage, SECOND_SEGMENT, *place as usize + 300, 1);
        let (_, problems) = verify(&damaged, true);
        assert_eq!((problems.len(), problems[0].place), (1, *place));
    }
}

#[test]
fn c6_what_the_visitor_finds_is_named_with_its_place() {
    let (storage, places) = two_segments();
    let mut problems = Vec::new();
    let dir = shard_on(storage);
    dir.verify(&|| false, &mut problems, &mut |head, bytes, _| {
        assert_eq!(bytes.len(), head.length as usize);
        if head.first_position == 3 {
            Err("I do not like it")
        } else {
            Ok(())
        }
    })
    .unwrap();
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].place, places[1]);
    assert_eq!(problems[0].reason, "I do not like it");
}

#[test]
fn a_truncated_store_is_a_problem_wherever_a_later_segment_tells() {
    let (storage, _) = two_segments();
    let whole = bytes_of(&storage, FIRST_SEGMENT);
    for length in (0..whole.len()).step_by(61) {
        put_file(&storage, FIRST_SEGMENT, &whole[..length]);
        assert_eq!(verify(&storage, true).1.len(), 1, "{length}");
    }
    put_file(&storage, FIRST_SEGMENT, &whole[..FIRST_BLOCK as usize]);
    let (_, problems) = verify(&storage, false);
    assert_eq!(problems[0].file, storage.describe(SECOND_SEGMENT));
}
