//! What the tests share: a store in memory, and balances in redb.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use eventcask::read_model::{Batches, ModelError};
use eventcask::storage::MemoryStorage;
use eventcask::{NewEvent, Options, Store, Timeout};
use eventcask_redb::redb::backends::InMemoryBackend;
use eventcask_redb::redb::{
    AccessGuard, Database, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction,
};
use eventcask_redb::{RedbModel, Tables, upsert};

/// Long enough for any machine.
pub(crate) const PATIENT: Timeout = Timeout::Error(Duration::from_secs(60));

pub(crate) type Fold = BTreeMap<String, (i64, u64)>;

const BALANCES: TableDefinition<'_, &str, (i64, u64)> = TableDefinition::new("balances");

pub(crate) struct Bank {
    storage: MemoryStorage,
    options: Options,
}

impl Bank {
    pub(crate) fn new() -> Self {
        Self {
            storage: MemoryStorage::default(),
            options: Store::options().shards(2).threads(1).pin(false),
        }
    }

    pub(crate) fn open(&self) -> Store {
        let storage = Arc::new(self.storage.clone());
        self.options.open(storage).unwrap()
    }
}

pub(crate) fn database() -> Arc<Database> {
    let database = Database::builder().create_with_backend(InMemoryBackend::new());
    Arc::new(database.unwrap())
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

/// Cents and number of events of each account, by code of this version. It fails in the transaction
/// with this number, once the rows are written.
pub(crate) struct Balances<const VERSION: u32> {
    pub(crate) fails_at: Option<u32>,
}

pub(crate) fn balances<const VERSION: u32>() -> Balances<VERSION> {
    Balances { fails_at: None }
}

impl<const V: u32> Tables for Balances<V> {
    const NAME: &'static str = "balances";
    const VERSION: u32 = V;

    fn reset(&mut self, transaction: &WriteTransaction) -> Result<(), ModelError> {
        transaction.delete_table(BALANCES)?;
        transaction.open_table(BALANCES)?;
        Ok(())
    }

    fn apply(
        &mut self,
        batches: &Batches<'_>,
        transaction: &WriteTransaction,
    ) -> Result<(), ModelError> {
        let mut changes = HashMap::<&str, (i64, u64)>::new();
        for event in batches.events() {
            let change = changes.entry(event.key).or_default();
            let cents: i64 = str::from_utf8(event.payload)?.parse()?;
            *change = (change.0 + cents, change.1 + 1);
        }
        let mut balances = transaction.open_table(BALANCES)?;
        upsert(&mut balances, changes, |kept, (cents, events)| {
            let (old_cents, old_events) = kept.unwrap_or_default();
            (old_cents + cents, old_events + events)
        })?;
        match &mut self.fails_at {
            Some(0) => Err("it fails here".into()),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

pub(crate) fn model<T: Tables>(database: &Arc<Database>, tables: T) -> RedbModel<T> {
    RedbModel::new(Arc::clone(database), tables)
}

/// What any reader finds in a database.
pub(crate) fn read(database: &Database) -> Fold {
    let balances = database.begin_read().unwrap().open_table(BALANCES).unwrap();
    let row = |(key, value): (AccessGuard<'_, &str>, AccessGuard<'_, (i64, u64)>)| {
        (key.value().to_owned(), value.value())
    };
    let rows = balances.iter().unwrap().map(Result::unwrap);
    rows.map(row).collect()
}
