//! The aggregates of a segment, numbered as they are met.
//!
//! A segment has many more than any cache holds, so those of a block are looked up together: 1. the
//! buckets of their hashes are asked for; 2. the entries that these likely lead to; 3. the keys of
//! those; 4. then each is found, or added.

use std::hash::BuildHasher;

use eventcask_event::{Events, NO_POSITION};
use eventcask_table::{IndexTable, prefetch};
use foldhash::fast::RandomState;

/// Keys whose memory is asked for together.
const GROUP: usize = 64;

/// Where an aggregate stands at the end of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyPlace {
    /// Version of its newest event in the segment.
    pub version: u64,
    /// Position of that event.
    pub position: u64,
}

/// The aggregates that were met, and where each stands.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    hasher: RandomState,
    table: IndexTable,
    entries: Vec<Entry>,
    /// The keys end to end.
    text: String,
}

#[derive(Debug)]
struct Entry {
    start: usize,
    length: u32,
    /// At [`NO_POSITION`] while no event of it was noted.
    place: KeyPlace,
}

impl Keys {
    /// Fills `numbers` with those of the aggregates of a block, which are added where they are new.
    pub(crate) fn number_all(&mut self, events: &Events<'_>, numbers: &mut Vec<u32>) {
        numbers.clear();
        let all = events.aggregates();
        for first in (0..all).step_by(GROUP) {
            let group = first..all.min(first + GROUP);
            let mut hashes = [0; GROUP];
            for (hash, aggregate) in hashes.iter_mut().zip(group.clone()) {
                *hash = self.hasher.hash_one(events.key(aggregate));
                self.table.prefetch(*hash);
            }
            self.ask_for(&hashes[..group.len()]);
            let found = group.zip(hashes);
            numbers.extend(found.map(|(at, hash)| self.find_or_add(hash, events.key(at))));
        }
    }

    /// Asks for the entries that likely have these hashes, and for their keys.
    fn ask_for(&self, hashes: &[u64]) {
        let mut likely = [None; GROUP];
        for (likely, hash) in likely.iter_mut().zip(hashes) {
            *likely = self.table.likely(*hash);
            likely.inspect(|number| prefetch(&self.entries, *number as usize));
        }
        for number in likely.into_iter().flatten() {
            prefetch(self.text.as_bytes(), self.entries[number as usize].start);
        }
    }

    /// The number of an aggregate, which is added where it is new.
    pub(crate) fn number(&mut self, key: &str) -> u32 {
        self.find_or_add(self.hasher.hash_one(key), key)
    }

    fn find_or_add(&mut self, hash: u64, key: &str) -> u32 {
        if let Some(number) = self.find(hash, key) {
            return number;
        }
        let number = self.entries.len() as u32;
        self.entries.push(Entry {
            start: self.text.len(),
            length: key.len() as u32,
            place: KeyPlace {
                version: 0,
                position: NO_POSITION,
            },
        });
        self.text.push_str(key);
        self.table.insert(hash, number);
        number
    }

    fn find(&self, hash: u64, key: &str) -> Option<u32> {
        let is_it = |number| self.key(&self.entries[number as usize]) == key;
        self.table.find(hash, is_it)
    }

    fn key(&self, entry: &Entry) -> &str {
        &self.text[entry.start..entry.start + entry.length as usize]
    }

    /// Says where an aggregate stands now.
    pub(crate) fn note(&mut self, number: u32, place: KeyPlace) {
        self.entries[number as usize].place = place;
    }

    /// Where an aggregate stands, if an event of it was noted.
    pub(crate) fn place(&self, number: u32) -> Option<KeyPlace> {
        placed(&self.entries[number as usize])
    }

    /// As [`place`](Self::place), by key.
    pub(crate) fn place_of(&self, key: &str) -> Option<KeyPlace> {
        self.place(self.find(self.hasher.hash_one(key), key)?)
    }

    /// How many there are, with those of which no event was noted.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// All of which an event was noted.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, KeyPlace)> {
        let all = self.entries.iter();
        all.filter_map(|entry| Some((self.key(entry), placed(entry)?)))
    }
}

fn placed(entry: &Entry) -> Option<KeyPlace> {
    (entry.place.position != NO_POSITION).then_some(entry.place)
}
