use std::collections::HashMap;

use eventcask_table::{IndexTable, prefetch};

/// Runs random insertions, searches and removals on a table and on a map, with this hash of a key.
fn check_against_a_map(hash: fn(u64) -> u64, keys: u64, steps: usize, seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut table, mut map) = (IndexTable::default(), HashMap::new());
    let mut entries = Vec::new();
    for _ in 0..steps {
        let key = random.u64(..keys);
        table.prefetch(hash(key));
        let found = table.find(hash(key), |index| entries[index as usize] == key);
        assert_eq!(found, map.get(&key).copied(), "seed {seed}, key {key}");
        match found {
            None => {
                map.insert(key, entries.len() as u32);
                table.insert(hash(key), entries.len() as u32);
                entries.push(key);
            }
            Some(index) if random.u8(..) < 64 => {
                let removed = table.remove(hash(key), |index| entries[index as usize] == key);
                assert_eq!(removed, Some(index), "seed {seed}");
                map.remove(&key);
            }
            Some(_) => {}
        }
        assert_eq!(table.len(), map.len());
    }
    for (key, index) in map {
        let found = table.find(hash(key), |index| entries[index as usize] == key);
        assert_eq!(found, Some(index), "seed {seed}");
    }
}

fn good(key: u64) -> u64 {
    (key + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[test]
fn it_finds_what_a_map_finds() {
    check_against_a_map(good, 20_000, 100_000, 1);
    check_against_a_map(good, 10, 5_000, 2);
}

#[test]
fn keys_with_one_hash_are_told_apart() {
    check_against_a_map(|_| 0, 60, 3_000, 3);
    check_against_a_map(|_| u64::MAX, 60, 3_000, 4);
    check_against_a_map(|key| (key % 3) << 32, 200, 5_000, 5);
}

#[test]
fn slots_that_were_given_up_are_used_again() {
    let mut table = IndexTable::default();
    for round in 0..10_000_u64 {
        table.insert(good(round), round as u32);
        assert_eq!(
            table.remove(good(round), |index| index == round as u32),
            Some(round as u32)
        );
    }
    assert!(table.is_empty());
    assert!(
        table.memory_bytes() < 64 << 10,
        "{} bytes",
        table.memory_bytes()
    );
}

#[test]
fn an_entry_takes_at_most_fourteen_bytes() {
    for entries in [100_000, 110_000, 130_000, 200_000_u64] {
        let mut table = IndexTable::default();
        (0..entries).for_each(|key| table.insert(good(key), key as u32));
        let bytes = table.memory_bytes() as f64 / entries as f64;
        assert!(bytes < 14.0, "{bytes} bytes an entry of {entries}");
    }
}

#[test]
fn the_likely_entry_is_one_with_the_hash() {
    let mut table = IndexTable::default();
    assert_eq!(table.likely(good(0)), None);
    (0..1000).for_each(|key| table.insert(good(key), key as u32));
    let right = (0..1000).filter(|key| table.likely(good(*key)) == Some(*key as u32));
    assert!(right.count() > 600, "most are in their home bucket");
}

#[test]
fn asking_for_memory_that_is_not_there_does_nothing() {
    prefetch::<u64>(&[], 0);
    prefetch(&[1, 2, 3], 3);
    prefetch(&[1, 2, 3], 2);
    IndexTable::default().prefetch(7);
}
