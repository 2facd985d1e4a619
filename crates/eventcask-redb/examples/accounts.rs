//! A read model in redb: an embedded key-value store in one file, filled in large transactions.
//!
//! Run with `cargo run -p eventcask-redb --example accounts`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use eventcask::read_model::{Batches, ModelError};
use eventcask::{NewEvent, Timeout};
use eventcask_redb::redb::{
    Database, ReadableDatabase, ReadableTableMetadata, TableDefinition, WriteTransaction,
};
use eventcask_redb::{RedbModel, Tables, upsert};

/// By account: cents and number of events.
const ACCOUNTS: TableDefinition<'_, &str, (i64, u64)> = TableDefinition::new("accounts");

struct Accounts;

impl Tables for Accounts {
    const NAME: &'static str = "accounts";
    const VERSION: u32 = 1;

    fn reset(&mut self, transaction: &WriteTransaction) -> Result<(), ModelError> {
        transaction.delete_table(ACCOUNTS)?;
        transaction.open_table(ACCOUNTS)?;
        Ok(())
    }

    fn apply(
        &mut self,
        batches: &Batches<'_>,
        transaction: &WriteTransaction,
    ) -> Result<(), ModelError> {
        // What the events of an account change is added up first, then each account is written
        // once.
        let mut changes = HashMap::<&str, (i64, u64)>::new();
        for event in batches.events() {
            let change = changes.entry(event.key).or_default();
            change.0 += str::from_utf8(event.payload)?.parse::<i64>()?;
            change.1 += 1;
        }
        let mut accounts = transaction.open_table(ACCOUNTS)?;
        Ok(upsert(&mut accounts, changes, |kept, (cents, events)| {
            let (old_cents, old_events) = kept.unwrap_or_default();
            (old_cents + cents, old_events + events)
        })?)
    }
}

fn main() -> Result<(), ModelError> {
    let directory = tempfile::tempdir()?;
    let store = eventcask::open(directory.path().join("bank"))?;
    let mut producer = store.producer();
    for number in 0..10_000 {
        let account = format!("account-{}", number % 100);
        producer.push(&account, &NewEvent::json("Deposited", b"5"))?;
    }
    producer.flush()?.wait()?;

    let database = Arc::new(Database::create(directory.path().join("accounts.redb"))?);
    // Up to 1,000 events a transaction, and a sync with each fifth: what a crash takes away is made
    // again from the store.
    let model = RedbModel::new(Arc::clone(&database), Accounts).sync_every(5);
    let feed = store.read_model(model).batch_events(1_000).start()?;
    feed.catch_up(Timeout::Error(Duration::from_secs(60)))?;

    // Readers share the database, and see whole transactions only.
    let accounts = database.begin_read()?.open_table(ACCOUNTS)?;
    let one = accounts.get("account-42")?.map(|account| account.value());
    println!("{} accounts; account-42 has {one:?}", accounts.len()?);
    assert_eq!((accounts.len()?, one), (100, Some((500, 100))));
    feed.stop()?;
    Ok(())
}
