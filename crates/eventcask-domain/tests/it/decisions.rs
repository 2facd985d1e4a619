//! Commands that are decided, refused, or come to nothing.

use std::future::{Future, IntoFuture};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use eventcask::{Error as StoreError, EventId, Expected, NewEvent, Timeout};
use eventcask_domain::prelude::*;
use eventcask_domain::{Error, ErrorKind};

use crate::bank::{
    Account, AccountEvent, Command, Deposited, Movements, Refused, Savings, bank, id,
};

/// Wakes the thread that waits.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<T>(future: impl IntoFuture<Output = T>) -> T {
    let mut future = pin!(future.into_future());
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(done) => return done,
            Poll::Pending => std::thread::park(),
        }
    }
}

#[test]
fn a_command_is_answered_with_its_reply_its_events_and_where_they_are() {
    let (_, store, accounts) = bank();
    let done = accounts.execute("42", &Command::Coins(3)).wait().unwrap();
    assert_eq!((done.reply, done.version, done.repeated), (3, 4, false));
    assert_eq!(
        done.events,
        vec![AccountEvent::from(Deposited { cents: 1 }); 3]
    );
    let stored: Vec<_> = store
        .aggregate("account-42")
        .events()
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(stored.len(), 4);
    assert_eq!(stored[3].place(), done.place);
    let times: Vec<_> = stored[1..]
        .iter()
        .map(eventcask::Event::commit_time)
        .collect();
    assert!(
        times.iter().all(|time| *time == times[0]),
        "they are one append: {times:?}"
    );
}

#[test]
fn it_can_be_awaited() {
    let (_, _, accounts) = bank();
    let deposit = Command::Deposit(500);
    let done = block_on(async { accounts.with_id(id(1)).execute("42", &deposit).await }).unwrap();
    assert_eq!(done.reply, 500);
    let refused = block_on(accounts.execute("42", &Command::Withdraw(900))).unwrap_err();
    assert_eq!(refused.refused(), Some(&Refused::TooLittle(500)));
    let again = block_on(accounts.with_id(id(1)).execute("42", &deposit)).unwrap();
    assert_eq!((again.reply, again.repeated), (500, true));
}

#[test]
fn what_the_rules_refuse_is_told_from_what_fails() {
    let (_, store, accounts) = bank();
    let refused = accounts
        .execute("42", &Command::Withdraw(1))
        .wait()
        .unwrap_err();
    assert_eq!(refused.refused(), Some(&Refused::TooLittle(0)));
    assert_eq!(refused.failed(), None);
    assert_eq!(refused.to_string(), "only 0 cents are there");
    assert_eq!(store.aggregate("account-42").version().unwrap(), 1);

    store.close().unwrap();
    let failed = accounts
        .execute("42", &Command::Deposit(1))
        .wait()
        .unwrap_err();
    assert_eq!(failed.refused(), None);
    assert_eq!(failed.failed(), Some(&Error::Store(StoreError::Closed)));
}

#[test]
fn a_decision_that_emits_nothing_is_an_answer() {
    let (_, store, accounts) = bank();
    accounts
        .execute("42", &Command::Deposit(500))
        .wait()
        .unwrap();
    let newest = accounts.load("42").unwrap();
    let done = accounts.execute("42", &Command::Ensure).wait().unwrap();
    assert_eq!((done.reply, done.version, done.events.len()), (500, 2, 0));
    assert_eq!(Some(done.place), newest.place);
    assert_eq!(store.aggregate("account-42").version().unwrap(), 2);
}

#[test]
fn the_place_of_an_answer_without_events_is_one_that_is_reached() {
    let (_, store, accounts) = bank();
    let counted = store.projection(Movements).start().unwrap();
    for key in 0..8 {
        let done = accounts
            .execute(&key.to_string(), &Command::Nothing)
            .wait()
            .unwrap();
        assert_eq!((done.version, done.events.len()), (0, 0));
        let timeout = Timeout::Error(Duration::from_secs(60));
        counted.wait_for(done.place, timeout).unwrap();
    }
}

#[test]
fn events_carry_what_the_command_came_with() {
    let (_, store, accounts) = bank();
    let of_command = |number| id(number).as_event_id();
    let meta = CommandMeta::new()
        .correlation(EventId::from_u128(9))
        .header("user", b"ada");
    accounts
        .with_id(id(1))
        .execute("42", &Command::Deposit(1))
        .wait()
        .unwrap();
    accounts
        .with_id(id(2))
        .with(meta)
        .execute("42", &Command::Deposit(2))
        .wait()
        .unwrap();
    let events: Vec<_> = store
        .aggregate("account-42")
        .events()
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let ids = |number: usize| {
        (
            events[number].correlation_id(),
            events[number].causation_id(),
        )
    };
    assert_eq!(ids(0), (None, None));
    assert_eq!(ids(1), (Some(of_command(1)), Some(of_command(1))));
    assert_eq!(ids(2), (Some(EventId::from_u128(9)), Some(of_command(2))));
    assert_eq!(events[2].headers().get("user"), Some(&b"ada"[..]));
    assert_eq!(events[2].id(), id(2).event(0));

    let effect = CommandMeta::caused_by(&events[2]);
    accounts
        .with(effect)
        .execute("42", &Command::Deposit(3))
        .wait()
        .unwrap();
    let effect = store
        .aggregate("account-42")
        .last(1)
        .events()
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    assert_eq!(effect.causation_id(), Some(events[2].id()));
    assert_eq!(effect.correlation_id(), Some(EventId::from_u128(9)));
}

#[test]
fn an_event_of_an_unknown_type_is_an_error_that_names_it() {
    let (_, store, accounts) = bank();
    let noted = NewEvent::json("account.noted", b"{}");
    store
        .append("account-42", Expected::Any, &[noted])
        .unwrap()
        .wait()
        .unwrap();
    let failed = accounts
        .execute("42", &Command::Deposit(1))
        .wait()
        .unwrap_err();
    assert!(failed.to_string().contains("account.noted"), "{failed}");
    assert_eq!(failed.failed().map(Error::kind), Some(ErrorKind::Store));
}

/// An append to an aggregate that exists, without a version that it expects, is no conflict.
#[test]
fn others_may_append_unconditionally() {
    let (_, store, accounts) = bank();
    accounts.load("42").unwrap();
    let deposit = [AccountEvent::from(Deposited { cents: 7 })];
    for _ in 0..3 {
        store
            .append_events("account-42", Expected::Any, &deposit)
            .unwrap()
            .wait()
            .unwrap();
        accounts.execute("42", &Command::Deposit(1)).wait().unwrap();
    }
    assert_eq!(accounts.load("42").unwrap().state.cents, 24);
}

#[test]
fn deciders_of_two_categories_do_not_meet_under_one_key() {
    let (_, store, accounts) = bank();
    let savings = store.decider::<Savings>();
    accounts
        .execute("42", &Command::Deposit(500))
        .wait()
        .unwrap();
    savings.execute("42", &3).wait().unwrap();
    assert_eq!(savings.load("42").unwrap().state.0, 3);
    assert_eq!(accounts.load("42").unwrap().state.cents, 500);
    assert_eq!(DeciderHandle::<Account>::key("42"), "account-42");
}

#[test]
fn a_handle_is_shared_by_threads() {
    fn is_shared<T: Clone + Send + Sync>(_: &T) {}
    is_shared(&bank().2);
}
