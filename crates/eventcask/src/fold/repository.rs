//! Folded aggregates, as they are asked.
//!
//! A load: 1. the state that is kept in memory, if no event came since; 2. otherwise that one, or
//! the newest snapshot, and the events after it; 3. otherwise all events. What it comes to is kept,
//! and saved every so many events.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use eventcask_event::{EventRef, Place};
use eventcask_project::FailedEvent;
use eventcask_shard::{AggregateCursor, Appended, Bounds, Retired, ShardReader};
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::StoreReader;
use crate::fold::shown::Shown;
use crate::fold::snapshots::FoldSnapshots;
use crate::fold::versioned::{Kept, Mark};
use crate::named::Named;
use crate::stats::FoldStats;
use crate::store::engine::Engine;
use crate::store::folds::Counted;
use crate::store::inner::Inner;
use crate::{ApplyError, AsOf, Error, Fold, Reached, Timeout, Versioned};

/// Events between two snapshots of an aggregate, unless set: folding so many takes about as long as
/// reading a snapshot from a disk that is busy.
const SNAPSHOT_EVENTS: u64 = 10_000;
/// Memory for states, unless set.
const CACHE_BYTES: u64 = 64 << 20;
/// The cache is cut into parts of at least so many bytes, at most 32 of them; a state that is
/// larger than its part is never kept.
const CACHE_PART_BYTES: u64 = 128 << 10;
/// What a state takes beside itself and its key, about: marks, counters and what the cache keeps
/// for it.
const STATE_OVERHEAD_BYTES: usize = 256;

/// A [`Fold`] over the aggregates of a store: loads the state of one, now or at a moment of the
/// past.
///
/// It is cheap to clone, and clones share the states that are kept in memory. A load holds every
/// event of the aggregate that was acknowledged before it began; in a store that is open for
/// reading only, every one that [`refresh`](crate::StoreReader::refresh) found. Snapshots lie
/// beside the log, and only a store that is open for writing makes them. They may be deleted or
/// damaged at any time, which only makes loads slower.
///
/// ```
/// use eventcask::{ApplyError, AsOf, Expected, Fold, NewEvent};
/// use eventcask::event::EventRef;
///
/// struct Balance;
///
/// impl Fold for Balance {
///     const NAME: &'static str = "balance";
///     const VERSION: u32 = 1;
///     type State = i64;
///
///     fn apply(&self, cents: &mut i64, event: &EventRef<'_>) -> Result<(), ApplyError> {
///         *cents += i64::from_le_bytes(event.payload.try_into()?);
///         Ok(())
///     }
///
///     fn encode(&self, cents: &i64, out: &mut Vec<u8>) {
///         out.extend_from_slice(&cents.to_le_bytes());
///     }
///
///     fn decode(&self, bytes: &[u8]) -> Option<i64> {
///         bytes.try_into().ok().map(i64::from_le_bytes)
///     }
/// }
///
/// # let directory = tempfile::tempdir()?;
/// # let store = eventcask::open(directory.path().join("s"))?;
/// let balances = store.fold(Balance).snapshot_every(1_000);
/// let mut producer = store.producer();
/// for cents in [500_i64, -20] {
///     let cents = cents.to_le_bytes();
///     let event = NewEvent::bytes("Moved", &cents);
///     producer.append("account-42", Expected::Any, &[event])?.wait()?;
/// }
/// assert_eq!(*balances.load("account-42")?, 480);
/// assert_eq!(*balances.load_as_of("account-42", AsOf::Version(1))?, 500);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Repository<F: Fold> {
    inner: Arc<Inner>,
    fold: Arc<F>,
    cache: Arc<FoldCache<F>>,
    snapshots: Arc<FoldSnapshots>,
    snapshot_every: u64,
}

/// The states that are kept in memory, and what loads found there.
struct FoldCache<F: Fold> {
    states: States<F>,
    snapshots: Arc<FoldSnapshots>,
    hits: AtomicU64,
    misses: AtomicU64,
}

impl<F: Fold> Counted for FoldCache<F> {
    fn stats(&self) -> FoldStats {
        FoldStats {
            name: F::NAME,
            version: F::VERSION,
            kept: self.states.len() as u64,
            bytes: self.states.weight(),
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            snapshot_failure: self.snapshots.failure(),
        }
    }
}

type States<F> = Cache<String, Arc<Kept<<F as Fold>::State>>, StateWeight<F>>;

struct StateWeight<F> {
    fold: Arc<F>,
}

impl<F> Clone for StateWeight<F> {
    fn clone(&self) -> Self {
        Self {
            fold: Arc::clone(&self.fold),
        }
    }
}

impl<F: Fold> Weighter<String, Arc<Kept<F::State>>> for StateWeight<F> {
    fn weight(&self, key: &String, kept: &Arc<Kept<F::State>>) -> u64 {
        (self.fold.bytes(&kept.state) + key.len() + STATE_OVERHEAD_BYTES) as u64
    }
}

impl<F: Fold> Clone for Repository<F> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            fold: Arc::clone(&self.fold),
            cache: Arc::clone(&self.cache),
            snapshots: Arc::clone(&self.snapshots),
            snapshot_every: self.snapshot_every,
        }
    }
}

impl<F: Fold> std::fmt::Debug for Repository<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Repository")
            .field("name", &F::NAME)
            .field("kept", &self.kept())
            .finish_non_exhaustive()
    }
}

fn states_of<F: Fold>(fold: &Arc<F>, bytes: u64) -> States<F> {
    let weight = StateWeight {
        fold: Arc::clone(fold),
    };
    // A part is made for each 32 states that are expected.
    let states = (bytes / CACHE_PART_BYTES).clamp(1, 32) as usize * 32;
    Cache::with_weighter(states, bytes.max(1), weight)
}

/// Makes room for states, which the figures of the store show.
fn cache_of<F: Fold>(
    inner: &Inner,
    fold: &Arc<F>,
    snapshots: &Arc<FoldSnapshots>,
    bytes: u64,
) -> Arc<FoldCache<F>> {
    let cache = Arc::new(FoldCache {
        states: states_of(fold, bytes),
        snapshots: Arc::clone(snapshots),
        hits: AtomicU64::new(0),
        misses: AtomicU64::new(0),
    });
    let counted: Weak<FoldCache<F>> = Arc::downgrade(&cache);
    inner.folds.add(counted);
    cache
}

impl<F: Fold> Repository<F> {
    pub(crate) fn new(inner: Arc<Inner>, fold: F) -> Self {
        let (storage, store) = (Arc::clone(&inner.storage), inner.manifest.store);
        let fold = Arc::new(fold);
        let saving = Arc::clone(&inner.folds.saving);
        let snapshots = FoldSnapshots::new(storage, store, saving, (F::NAME, F::VERSION));
        let snapshots = Arc::new(snapshots);
        Self {
            cache: cache_of(&inner, &fold, &snapshots, CACHE_BYTES),
            snapshots,
            snapshot_every: SNAPSHOT_EVENTS,
            inner,
            fold,
        }
    }

    /// How many events of an aggregate lie between two of its snapshots: 10,000 by default. A load
    /// that finds nothing kept folds fewer than twice as many. Each aggregate of at least so many
    /// events that is loaded has one file.
    #[must_use]
    pub fn snapshot_every(mut self, events: u64) -> Self {
        self.snapshot_every = events.max(1);
        self
    }

    /// Bytes of memory for states, by [`Fold::bytes`]: 64 MiB by default. States that are loaded
    /// most stay, and one that is larger than a thirty-second of them is not kept. Nothing is kept
    /// yet afterwards.
    #[must_use]
    pub fn cache_bytes(mut self, bytes: u64) -> Self {
        self.cache = cache_of(&self.inner, &self.fold, &self.snapshots, bytes);
        self
    }

    /// How many states are kept in memory.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.cache.states.len()
    }

    /// Why the last snapshot could not be written, if it could not. Loads are right all the same,
    /// and slower later.
    #[must_use]
    pub fn snapshot_failure(&self) -> Option<String> {
        self.snapshots.failure()
    }

    /// The state of an aggregate now; the default one where the aggregate does not exist.
    ///
    /// # Errors
    /// [`Error::Stopped`] where [`Fold::apply`] gives an error, damage, or what the disk said.
    ///
    /// # Panics
    /// Where [`Fold::apply`] does.
    pub fn load(&self, key: &str) -> Result<Versioned<F::State>, Error> {
        let reader = self.reader(key);
        let kept = self.kept_of(reader, key);
        if let Some(kept) = &kept
            && kept.is_newest(reader.newest_resident(key))
        {
            self.cache.hits.fetch_add(1, Ordering::Relaxed);
            return Ok(Versioned::new(Arc::clone(kept)));
        }
        self.cache.misses.fetch_add(1, Ordering::Relaxed);
        self.load_newer(reader, key, kept)
    }

    /// A state of an aggregate that holds the event at a place, and all before it. The cached state
    /// is enough if it holds that event, even where newer ones exist; otherwise the current one is
    /// loaded. Where [`Timeout::Stale`] is over, it is the one that there is.
    ///
    /// The place is one that an append was answered, to this aggregate or to any other: where that
    /// is of another shard, there is nothing to wait for. A store that is open for writing shows
    /// what was acknowledged, so this waits only for what is still to come. One that is open for
    /// reading only takes up what another process wrote, if need be, and then waits for
    /// [`refresh`](crate::StoreReader::refresh) to get there.
    ///
    /// # Errors
    /// [`Error::Behind`] where [`Timeout::Error`] is over, [`Error::NotFound`], or that the
    /// store was closed; otherwise as [`load`](Self::load).
    ///
    /// # Panics
    /// Where [`Fold::apply`] does.
    ///
    /// ```
    /// # use eventcask::{ApplyError, Fold};
    /// # use eventcask::event::EventRef;
    /// # struct Count;
    /// # impl Fold for Count {
    /// #     const NAME: &'static str = "count";
    /// #     const VERSION: u32 = 1;
    /// #     type State = u64;
    /// #     fn apply(&self, count: &mut u64, _: &EventRef<'_>) -> Result<(), ApplyError> {
    /// #         *count += 1;
    /// #         Ok(())
    /// #     }
    /// #     fn encode(&self, count: &u64, out: &mut Vec<u8>) { out.extend(count.to_le_bytes()); }
    /// #     fn decode(&self, bytes: &[u8]) -> Option<u64> { bytes.try_into().ok().map(u64::from_le_bytes) }
    /// # }
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path().join("s"))?;
    /// use std::time::Duration;
    /// use eventcask::{ErrorKind, Expected, NewEvent, Place, Timeout};
    /// let counts = store.fold(Count);
    /// let mut producer = store.producer();
    /// let ticket = producer.append("walk", Expected::Any, &[NewEvent::json("Step", b"{}")])?;
    /// let place = ticket.wait()?.place();
    /// let soon = Timeout::Error(Duration::from_millis(10));
    /// assert_eq!(*counts.load_at_least("walk", place, soon)?, 1);
    ///
    /// let later = Place::new(place.shard, place.position + 1);
    /// let later = counts.load_at_least("walk", later, soon).map(|_| ());
    /// assert_eq!(later.map_err(|error| error.kind()), Err(ErrorKind::Behind));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn load_at_least(
        &self,
        key: &str,
        place: Place,
        timeout: Timeout,
    ) -> Result<Versioned<F::State>, Error> {
        let reader = self.reader(key);
        let Place { shard, position } = place;
        if shard != reader.shard() {
            self.check_shard(shard)?;
            return self.load(key);
        }
        let holds = |kept: &Arc<Kept<F::State>>| {
            kept.newest
                .is_some_and(|newest| newest.position >= position)
        };
        if let Some(kept) = self.kept_of(reader, key).filter(holds) {
            self.cache.hits.fetch_add(1, Ordering::Relaxed);
            return Ok(Versioned::new(kept));
        }
        if reader.published().watermark <= position {
            self.inner.refresh()?;
            self.reaches(place).wait(timeout)?;
        }
        self.load(key)
    }

    /// Comes true once a load holds the event at a place: what [`load_at_least`](Self::load_at_least)
    /// waits for, to be awaited from any async runtime; time-outs are those of the runtime.
    pub fn reaches(&self, place: Place) -> Reached {
        let shown = Shown::new(Arc::clone(&self.inner), F::NAME);
        Reached::new(Arc::new(shown), place)
    }

    /// The state of an aggregate as it was at a moment; the default one where it had no event then.
    /// Where a snapshot, or the state that is kept, is from before that moment, it is folded on
    /// from there.
    ///
    /// # Errors
    /// [`Error::Stopped`] where [`Fold::apply`] gives an error, damage, or what the disk said.
    ///
    /// # Panics
    /// Where [`Fold::apply`] does.
    pub fn load_as_of(&self, key: &str, moment: AsOf) -> Result<Versioned<F::State>, Error> {
        let reader = self.reader(key);
        let bounds = bounds_of(moment);
        let is_before = |kept: &Kept<F::State>| kept.is_within(&bounds);
        let kept = self.kept_of(reader, key).filter(|kept| is_before(kept));
        let start = kept.map(Arc::unwrap_or_clone);
        let start = match start {
            None => self.snapshot_of(reader, key)?.filter(is_before),
            kept => kept,
        };
        let (mut then, _) = self.fold_shown(reader, key, start.unwrap_or_default(), bounds)?;
        then.newest = then.last;
        Ok(Versioned::new(Arc::new(then)))
    }

    /// Keeps the state of an aggregate after an append of so many events that was decided by the one
    /// `before`, so that the next load need not read and fold what was appended.
    ///
    /// `state` has to be what [`Fold::apply`] makes of `before` and the appended events, or loads
    /// give what never was. Where the append was answered that the events are duplicates, or does
    /// not come right after `before`, as one that expected nothing may not, nothing is kept.
    ///
    /// ```
    /// # use eventcask::{ApplyError, Fold};
    /// # use eventcask::event::EventRef;
    /// # struct Count;
    /// # impl Fold for Count {
    /// #     const NAME: &'static str = "count";
    /// #     const VERSION: u32 = 1;
    /// #     type State = u64;
    /// #     fn apply(&self, count: &mut u64, _: &EventRef<'_>) -> Result<(), ApplyError> {
    /// #         *count += 1;
    /// #         Ok(())
    /// #     }
    /// #     fn encode(&self, count: &u64, out: &mut Vec<u8>) { out.extend(count.to_le_bytes()); }
    /// #     fn decode(&self, bytes: &[u8]) -> Option<u64> { bytes.try_into().ok().map(u64::from_le_bytes) }
    /// # }
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path().join("s"))?;
    /// use eventcask::NewEvent;
    ///
    /// let counts = store.fold(Count);
    /// let before = counts.load("walk")?;
    /// let step = NewEvent::json("Step", b"{}");
    /// let stored = store.append("walk", before.expected(), &[step])?.wait()?;
    /// counts.keep("walk", &before, &stored, 1, *before + 1);
    /// assert_eq!(*counts.load("walk")?, 1);
    /// assert_eq!(counts.stats().hits, 1); // nothing was read for it
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn keep(
        &self,
        key: &str,
        before: &Versioned<F::State>,
        appended: &Appended,
        events: u64,
        state: F::State,
    ) {
        let Appended::Stored { place, version } = *appended else {
            return;
        };
        if before.version().checked_add(events) != Some(version) {
            return;
        }
        let reader = self.reader(key);
        let is_newer = |kept: &Arc<Kept<F::State>>| {
            kept.newest.is_some_and(|at| at.position >= place.position)
        };
        if self.kept_of(reader, key).as_ref().is_some_and(is_newer) {
            return;
        }
        let Some((first, last)) = ends_of(reader, key, place, before.version()..version) else {
            return;
        };
        let mut kept = Kept {
            state,
            first: before.first().or(Some(first)),
            last: Some(last),
            newest: Some(last),
            saved: before.saved(),
        };
        self.save_if_due(reader, key, &mut kept);
        self.cache.states.insert(key.to_owned(), Arc::new(kept));
    }

    /// How many states are kept in memory, what they take, and how often a load found its own
    /// there: the same as in [`Stats::folds`](crate::stats::Stats::folds).
    /// [`cache_bytes`](Self::cache_bytes) begins anew.
    #[must_use]
    pub fn stats(&self) -> FoldStats {
        self.cache.stats()
    }

    fn reader(&self, key: &str) -> &Arc<ShardReader> {
        self.inner.reader_of(key)
    }

    fn check_shard(&self, shard: u32) -> Result<(), Error> {
        match self.inner.readers.get(shard as usize) {
            Some(_) => Ok(()),
            None => Err(Error::no_shard(shard)),
        }
    }

    /// The state that is kept in memory, unless events in it were given up since.
    fn kept_of(&self, reader: &ShardReader, key: &str) -> Option<Arc<Kept<F::State>>> {
        let kept = self.cache.states.get(key)?;
        let retired: Arc<Retired> = Arc::clone(&reader.published().retired);
        kept.is_shown(&retired, key).then_some(kept)
    }

    fn load_newer(
        &self,
        reader: &Arc<ShardReader>,
        key: &str,
        kept: Option<Arc<Kept<F::State>>>,
    ) -> Result<Versioned<F::State>, Error> {
        let start = match kept.map(Arc::unwrap_or_clone) {
            None => self.snapshot_of(reader, key)?,
            kept => kept,
        };
        let start = start.unwrap_or_default();
        let (mut now, newest) = self.fold_shown(reader, key, start, Bounds::default())?;
        now.newest = match now.last {
            Some(last) if Some(last.position) == newest => Some(last),
            last => newest_of(reader, key, newest)?.or(last),
        };
        self.save_if_due(reader, key, &mut now);
        let now = Arc::new(now);
        self.cache.states.insert(key.to_owned(), Arc::clone(&now));
        Ok(Versioned::new(now))
    }

    /// The state of the newest snapshot, if there is one that still holds.
    fn snapshot_of(
        &self,
        reader: &ShardReader,
        key: &str,
    ) -> Result<Option<Kept<F::State>>, Error> {
        // Where there can be none, no file is looked for.
        let newest = newest_of(reader, key, reader.newest(key)?)?;
        if newest.is_none_or(|newest| newest.version < self.snapshot_every) {
            return Ok(None);
        }
        let retired = Arc::clone(&reader.published().retired);
        let found = self.snapshots.find(reader, key).and_then(|snapshot| {
            Some(Kept {
                state: self.fold.decode(&snapshot.state)?,
                first: Some(snapshot.first),
                last: Some(snapshot.last),
                newest: Some(snapshot.last),
                saved: snapshot.last.version,
            })
        });
        Ok(found.filter(|kept| kept.is_shown(&retired, key)))
    }

    /// As [`fold_on`](Self::fold_on), and anew from the beginning each time that events in the
    /// state were given up meanwhile: it would lack those between, and be one that never was.
    fn fold_shown(
        &self,
        reader: &Arc<ShardReader>,
        key: &str,
        mut start: Kept<F::State>,
        bounds: Bounds,
    ) -> Result<(Kept<F::State>, Option<u64>), Error> {
        loop {
            let (folded, newest) = self.fold_on(reader, key, start, bounds)?;
            let retired = Arc::clone(&reader.published().retired);
            if folded.is_shown(&retired, key) {
                return Ok((folded, newest));
            }
            start = Kept::default();
        }
    }

    /// Folds the events after those in `kept` into it, as far as the bounds go. Says the position
    /// of the aggregate's newest event as well.
    fn fold_on(
        &self,
        reader: &Arc<ShardReader>,
        key: &str,
        mut kept: Kept<F::State>,
        bounds: Bounds,
    ) -> Result<(Kept<F::State>, Option<u64>), Error> {
        let bounds = Bounds {
            from_version: kept.last.map_or(1, |last| last.version + 1),
            ..bounds
        };
        let mut aggregate = AggregateCursor::load(Arc::clone(reader), key, bounds)?;
        while let Some((block, rows)) = aggregate.next_block()? {
            let events = block.events();
            for row in &rows {
                let event = events.event(*row as usize);
                let applied = self.fold.apply(&mut kept.state, &event);
                applied.map_err(|reason| not_applied::<F>(&event, *row as usize, reason))?;
            }
            let ends = rows.first().zip(rows.last());
            if let Some((first, last)) = ends {
                kept.first.get_or_insert(Mark::of(&events, *first as usize));
                kept.last = Some(Mark::of(&events, *last as usize));
            }
        }
        Ok((kept, aggregate.newest()))
    }

    fn save_if_due(&self, reader: &ShardReader, key: &str, kept: &mut Kept<F::State>) {
        let is_writer = self.inner.engine.as_deref().is_some_and(Engine::is_running);
        let (Some(first), Some(last)) = (kept.first, kept.last) else {
            return;
        };
        if !is_writer || last.version - kept.saved < self.snapshot_every {
            return;
        }
        let mut state = Vec::new();
        self.fold.encode(&kept.state, &mut state);
        self.snapshots.save(reader, key, first, last, state);
        // Where it could not be saved, it is tried again after as many events.
        kept.saved = last.version;
    }
}

/// An event that the code of a fold can not apply.
fn not_applied<F: Fold>(event: &EventRef<'_>, row: usize, reason: ApplyError) -> Error {
    let failed = FailedEvent {
        row,
        key: event.key.to_owned(),
        version: event.version,
        position: event.position,
        reason,
    };
    Error::Stopped {
        what: Named::Fold,
        name: F::NAME.to_owned(),
        shard: Some(event.shard),
        reason: failed.to_string(),
    }
}

fn bounds_of(moment: AsOf) -> Bounds {
    let mut bounds = Bounds::default();
    match moment {
        AsOf::Version(version) => bounds.to_version = version,
        AsOf::Position(position) => bounds.to_position = position,
        AsOf::Time(time) => bounds.until = time,
    }
    bounds
}

/// The event of an aggregate at a position, which readers may not be shown.
fn newest_of(
    reader: &ShardReader,
    key: &str,
    position: Option<u64>,
) -> Result<Option<Mark>, Error> {
    let Some(position) = position else {
        return Ok(None);
    };
    let block = reader.block_of(key, position)?;
    Ok(block.and_then(|block| {
        let events = block.events();
        let row = events.row_at(position)?;
        let is_of_key = events.key(events.aggregate_index(row)) == key;
        is_of_key.then(|| Mark::of(&events, row))
    }))
}

/// The first and the last event of an append to an aggregate, which ended at a place and brought it
/// from one version to another.
fn ends_of(
    reader: &ShardReader,
    key: &str,
    place: Place,
    versions: Range<u64>,
) -> Option<(Mark, Mark)> {
    let events = versions.end.checked_sub(versions.start)?.checked_sub(1)?;
    let mark = |position, version| {
        let found = newest_of(reader, key, Some(position)).ok()??;
        (found.version == version).then_some(found)
    };
    let last = mark(place.position, versions.end)?;
    let first = match events {
        0 => last,
        // The events of an append lie one after the other.
        events => mark(place.position.checked_sub(events)?, versions.start + 1)?,
    };
    (place.shard == reader.shard()).then_some((first, last))
}

impl StoreReader {
    /// Folds the events of single aggregates into states, and keeps those that are loaded most.
    ///
    /// One handle, or clones of it, should serve the whole process: they share what is kept.
    #[must_use]
    pub fn fold<F: Fold>(&self, fold: F) -> Repository<F> {
        Repository::new(Arc::clone(&self.inner), fold)
    }
}
