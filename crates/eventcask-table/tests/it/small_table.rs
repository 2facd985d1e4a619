use std::collections::HashMap;

use eventcask_table::SmallTable;

fn hash(key: u32) -> u64 {
    (u64::from(key) + 1)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .rotate_left(29)
}

/// A table of these keys at their places, with room for more.
fn table_of(keys: &[u32], room: usize) -> SmallTable {
    let mut table = SmallTable::with_room(room);
    keys.iter()
        .enumerate()
        .for_each(|(index, key)| table.insert(hash(*key), index as u16));
    table
}

#[test]
fn it_finds_what_a_map_finds() {
    let mut random = fastrand::Rng::with_seed(7);
    let mut keys: Vec<u32> = Vec::new();
    let mut map = HashMap::new();
    let mut table = SmallTable::with_room(64);
    while keys.len() < SmallTable::MAX {
        let key = random.u32(..100_000);
        table.prefetch(hash(key));
        let found = table.find(hash(key), |index| keys[usize::from(index)] == key);
        assert_eq!(found, map.get(&key).copied());
        if found.is_none() {
            if table.is_full() {
                table = table_of(&keys, keys.len() + keys.len() / 4);
            }
            table.insert(hash(key), keys.len() as u16);
            map.insert(key, keys.len() as u16);
            keys.push(key);
        }
    }
    for (key, index) in &map {
        assert_eq!(
            table.find(hash(*key), |index| keys[usize::from(index)] == *key),
            Some(*index)
        );
    }
}

#[test]
fn what_was_removed_is_not_found_and_the_others_are() {
    let keys: Vec<u32> = (0..1000).collect();
    let mut table = table_of(&keys, 1000);
    for key in keys.iter().filter(|key| *key % 3 == 0) {
        assert_eq!(
            table.remove(hash(*key), |index| u32::from(index) == *key),
            Some(*key as u16)
        );
    }
    for key in &keys {
        let found = table.find(hash(*key), |index| u32::from(index) == *key);
        assert_eq!(found.is_some(), key % 3 != 0, "key {key}");
    }
    assert_eq!(table.remove(hash(0), |index| index == 0), None);
}

#[test]
fn a_full_table_takes_about_five_bytes_an_entry() {
    let table = SmallTable::with_room(SmallTable::MAX);
    let bytes = table.memory_bytes() as f64 / SmallTable::MAX as f64;
    assert!(bytes < 5.1, "{bytes}");
    assert_eq!(SmallTable::default().find(1, |_| true), None);
}
