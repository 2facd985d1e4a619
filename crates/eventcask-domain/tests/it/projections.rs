//! Projections and folds over events of a set.

use std::time::Duration;

use eventcask::event::EventRef;
use eventcask::projection::{OnError, SnapshotPolicy};
use eventcask::storage::MemoryStorage;
use eventcask::{ApplyError, ErrorKind, Expected, NewEvent, Store, Timeout};
use eventcask_domain::TypedBatch;
use eventcask_domain::prelude::*;

use crate::account::{AccountEvent, AccountEventRef, Closed, Deposited, opened, store};
use crate::upcast::{CustomerEvent, CustomerEventRef, customer};

const LONG: Timeout = Timeout::Error(Duration::from_secs(60));

struct Balances;

impl PerAggregate for Balances {
    const NAME: &'static str = "balances";
    const VERSION: u32 = 1;
    type Event = AccountEvent;
    type Value = u64;

    fn apply(&self, cents: &mut u64, event: AccountEventRef<'_>) {
        if let AccountEventRef::Deposited(event) = event {
            *cents += event.cents();
        }
    }
}

fn deposit(store: &Store, key: &str, cents: u64) {
    let event = AccountEvent::from(Deposited { cents });
    let ticket = store.append_events(key, Expected::Any, &[event]);
    ticket.unwrap().wait().unwrap();
}

#[test]
fn a_value_of_each_aggregate_is_there_with_the_answer() {
    let store = store();
    let balances = store.projection(Balances).sync().start().unwrap();
    for (key, cents) in [("account-1", 5), ("account-2", 6), ("account-1", 7)] {
        deposit(&store, key, cents);
    }
    let balance = |key| balances.get(key).unwrap();
    assert_eq!(balance("account-1"), Some(12));
    assert_eq!(
        (balance("account-2"), balance("account-3")),
        (Some(6), None)
    );
    balances.rebuild().unwrap().wait().unwrap();
    assert_eq!(balances.get("account-1").unwrap(), Some(12));
}

#[test]
fn values_are_kept_over_a_restart() {
    let storage = MemoryStorage::default();
    let kept = |store: &Store| {
        let options = store.projection(Balances).sync();
        options
            .snapshots(SnapshotPolicy::default())
            .start()
            .unwrap()
    };
    let store = eventcask::open(storage.clone()).unwrap();
    let balances = kept(&store);
    deposit(&store, "account-1", 5);
    drop(balances);
    store.close().unwrap();
    let store = eventcask::open(storage).unwrap();
    assert_eq!(kept(&store).get("account-1").unwrap(), Some(5));
}

#[test]
fn events_of_others_and_of_old_schemas_pass_through_a_projection() {
    let store = store();
    let old = [
        NewEvent::json("audit.noted", b"not even JSON"),
        NewEvent::json("account.opened", br#"{"name":"Ada"}"#),
    ];
    let ticket = store.append("account-1", Expected::Any, &old);
    ticket.unwrap().wait().unwrap();
    let owners = store.projection(Owners).sync().start().unwrap();
    let ticket = store.append_events(
        "account-2",
        Expected::Any,
        &[AccountEvent::from(opened("Bob"))],
    );
    ticket.unwrap().wait().unwrap();
    let mut all = owners.merged().unwrap();
    all.sort();
    assert_eq!(all, ["account-1 is Ada's", "account-2 is Bob's"]);
}

/// The owners that were ever named.
struct Owners;

impl Projection for Owners {
    const NAME: &'static str = "owners";
    const VERSION: u32 = 1;
    type Event = AccountEvent;
    type State = Vec<String>;

    fn apply(
        &self,
        owners: &mut Self::State,
        batch: &TypedBatch<'_, '_, AccountEvent>,
    ) -> Result<(), ApplyError> {
        batch.each(|row, event| {
            if let AccountEventRef::Opened(event) = event {
                owners.push(format!("{} is {}'s", row.key(), event.owner()));
            }
        })
    }
}

impl Merge for Owners {
    fn merge(&self, into: &mut Vec<String>, from: &Vec<String>) {
        into.extend(from.iter().cloned());
    }
}

#[test]
fn an_event_that_can_not_be_read_stops_a_projection_and_names_itself() {
    let store = store();
    let newer = NewEvent::json("account.deposited", b"{}").schema(2);
    let ticket = store.append("account-1", Expected::Any, &[newer]);
    let place = ticket.unwrap().wait().unwrap().place();
    let balances = store.projection(Balances).start().unwrap();
    let error = balances.wait_for(place, LONG).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Stopped);
    let text = error.to_string();
    assert!(
        text.contains("\"account-1\"") && text.contains("schema version 2"),
        "{text}"
    );
}

#[test]
fn an_event_that_can_not_be_read_parks_its_aggregate_alone() {
    let store = store();
    let options = store.projection(Balances).on_error(OnError::Park);
    let balances = options.start().unwrap();
    deposit(&store, "account-1", 5);
    let broken = NewEvent::json("account.deposited", b"{}");
    let ticket = store.append("account-1", Expected::Any, &[broken]);
    ticket.unwrap().wait().unwrap();
    deposit(&store, "account-1", 6);
    deposit(&store, "account-2", 7);
    balances.catch_up(LONG).unwrap();
    assert_eq!(balances.get("account-1").unwrap(), Some(5));
    assert_eq!(balances.get("account-2").unwrap(), Some(7));
    assert_eq!(balances.parked()[0].version, 2);
}

/// The name that a customer has.
struct Names;

impl PerAggregate for Names {
    const NAME: &'static str = "names";
    const VERSION: u32 = 1;
    type Event = CustomerEvent;
    type Value = (String, String, u64);

    fn apply(&self, (name, street, events): &mut Self::Value, event: CustomerEventRef<'_>) {
        *events += 1;
        match event {
            CustomerEventRef::Renamed(event) => event.name().clone_into(name),
            CustomerEventRef::Moved(event) => event.street().clone_into(street),
        }
    }
}

#[test]
fn a_projection_is_shown_what_events_became() {
    let store = customer();
    let names = store.projection(Names).sync().start().unwrap();
    let expected = ("Cid".to_owned(), "Long Lane".to_owned(), 4);
    assert_eq!(names.get("customer-1").unwrap(), Some(expected));
}

/// A projection without types is started as ever, and can read some events by their types.
struct Closings;

impl eventcask::Projection for Closings {
    const NAME: &'static str = "closings";
    const VERSION: u32 = 1;
    type State = u64;

    fn apply(&self, closings: &mut u64, batch: &eventcask::Batch<'_>) -> Result<(), ApplyError> {
        TypedBatch::<AccountEvent>::of(batch).each(|row, event| {
            let _: EventRef<'_> = row.event();
            *closings += u64::from(matches!(event, AccountEventRef::Closed(_)));
        })
    }
}

#[test]
fn a_projection_without_types_is_started_beside_typed_ones() {
    let store = store();
    let closings = store.projection(Closings).sync().start().unwrap();
    deposit(&store, "account-1", 5);
    let ticket = store.append_events("account-1", Expected::Any, &[AccountEvent::from(Closed)]);
    ticket.unwrap().wait().unwrap();
    assert_eq!(closings.read_of("account-1", |count| *count).unwrap(), 1);
    let again = store.reader().typed_projection(Closings).start();
    assert_eq!(again.unwrap_err().kind(), ErrorKind::InUse);
}

/// Balances when they are asked for; `OTHERS` passes over events that are not of the set.
#[derive(Clone)]
struct Balance<const OTHERS: bool>;

impl<const OTHERS: bool> Fold for Balance<OTHERS> {
    const NAME: &'static str = "balance";
    const VERSION: u32 = 1;
    const PASSES_OTHERS: bool = OTHERS;
    type Event = AccountEvent;
    type State = u64;

    fn apply(&self, cents: &mut u64, event: AccountEventRef<'_>) {
        if let AccountEventRef::Deposited(event) = event {
            *cents += event.cents();
        }
    }
}

#[test]
fn a_fold_refuses_an_aggregate_that_it_knows_in_part() {
    let store = store();
    for cents in 1..=5 {
        deposit(&store, "account-1", cents);
    }
    let balances = store.typed_fold(Balance::<false>).snapshot_every(2);
    assert_eq!(*balances.load("account-1").unwrap(), 15);
    let fresh = store.typed_fold(Balance::<false>);
    assert_eq!(*fresh.load("account-1").unwrap(), 15, "from a snapshot");
    let other = NewEvent::json("audit.noted", b"{}");
    let ticket = store.append("account-1", Expected::Any, &[other]);
    ticket.unwrap().wait().unwrap();
    let error = balances.load("account-1").map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Stopped);
    assert!(
        error
            .to_string()
            .contains("\"audit.noted\" is no event type"),
        "{error}"
    );
    assert_eq!(
        *store.typed_fold(Balance::<true>).load("account-1").unwrap(),
        15
    );
}
