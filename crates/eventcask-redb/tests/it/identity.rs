use std::sync::Arc;

use eventcask::ErrorKind;
use eventcask::read_model::{Batches, ModelError};
use eventcask_redb::Tables;
use eventcask_redb::redb::{
    ReadableDatabase, ReadableTableMetadata, TableDefinition, WriteTransaction,
};

use crate::bank::{Bank, Fold, PATIENT, balances, database, model, read, transfer};

#[test]
fn a_raised_version_fills_the_tables_anew_and_a_lower_one_is_refused() {
    let (bank, mut fold, database) = (Bank::new(), Fold::new(), database());
    let store = bank.open();
    transfer(&store, 1, 100, &mut fold);
    let old = store
        .read_model(model(&database, balances::<1>()))
        .start()
        .unwrap();
    old.catch_up(PATIENT).unwrap();
    drop(old);
    let new = store
        .read_model(model(&database, balances::<2>()))
        .start()
        .unwrap();
    new.catch_up(PATIENT).unwrap();
    assert_eq!(read(&database), fold, "each event once, not twice");
    drop(new);
    let error = store
        .read_model(model(&database, balances::<1>()))
        .start()
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Stopped);
    assert!(
        error.to_string().contains("version 2 of its code"),
        "{error}"
    );
}

#[test]
fn a_model_of_another_store_is_refused_and_kept() {
    let (bank, mut fold, database) = (Bank::new(), Fold::new(), database());
    let store = bank.open();
    transfer(&store, 1, 100, &mut fold);
    let first = store
        .read_model(model(&database, balances::<1>()))
        .start()
        .unwrap();
    first.catch_up(PATIENT).unwrap();
    drop(first);
    let other = Bank::new().open();
    let error = other
        .read_model(model(&database, balances::<2>()))
        .start()
        .unwrap_err();
    assert!(error.to_string().contains("another store"), "{error}");
    assert_eq!(read(&database), fold);
}

const SEEN: TableDefinition<'_, &str, u64> = TableDefinition::new("seen");

/// The newest version of each account.
struct Seen;

impl Tables for Seen {
    const NAME: &'static str = "seen";
    const VERSION: u32 = 1;

    fn reset(&mut self, transaction: &WriteTransaction) -> Result<(), ModelError> {
        transaction.delete_table(SEEN)?;
        Ok(())
    }

    fn apply(
        &mut self,
        batches: &Batches<'_>,
        transaction: &WriteTransaction,
    ) -> Result<(), ModelError> {
        let mut seen = transaction.open_table(SEEN)?;
        for event in batches.events() {
            seen.insert(event.key, event.version)?;
        }
        Ok(())
    }
}

#[test]
fn several_models_share_a_database() {
    let (bank, mut fold, database) = (Bank::new(), Fold::new(), database());
    let store = bank.open();
    let one = store
        .read_model(model(&database, balances::<1>()))
        .batch_events(10)
        .start()
        .unwrap();
    let two = store
        .read_model(model(&database, Seen))
        .batch_events(7)
        .start()
        .unwrap();
    transfer(&store, 1, 300, &mut fold);
    one.catch_up(PATIENT).unwrap();
    two.catch_up(PATIENT).unwrap();
    assert_eq!(read(&database), fold);
    drop((one, two));
    let raised = store
        .read_model(model(&database, balances::<2>()))
        .start()
        .unwrap();
    raised.catch_up(PATIENT).unwrap();
    let seen = Arc::clone(&database)
        .begin_read()
        .unwrap()
        .open_table(SEEN)
        .unwrap();
    assert_eq!(
        seen.len().unwrap(),
        fold.len() as u64,
        "the other one is left alone"
    );
}
