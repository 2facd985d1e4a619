//! States of deciders: now, at a moment, kept, and saved.

use std::time::{Duration, Instant};

use eventcask::projection::Snapshot;
use eventcask::{AsOf, Expected, Timestamp};
use eventcask_domain::prelude::*;

use crate::bank::{
    Account, AccountEvent, Command, Deposited, Refused, Savings, Withdrawn, bank, open,
};

/// Appends a deposit of which the deciders do not know.
fn deposit(store: &eventcask::Store, cents: u64) {
    let deposit = [AccountEvent::from(Deposited { cents })];
    store
        .append_events("account-42", Expected::Any, &deposit)
        .unwrap()
        .wait()
        .unwrap();
}

fn cents(accounts: &DeciderHandle<Account>) -> u64 {
    accounts.load("42").unwrap().state.cents
}

#[test]
fn a_state_is_that_of_a_moment() {
    let (_, store, accounts) = bank();
    for _ in 0..3 {
        accounts
            .execute("42", &Command::Deposit(10))
            .wait()
            .unwrap();
    }
    let at = |moment| {
        let then = accounts.load_as_of("42", moment).unwrap();
        (then.version, then.state.cents)
    };
    assert_eq!(at(AsOf::Version(0)), (0, 0));
    assert_eq!(at(AsOf::Version(2)), (2, 10));
    assert_eq!(at(AsOf::Version(9)), (4, 30));
    let third = store
        .aggregate("account-42")
        .from_version(3)
        .events()
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    assert_eq!(at(AsOf::Time(third.commit_time())), (3, 20));
    assert_eq!(at(AsOf::Time(Timestamp::from_nanos(1))), (0, 0));
    let absent = accounts.load("43").unwrap();
    assert_eq!(
        (&*absent.state, absent.version, absent.place),
        (&Account::default(), 0, None)
    );
}

#[test]
fn a_policy_says_how_new_a_state_is() {
    let (_, store, accounts) = bank();
    assert_eq!(cents(&accounts), 0);
    deposit(&store, 7);
    let by = |policy| cents(&accounts.clone().load_policy(policy));
    assert_eq!(by(LoadPolicy::Cached), 0);
    assert_eq!(by(LoadPolicy::AllowStale(Duration::from_secs(3_600))), 0);
    assert_eq!(by(LoadPolicy::AllowStale(Duration::ZERO)), 7);
    deposit(&store, 1);
    assert_eq!(by(LoadPolicy::Cached), 7);
    assert_eq!(by(LoadPolicy::Fresh), 8);
    deposit(&store, 1);
    assert_eq!(cents(&accounts), 9);
}

/// A command that is answered late is known to be the newest from before it was stored, and not from
/// when its answer was taken.
#[test]
fn a_state_ages_from_the_append_on() {
    let (_, store, accounts) = bank();
    let stored = accounts.execute("42", &Command::Deposit(7));
    let since = Instant::now();
    deposit(&store, 1);
    stored.wait().unwrap();
    let stale = LoadPolicy::AllowStale(since.elapsed());
    assert_eq!(cents(&accounts.clone().load_policy(stale)), 8);
}

/// A refusal, or an answer without events, is not checked by an append.
#[test]
fn nothing_is_refused_by_a_state_that_is_old() {
    let (_, store, accounts) = bank();
    for policy in [
        LoadPolicy::Cached,
        LoadPolicy::AllowStale(Duration::from_secs(3_600)),
        LoadPolicy::Fresh,
    ] {
        accounts.load("42").unwrap();
        deposit(&store, 7);
        let accounts = accounts.clone().load_policy(policy);
        let done = accounts
            .execute("42", &Command::Withdraw(7))
            .wait()
            .unwrap();
        assert_eq!(done.reply, 0, "{policy:?}");
        deposit(&store, 3);
        let done = accounts.execute("42", &Command::Nothing).wait().unwrap();
        assert_eq!(done.reply, 3, "{policy:?}");
        let refused = accounts
            .execute("42", &Command::Withdraw(9))
            .wait()
            .unwrap_err();
        assert_eq!(
            refused.refused(),
            Some(&Refused::TooLittle(3)),
            "{policy:?}"
        );
        accounts
            .execute("42", &Command::Withdraw(3))
            .wait()
            .unwrap();
    }
}

/// Commands in a row read nothing: the state after each is kept.
#[test]
fn the_state_after_a_command_is_kept() {
    let (_, store, accounts) = bank();
    let misses = || {
        store
            .stats()
            .folds
            .iter()
            .map(|fold| fold.misses)
            .sum::<u64>()
    };
    let before = misses();
    for reply in 1..=50 {
        assert_eq!(
            accounts
                .execute("42", &Command::Deposit(1))
                .wait()
                .unwrap()
                .reply,
            reply
        );
    }
    assert_eq!(misses(), before);
    assert_eq!(
        store.decider::<Account>().load("42").unwrap().state.cents,
        50
    );
}

#[test]
fn a_snapshot_holds_the_state_that_it_claims() {
    let (storage, store, accounts) = bank();
    let accounts = accounts.snapshot_every(10);
    for _ in 0..25 {
        accounts.execute("42", &Command::Deposit(1)).wait().unwrap();
    }
    let state = accounts.load("42").unwrap().state;
    assert_eq!((state.cents, state.movements), (25, 26));
    store.close().unwrap();

    // Whether it is loaded from the snapshot or from the first event on.
    let store = open(&storage);
    for every in [10, u64::MAX] {
        let loaded = store
            .decider::<Account>()
            .snapshot_every(every)
            .load("42")
            .unwrap();
        assert_eq!((&loaded.state, loaded.version), (&state, 26));
    }
    let savings = store.decider::<Savings>().snapshot_every(10);
    for sum in 1..=25 {
        assert_eq!(savings.execute("42", &1).wait().unwrap().reply, sum);
    }
    store.close().unwrap();
    let store = open(&storage);
    assert_eq!(store.decider::<Savings>().load("42").unwrap().state.0, 25);
    assert_eq!(store.decider::<Account>().load("42").unwrap().state, state);
}

/// What was given up is in no state that is kept.
#[test]
fn what_was_given_up_is_gone_from_what_is_kept() {
    let (_, store, accounts) = bank();
    for _ in 0..3 {
        accounts
            .execute("42", &Command::Deposit(10))
            .wait()
            .unwrap();
    }
    store.truncate_aggregate("account-42", 3).unwrap();
    assert_eq!(accounts.load("42").unwrap().state.cents, 20);
    let cached = accounts.clone().load_policy(LoadPolicy::Cached);
    assert_eq!(cents(&cached), 20);
}

#[derive(EventSet)]
enum InEvent {
    Deposited(Deposited),
}

fn cents_of(InEventRef::Deposited(event): InEventRef<'_>) -> u64 {
    event.cents()
}

#[derive(EventSet)]
enum OutEvent {
    Withdrawn(Withdrawn),
}

/// Another look at the account: a number that grows by each event. States of the same name that are
/// declared in one function have one name as types, too.
macro_rules! look {
    ($store:ident, $name:literal, $state:ident, $numbers:literal, $events:ty, $by:expr) => {{
        #[derive(Default, Clone)]
        struct $state([u64; $numbers]);

        impl Snapshot for $state {
            fn encode(&self, bytes: &mut Vec<u8>) {
                self.0[0].encode(bytes);
            }

            fn decode(bytes: &mut &[u8]) -> Option<Self> {
                let mut numbers = [0; $numbers];
                numbers[0] = u64::decode(bytes)?;
                Some(Self(numbers))
            }
        }

        impl Decider for $state {
            const CATEGORY: &'static str = "account";
            const SNAPSHOTS: Option<Snapshots<Self>> = Some(Snapshots::named($name, 1));
            const PASSES_OTHERS: bool = true;
            type Event = $events;
            type Command = ();
            type Reply = ();
            type Error = std::convert::Infallible;

            fn evolve(&mut self, event: <$events as EventSet>::Ref<'_>) {
                let by: fn(<$events as EventSet>::Ref<'_>) -> u64 = $by;
                self.0[0] += by(event);
            }

            fn decide(_: &mut Deciding<Self>, (): &()) -> Result<(), Self::Error> {
                Ok(())
            }
        }

        let looks = $store.decider::<$state>().snapshot_every(10);
        looks.load("42").unwrap().state.0[0]
    }};
}

/// The bytes of each are valid as those of every other, and key and version are the same. In turn
/// another name of the snapshots, another set of events, another size, and another type tell them
/// apart.
#[test]
fn deciders_of_one_category_have_snapshots_of_their_own() {
    let (storage, store, accounts) = bank();
    for _ in 0..30 {
        for command in [Command::Deposit(3), Command::Withdraw(2)] {
            accounts.execute("42", &command).wait().unwrap();
        }
    }
    let looks = |store: &eventcask::Store| {
        [
            look!(store, "cents", State, 1, InEvent, cents_of),
            look!(store, "events", State, 1, InEvent, |_| 1),
            look!(store, "events", State, 1, OutEvent, |_| 2),
            look!(store, "events", State, 2, OutEvent, |_| 3),
            look!(store, "events", Other, 2, OutEvent, |_| 4),
        ]
    };
    let expected = [90, 30, 60, 90, 120];
    assert_eq!(looks(&store), expected);
    assert_eq!(looks(&store), expected);
    store.close().unwrap();
    assert_eq!(looks(&open(&storage)), expected);

    let files = storage.files();
    let saved = files.iter().filter(|file| file.ends_with(".snapshot"));
    let saved = saved.filter(|file| file.starts_with("folds/"));
    assert_eq!(saved.count(), 2, "{files:?}");
}
