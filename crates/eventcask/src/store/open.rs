//! Opens stores.

use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};

use eventcask_log::{Error as LogError, FileStorage, Manifest, ShardDir, Storage};
use eventcask_shard::{KeyHasher, Opened, ShardReader};

use crate::fold::cache::Folds;
use crate::projection::folder;
use crate::projection::views::Views;
use crate::store::create::{check_writable, create, locked_by_another, prepare};
use crate::store::engine::{Engine, Followers, OwnedWorker, Workers};
use crate::store::handle::{Inner, note_ends};
use crate::store::sealer::Sealer;
use crate::subscribe::subscriptions::Subscriptions;
use crate::upkeep::retention;
use crate::{Error, Options, ShardOwner, Store, parallel};

impl Options {
    /// Opens the store in a directory for reading and writing.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotAStore`], [`crate::ErrorKind::NewerFormat`],
    /// [`crate::ErrorKind::Locked`] where another process or handle writes to it,
    /// [`crate::ErrorKind::Damaged`], [`crate::ErrorKind::Invalid`] for settings that can not
    /// be, or what the disk said.
    pub fn open(&self, directory: impl AsRef<Path>) -> Result<Store, Error> {
        self.open_storage(Arc::new(FileStorage::new(directory.as_ref())))
    }

    /// Opens the store in a directory for reading only; nothing on disk is changed, and a
    /// writer in another process may be at work.
    ///
    /// # Errors
    /// As [`open`](Self::open), but never [`crate::ErrorKind::Locked`].
    pub fn open_read_only(&self, directory: impl AsRef<Path>) -> Result<Store, Error> {
        self.open_storage_read_only(Arc::new(FileStorage::new(directory.as_ref())))
    }

    /// Opens a store on storage of your own, such as [`eventcask_log::MemoryStorage`].
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_storage(&self, storage: Arc<dyn Storage>) -> Result<Store, Error> {
        let (store, _) = Store::open_writer(self, Workers::Threads, storage)?;
        Ok(store)
    }

    /// Opens the store in a directory for reading and writing, without worker threads: each shard
    /// has an owner, and the thread that pushes events to it does all the work there.
    ///
    /// That is the fastest way in where events can be dealt out to threads by their shard, such as
    /// the partitions of a topic. `threads` means nothing then.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_owned(
        &self,
        directory: impl AsRef<Path>,
    ) -> Result<(Store, Vec<ShardOwner>), Error> {
        self.open_storage_owned(Arc::new(FileStorage::new(directory.as_ref())))
    }

    /// As [`open_owned`](Self::open_owned), on storage of your own.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_storage_owned(
        &self,
        storage: Arc<dyn Storage>,
    ) -> Result<(Store, Vec<ShardOwner>), Error> {
        let (store, workers) = Store::open_writer(self, Workers::Owners, storage)?;
        let owners = (0..).zip(workers);
        let owners = owners.map(|(shard, worker)| ShardOwner::new(&store, shard, worker));
        let owners = owners.collect();
        Ok((store, owners))
    }

    /// Opens a store on storage of your own for reading only.
    ///
    /// # Errors
    /// As [`open_read_only`](Self::open_read_only).
    pub fn open_storage_read_only(&self, storage: Arc<dyn Storage>) -> Result<Store, Error> {
        Store::open_reader(self, storage)
    }
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
        let caches = options.caches(manifest.shards);
        let opened = Engine::recover(
            &storage,
            &manifest,
            &hasher,
            &caches,
            options.dedup_settings(manifest.shards),
        )?;
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
        note_ends(&readers, &*storage, &manifest)?;
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
        let (arrivals, feeds) = (Arc::default(), Arc::default());
        let followers = Followers {
            projections: Arc::clone(&projections),
            arrivals: Arc::clone(&arrivals),
            feeds: Arc::clone(&feeds),
        };
        let (engine, sealer, owned) =
            Engine::start(options, by, opened, clock_after, &followers, lock)?;
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
            tails: Mutex::default(),
            appender: OnceLock::new(),
        };
        let inner = Arc::new(inner);
        Ok((Self { inner }, owned))
    }

    pub(crate) fn open_reader(options: &Options, storage: Arc<dyn Storage>) -> Result<Self, Error> {
        let manifest = Manifest::read(&*storage)?;
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
