//! Gives events up, and takes back the room they had.
//!
//! 1. Events are hidden at once: those of an aggregate by an event in the log that says up to
//!    which version, those of the whole store by a small file that says up to which time.
//! 2. Their room is taken back when it is asked for: segments that hold hidden events are
//!    written anew without them, one after the other, while the store goes on.
//!
//! An aggregate keeps its version whatever is given up: where its newest event goes, an event
//! without content stays in its place.

use eventcask_event::{Events, Expected, TRUNCATED_TYPE, Timestamp};
use eventcask_log::{
    EndedSegment, Error as LogError, Fate, Framed, FramedKind, Manifest, Payloads, Storage,
};
use eventcask_shard::{Hidden, ShardReader};

use crate::{Error, Store};

const NAME: &str = "RETENTION";

/// What can be taken back, or was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reclaimed {
    /// Segments that hold events that were given up.
    pub segments: u64,
    /// Those events.
    pub events: u64,
    /// Bytes of their payloads, before compression.
    pub payload_bytes: u64,
    /// Bytes of the segments on disk before.
    pub disk_bytes_before: u64,
    /// Bytes of the segments on disk after; the same where nothing was written anew.
    pub disk_bytes_after: u64,
}

impl Store {
    /// Gives up the events of an aggregate before a version: readers do not see them any more.
    /// The version of the aggregate rises by one, by the event that says so. Durable when it
    /// returns, as the store's durability says. Views and projections in use keep what they hold
    /// until they are rebuilt or started anew, and read models until they are filled anew;
    /// [`reclaim`](Self::reclaim) takes the room back.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path().join("s"))?;
    /// use eventcask::{Expected, NewEvent};
    /// let steps: Vec<_> = (0..5).map(|_| NewEvent::json("Step", b"{}")).collect();
    /// store.producer().append("walk", Expected::Any, &steps)?.wait()?;
    /// store.truncate_aggregate("walk", 4)?;
    /// assert_eq!(store.aggregate("walk").events()?.count(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::ReadOnly`], [`Error::UnknownAggregate`], or a shard that stopped.
    pub fn truncate_aggregate(&self, key: &str, version: u64) -> Result<(), Error> {
        self.truncate(key, |next| version.min(next))
    }

    /// Gives up all events of an aggregate. What is appended to it later goes on with its
    /// versions. Otherwise as [`truncate_aggregate`](Self::truncate_aggregate).
    ///
    /// # Errors
    /// As [`truncate_aggregate`](Self::truncate_aggregate).
    pub fn delete_aggregate(&self, key: &str) -> Result<(), Error> {
        self.truncate(key, |next| next)
    }

    /// `version` gets that of the truncation itself and tells the first that is kept.
    fn truncate(&self, key: &str, version: impl Fn(u64) -> u64) -> Result<(), Error> {
        self.running()?;
        let mut producer = self.producer();
        loop {
            let newest = self.aggregate(key).version()?;
            if newest == 0 {
                let key = key.to_owned();
                return Err(Error::UnknownAggregate { key });
            }
            let first = version(newest + 1);
            let ticket = producer.append_truncation(key, Expected::Exact(newest), first)?;
            match ticket.wait() {
                // Someone appended in between.
                Err(Error::Conflict { .. }) => {}
                other => return other.map(|_stored| ()),
            }
        }
    }

    /// Gives up all events of the store that were committed before a time: readers do not see
    /// them any more. Durable when it returns. Otherwise as
    /// [`truncate_aggregate`](Self::truncate_aggregate).
    ///
    /// # Errors
    /// [`Error::ReadOnly`], or what the disk said.
    pub fn truncate_before(&self, time: Timestamp) -> Result<(), Error> {
        self.running()?;
        let inner = &self.inner;
        let before = read(&*inner.storage, &inner.manifest)?.unwrap_or(i64::MIN);
        let time = before.max(time.as_nanos());
        Framed {
            store: inner.manifest.store,
            kind: FramedKind::Retention,
            shard: 0,
            progress: 0,
            definition: 0,
            body: time.to_le_bytes().to_vec(),
        }
        .write(&*inner.storage, "", NAME)?;
        inner
            .readers
            .iter()
            .for_each(|reader| reader.hide_before(time));
        Ok(())
    }

    /// Tells what [`reclaim`](Self::reclaim) would take back, and changes nothing.
    ///
    /// # Errors
    /// Damage, or what the disk said.
    pub fn reclaimable(&self) -> Result<Reclaimed, Error> {
        let mut all = Reclaimed::default();
        for reader in &self.inner.readers {
            let hidden = reader.published().hidden.clone();
            // Asked for before the loop: the lock must not be held while segments are replaced.
            let ended = reader.published().ended();
            for segment in ended.iter() {
                all.add(&count(reader, &hidden, segment)?);
            }
        }
        all.disk_bytes_after = all.disk_bytes_before;
        Ok(all)
    }

    /// Takes back the room of events that were given up: complete segments that hold some are
    /// written anew without them, while the store goes on. The ids of those events are
    /// forgotten; how far sources were consumed is not. What is in the segment that is being
    /// written to stays until that is complete.
    ///
    /// # Errors
    /// [`Error::ReadOnly`], damage, or what the disk said; segments that were not done are as
    /// they were before.
    pub fn reclaim(&self) -> Result<Reclaimed, Error> {
        // What stands in for the events that go must not be lost when they are gone.
        self.flush()?;
        self.seal()?;
        let mut all = Reclaimed::default();
        for (shard, reader) in self.inner.readers.iter().enumerate() {
            let hidden = reader.published().hidden.clone();
            // Asked for before the loop: the lock must not be held while segments are replaced.
            let ended = reader.published().ended();
            for segment in ended.iter() {
                let found = count(reader, &hidden, segment)?;
                if found.events == 0 {
                    continue;
                }
                let fate = |events: &Events<'_>, row| fate(reader, &hidden, events, row);
                let number = segment.number();
                self.inner.sealer.rewrite(shard, number, &fate)?;
                all.add(&found);
                let now = reader.published().ended();
                let after = now.iter().find(|segment| segment.number() == number);
                all.disk_bytes_after += after.map_or(0, |segment| segment.sealed().length);
            }
        }
        Ok(all)
    }
}

impl Reclaimed {
    fn add(&mut self, other: &Self) {
        self.segments += other.segments;
        self.events += other.events;
        self.payload_bytes += other.payload_bytes;
        self.disk_bytes_before += other.disk_bytes_before;
    }
}

/// What becomes of an event when its segment is written anew.
fn fate(reader: &ShardReader, hidden: &Hidden, events: &Events<'_>, row: usize) -> Fate {
    if events.event_type(row) == TRUNCATED_TYPE || !hidden.hides(events, row) {
        return Fate::Kept;
    }
    // Where it can not be told whether a newer event has the version, it is kept for sure.
    match reader.newest(events.key(events.aggregate_index(row))) {
        Ok(Some(newest)) if newest > events.position(row) => Fate::Removed,
        _ => Fate::Emptied,
    }
}

/// Counts what is hidden in a segment; blocks are read only where something may be.
fn count(
    reader: &ShardReader,
    hidden: &Hidden,
    segment: &EndedSegment,
) -> Result<Reclaimed, Error> {
    let mut found = Reclaimed::default();
    if !may_hide(reader, hidden, segment)? {
        return Ok(found);
    }
    let (mut next, end) = (segment.first_position(), segment.sealed().next_position);
    while next < end {
        let Some((at, block)) = reader.read_from(next, Payloads::Shut)? else {
            break;
        };
        let events = block.events();
        for row in 0..events.len() {
            let is_here = events.position(row) >= next && events.position(row) < end;
            let stays = events.event_type(row) == TRUNCATED_TYPE || !hidden.hides(&events, row);
            if is_here && !stays {
                found.events += 1;
                let bytes = events.columns().payload_lengths[row].to_native();
                found.payload_bytes += u64::from(bytes);
            }
        }
        next = at.next_position;
    }
    if found.events > 0 {
        found.segments = 1;
        found.disk_bytes_before = segment.sealed().length;
    }
    Ok(found)
}

fn may_hide(reader: &ShardReader, hidden: &Hidden, segment: &EndedSegment) -> Result<bool, Error> {
    if segment.sealed().first_commit < hidden.before() {
        return Ok(true);
    }
    for (key, _) in hidden.truncated() {
        if reader.is_in(segment, key)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Hides what was given up by time.
pub(crate) fn apply<'r>(
    storage: &dyn Storage,
    manifest: &Manifest,
    readers: impl Iterator<Item = &'r ShardReader>,
) -> Result<(), Error> {
    if let Some(time) = read(storage, manifest)? {
        readers.for_each(|reader| reader.hide_before(time));
    }
    Ok(())
}

/// Copies what says so to another store.
pub(crate) fn copy(
    from: &dyn Storage,
    manifest: &Manifest,
    to: &dyn Storage,
) -> Result<(), LogError> {
    match read(from, manifest)? {
        Some(_) => Framed::read(from, NAME)?.write(to, "", NAME),
        None => Ok(()),
    }
}

/// The time before which all events are given up, if there is one.
fn read(storage: &dyn Storage, manifest: &Manifest) -> Result<Option<i64>, LogError> {
    let shown = storage.describe(NAME);
    let names = storage
        .list("")
        .map_err(|e| LogError::io("list", &shown, e))?;
    if !names.iter().any(|name| name == NAME) {
        return Ok(None);
    }
    let framed = Framed::read(storage, NAME)?;
    let body: Option<[u8; 8]> = framed.body.as_slice().try_into().ok();
    match body {
        Some(time) if (framed.store, framed.kind) == (manifest.store, FramedKind::Retention) => {
            Ok(Some(i64::from_le_bytes(time)))
        }
        _ => Err(LogError::damaged(
            &shown,
            128,
            "it does not say a time for this store",
        )),
    }
}
