//! What the tests share: a store in memory, and balances in SQLite.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use eventcask::read_model::{Batches, ModelError};
use eventcask::storage::MemoryStorage;
use eventcask::{NewEvent, Options, ReadModelRunner, Store, StoreReader, Timeout};
use eventcask_sqlite::rusqlite::{Connection, Row, Transaction};
use eventcask_sqlite::{SqliteModel, Tables, Upsert};

/// Long enough for any machine.
pub(crate) const PATIENT: Timeout = Timeout::Error(Duration::from_secs(60));

pub(crate) type Fold = BTreeMap<String, (i64, u64)>;

pub(crate) struct Bank {
    storage: MemoryStorage,
    options: Options,
    directory: tempfile::TempDir,
}

impl Bank {
    pub(crate) fn new() -> Self {
        Self {
            storage: MemoryStorage::default(),
            options: Store::options().shards(2).threads(1).pin(false),
            directory: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn open(&self) -> Store {
        let storage = Arc::new(self.storage.clone());
        self.options.open(storage).unwrap()
    }

    pub(crate) fn open_read_only(&self) -> StoreReader {
        self.options.open_read_only(self.storage.clone()).unwrap()
    }

    /// A file of a database.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

/// Stores transfers and keeps the fold over them.
pub(crate) fn transfer(store: &Store, seed: u64, count: u64, fold: &mut Fold) {
    let (mut random, mut producer) = (fastrand::Rng::with_seed(seed), store.producer());
    for _ in 0..count {
        let key = format!("account-{}", random.u32(0..40));
        let cents = random.i64(-1000..1000);
        let payload = cents.to_string();
        let event = NewEvent::json("Deposited", payload.as_bytes());
        producer.push(&key, &event).unwrap();
        let entry = fold.entry(key).or_default();
        *entry = (entry.0 + cents, entry.1 + 1);
    }
    producer.flush().unwrap().wait().unwrap();
}

/// Cents and number of events of each account, by code of this version. `during` runs in each
/// transaction, before and after the rows are written.
pub(crate) struct Balances<const VERSION: u32, F> {
    upsert: Upsert,
    during: F,
}

impl<const VERSION: u32, F> Balances<VERSION, F> {
    pub(crate) fn with(during: F) -> Self {
        Self {
            upsert: Upsert::into("balances")
                .key("account")
                .sum("cents")
                .sum("events"),
            during,
        }
    }
}

pub(crate) fn balances<const VERSION: u32>() -> Balances<VERSION, fn() -> Result<(), ModelError>> {
    Balances::with(|| Ok(()))
}

impl<const V: u32, F> Tables for Balances<V, F>
where
    F: FnMut() -> Result<(), ModelError> + Send + 'static,
{
    const NAME: &'static str = "balances";
    const VERSION: u32 = V;

    fn reset(&mut self, transaction: &Transaction<'_>) -> Result<(), ModelError> {
        Ok(transaction.execute_batch(
            "DROP TABLE IF EXISTS balances;
             CREATE TABLE balances (account TEXT PRIMARY KEY, cents INTEGER, events INTEGER)
             WITHOUT ROWID;",
        )?)
    }

    fn apply(
        &mut self,
        batches: &Batches<'_>,
        transaction: &Transaction<'_>,
    ) -> Result<(), ModelError> {
        (self.during)()?;
        let mut rows = self.upsert.rows();
        for event in batches.events() {
            let cents: i64 = str::from_utf8(event.payload)?.parse()?;
            rows.push([event.key.into(), cents.into(), 1_i64.into()]);
        }
        rows.write(transaction)?;
        (self.during)()
    }
}

pub(crate) fn feed<T: Tables>(
    store: &StoreReader,
    file: &Path,
    tables: T,
    batch: usize,
) -> ReadModelRunner {
    let model = SqliteModel::open(file, tables).unwrap();
    store.read_model(model).batch_events(batch).start().unwrap()
}

/// What any reader finds in a database.
pub(crate) fn read(file: &Path) -> Fold {
    let database = Connection::open(file).unwrap();
    let mut query = database
        .prepare("SELECT account, cents, events FROM balances")
        .unwrap();
    let row = |row: &Row<'_>| Ok((row.get(0)?, (row.get(1)?, row.get::<_, i64>(2)? as u64)));
    let rows = query.query_map([], row).unwrap();
    rows.map(Result::unwrap).collect()
}
