//! Many who decide on one aggregate at once.

use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};

use eventcask::{Error as StoreError, Expected};
use eventcask_domain::Error;
use eventcask_domain::prelude::*;

use crate::bank::{Account, AccountEvent, Command, Deposited, Refused, bank, id};

const THREADS: u64 = 4;
const COMMANDS: u64 = 300;

/// Has threads carry out commands on one account, all at once.
fn at_once(accounts: &DeciderHandle<Account>, each: impl Fn(&DeciderHandle<Account>, u64) + Sync) {
    let barrier = Barrier::new(THREADS as usize);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (each, barrier) = (&each, &barrier);
            scope.spawn(move || {
                barrier.wait();
                (0..COMMANDS).for_each(|number| each(accounts, thread * COMMANDS + number));
            });
        }
    });
}

#[test]
fn no_update_is_lost() {
    let (_, store, accounts) = bank();
    at_once(&accounts, |accounts, _| {
        accounts.execute("42", &Command::Deposit(1)).wait().unwrap();
    });
    let now = accounts.load("42").unwrap();
    assert_eq!(
        (now.state.cents, now.version),
        (THREADS * COMMANDS, THREADS * COMMANDS + 1)
    );
    assert_eq!(
        store.decider::<Account>().load("42").unwrap().state,
        now.state
    );
}

/// Each reply is the balance after its own event, so no two are the same: nobody who lost a race is
/// told what the winner is.
#[test]
fn each_is_answered_with_its_own_success() {
    let (_, _, accounts) = bank();
    let (sum, refused) = (AtomicU64::new(0), AtomicU64::new(0));
    at_once(&accounts, |accounts, number| {
        let done = accounts
            .with_id(id(1 + u128::from(number)))
            .execute("42", &Command::Deposit(1));
        let done = done.wait().unwrap();
        assert_eq!((done.version, done.repeated), (done.reply + 1, false));
        sum.fetch_add(done.reply, Ordering::Relaxed);
    });
    let all = THREADS * COMMANDS;
    assert_eq!(sum.into_inner(), all * (all + 1) / 2);

    // No more is taken out than there is.
    at_once(&accounts, |accounts, _| {
        match accounts.execute("42", &Command::Withdraw(2)).wait() {
            Ok(_) => {}
            Err(error) => {
                assert_eq!(error.refused(), Some(&Refused::TooLittle(0)));
                refused.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    assert_eq!(refused.into_inner(), all / 2);
    assert_eq!(accounts.load("42").unwrap().state.cents, 0);
}

/// The same command from all threads at once is carried out once, and answered alike.
#[test]
fn a_repeat_at_the_same_time_is_one_command() {
    let (_, _, accounts) = bank();
    at_once(&accounts, |accounts, number| {
        let command = number % COMMANDS;
        let with_id = accounts.with_id(id(1 + u128::from(command)));
        let done = with_id.execute("42", &Command::Deposit(1)).wait().unwrap();
        assert_eq!(done.version, done.reply + 1);
        let again = with_id.execute("42", &Command::Deposit(1)).wait().unwrap();
        assert_eq!((again.reply, again.place), (done.reply, done.place));
    });
    assert_eq!(accounts.load("42").unwrap().state.cents, COMMANDS);
}

#[test]
fn a_conflict_is_an_error_once_all_attempts_are_used() {
    let (_, store, accounts) = bank();
    accounts.load("42").unwrap();
    let deposit = [AccountEvent::from(Deposited { cents: 7 })];
    store
        .append_events("account-42", Expected::Any, &deposit)
        .unwrap()
        .wait()
        .unwrap();

    // What is kept does not know of it.
    let once = accounts.clone().attempts(1);
    let failed = once.execute("42", &Command::Deposit(1)).wait().unwrap_err();
    assert!(
        matches!(
            failed.failed(),
            Some(Error::Store(StoreError::Conflict {
                actual: 2,
                missed_from: 2,
                ..
            }))
        ),
        "{failed}"
    );
    let twice = accounts.clone().attempts(2);
    let done = twice.execute("42", &Command::Deposit(1)).wait().unwrap();
    assert_eq!((done.reply, done.version), (8, 3));
}
