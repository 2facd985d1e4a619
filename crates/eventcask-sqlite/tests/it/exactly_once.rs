use std::path::Path;
use std::sync::{Arc, Mutex};

use eventcask::ErrorKind;
use eventcask::read_model::ModelError;

use crate::bank::{Balances, Bank, Fold, PATIENT, balances, feed, read, transfer};

#[test]
fn l5_tables_equal_the_fold_whatever_the_batches() {
    for batch in [1, 10, 100, 500, 5000] {
        let (bank, mut fold) = (Bank::new(), Fold::new());
        let file = bank.file("balances.db");
        let store = bank.open();
        let first = feed(&store, &file, balances::<1>(), batch);
        transfer(&store, 1, 300, &mut fold);
        first.catch_up(PATIENT).unwrap();
        assert_eq!(read(&file), fold, "batches of {batch}");
        drop((first, store));
        let store = bank.open();
        transfer(&store, 2, 300, &mut fold);
        let second = feed(&store, &file, balances::<1>(), batch);
        second.catch_up(PATIENT).unwrap();
        assert_eq!(read(&file), fold, "batches of {batch}, opened again");
    }
}

/// Copies a database as it stands in its files: what a process leaves that is killed now. The index
/// of the write-ahead log is memory that the processes share, and is made anew.
fn copy(from: &Path, to: &Path) {
    for suffix in ["", "-wal"] {
        let name = |path: &Path| format!("{}{suffix}", path.display());
        if Path::new(&name(from)).exists() {
            std::fs::copy(name(from), name(to)).unwrap();
        }
    }
}

#[test]
fn l5_a_process_killed_between_any_two_steps_changes_nothing() {
    let (bank, mut fold) = (Bank::new(), Fold::new());
    let file = bank.file("balances.db");
    let store = bank.open();
    transfer(&store, 3, 400, &mut fold);
    let copies = Arc::new(Mutex::new(Vec::new()));
    let during = {
        let (copies, file) = (Arc::clone(&copies), file.clone());
        move || {
            let mut copies = copies.lock().unwrap();
            let to = file.with_file_name(format!("killed-{}.db", copies.len()));
            copy(&file, &to);
            copies.push(to);
            Ok(())
        }
    };
    let first = feed(&store, &file, Balances::<1, _>::with(during), 40);
    first.catch_up(PATIENT).unwrap();
    first.stop().unwrap();
    assert_eq!(read(&file), fold);

    let copies = copies.lock().unwrap();
    assert!(copies.len() >= 20, "two in each transaction");
    for killed in copies.iter() {
        let again = feed(&store, killed, balances::<1>(), 40);
        again.catch_up(PATIENT).unwrap();
        assert_eq!(read(killed), fold, "{}", killed.display());
    }
}

#[test]
fn l5_a_transaction_that_fails_leaves_nothing() {
    let (bank, mut fold) = (Bank::new(), Fold::new());
    let store = bank.open();
    transfer(&store, 4, 100, &mut fold);
    for fails in 0..8 {
        let file = bank.file(&format!("fails-{fails}.db"));
        let mut steps = 0;
        let during = move || -> Result<(), ModelError> {
            steps += 1;
            if steps > fails {
                Err("it fails here".into())
            } else {
                Ok(())
            }
        };
        let broken = feed(&store, &file, Balances::<1, _>::with(during), 10);
        let error = broken.catch_up(PATIENT).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Stopped);
        assert!(error.to_string().contains("it fails here"), "{error}");
        drop(broken);
        let events: u64 = read(&file).values().map(|(_, events)| events).sum();
        assert_eq!(events, fails / 2 * 10, "whole transactions alone");
        let again = feed(&store, &file, balances::<1>(), 10);
        again.catch_up(PATIENT).unwrap();
        assert_eq!(read(&file), fold, "failed at step {fails}");
    }
}
