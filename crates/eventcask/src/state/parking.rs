//! The aggregates that a projection leaves out in a shard, since an event of each has failed.
//!
//! They are a part of the state: kept with it, and as far as it is.

use std::collections::BTreeMap;

use eventcask_event::Events;

use crate::follow::parked::Parked;
use crate::short_text::{put_text, short, take, take_text};

/// Aggregates that are parked in a shard at most: as many as a group of consumers parks. What is to
/// be mended by then is not one event, and each of them is kept with every snapshot.
const MAX_PARKED: usize = 10_000;

/// Those that are parked, by key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ParkedAggregates {
    all: BTreeMap<String, Parked>,
    /// Keys of those of which nobody has been told.
    new: Vec<String>,
}

impl ParkedAggregates {
    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Parked> {
        self.all.get(key)
    }

    /// All of them, by key.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Parked> {
        self.all.values()
    }

    /// Parks one, or says anew why it is; false where there is no room.
    pub(crate) fn park(&mut self, mut parked: Parked) -> bool {
        parked.reason.truncate(short(&parked.reason).len());
        if self.all.len() >= MAX_PARKED && !self.all.contains_key(&parked.key) {
            return false;
        }
        self.new.push(parked.key.clone());
        self.all.insert(parked.key.clone(), parked);
        true
    }

    /// Its events are applied again from now on.
    pub(crate) fn remove(&mut self, key: &str) -> Option<Parked> {
        self.all.remove(key)
    }

    /// Counts how often an event has failed, where it has failed again.
    pub(crate) fn count_tries(&mut self, before: &Parked) {
        let again = self.all.get_mut(&before.key);
        if let Some(again) = again.filter(|again| again.version == before.version) {
            again.tries = before.tries.saturating_add(1);
        }
    }

    /// Those that were parked since this was last asked.
    pub(crate) fn take_new(&mut self) -> impl Iterator<Item = &Parked> {
        let new = std::mem::take(&mut self.new).into_iter();
        new.filter_map(|key| self.all.get(&key))
    }

    /// Which aggregates of a block are parked, by index; nothing where none is parked at all.
    pub(crate) fn among(&self, events: &Events<'_>) -> Vec<bool> {
        if self.is_empty() {
            return Vec::new();
        }
        let is_parked = |aggregate| self.all.contains_key(events.key(aggregate));
        (0..events.aggregates()).map(is_parked).collect()
    }

    /// As bytes, behind those of the state: one after the other.
    pub(crate) fn encode(&self, bytes: &mut Vec<u8>) {
        for parked in self.all.values() {
            put_text(bytes, &parked.key);
            bytes.extend(parked.version.to_le_bytes());
            bytes.extend(parked.position.to_le_bytes());
            bytes.extend(parked.tries.to_le_bytes());
            put_text(bytes, &parked.reason);
        }
    }

    /// What [`encode`](Self::encode) wrote; none where it is anything else.
    pub(crate) fn decode(shard: u32, mut bytes: &[u8]) -> Option<Self> {
        let bytes = &mut bytes;
        let mut parked = Self::default();
        while !bytes.is_empty() {
            let one = Parked {
                key: take_text(bytes)?,
                version: u64::from_le_bytes(take(bytes)?),
                shard,
                position: u64::from_le_bytes(take(bytes)?),
                tries: u32::from_le_bytes(take(bytes)?),
                reason: take_text(bytes)?,
            };
            parked.all.insert(one.key.clone(), one);
        }
        Some(parked)
    }
}
