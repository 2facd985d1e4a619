//! Snapshots of folded aggregates: a file for each, under `folds/`, beside the log.
//!
//! They are derived, and never trusted: a snapshot counts only where name and version of the fold
//! are the same, no event in it was given up or lost since, and the log still has the very event
//! that was the last one in it. Otherwise the events are folded anew. So they need not be made
//! durable, and one that is ahead of a log that lost its end is found out.

use std::sync::{Arc, Mutex};

use eventcask_event::{EventId, EventRef, Timestamp};
use eventcask_log::{Error as LogError, ErrorKind as LogErrorKind, Framed, FramedKind, Storage};
use eventcask_shard::ShardReader;

use crate::fold::versioned::Mark;
use crate::sync::locked;

const DIR: &str = "folds";
/// The largest state that is saved. A load that reads more than this would not be much faster than
/// one that folds ten thousand events.
const MAX_STATE_BYTES: usize = 64 << 20;
/// Bytes of a body before the key.
const FIXED_BYTES: usize = 54;

/// Where the snapshots of one fold are.
pub(crate) struct FoldSnapshots {
    storage: Arc<dyn Storage>,
    store: u128,
    dir: String,
    definition: u32,
    /// Held while one is written, of any fold of the store.
    saving: Arc<Mutex<()>>,
    /// Why the last one could not be written.
    failure: Mutex<Option<String>>,
}

/// A state as it was saved, not confirmed yet.
#[derive(Debug)]
pub(crate) struct FoldSnapshot {
    pub(crate) first: Mark,
    pub(crate) last: Mark,
    last_checksum: u32,
    /// Events of the shard that were lost.
    lost: u64,
    pub(crate) state: Vec<u8>,
}

impl FoldSnapshots {
    pub(crate) fn new(
        storage: Arc<dyn Storage>,
        store: u128,
        saving: Arc<Mutex<()>>,
        (name, version): (&str, u32),
    ) -> Self {
        Self {
            storage,
            store,
            // Texts of users never become part of a file's name.
            dir: format!("{DIR}/{}", EventId::from_name(name)),
            definition: Framed::checksum(format!("{name} {version}").as_bytes()),
            saving,
            failure: Mutex::default(),
        }
    }

    /// Why the last snapshot could not be written, if it could not.
    pub(crate) fn failure(&self) -> Option<String> {
        locked(&self.failure).clone()
    }

    /// The snapshot of an aggregate, if there is one that the log confirms.
    pub(crate) fn find(&self, reader: &ShardReader, key: &str) -> Option<FoldSnapshot> {
        let path = format!("{}/{}", self.dir, file_of(key));
        let framed = Framed::read(&*self.storage, &path).ok()?;
        let fits = (framed.store, framed.kind, framed.shard, framed.definition)
            == (
                self.store,
                FramedKind::Fold,
                reader.shard(),
                self.definition,
            );
        let snapshot = FoldSnapshot::decode(&framed, key).filter(|_| fits)?;
        snapshot.is_confirmed(reader, key).then_some(snapshot)
    }

    /// Saves the state of an aggregate after the event `last`. Says nothing where it can not be: a
    /// snapshot only makes loads faster.
    pub(crate) fn save(
        &self,
        reader: &ShardReader,
        key: &str,
        first: Mark,
        last: Mark,
        state: Vec<u8>,
    ) {
        let saved = self.try_save(reader, key, first, last, state);
        *locked(&self.failure) = saved.err().map(|error| error.to_string());
    }

    fn try_save(
        &self,
        reader: &ShardReader,
        key: &str,
        first: Mark,
        last: Mark,
        state: Vec<u8>,
    ) -> Result<(), LogError> {
        let shown = self.storage.describe(&self.dir);
        if state.len() > MAX_STATE_BYTES {
            let message = format!("a state of more than 64 MiB is not saved in {shown}");
            return Err(LogError::new(LogErrorKind::Setting, message));
        }
        let Some(last_checksum) = checksum_at(reader, key, last) else {
            return Ok(());
        };
        let snapshot = FoldSnapshot {
            first,
            last,
            last_checksum,
            lost: reader.published().figures().lost,
            state,
        };
        let made = [DIR, &self.dir].map(|dir| self.storage.create_dir(dir));
        for made in made {
            made.map_err(|error| LogError::io("make", &shown, error))?;
        }
        let framed = Framed {
            store: self.store,
            kind: FramedKind::Fold,
            shard: reader.shard(),
            progress: last.position + 1,
            definition: self.definition,
            body: snapshot.encode(key),
        };
        let _one = locked(&self.saving);
        // Who takes room back drops snapshots while nobody writes any.
        let retired = Arc::clone(&reader.published().retired);
        if !first.is_shown(&retired, key) {
            return Ok(());
        }
        framed.write_loosely(&*self.storage, &self.dir, &file_of(key))
    }
}

/// Removes the snapshots of all folds that hold events that were given up, or can not be read; says
/// how many there were.
pub(crate) fn drop_given_up(
    storage: &dyn Storage,
    readers: &[Arc<ShardReader>],
    saving: &Mutex<()>,
) -> Result<u64, LogError> {
    let failed = |path: &str, error| LogError::io("clear", &storage.describe(path), error);
    let list = |dir: &str| storage.list(dir).map_err(|error| failed(dir, error));
    let _one = locked(saving);
    let mut dropped = 0;
    for fold in list(DIR)? {
        let dir = format!("{DIR}/{fold}");
        for name in list(&dir)? {
            let path = format!("{dir}/{name}");
            let framed = Framed::read(storage, &path).ok();
            let is_whole = name.ends_with(".snapshot");
            if !framed.is_some_and(|framed| is_whole && holds_what_is_shown(&framed, readers)) {
                storage
                    .remove(&path)
                    .map_err(|error| failed(&path, error))?;
                dropped += 1;
            }
        }
        storage
            .sync_dir(&dir)
            .map_err(|error| failed(&dir, error))?;
    }
    Ok(dropped)
}

/// Whether all events in a snapshot are still shown to readers.
fn holds_what_is_shown(framed: &Framed, readers: &[Arc<ShardReader>]) -> bool {
    let Some((key, reader)) = key_in(&framed.body).zip(readers.get(framed.shard as usize)) else {
        return false;
    };
    let retired = Arc::clone(&reader.published().retired);
    let snapshot = FoldSnapshot::decode(framed, key);
    snapshot.is_some_and(|snapshot| {
        let first = snapshot.first;
        let first_left = retired.first_left(reader.dir().first_store(), key);
        first.is_shown(&retired, key) && first.version >= first_left
    })
}

/// The key of the aggregate whose state is in this body.
fn key_in(body: &[u8]) -> Option<&str> {
    let (fixed, rest) = body.split_at_checked(FIXED_BYTES)?;
    let length = u16::from_le_bytes(*fixed.last_chunk()?);
    str::from_utf8(rest.get(..usize::from(length))?).ok()
}

fn file_of(key: &str) -> String {
    format!("{}.snapshot", EventId::from_name(key))
}

impl FoldSnapshot {
    fn encode(&self, key: &str) -> Vec<u8> {
        let mut body = Vec::with_capacity(FIXED_BYTES + key.len() + self.state.len());
        for mark in [&self.first, &self.last] {
            body.extend_from_slice(&mark.version.to_le_bytes());
            body.extend_from_slice(&mark.commit_time.as_nanos().to_le_bytes());
        }
        body.extend_from_slice(&self.first.position.to_le_bytes());
        body.extend_from_slice(&self.lost.to_le_bytes());
        body.extend_from_slice(&self.last_checksum.to_le_bytes());
        body.extend_from_slice(&(key.len() as u16).to_le_bytes());
        debug_assert_eq!(body.len(), FIXED_BYTES);
        body.extend_from_slice(key.as_bytes());
        body.extend_from_slice(&self.state);
        body
    }

    /// The snapshot in a file, if it is one of this key.
    fn decode(framed: &Framed, key: &str) -> Option<Self> {
        let (fixed, rest) = framed.body.split_at_checked(FIXED_BYTES)?;
        let (eights, fixed) = fixed.split_at(48);
        let eights = eights.as_chunks::<8>().0;
        let mark = |version: usize, position| Mark {
            version: u64::from_le_bytes(eights[version]),
            position,
            commit_time: Timestamp::from_nanos(i64::from_le_bytes(eights[version + 1])),
        };
        let last_checksum = u32::from_le_bytes(*fixed.first_chunk()?);
        let length = u16::from_le_bytes(*fixed.last_chunk()?);
        let (of, state) = rest.split_at_checked(usize::from(length))?;
        let snapshot = Self {
            first: mark(0, u64::from_le_bytes(eights[4])),
            last: mark(2, framed.progress.checked_sub(1)?),
            lost: u64::from_le_bytes(eights[5]),
            last_checksum,
            state: state.to_vec(),
        };
        (of == key.as_bytes()).then_some(snapshot)
    }

    /// Whether the log has the last event, and lost none since.
    fn is_confirmed(&self, reader: &ShardReader, key: &str) -> bool {
        self.lost == reader.published().figures().lost
            && checksum_at(reader, key, self.last) == Some(self.last_checksum)
    }
}

/// The checksum of an event of an aggregate, if the log has it there.
fn checksum_at(reader: &ShardReader, key: &str, mark: Mark) -> Option<u32> {
    let block = reader.block_of(key, mark.position).ok()??;
    let events = block.events();
    let row = events.row_at(mark.position)?;
    let is_there = Mark::of(&events, row) == mark && events.key(events.aggregate_index(row)) == key;
    is_there.then(|| checksum_of(&events.event(row)))
}

fn checksum_of(event: &EventRef<'_>) -> u32 {
    let mut bytes = event.id.as_u128().to_le_bytes().to_vec();
    bytes.extend_from_slice(&event.schema.to_le_bytes());
    bytes.extend_from_slice(event.event_type.as_bytes());
    bytes.extend_from_slice(event.payload);
    Framed::checksum(&bytes)
}
