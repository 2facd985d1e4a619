//! Commands that come again get their first answer, also after a crash.

use eventcask::storage::MemoryStorage;
use eventcask::{DedupWindow, Store};
use eventcask_domain::prelude::*;
use eventcask_domain::{Error, ErrorKind};

use crate::bank::{Account, Command, Refused, bank, id, open};

/// Executes a command with an id, and says its reply, its version, and whether it is a repeat.
#[track_caller]
fn execute(accounts: &DeciderHandle<Account>, number: u128, command: &Command) -> (u64, u64, bool) {
    let done = accounts
        .with_id(id(number))
        .execute("42", command)
        .wait()
        .unwrap();
    (done.reply, done.version, done.repeated)
}

#[test]
fn a_repeat_gets_the_first_answer() {
    let (_, store, accounts) = bank();
    assert_eq!(
        execute(&accounts, 1, &Command::Deposit(500)),
        (500, 2, false)
    );
    assert_eq!(execute(&accounts, 2, &Command::Coins(3)), (503, 5, false));
    accounts
        .execute("42", &Command::Withdraw(100))
        .wait()
        .unwrap();
    assert_eq!(
        execute(&accounts, 1, &Command::Deposit(500)),
        (500, 2, true)
    );
    assert_eq!(execute(&accounts, 2, &Command::Coins(3)), (503, 5, true));
    assert_eq!(store.aggregate("account-42").version().unwrap(), 6);
}

#[test]
fn a_repeat_after_a_crash_gets_the_first_answer() {
    let (storage, store, accounts) = bank();
    let first = execute(&accounts, 1, &Command::Deposit(500));
    let coins = execute(&accounts, 2, &Command::Coins(4));
    accounts
        .execute("42", &Command::Withdraw(450))
        .wait()
        .unwrap();
    let crashed = storage.copy();
    store.close().unwrap();

    for storage in [crashed, storage] {
        let store = open(&storage);
        let accounts = store.decider::<Account>();
        assert_eq!(
            execute(&accounts, 1, &Command::Deposit(500)),
            (first.0, first.1, true)
        );
        assert_eq!(
            execute(&accounts, 2, &Command::Coins(4)),
            (coins.0, coins.1, true)
        );
        assert_eq!(accounts.load("42").unwrap().version, 7);
        store.close().unwrap();
    }
}

/// What it would be refused for today does not matter, nor that it would come to nothing.
#[test]
fn a_repeat_that_would_be_decided_otherwise_gets_the_first_answer() {
    let (_, store, accounts) = bank();
    execute(&accounts, 1, &Command::Deposit(500));
    assert_eq!(
        execute(&accounts, 2, &Command::Withdraw(400)),
        (100, 3, false)
    );
    assert_eq!(
        execute(&accounts, 2, &Command::Withdraw(400)),
        (100, 3, true)
    );

    let new = |number| store.decider::<Account>().with_id(id(number));
    let first = new(3).execute("43", &Command::Ensure).wait().unwrap();
    let again = new(3).execute("43", &Command::Ensure).wait().unwrap();
    assert_eq!(
        (again.version, again.place, again.events),
        (1, first.place, first.events)
    );
    assert!(again.repeated);
}

/// The newest command before a snapshot, and the oldest, are known as those after it are.
#[test]
fn a_snapshot_forgets_no_command() {
    let (storage, store, accounts) = bank();
    let accounts = accounts.snapshot_every(10);
    let answers: Vec<_> = (1..=35)
        .map(|number| execute(&accounts, number, &Command::Deposit(1)))
        .collect();
    assert!(
        storage
            .files()
            .iter()
            .any(|file| file.starts_with("folds/")),
        "{:?}",
        storage.files()
    );
    store.close().unwrap();

    let store = open(&storage);
    let accounts = store.decider::<Account>().snapshot_every(10);
    for (number, (reply, version, _)) in (1..).zip(answers) {
        assert_eq!(
            execute(&accounts, number, &Command::Deposit(1)),
            (reply, version, true)
        );
    }
    assert_eq!(accounts.load("42").unwrap().state.cents, 35);
}

/// So many events that the repeat is not among the newest ones.
#[test]
fn a_repeat_is_known_however_long_ago_it_was() {
    let (_, _, accounts) = bank();
    execute(&accounts, 1, &Command::Deposit(500));
    execute(&accounts, 2, &Command::Withdraw(500));
    accounts.execute("42", &Command::Coins(200)).wait().unwrap();
    assert_eq!(execute(&accounts, 2, &Command::Withdraw(500)), (0, 3, true));
}

#[test]
fn a_repeat_may_come_with_other_headers() {
    let (_, _, accounts) = bank();
    let tries = |number: u8| {
        let meta = CommandMeta::new().header("try", &[number]);
        let done = accounts
            .with_id(id(1))
            .with(meta)
            .execute("42", &Command::Deposit(5));
        done.wait().unwrap()
    };
    let (first, again) = (tries(1), tries(2));
    assert_eq!(
        (again.reply, again.version, again.repeated),
        (first.reply, first.version, true)
    );
}

#[test]
fn an_id_that_was_used_for_another_command_is_a_named_error() {
    let (_, store, accounts) = bank();
    execute(&accounts, 1, &Command::Deposit(500));
    for other in [
        Command::Deposit(501),
        Command::Withdraw(1),
        Command::Withdraw(900),
        Command::Coins(2),
        Command::Nothing,
    ] {
        let failed = accounts
            .with_id(id(1))
            .execute("42", &other)
            .wait()
            .unwrap_err();
        let differs = Error::RepeatDiffers {
            command: id(1),
            key: "account-42".to_owned(),
            version: 2,
        };
        assert_eq!(failed.failed(), Some(&differs), "{other:?}");
        assert_eq!(differs.kind(), ErrorKind::RepeatDiffers);
    }
    assert_eq!(store.aggregate("account-42").version().unwrap(), 2);
}

/// The first one's success is not the answer: the key is part of the command's identity.
#[test]
fn the_same_id_for_another_aggregate_is_another_command() {
    let (_, _, accounts) = bank();
    execute(&accounts, 1, &Command::Deposit(500));
    let accounts = accounts.with_id(id(1));
    let refused = accounts
        .execute("43", &Command::Deposit(500))
        .wait()
        .unwrap_err();
    assert_eq!(refused.refused(), Some(&Refused::NotOpen));
    let opened = accounts.execute("43", &Command::Open).wait().unwrap();
    assert_eq!((opened.version, opened.repeated), (1, false));
}

/// Nothing is stored of it, so there is nothing to know it by.
#[test]
fn a_command_that_was_refused_is_decided_anew() {
    let (_, _, accounts) = bank();
    let withdraw = || {
        accounts
            .with_id(id(1))
            .execute("42", &Command::Withdraw(300))
            .wait()
    };
    assert_eq!(
        withdraw().unwrap_err().refused(),
        Some(&Refused::TooLittle(0))
    );
    execute(&accounts, 2, &Command::Deposit(500));
    assert_eq!(withdraw().unwrap().reply, 200);
    assert!(withdraw().unwrap().repeated);

    assert_eq!(execute(&accounts, 3, &Command::Ensure), (200, 3, false));
    execute(&accounts, 4, &Command::Deposit(1));
    assert_eq!(execute(&accounts, 3, &Command::Ensure), (201, 4, false));
}

/// Beyond the window of ids that the store was opened with, a command is carried out again.
#[test]
fn a_command_is_known_as_long_as_the_window_says() {
    let options = Store::options()
        .shards(1)
        .seal(false)
        .dedup(DedupWindow::Ids(4));
    let store = options.open(MemoryStorage::default()).unwrap();
    let accounts = store.decider::<Account>();
    accounts.execute("42", &Command::Open).wait().unwrap();
    assert_eq!(execute(&accounts, 1, &Command::Deposit(1)), (1, 2, false));
    assert_eq!(execute(&accounts, 1, &Command::Deposit(1)), (1, 2, true));
    for number in 2..40 {
        execute(&accounts, number, &Command::Deposit(1));
    }
    assert_eq!(execute(&accounts, 1, &Command::Deposit(1)), (40, 41, false));
}

/// A window forgets ids, so that an id may be stored twice: the command was carried out twice, and
/// is answered as it was the last time, whether that is long ago or not.
#[test]
fn of_a_command_that_was_carried_out_twice_the_last_answer_is_given() {
    for between in [0, 100] {
        let options = Store::options()
            .shards(1)
            .seal(false)
            .dedup(DedupWindow::Ids(4));
        let store = options.open(MemoryStorage::default()).unwrap();
        let accounts = store.decider::<Account>();
        accounts.execute("42", &Command::Open).wait().unwrap();
        accounts.execute("42", &Command::Coins(100)).wait().unwrap();
        assert_eq!(execute(&accounts, 1, &Command::Withdraw(30)).0, 70);
        for number in 2..40 {
            execute(&accounts, number, &Command::Withdraw(1));
        }
        let second = execute(&accounts, 1, &Command::Withdraw(30));
        assert_eq!((second.0, second.2), (2, false));
        // It would be refused today, so the store is asked for nothing but its id.
        execute(&accounts, 40, &Command::Withdraw(2));
        for _ in 0..between {
            accounts.execute("42", &Command::Coins(1)).wait().unwrap();
            accounts
                .execute("42", &Command::Withdraw(1))
                .wait()
                .unwrap();
        }
        let again = execute(&accounts, 1, &Command::Withdraw(30));
        assert_eq!(again, (second.0, second.1, true), "{between}");
    }
}

#[test]
fn an_id_that_is_none_is_refused() {
    let (_, store, accounts) = bank();
    let accounts = accounts.with_id(id(0));
    for command in [Command::Deposit(1), Command::Nothing] {
        let failed = accounts.execute("42", &command).wait().unwrap_err();
        let failed = failed.failed().unwrap();
        assert_eq!(failed.kind(), ErrorKind::NoCommandId);
        assert_eq!(
            failed.to_string(),
            "the id of a command on aggregate \"account-42\" is 0, which is none: give it one of its \
             own, or execute it without"
        );
    }
    assert_eq!(store.aggregate("account-42").version().unwrap(), 1);
}

/// As long as the store holds the events, it knows the command, and does not carry it out twice.
#[test]
fn a_command_whose_events_were_given_up_has_no_answer_any_more() {
    let (_, store, accounts) = bank();
    execute(&accounts, 1, &Command::Deposit(500));
    store.delete_aggregate("account-42").unwrap();
    assert_eq!(accounts.load("42").unwrap().state.cents, 0);
    let repeat = || {
        let done = accounts
            .with_id(id(1))
            .execute("42", &Command::Deposit(500));
        done.wait().map(|done| done.reply)
    };
    let gone = Error::AnswerGone {
        command: id(1),
        key: "account-42".to_owned(),
    };
    assert_eq!(gone.kind(), ErrorKind::AnswerGone);
    // Today it would be refused; once the account is open again, it would emit the same event.
    assert_eq!(repeat().unwrap_err().failed(), Some(&gone));
    accounts.execute("42", &Command::Open).wait().unwrap();
    assert_eq!(repeat().unwrap_err().failed(), Some(&gone));
    assert_eq!(accounts.load("42").unwrap().state.cents, 0);

    store.seal().unwrap();
    store.reclaim().unwrap();
    assert_eq!(repeat(), Ok(500));
}
