//! A read model in a redb database.

use std::sync::Arc;

use eventcask::ReadModel;
use eventcask::read_model::{Batches, ModelError, ModelIdentity, ModelProgress};
use redb::{Database, Durability};

use crate::{Tables, kept};

/// A read model in a redb database, to be fed by
/// [`Store::read_model`](eventcask::StoreReader::read_model).
///
/// Several models can share a database; each has its tables and its progress. Readers use the same
/// [`Database`], which one process has open at a time, and are not held up.
pub struct RedbModel<T> {
    database: Arc<Database>,
    tables: T,
    /// Every so many transactions one is synced.
    sync_every: u32,
    /// Transactions since one was synced.
    unsynced: u32,
}

impl<T> std::fmt::Debug for RedbModel<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedbModel")
            .field("sync_every", &self.sync_every)
            .finish_non_exhaustive()
    }
}

impl<T: Tables> RedbModel<T> {
    /// The model in this database.
    pub fn new(database: Arc<Database>, tables: T) -> Self {
        Self {
            database,
            tables,
            sync_every: 1,
            unsynced: 0,
        }
    }

    /// Syncs every so many transactions; each one by default. After a power loss or a killed
    /// process those since are gone, whole, with the progress that they kept, and are made again
    /// from the store. Until they are synced, the room of what they replaced is not used again.
    #[must_use]
    pub fn sync_every(mut self, transactions: u32) -> Self {
        self.sync_every = transactions.max(1);
        self
    }
}

impl<T: Tables> ReadModel for RedbModel<T> {
    fn name(&self) -> &str {
        T::NAME
    }

    fn progress(&mut self, store: u128) -> Result<Vec<ModelProgress>, ModelError> {
        let transaction = self.database.begin_write()?;
        let version = T::VERSION;
        let identity = ModelIdentity { store, version };
        if identity.is_new(kept::identity(&transaction, T::NAME)?)? {
            self.tables.reset(&transaction)?;
            kept::begin(&transaction, T::NAME, identity)?;
        }
        let progress = kept::progress(&transaction, T::NAME)?;
        transaction.commit()?;
        Ok(progress)
    }

    fn apply(&mut self, batches: &Batches<'_>) -> Result<(), ModelError> {
        // A transaction that is dropped is aborted.
        let mut transaction = self.database.begin_write()?;
        let is_synced = self.unsynced + 1 >= self.sync_every;
        if !is_synced {
            transaction.set_durability(Durability::None)?;
        }
        kept::advance(&transaction, T::NAME, batches.steps())?;
        if !batches.is_empty() {
            self.tables.apply(batches, &transaction)?;
        }
        transaction.commit()?;
        self.unsynced = if is_synced { 0 } else { self.unsynced + 1 };
        Ok(())
    }
}
