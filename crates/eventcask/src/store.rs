//! The handle that users hold.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use eventcask_event::Timestamp;
use eventcask_log::{
    Ends, Error as LogError, ErrorKind as LogErrorKind, Manifest, ShardDir, SourceMark, Storage,
    Tail,
};
use eventcask_project::{Projection, ViewSpec};
use eventcask_shard::{Account, KeyHasher, Refused, ShardReader, Stages};

use crate::arrivals::Arrivals;
use crate::engine::{Engine, Followers, OwnedWorker, Workers};
use crate::feeds::Feeds;
use crate::folds::Folds;
use crate::producer::Origin;
use crate::projection::{self, Projections};
use crate::sealer::Sealer;
use crate::subscriptions::Subscriptions;
use crate::views::Views;
use crate::waiters::Woken;
use crate::{
    AggregateReader, Error, ErrorKind, FeedOptions, Fold, Folded, KeptProjection, Options, Parked,
    Producer, Projected, ProjectionOptions, ReadModel, Scan, Stats, Subscribe, View, parallel,
    retention, side_files,
};

/// An open event store: a cheap handle that can be cloned and shared between threads.
///
/// The store is closed when the last handle and the last producer are gone; [`close`](Self::close)
/// does it at once and tells how it went.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) manifest: Manifest,
    pub(crate) hasher: KeyHasher,
    pub(crate) readers: Vec<Arc<ShardReader>>,
    pub(crate) views: Arc<Views>,
    pub(crate) projections: Arc<Projections>,
    /// How far named subscriptions got.
    pub(crate) subscriptions: Subscriptions,
    /// Tells subscriptions that there is something new.
    pub(crate) arrivals: Arc<Arrivals>,
    pub(crate) feeds: Arc<Feeds>,
    /// What folds over aggregates keep in memory.
    pub(crate) folds: Folds,
    pub(crate) sealer: Sealer,
    pub(crate) storage: Arc<dyn Storage>,
    /// The writing half; readers have none.
    pub(crate) engine: Option<Engine>,
    /// Where a reader goes on, one a shard.
    tails: Mutex<Vec<Tail>>,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Store({})", self.storage.describe(""))
    }
}

pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Nanoseconds since 1970 by the system's clock.
pub(crate) fn now_nanos() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
    })
}

/// 128 random bits from the seeds that the system gives to hash tables.
fn random_id() -> u128 {
    let half = || u128::from(RandomState::new().build_hasher().finish());
    half() << 64 | half()
}

impl Store {
    /// Options to open a store with.
    pub fn options() -> Options {
        Options::default()
    }

    pub(crate) fn open_writer(
        options: &Options,
        by: Workers,
        storage: Arc<dyn Storage>,
    ) -> Result<(Self, Vec<OwnedWorker>), Error> {
        let is_new = !Manifest::exists(&*storage)?;
        if is_new {
            prepare(options, &*storage)?;
        }
        let lock = storage
            .lock()
            .map_err(|error| LogError::io("lock", &storage.describe(""), error))?;
        let Some(lock) = lock else {
            return Err(locked_by_another(&*storage).into());
        };
        // Another process may have made the store before this one got the lock.
        if is_new && !Manifest::exists(&*storage)? {
            create(options, &storage)?;
        }
        let manifest = Manifest::read(&*storage)?;
        check_writable(options, &manifest, &*storage)?;
        let hasher = KeyHasher::default();
        let caches = options.caches();
        let opened = Engine::recover(
            &storage,
            &manifest,
            &hasher,
            &caches,
            options.dedup_settings(manifest.shards),
        )?;
        eventcask_log::keep_reserve(&*storage);
        let ends = opened
            .iter()
            .map(|shard| shard.reader.published().watermark);
        Ends::new(ends.collect()).note(&*storage, &manifest)?;
        retention::apply(
            &*storage,
            &manifest,
            opened.iter().map(|shard| &*shard.reader),
        )?;
        let readers: Vec<_> = opened
            .iter()
            .map(|shard| Arc::clone(&shard.reader))
            .collect();
        let views = Arc::new(Views::open(
            Arc::clone(&storage),
            manifest.store,
            &readers,
            options.view_snapshot_events,
            true,
        )?);
        let subscriptions = Subscriptions::open(&storage, manifest.store, &readers, true)?;
        projection::forget_what_is_ahead(&*storage, &readers)?;
        let projections = Arc::default();
        let (arrivals, feeds) = (Arc::default(), Arc::default());
        let followers = Followers {
            views: Arc::clone(&views),
            projections: Arc::clone(&projections),
            arrivals: Arc::clone(&arrivals),
            feeds: Arc::clone(&feeds),
        };
        let (engine, sealer, owned) = Engine::start(options, by, opened, &followers, lock)?;
        let tails = Mutex::default();
        let inner = Inner {
            manifest,
            hasher,
            readers,
            views,
            projections,
            subscriptions,
            arrivals,
            feeds,
            folds: Folds::default(),
            sealer,
            engine: Some(engine),
            storage,
            tails,
        };
        let inner = Arc::new(inner);
        Ok((Self { inner }, owned))
    }

    pub(crate) fn open_reader(options: &Options, storage: Arc<dyn Storage>) -> Result<Self, Error> {
        let manifest = Manifest::read(&*storage)?;
        let hasher = KeyHasher::default();
        let caches = options.caches();
        let open = |shard| {
            let dir = ShardDir::new(Arc::clone(&storage), &manifest, shard as u32);
            ShardReader::open(dir, hasher.clone(), caches.clone())
        };
        let opened = parallel::map(manifest.shards as usize, open);
        let opened: Result<Vec<_>, LogError> = opened.into_iter().collect();
        let (readers, tails): (Vec<_>, Vec<_>) = opened?
            .into_iter()
            .map(|(reader, tail)| (Arc::new(reader), tail))
            .unzip();
        retention::apply(&*storage, &manifest, readers.iter().map(|reader| &**reader))?;
        let views = Arc::new(Views::open(
            Arc::clone(&storage),
            manifest.store,
            &readers,
            options.view_snapshot_events,
            false,
        )?);
        let subscriptions = Subscriptions::open(&storage, manifest.store, &readers, false)?;
        let inner = Inner {
            manifest,
            hasher,
            readers,
            views,
            projections: Arc::default(),
            subscriptions,
            arrivals: Arc::default(),
            feeds: Arc::default(),
            folds: Folds::default(),
            sealer: Sealer::default(),
            storage,
            engine: None,
            tails: Mutex::new(tails),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// A producer of events, for one thread.
    ///
    /// # Panics
    /// When the store is open for reading only.
    #[must_use]
    pub fn producer(&self) -> Producer {
        assert!(self.inner.engine.is_some(), "{}", Error::ReadOnly);
        Producer::new(Arc::clone(&self.inner), Origin::Unmarked)
    }

    /// A producer of the rows of an upstream that can be read again: a file, a topic, a table.
    ///
    /// Each row has an offset that rises. The store keeps with the events how far the source
    /// was consumed, so rows that it has are recognised without an id; see
    /// [`source_marks`](Self::source_marks).
    ///
    /// # Errors
    /// [`Error::ReadOnly`], [`Error::SourceInUse`] while another producer of the same source
    /// is open, or a name that is empty or too long.
    pub fn producer_from(&self, source: &str) -> Result<Producer, Error> {
        eventcask_event::check_source(source)?;
        self.take_source(source)?;
        let origin = Origin::Source(source.to_owned());
        Ok(Producer::new(Arc::clone(&self.inner), origin))
    }

    /// Keeps other producers of a source out.
    pub(crate) fn take_source(&self, source: &str) -> Result<(), Error> {
        if locked(&self.engine()?.sources).insert(source.to_owned()) {
            return Ok(());
        }
        Err(Error::SourceInUse {
            name: source.to_owned(),
        })
    }

    /// How far each shard has durably consumed a source; `None` where it has nothing of it.
    #[must_use]
    pub fn source_marks(&self, source: &str) -> Vec<Option<SourceMark>> {
        let mark_in = |reader: &Arc<ShardReader>| {
            reader
                .published()
                .marks
                .iter()
                .find(|mark| mark.source == source)
                .cloned()
        };
        self.inner.readers.iter().map(mark_in).collect()
    }

    /// Reads the events of one aggregate.
    pub fn aggregate(&self, key: &str) -> AggregateReader {
        AggregateReader::new(Arc::clone(&self.inner), key)
    }

    /// Folds the events of single aggregates into states, and keeps those that are loaded most.
    ///
    /// One handle, or clones of it, should serve the whole process: they share what is kept.
    #[must_use]
    pub fn fold<F: Fold>(&self, fold: F) -> Folded<F> {
        Folded::new(Arc::clone(&self.inner), fold)
    }

    /// Reads the events of all aggregates.
    pub fn events(&self) -> Scan {
        Scan::new(Arc::clone(&self.inner))
    }

    /// Says which events a subscription is to: what is stored, and then what is new.
    pub fn subscribe(&self) -> Subscribe {
        Subscribe::new(Arc::clone(&self.inner))
    }

    /// Forgets how far a named subscription got. The next one of this name begins anew.
    ///
    /// # Errors
    /// [`Error::UnknownSubscription`], [`Error::SubscriptionInUse`], [`Error::ReadOnly`], or what
    /// the disk said.
    pub fn drop_subscription(&self, name: &str) -> Result<(), Error> {
        self.running()?;
        self.inner.subscriptions.remove(name)
    }

    /// The aggregates that are parked in a group of consumers, by key, as of when it was last saved, which
    /// is whenever one is parked. A [`ConsumerGroup`](crate::ConsumerGroup) of that name redrives them.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path())?;
    /// use eventcask::{NewEvent, Retry};
    /// let mut producer = store.producer();
    /// producer.push("order-1", &NewEvent::json("Placed", b"{}"))?;
    /// producer.flush()?.wait()?;
    /// let group = store.subscribe().group("mailer", Retry::default())?;
    /// group.try_claim()?.ok_or("one is there")?.park("the address is wrong")?;
    ///
    /// assert_eq!(store.parked("mailer")?[0].key, "order-1");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::UnknownSubscription`].
    pub fn parked(&self, name: &str) -> Result<Vec<Parked>, Error> {
        let saved = self.inner.subscriptions.saved(name)?;
        Ok(Parked::all_of(&saved.held))
    }

    /// Makes everything durable on the disk that was handed over before, whatever the store's
    /// durability. What a producer has not flushed is not handed over yet.
    ///
    /// # Errors
    /// The first refusal of a shard, or [`Error::ReadOnly`].
    pub fn flush(&self) -> Result<(), Error> {
        let (account, own) = Account::open();
        for shard in &self.engine()?.shards {
            shard.inbox.flush(Account::share(&account));
        }
        own.settle(eventcask_shard::Flushed::default(), None);
        account.wait()?;
        Ok(())
    }

    /// Closes the store: everything handed over is made durable; views, projections and what groups of
    /// consumers have handled are saved; the log gets the mark of a clean end. Other handles and
    /// producers find it closed.
    ///
    /// # Errors
    /// What the disk said; what was acknowledged is durable all the same. [`Error::Owned`] where a
    /// [`crate::ShardOwner`] is still there.
    pub fn close(self) -> Result<(), Error> {
        let closed = match &self.inner.engine {
            Some(engine) if engine.owned().load(Ordering::Acquire) > 0 => return Err(Error::Owned),
            Some(engine) => {
                let kept = self.inner.subscriptions.end();
                self.inner.sealer.stop();
                let mut woken = Woken::default();
                let stopped = engine.stop(|is_durable| self.inner.save_all(is_durable, &mut woken));
                self.inner.feeds.end(&self.positions());
                woken.wake();
                stopped.and(kept)
            }
            None => Ok(()),
        };
        self.inner.arrivals.end();
        closed
    }

    /// Number of shards.
    #[must_use]
    pub fn shards(&self) -> u32 {
        self.inner.manifest.shards
    }

    /// When the store was made.
    #[must_use]
    pub fn created(&self) -> Timestamp {
        Timestamp::from_nanos(self.inner.manifest.created)
    }

    /// Seals all segments that are complete, without giving way to anyone, and returns when it is
    /// done: how many segments. It is done in the background as well; see [`Options::seal`].
    ///
    /// # Errors
    /// [`Error::ReadOnly`], damage, or what the disk said; a segment that was not sealed is as it
    /// was before.
    pub fn seal(&self) -> Result<u64, Error> {
        self.running()?;
        self.inner.sealer.seal_all()
    }

    /// The position after the last durable event, one a shard.
    #[must_use]
    pub fn positions(&self) -> Vec<u64> {
        self.inner
            .readers
            .iter()
            .map(|reader| reader.published().watermark)
            .collect()
    }

    /// Takes up what another process has written, in a store that is open for reading only;
    /// otherwise there is nothing to do.
    ///
    /// # Errors
    /// Damage, or what the disk said.
    pub fn refresh(&self) -> Result<(), Error> {
        self.inner.refresh()
    }

    /// Figures of the store.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats::of(&self.inner)
    }

    /// Where the time of the engine's threads went since the store was opened, over all shards.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path())?;
    /// use eventcask::NewEvent;
    /// let before = store.stages();
    /// let mut producer = store.producer();
    /// producer.push("account-42", &NewEvent::json("Deposited", b"{}"))?;
    /// producer.flush()?.wait()?;
    /// let stages = store.stages().since(&before);
    /// assert_eq!(stages.events, 1);
    /// assert!(stages.decide_ns > 0 && stages.write_ns > 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn stages(&self) -> Stages {
        let mut all = Stages::default();
        for reader in &self.inner.readers {
            all.add(&reader.stages());
        }
        all
    }

    /// Makes a view, fills it with all events and keeps it up to date from then on.
    ///
    /// # Errors
    /// [`Error::ViewExists`], [`Error::ViewName`], [`Error::ReadOnly`], or what the disk said.
    pub fn create_view(&self, name: &str, spec: ViewSpec) -> Result<View, Error> {
        self.running()?;
        let live = self.inner.views.create(name, spec, &self.inner.readers)?;
        Ok(View::new(Arc::clone(&self.inner), live))
    }

    /// The view of this name.
    ///
    /// # Errors
    /// [`Error::UnknownView`].
    pub fn view(&self, name: &str) -> Result<View, Error> {
        Ok(View::new(
            Arc::clone(&self.inner),
            self.inner.views.find(name)?,
        ))
    }

    /// All views, by name.
    #[must_use]
    pub fn views(&self) -> Vec<View> {
        let views = self.inner.views.list().into_iter();
        views
            .map(|live| View::new(Arc::clone(&self.inner), live))
            .collect()
    }

    /// Fills a view anew from all events, beside the one in use, then puts it in its place.
    ///
    /// # Errors
    /// [`Error::UnknownView`], [`Error::ReadOnly`], or what the disk said.
    pub fn rebuild_view(&self, name: &str) -> Result<(), Error> {
        self.running()?;
        self.inner.views.rebuild(name, &self.inner.readers)
    }

    /// Removes a view and what is kept of it.
    ///
    /// # Errors
    /// [`Error::UnknownView`], [`Error::ReadOnly`], or what the disk said.
    pub fn drop_view(&self, name: &str) -> Result<(), Error> {
        self.running()?;
        self.inner.views.remove(name)
    }

    /// What is kept of projections with snapshots, by name, whichever process runs them: how far they had
    /// come when they were last saved. Reads the head of each snapshot.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path())?;
    /// for kept in store.kept_projections()? {
    ///     println!("{} {}: {} events to go", kept.name, kept.version, kept.lag_events);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// What the disk said.
    pub fn kept_projections(&self) -> Result<Vec<KeptProjection>, Error> {
        let inner = &*self.inner;
        projection::list_kept(&*inner.storage, inner.manifest.store, &inner.readers)
    }

    /// Has a projection follow the store, as its options say; [`ProjectionOptions::start`] begins. In a
    /// store that is open for reading only, it follows what [`refresh`](Self::refresh) finds.
    pub fn projection<P: Projection>(&self, projection: P) -> ProjectionOptions<P> {
        ProjectionOptions::new(Arc::clone(&self.inner), projection)
    }

    /// Has a projection follow the store, for as long as the handle or a clone of it is held: the same
    /// as [`projection`](Self::projection)`(..).sync().start()`. Its states are filled from the log
    /// first; from then on each event is applied once it is durable and before its append is answered.
    ///
    /// # Errors
    /// As [`ProjectionOptions::start`].
    pub fn project<P: Projection>(&self, projection: P) -> Result<Projected<P>, Error> {
        self.projection(projection).sync().start()
    }

    /// Says how a read model in a database of its own is to be fed with the events of this store;
    /// [`FeedOptions::start`] begins. In a store that is open for reading only, it is fed with what
    /// [`refresh`](Self::refresh) finds.
    pub fn feed(&self, model: impl ReadModel) -> FeedOptions {
        FeedOptions::new(Arc::clone(&self.inner), Box::new(model))
    }

    /// The writing half, unless the store was closed.
    pub(crate) fn running(&self) -> Result<&Engine, Error> {
        let engine = self.engine()?;
        if engine.is_running() {
            Ok(engine)
        } else {
            Err(Refused::Closed.into())
        }
    }

    pub(crate) fn engine(&self) -> Result<&Engine, Error> {
        self.inner.engine.as_ref().ok_or(Error::ReadOnly)
    }
}

impl Inner {
    /// Takes up what another process has written, where this one only reads.
    pub(crate) fn refresh(&self) -> Result<(), Error> {
        let mut tails = locked(&self.tails);
        if tails.is_empty() {
            return Ok(());
        }
        for (tail, reader) in tails.iter_mut().zip(&self.readers) {
            reader.follow(tail)?;
        }
        drop(tails);
        self.arrivals.tell();
        let readers = self.readers.iter().map(|reader| &**reader);
        retention::apply(&*self.storage, &self.manifest, readers)?;
        self.feeds.ring();
        self.projections.refresh();
        Ok(())
    }

    /// Whether the store is open for writing.
    pub(crate) fn is_running(&self) -> bool {
        self.engine.as_ref().is_some_and(Engine::is_running)
    }

    /// Saves what follows the log, which is at its end, and notes that end where it is durable. Who waits
    /// for more is to be woken.
    fn save_all(&self, is_durable: bool, woken: &mut Woken) -> Result<(), Error> {
        let views = unless_full(self.views.save_all());
        let projections = unless_full(self.projections.close(woken));
        let noted = match is_durable {
            true => self.note_ends(),
            false => Ok(()),
        };
        views.and(projections).and(noted)
    }

    fn note_ends(&self) -> Result<(), Error> {
        let ends = self
            .readers
            .iter()
            .map(|reader| reader.published().watermark);
        Ok(Ends::new(ends.collect()).note(&*self.storage, &self.manifest)?)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(engine) = &self.engine {
            self.sealer.stop();
            // Nobody is left to be told; `close` tells.
            let mut woken = Woken::default();
            let _ = engine.stop(|is_durable| self.save_all(is_durable, &mut woken));
            woken.wake();
        }
    }
}

/// A snapshot for which there is no room is no reason to fail: the next opening makes its state of the
/// one before and the log.
fn unless_full(saved: Result<(), Error>) -> Result<(), Error> {
    match saved {
        Err(error) if error.kind() == ErrorKind::StorageFull => Ok(()),
        other => other,
    }
}

/// Makes the directory of a new store, so that it can be locked.
fn prepare(options: &Options, storage: &dyn Storage) -> Result<(), Error> {
    if !options.create {
        Manifest::read(storage)?;
    }
    Manifest::new(0, options.new_shards(), 0)?;
    refuse_foreign_files(storage)?;
    let made = storage.create_dir("");
    Ok(made.map_err(|error| LogError::io("make", &storage.describe(""), error))?)
}

/// Makes the files of a new store; it exists once its manifest does.
fn create(options: &Options, storage: &Arc<dyn Storage>) -> Result<(), Error> {
    let manifest = Manifest::new(random_id(), options.new_shards(), now_nanos())?;
    for shard in 0..manifest.shards {
        ShardDir::new(Arc::clone(storage), &manifest, shard).create()?;
    }
    Ok(manifest.create(&**storage)?)
}

/// A store is made in a directory that is empty, or holds the beginnings of one.
fn refuse_foreign_files(storage: &dyn Storage) -> Result<(), LogError> {
    let here = storage.describe("");
    let refused = |reason: &str| {
        Err(LogError::new(
            LogErrorKind::NotAStore,
            format!("{here} {reason}"),
        ))
    };
    if Manifest::unfinished(storage)?.is_some() {
        // It says what the directory is.
        return Manifest::read(storage).map(drop);
    }
    let names = side_files::list(storage, "")?;
    if let Some(name) = names.iter().find(|name| !side_files::is_ours(name)) {
        return refused(&format!(
            "is not an event store and not empty: it holds {name:?}; choose another directory"
        ));
    }
    if names.iter().any(|name| side_files::is_data(name)) || has_segments(storage)? {
        return refused(
            "holds the files of an event store and has lost its MANIFEST: bring that back, or make the copy once more",
        );
    }
    Ok(())
}

/// Whether a shard has anything in its log.
fn has_segments(storage: &dyn Storage) -> Result<bool, LogError> {
    for shard in side_files::list(storage, "shards")? {
        let names = side_files::list(storage, &format!("shards/{shard}"))?;
        if names.iter().any(|name| name.ends_with(".segment")) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn locked_by_another(storage: &dyn Storage) -> LogError {
    let here = storage.describe("");
    let mut pid = [0; 20];
    let read = storage
        .open("LOCK", eventcask_log::Open::Read)
        .and_then(|file| file.read_at(&mut pid, 0));
    let pid = read
        .ok()
        .and_then(|bytes| str::from_utf8(&pid[..bytes]).ok().map(str::trim));
    let holder = pid
        .filter(|pid| !pid.is_empty())
        .map_or(String::new(), |pid| format!(" (process {pid})"));
    LogError::new(
        LogErrorKind::Locked,
        format!(
            "{here} is being written to by another process{holder}; wait for it to end, or open the store for reading only"
        ),
    )
}

fn check_writable(
    options: &Options,
    manifest: &Manifest,
    storage: &dyn Storage,
) -> Result<(), LogError> {
    let here = storage.describe("");
    if !manifest.writable {
        let message = format!(
            "{here} uses features that this program can only read; use a newer eventcask to write"
        );
        return Err(LogError::new(LogErrorKind::NewerFormat, message));
    }
    match options.shards {
        Some(shards) if shards != manifest.shards => {
            // A number that no store can have is said to be that, not merely another one.
            Manifest::new(0, shards, 0)?;
            let message = format!(
                "{here} has {} shards, which is fixed, and {shards} were asked for; leave the number out",
                manifest.shards
            );
            Err(LogError::new(LogErrorKind::Setting, message))
        }
        _ => Ok(()),
    }
}
