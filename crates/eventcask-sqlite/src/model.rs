//! A read model in a SQLite database.

use std::path::Path;
use std::time::Duration;

use eventcask::ReadModel;
use eventcask::read_model::{Batches, ModelError, ModelIdentity, ModelProgress};
use rusqlite::{Connection, TransactionBehavior};

use crate::{Tables, kept};

/// How long a transaction waits for another writer of the database.
const BUSY: Duration = Duration::from_secs(10);
/// Statements that stay prepared: those of a few [`Upsert`](crate::Upsert)s.
const STATEMENTS: usize = 64;

/// A read model in a SQLite database, to be fed by
/// [`Store::read_model`](eventcask::StoreReader::read_model).
///
/// Several models can share a database; each has its tables and its progress. Readers open
/// connections of their own and are not held up.
#[derive(Debug)]
pub struct SqliteModel<T> {
    connection: Connection,
    tables: T,
}

impl<T: Tables> SqliteModel<T> {
    /// Opens the database, and makes it if there is none.
    ///
    /// It has a write-ahead log (`journal_mode = WAL`) that is synced when it is taken into the
    /// database, not with each transaction (`synchronous = NORMAL`): after a power loss the last
    /// transactions may be gone, whole, with the progress that they kept, and are made again from
    /// the store.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn open(path: impl AsRef<Path>, tables: T) -> rusqlite::Result<Self> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(BUSY)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        Ok(Self::with(connection, tables))
    }

    /// Uses a connection that was opened and set as it should be.
    pub fn with(connection: Connection, tables: T) -> Self {
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        Self { connection, tables }
    }
}

impl<T: Tables> ReadModel for SqliteModel<T> {
    fn name(&self) -> &str {
        T::NAME
    }

    fn progress(&mut self, store: u128) -> Result<Vec<ModelProgress>, ModelError> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        kept::create(&transaction)?;
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
        // A transaction that is dropped is rolled back.
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        for advance in batches.steps() {
            kept::advance(&transaction, T::NAME, advance)?;
        }
        if !batches.is_empty() {
            self.tables.apply(batches, &transaction)?;
        }
        Ok(transaction.commit()?)
    }
}
