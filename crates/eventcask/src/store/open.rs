//! Opens stores.

use std::sync::{Arc, Mutex, OnceLock};

use eventcask_log::{Error as LogError, Manifest, ShardDir, Storage};
use eventcask_shard::{KeyHasher, Opened, ShardReader};

use crate::follow::subscriptions::Subscriptions;
use crate::state::folder;
use crate::state::views::Views;
use crate::store::create::{check_writable, lock};
use crate::store::engine::{Engine, Followers, OwnedWorker, Workers};
use crate::store::folds::Folds;
use crate::store::inner::{Inner, note_ends};
use crate::store::location::Location;
use crate::store::origin::Origin;
use crate::store::retention;
use crate::store::sealer::Sealer;
use crate::{Error, Options, Store, StoreReader, parallel};

impl Options {
    /// Opens a store for reading and writing, and makes it if there is none: in a directory, or on
    /// storage of your own, such as [`MemoryStorage`](crate::storage::MemoryStorage).
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// use eventcask::Store;
    /// let store = Store::options().shards(2).open(directory.path())?;
    /// assert_eq!(store.shards(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotAStore`], [`crate::ErrorKind::NewerFormat`],
    /// [`crate::ErrorKind::OlderFormat`], [`crate::ErrorKind::Locked`] where another process or
    /// handle writes to it, [`crate::ErrorKind::Damaged`], [`crate::ErrorKind::Invalid`] for
    /// settings that can not be, or what the disk said.
    pub fn open(&self, location: impl Into<Location>) -> Result<Store, Error> {
        let storage = location.into().into_storage();
        let (store, _) = Store::open_writer(self, Workers::Threads, storage)?;
        Ok(store)
    }

    /// Opens a store for reading only; nothing on disk is changed, and a writer in another process
    /// may be at work. What the reader is has no method that writes.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// use eventcask::Store;
    /// let writer = eventcask::open(directory.path())?;
    /// let reader = Store::options().open_read_only(directory.path())?;
    /// assert_eq!(reader.events().iter().count(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`open`](Self::open), but never [`crate::ErrorKind::Locked`].
    pub fn open_read_only(&self, location: impl Into<Location>) -> Result<StoreReader, Error> {
        StoreReader::open(self, location.into().into_storage())
    }
}

impl Store {
    /// Options to open a store with.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// let options = eventcask::Store::options().shards(8).max_payload_bytes(64 << 10);
    /// let store = options.open(directory.path())?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn options() -> Options {
        Options::default()
    }

    pub(crate) fn open_writer(
        options: &Options,
        by: Workers,
        storage: Arc<dyn Storage>,
    ) -> Result<(Self, Vec<OwnedWorker>), Error> {
        let lock = lock(options, &storage)?;
        let manifest = Manifest::read(&*storage)?;
        check_writable(options, &manifest, &*storage)?;
        let hasher = KeyHasher::default();
        let caches = options.caches(manifest.shards);
        let (origin, carried) = Origin::open(&*storage, &manifest)?;
        let dedup = options.dedup_settings(manifest.shards);
        let opened = Engine::recover(&storage, &manifest, &hasher, &caches, dedup, &carried)?;
        eventcask_log::keep_reserve(&*storage);
        let newest = opened.iter().map(Opened::last_commit).max();
        let clock_after = retention::apply_to_writer(
            &*storage,
            &manifest,
            opened.iter().map(|shard| &*shard.reader),
            newest.unwrap_or(i64::MIN),
        )?;
        let readers: Vec<_> = opened
            .iter()
            .map(|shard| Arc::clone(&shard.reader))
            .collect();
        folder::forget_what_is_ahead(&*storage, &readers)?;
        let projections = Arc::default();
        let views = Arc::new(Views::open(
            &storage,
            manifest.store,
            &readers,
            &projections,
            options.view_snapshot_events,
            true,
        )?);
        let subscriptions = Subscriptions::open(&storage, manifest.store, &readers, true)?;
        note_ends(&readers, &*storage, &manifest, options.is_sync())?;
        let (arrivals, feeds) = (Arc::default(), Arc::default());
        let followers = Followers {
            projections: Arc::clone(&projections),
            arrivals: Arc::clone(&arrivals),
            feeds: Arc::clone(&feeds),
        };
        let (engine, sealer, owned) =
            Engine::start(options, by, opened, clock_after, &followers, lock)?;
        let engine = Arc::new(engine);
        let inner = Inner {
            manifest,
            hasher,
            origin,
            carried,
            readers,
            views,
            projections,
            subscriptions,
            arrivals,
            feeds,
            folds: Folds::default(),
            sealer,
            engine: Some(Arc::clone(&engine)),
            storage,
            tails: Mutex::default(),
            appender: OnceLock::new(),
        };
        Ok((Self::new(Arc::new(inner), engine), owned))
    }
}

impl StoreReader {
    fn open(options: &Options, storage: Arc<dyn Storage>) -> Result<Self, Error> {
        let manifest = Manifest::read(&*storage)?;
        let (origin, carried) = Origin::open(&*storage, &manifest)?;
        let hasher = KeyHasher::default();
        let caches = options.caches(manifest.shards);
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
        let projections = Arc::default();
        let views = Arc::new(Views::open(
            &storage,
            manifest.store,
            &readers,
            &projections,
            options.view_snapshot_events,
            false,
        )?);
        let subscriptions = Subscriptions::open(&storage, manifest.store, &readers, false)?;
        let inner = Inner {
            manifest,
            hasher,
            origin,
            carried,
            readers,
            views,
            projections,
            subscriptions,
            arrivals: Arc::default(),
            feeds: Arc::default(),
            folds: Folds::default(),
            sealer: Sealer::default(),
            storage,
            engine: None,
            tails: Mutex::new(tails),
            appender: OnceLock::new(),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }
}
