use std::sync::Arc;

use eventcask::{ErrorKind, Store};
use eventcask_redb::redb::Database;

use crate::bank::{Balances, Bank, Fold, PATIENT, balances, database, model, read, transfer};
use crate::failing_file::FailingFile;

#[test]
fn l5_tables_equal_the_fold_whatever_the_batches() {
    for batch in [1, 10, 100, 500, 5000] {
        let (bank, mut fold, database) = (Bank::new(), Fold::new(), database());
        let store = bank.open();
        let first = store
            .read_model(model(&database, balances::<1>()))
            .batch_events(batch);
        let first = first.start().unwrap();
        transfer(&store, 1, 300, &mut fold);
        first.catch_up(PATIENT).unwrap();
        assert_eq!(read(&database), fold, "batches of {batch}");
        drop((first, store));
        let store = bank.open();
        transfer(&store, 2, 300, &mut fold);
        let second = store.read_model(model(&database, balances::<1>()).sync_every(4));
        let second = second.batch_events(batch).start().unwrap();
        second.catch_up(PATIENT).unwrap();
        assert_eq!(read(&database), fold, "batches of {batch}, opened again");
    }
}

#[test]
fn l5_a_transaction_that_fails_leaves_nothing() {
    let (bank, mut fold) = (Bank::new(), Fold::new());
    let store = bank.open();
    transfer(&store, 4, 100, &mut fold);
    for fails in 0..4 {
        let database = database();
        let fails_at = Some(fails);
        let broken = model(&database, Balances::<1> { fails_at });
        let broken = store.read_model(broken).batch_events(10).start().unwrap();
        let error = broken.catch_up(PATIENT).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Stopped);
        assert!(error.to_string().contains("it fails here"), "{error}");
        drop(broken);
        let events: u64 = read(&database).values().map(|(_, events)| events).sum();
        assert_eq!(events, u64::from(fails) * 10, "whole transactions alone");
        let again = store
            .read_model(model(&database, balances::<1>()))
            .start()
            .unwrap();
        again.catch_up(PATIENT).unwrap();
        assert_eq!(read(&database), fold, "failed in transaction {fails}");
    }
}

/// Feeds a database in a file until it is up to date or the file stops.
fn feed_to_the_end(store: &Store, file: &FailingFile, sync_every: u32) -> Result<Fold, String> {
    let database = Database::builder().create_with_backend(file.clone());
    let database = Arc::new(database.map_err(|error| error.to_string())?);
    let model = model(&database, balances::<1>()).sync_every(sync_every);
    let feed = store.read_model(model).batch_events(40).start();
    let feed = feed.map_err(|error| error.to_string())?;
    let caught_up = feed.catch_up(PATIENT);
    caught_up.map_err(|error| error.to_string())?;
    Ok(read(&database))
}

#[test]
fn l5_an_end_at_any_step_of_the_file_changes_nothing() {
    let (bank, mut fold) = (Bank::new(), Fold::new());
    let store = bank.open();
    transfer(&store, 3, 160, &mut fold);
    let mut random = fastrand::Rng::with_seed(5);
    // A file that redb was stopped in making is none that it opens again: such a one is deleted.
    let made = FailingFile::default();
    drop(
        Database::builder()
            .create_with_backend(made.clone())
            .unwrap(),
    );
    for sync_every in [1, 3] {
        let whole = FailingFile::of(made.killed());
        assert_eq!(feed_to_the_end(&store, &whole, sync_every).unwrap(), fold);
        for step in 0..whole.steps() {
            let file = FailingFile::of(made.killed());
            file.stops_at(step);
            // The last steps are those of closing it, which tells nobody.
            let _ = feed_to_the_end(&store, &file, sync_every);
            for left in [file.power_cut(&mut random), file.killed()] {
                let again = FailingFile::of(left);
                let found = feed_to_the_end(&store, &again, sync_every);
                assert_eq!(
                    found.as_ref(),
                    Ok(&fold),
                    "step {step}, synced every {sync_every}"
                );
            }
        }
    }
}
