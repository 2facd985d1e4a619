//! Takes back the room of events that were given up, so that nothing on disk tells what they were.
//!
//! 1. Where a segment that is being written to holds some, it is ended.
//! 2. Segments that hold some are written anew without them, one after the other, while the store
//!    goes on. An aggregate keeps its version: where its newest event goes, an event without
//!    content stays in its place; where nothing else is left of it, under a key that does not tell
//!    its own.
//! 3. What is derived, and may hold them, is dropped or made anew from what is left.
//! 4. What recovery and repair put aside is not ours to change, so it is named.

use eventcask_event::Events;
use eventcask_log::{Error as LogError, Storage};
use eventcask_shard::{FlushCounter, Flushed, SegmentSpan};

use crate::state::folder::{self, FOLDERS};
use crate::store::given_up::{Found, GivenUp};
use crate::store::inner::Inner;
use crate::subscribe::dispatcher;
use crate::{Error, Store, StoreReader, fold};

/// What can be taken back, or was.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
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
    /// Snapshots that were dropped since they may have held such events. Views were filled anew,
    /// projections and folds are when they are asked for next.
    pub snapshots: u64,
    /// Files that may still hold such events: recovery or a repair put them aside. Look at them,
    /// then remove them.
    pub left: Vec<String>,
}

impl Reclaimed {
    fn add(&mut self, span: &SegmentSpan, found: Found) {
        self.segments += 1;
        self.events += found.events;
        self.payload_bytes += found.payload_bytes;
        self.disk_bytes_before += span.disk_bytes;
    }
}

impl StoreReader {
    /// Tells what [`reclaim`](Store::reclaim) would take back, and changes nothing.
    ///
    /// # Errors
    /// Damage, or what the disk said.
    pub fn reclaimable(&self) -> Result<Reclaimed, Error> {
        let mut all = Reclaimed::default();
        let given_up = self.given_up();
        for (one, reader) in given_up.iter().zip(&self.inner.readers) {
            // Asked for before the loop: the lock must not be held while segments are replaced.
            let spans = reader.published().spans();
            for span in spans {
                let found = one.count(&span)?;
                if !found.is_nothing() {
                    all.add(&span, found);
                }
            }
        }
        all.disk_bytes_after = all.disk_bytes_before;
        if !given_up.iter().all(GivenUp::is_nothing) {
            all.left = self.inner.put_aside()?;
        }
        Ok(all)
    }

    fn given_up(&self) -> Vec<GivenUp> {
        let readers = self.inner.readers.iter();
        readers.map(GivenUp::now).collect()
    }
}

impl Store {
    /// Takes back the room of events that were given up: segments that hold some are written anew
    /// without them, while the store goes on; one that is being written to is ended for that. When
    /// it returns, neither these events nor the keys of aggregates that were given up whole are in
    /// the log, in snapshots or in the files of subscriptions, and the ids of the events are
    /// forgotten; how far sources were consumed is not. Views are filled anew from what is left. A
    /// projection in use keeps what it holds in memory until it is rebuilt. What was put aside by
    /// recovery or a repair, and may hold such events, is named.
    ///
    /// As [`flush`](Self::flush), it waits for the owners of shards that are owned.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path().join("s"))?;
    /// use eventcask::{Expected, NewEvent};
    /// let mut producer = store.producer();
    /// producer.append("ada", Expected::Any, &[NewEvent::json("Moved", b"{}")])?.wait()?;
    /// store.delete_aggregate("ada")?;
    /// let reclaimed = store.reclaim()?;
    /// assert_eq!((reclaimed.events, reclaimed.left.len()), (1, 0));
    /// assert_eq!(store.aggregate("ada").version()?, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Closed`], damage, or what the disk said. Segments that were not done are as they
    /// were before; called again, it goes on with them.
    pub fn reclaim(&self) -> Result<Reclaimed, Error> {
        self.running()?;
        let given_up = self.given_up();
        // What stands in for the events that go must not be lost when they are gone.
        self.flush()?;
        let mut all = Reclaimed::default();
        let complete_to = self.end_open_segments(&given_up)?;
        for (shard, one) in given_up.iter().enumerate() {
            let reader = &self.inner.readers[shard];
            // Asked for before the loop: the lock must not be held while segments are replaced.
            let mut spans = reader.published().spans();
            spans.retain(|span| span.number <= complete_to[shard]);
            for span in spans {
                let found = one.count(&span)?;
                if found.is_nothing() {
                    continue;
                }
                let fate = |events: &Events<'_>, row| one.fate(events, row);
                self.inner.sealer.rewrite(shard, span.number, &fate)?;
                all.add(&span, found);
                let now = reader.published().spans();
                let after = now.iter().find(|now| now.number == span.number);
                all.disk_bytes_after += after.map_or(0, |after| after.disk_bytes);
            }
            one.note_erased();
        }
        self.seal()?;
        if !given_up.iter().all(GivenUp::is_nothing) {
            self.drop_derived(&mut all)?;
        }
        Ok(all)
    }

    /// Ends the segments that are being written to and hold events that were given up; says of each
    /// shard which segment is the last complete one.
    fn end_open_segments(&self, given_up: &[GivenUp]) -> Result<Vec<u64>, Error> {
        let (account, own) = FlushCounter::open();
        let mut complete_to = Vec::new();
        for (shard, one) in given_up.iter().enumerate() {
            let open = self.inner.readers[shard].published().spans().pop();
            let Some(open) = open else {
                complete_to.push(0);
                continue;
            };
            let is_ended = !one.count(&open)?.is_nothing();
            if is_ended {
                let inbox = &self.engine().inboxes[shard];
                inbox.end_segment(FlushCounter::share(&account));
            }
            complete_to.push(open.number - u64::from(!is_ended));
        }
        own.settle(Flushed::default(), None);
        account.wait()?;
        Ok(complete_to)
    }

    /// Drops what is derived and may hold events that were given up.
    fn drop_derived(&self, all: &mut Reclaimed) -> Result<(), Error> {
        let inner = &self.inner;
        inner.views.renew()?;
        let (storage, saving) = (&*inner.storage, &inner.folds.saving);
        inner.projections.settle();
        all.snapshots += folder::forget_what_was_given_up(storage, &inner.readers)?;
        all.snapshots += fold::snapshots::drop_given_up(storage, &inner.readers, saving)?;
        let left_of = |key: &str, held: &_| dispatcher::left_of(inner, key, held);
        inner.subscriptions.forget_given_up(&left_of)?;
        all.left = inner.put_aside()?;
        all.left.extend(inner.subscriptions.damage());
        Ok(())
    }
}

impl Inner {
    /// The files that recovery or a repair put aside.
    fn put_aside(&self) -> Result<Vec<String>, LogError> {
        let storage = &*self.storage;
        let mut dirs: Vec<_> = (0..self.manifest.shards)
            .map(|shard| format!("shards/{shard:04}"))
            .collect();
        for folder in FOLDERS {
            let numbers = list(storage, folder.name)?.into_iter();
            dirs.extend(numbers.map(|number| format!("{}/{number}", folder.name)));
        }
        dirs.push("subscriptions".to_owned());
        let mut aside = Vec::new();
        for dir in dirs {
            let names = list(storage, &dir)?.into_iter();
            let names = names.filter(|name| name.contains(".cut-") || name.contains(".damaged"));
            aside.extend(names.map(|name| storage.describe(&format!("{dir}/{name}"))));
        }
        Ok(aside)
    }
}

fn list(storage: &dyn Storage, dir: &str) -> Result<Vec<String>, LogError> {
    let names = storage.list(dir);
    names.map_err(|error| LogError::io("list", &storage.describe(dir), error))
}
