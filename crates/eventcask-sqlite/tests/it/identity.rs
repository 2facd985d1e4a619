use eventcask::ErrorKind;
use eventcask::read_model::{Batches, ModelError};
use eventcask_sqlite::rusqlite::{Connection, Transaction};
use eventcask_sqlite::{SqliteModel, Tables};

use crate::bank::{Bank, Fold, PATIENT, balances, feed, read, transfer};

#[test]
fn a_raised_version_fills_the_tables_anew() {
    let (bank, mut fold) = (Bank::new(), Fold::new());
    let (store, file) = (bank.open(), bank.file("balances.db"));
    transfer(&store, 1, 100, &mut fold);
    let old = feed(&store, &file, balances::<1>(), 10);
    old.catch_up(PATIENT).unwrap();
    drop(old);
    let wrong = Connection::open(&file).unwrap();
    wrong.execute("UPDATE balances SET cents = 0", []).unwrap();
    drop(wrong);
    let new = feed(&store, &file, balances::<2>(), 10);
    new.catch_up(PATIENT).unwrap();
    assert_eq!(read(&file), fold);
    drop(new);

    let model = SqliteModel::open(&file, balances::<1>()).unwrap();
    let error = store.read_model(model).start().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Stopped);
    assert!(
        error.to_string().contains("version 2 of its code"),
        "{error}"
    );
    assert_eq!(read(&file), fold, "older code has changed nothing");
}

#[test]
fn a_model_of_another_store_is_refused_and_kept() {
    let (bank, other, mut fold) = (Bank::new(), Bank::new(), Fold::new());
    let (store, file) = (bank.open(), bank.file("balances.db"));
    transfer(&store, 1, 100, &mut fold);
    let first = feed(&store, &file, balances::<1>(), 10);
    first.catch_up(PATIENT).unwrap();
    drop(first);
    let model = SqliteModel::open(&file, balances::<2>()).unwrap();
    let error = other
        .open()
        .read_model(model)
        .start()
        .unwrap_err()
        .to_string();
    assert!(error.contains("another store"), "{error}");
    assert_eq!(read(&file), fold);
}

/// How many events there are.
struct Count;

impl Tables for Count {
    const NAME: &'static str = "count";
    const VERSION: u32 = 1;

    fn reset(&mut self, transaction: &Transaction<'_>) -> Result<(), ModelError> {
        Ok(transaction.execute_batch(
            "DROP TABLE IF EXISTS count; CREATE TABLE count (events); INSERT INTO count VALUES (0)",
        )?)
    }

    fn apply(
        &mut self,
        batches: &Batches<'_>,
        transaction: &Transaction<'_>,
    ) -> Result<(), ModelError> {
        let sql = "UPDATE count SET events = events + ?1";
        transaction.execute(sql, [batches.len() as i64])?;
        Ok(())
    }
}

#[test]
fn several_models_share_a_database() {
    let (bank, mut fold) = (Bank::new(), Fold::new());
    let (store, file) = (bank.open(), bank.file("both.db"));
    let feeds = [
        feed(&store, &file, balances::<1>(), 10),
        feed(&store, &file, Count, 7),
    ];
    transfer(&store, 1, 500, &mut fold);
    for feed in &feeds {
        feed.catch_up(PATIENT).unwrap();
    }
    assert_eq!(read(&file), fold);
    let database = Connection::open(&file).unwrap();
    let count = database.query_row("SELECT events FROM count", [], |row| row.get::<_, i64>(0));
    assert_eq!(count.unwrap(), 500);
}

#[test]
fn of_two_feeds_of_one_model_one_stops() {
    let (bank, mut fold) = (Bank::new(), Fold::new());
    let (store, file) = (bank.open(), bank.file("balances.db"));
    transfer(&store, 1, 50, &mut fold);
    let reader = bank.open_read_only();
    let slow = feed(&reader, &file, balances::<1>(), 10);
    slow.catch_up(PATIENT).unwrap();
    transfer(&store, 2, 50, &mut fold);
    let fast = feed(&store, &file, balances::<1>(), 10);
    fast.catch_up(PATIENT).unwrap();
    reader.refresh().unwrap();
    let error = slow.catch_up(PATIENT).unwrap_err().to_string();
    assert!(error.contains("somebody else feeds it too"), "{error}");
    assert_eq!(read(&file), fold);
}
