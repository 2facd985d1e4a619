//! Named subscriptions, and consumers that share one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use eventcask::subscribe::{Claim, Retry};
use eventcask::{ConsumerGroup, ErrorKind, NewEvent, Store};

use crate::faulty::{Fault, FaultyDisk, Operation};
use crate::support::{Bank, all, copy_of, in_time, put};

const EIO: i32 = 5;
const NEVER: Duration = Duration::from_secs(1 << 40);

/// Tries again at once.
fn at_once(tries: u32) -> Retry {
    Retry::new(tries).first(Duration::ZERO)
}

fn name(claim: &Claim) -> String {
    let event = claim.event();
    format!("{}@{}", event.key(), event.version())
}

/// Acknowledges all that there is, but for the events with these names, which fail.
fn work(group: &ConsumerGroup, failing: &[&str]) -> Vec<String> {
    let mut handled = Vec::new();
    while let Some(claim) = group.try_claim().unwrap() {
        let name = name(&claim);
        if failing.contains(&name.as_str()) {
            claim.retry("no").unwrap();
        } else {
            claim.ack().unwrap();
            handled.push(name);
        }
    }
    handled
}

fn fill(store: &Store, keys: &[&str]) {
    for key in keys {
        put(store, key, "{}");
    }
}

#[test]
fn a_named_subscription_goes_on_where_it_was_saved() {
    let bank = Bank::new(2);
    let store = bank.open();
    fill(&store, &["a", "b", "c", "a", "b"]);
    let mut seen = Vec::new();
    {
        let mut letters = store.events().named("letters").unwrap();
        for _ in 0..2 {
            let event = letters.try_next().unwrap().unwrap();
            seen.push(format!("{}@{}", event.key(), event.version()));
        }
        letters.checkpoint().unwrap();
        // This one is not handled.
        assert!(letters.try_next().unwrap().is_some());
    }
    store.close().unwrap();
    let store = bank.open();
    let mut letters = store.events().from_now().named("letters").unwrap();
    while let Some(event) = letters.try_next().unwrap() {
        seen.push(format!("{}@{}", event.key(), event.version()));
    }
    assert_eq!(seen, all(&store));
    assert_eq!(letters.positions(), store.positions());
}

#[test]
fn a_name_is_held_once_at_a_time() {
    let bank = Bank::new(1);
    let store = bank.open();
    let kind = |result: Result<ConsumerGroup, eventcask::Error>| result.unwrap_err().kind();
    let first = store.events().named("letters").unwrap();
    let group = || store.events().group("letters", Retry::default());
    assert_eq!(kind(group()), ErrorKind::InUse);
    drop(first);
    drop(group().unwrap());
    for name in ["", "a/b", "ä", &"x".repeat(65)] {
        let group = store.events().group(name, Retry::default());
        assert_eq!(kind(group), ErrorKind::Invalid, "{name}");
    }
}

#[test]
fn a_subscription_can_be_forgotten() {
    let bank = Bank::new(1);
    let store = bank.open();
    fill(&store, &["a", "b"]);
    let mut letters = store.events().named("letters").unwrap();
    assert!(letters.try_next().unwrap().is_some());
    letters.checkpoint().unwrap();
    let stats = store.stats().subscriptions;
    assert_eq!(
        (stats[0].name.as_str(), stats[0].lag_events),
        ("letters", 1)
    );
    assert!(stats[0].is_in_use);
    assert!(store.drop_subscription("letters").is_err(), "it is in use");
    drop(letters);
    store.drop_subscription("letters").unwrap();
    let unknown = store.drop_subscription("letters").unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::NotFound);
    store.close().unwrap();
    let store = bank.open();
    assert!(store.stats().subscriptions.is_empty());
    let letters = store.events().named("letters").unwrap();
    assert_eq!(letters.count_now(), 2);
}

trait CountNow {
    fn count_now(self) -> usize;
}

impl CountNow for eventcask::DurableSubscription {
    fn count_now(mut self) -> usize {
        let next = || self.try_next().unwrap();
        std::iter::from_fn(next).count()
    }
}

#[test]
fn several_consumers_handle_each_event_once_and_each_aggregate_in_order() {
    in_time("a group", || {
        let bank = Bank::new(4);
        let store = bank.open();
        let group = store.events().group("workers", at_once(100)).unwrap();
        let handled = Mutex::new(BTreeMap::<String, Vec<u64>>::new());
        thread::scope(|scope| {
            for consumer in 0..3 {
                let (group, handled, store) = (group.clone(), &handled, &store);
                scope.spawn(move || {
                    while let Some(claim) = group.claim().unwrap() {
                        let (key, version) = {
                            let event = claim.event();
                            (event.key().to_owned(), event.version())
                        };
                        // Each event fails now and then, by turns.
                        if (version + u64::from(claim.tries())) % 5 == consumer {
                            // Before this returns another one may have handled it and closed.
                            let saved = claim.retry("now and then");
                            let kind = saved.err().map(|error| error.kind());
                            assert!(kind.is_none_or(|kind| kind == ErrorKind::Closed));
                            continue;
                        }
                        let mut handled = handled.lock().unwrap();
                        let versions = handled.entry(key).or_default();
                        assert!(
                            !versions.contains(&version),
                            "{version} of {versions:?} came again after {} tries",
                            claim.tries()
                        );
                        versions.push(version);
                        let all: usize = handled.values().map(Vec::len).sum();
                        drop(handled);
                        claim.ack().unwrap();
                        if all == 600 {
                            group.checkpoint().unwrap();
                            store.clone().close().unwrap();
                        }
                    }
                });
            }
            let mut producer = store.producer();
            for number in 0..600 {
                let key = format!("account-{}", number % 7);
                producer
                    .push(&key, &NewEvent::json("Deposited", b"{}"))
                    .unwrap();
                if number % 50 == 0 {
                    producer.flush().unwrap().wait().unwrap();
                }
            }
            producer.flush().unwrap().wait().unwrap();
        });
        for (key, versions) in handled.into_inner().unwrap() {
            let in_order: Vec<u64> = (1..=versions.len() as u64).collect();
            assert_eq!(versions, in_order, "{key}");
        }
    });
}

#[test]
fn a_poison_event_holds_up_its_own_aggregate_only() {
    let store = Bank::new(2).open();
    fill(&store, &["a", "b", "a", "c", "a", "b"]);
    let group = store.events().group("mailer", at_once(3)).unwrap();
    assert_eq!(work(&group, &["a@2"]), ["a@1", "b@1", "c@1", "b@2"]);
    let parked = group.parked();
    assert_eq!(parked.len(), 1);
    let parked = &parked[0];
    assert_eq!(
        (parked.key.as_str(), parked.version, parked.tries),
        ("a", 2, 3)
    );
    assert_eq!(parked.reason, "no");
    assert_eq!(store.parked("mailer").unwrap(), group.parked());
    assert!(store.parked("nobody").is_err());
    assert_eq!(
        group.positions(),
        store.positions(),
        "progress goes on past what is parked"
    );
    // What comes later of the aggregate waits behind it.
    fill(&store, &["a", "c"]);
    assert_eq!(work(&group, &[]), ["c@2"]);
    assert!(group.redrive("a").unwrap());
    assert!(!group.redrive("a").unwrap(), "it is not parked any more");
    assert_eq!(work(&group, &[]), ["a@2", "a@3", "a@4"]);
    fill(&store, &["a"]);
    assert_eq!(work(&group, &[]), ["a@5"]);
    assert!(group.parked().is_empty());
}

#[test]
fn an_event_can_be_parked_at_once_and_skipped() {
    let store = Bank::new(1).open();
    fill(&store, &["a", "a", "a"]);
    let group = store.events().group("mailer", at_once(9)).unwrap();
    let claim = group.try_claim().unwrap().unwrap();
    claim.park("it makes no sense").unwrap();
    assert!(group.try_claim().unwrap().is_none());
    assert!(group.skip("a").unwrap());
    assert_eq!(work(&group, &[]), ["a@2", "a@3"]);
}

#[test]
fn l11_what_is_skipped_before_the_group_comes_to_it_does_not_come_again() {
    let bank = Bank::new(1);
    let again = |go_on: fn(&ConsumerGroup) -> bool| {
        let store = bank.open();
        let group = store.events().group("mailer", at_once(1)).unwrap();
        assert_eq!(group.positions(), store.positions(), "a@1 is held back");
        assert!(go_on(&group));
        // It is kept as well.
        group.checkpoint().unwrap();
        drop(group);
        store.close().unwrap();
    };
    let store = bank.open();
    fill(&store, &["a", "b", "c", "b", "c"]);
    let group = store.events().group("mailer", at_once(1)).unwrap();
    let open = group.try_claim().unwrap().unwrap();
    assert_eq!(name(&open), "a@1");
    work(&group, &["b@1", "c@1"]);
    assert_eq!(group.parked().len(), 2);
    // The store is closed with the first event out.
    store.close().unwrap();
    drop((open, group));

    again(|group| group.skip("b").unwrap());
    again(|group| group.redrive("c").unwrap());
    let store = bank.open();
    let group = store.events().group("mailer", at_once(1)).unwrap();
    assert_eq!(work(&group, &[]), ["a@1", "b@2", "c@1", "c@2"]);
    assert_eq!(group.positions(), store.positions());
    fill(&store, &["b", "c"]);
    assert_eq!(work(&group, &[]), ["b@3", "c@3"]);
}

/// What was saved was the position of the first event that was not answered: all that was
/// acknowledged behind it came again. Now its aggregate is kept as one that is held back.
#[test]
fn l11_what_is_acknowledged_behind_an_open_claim_does_not_come_again() {
    let bank = Bank::new(1);
    let store = bank.open();
    fill(&store, &["a", "b", "a", "c", "b", "d"]);
    let group = store.events().group("mailer", at_once(9)).unwrap();
    let open = group.try_claim().unwrap().unwrap();
    assert_eq!(name(&open), "a@1");
    assert_eq!(work(&group, &[]), ["b@1", "c@1", "b@2", "d@1"]);
    group.checkpoint().unwrap();
    assert_eq!(group.positions(), [0], "nothing is left out before");
    // The process ends here: the claim is never answered.
    let crashed = Bank {
        storage: copy_of(&bank.storage),
        options: bank.options.clone(),
    };
    std::mem::forget((open, group));
    drop(store);

    for _ in 0..2 {
        let store = crashed.open();
        let group = store.events().group("mailer", at_once(9)).unwrap();
        let again = group.try_claim().unwrap().unwrap();
        assert_eq!((name(&again), again.tries()), ("a@1".to_owned(), 0));
        std::mem::forget(again);
        store.close().unwrap();
    }
    let store = crashed.open();
    let group = store.events().group("mailer", at_once(9)).unwrap();
    fill(&store, &["a", "b"]);
    assert_eq!(work(&group, &[]), ["a@1", "a@2", "a@3", "b@3"]);
}

#[test]
fn only_events_that_are_wanted_come_after_a_redrive() {
    let store = Bank::new(1).open();
    let mut producer = store.producer();
    for name in ["Placed", "Noted", "Paid", "Noted", "Placed"] {
        producer
            .push("order-1", &NewEvent::json(name, b"{}"))
            .unwrap();
    }
    producer.flush().unwrap().wait().unwrap();
    let orders = store.events().types(&["Placed", "Paid"]);
    let group = orders.group("mailer", at_once(1)).unwrap();
    assert!(work(&group, &["order-1@1"]).is_empty());
    group.redrive("order-1").unwrap();
    assert_eq!(work(&group, &[]), ["order-1@1", "order-1@3", "order-1@5"]);
}

#[test]
fn a_long_backlog_of_an_aggregate_comes_in_order() {
    let store = Bank::new(1).open();
    fill(&store, &["a"; 150]);
    let group = store.events().group("mailer", at_once(1)).unwrap();
    assert!(work(&group, &["a@1"]).is_empty());
    group.redrive("a").unwrap();
    // In the middle of it another one fails.
    assert_eq!(work(&group, &["a@100"]).len(), 99);
    group.redrive("a").unwrap();
    fill(&store, &["a"; 10]);
    let expected: Vec<String> = (100..=160).map(|version| format!("a@{version}")).collect();
    assert_eq!(work(&group, &[]), expected);
}

#[test]
fn an_event_of_an_aggregate_waits_for_the_one_before() {
    let store = Bank::new(1).open();
    fill(&store, &["a", "a", "b"]);
    let group = store.events().group("mailer", at_once(9)).unwrap();
    let first = group.try_claim().unwrap().unwrap();
    let other = group.try_claim().unwrap().unwrap();
    assert_eq!((name(&first), name(&other)), ("a@1".into(), "b@1".into()));
    assert!(group.try_claim().unwrap().is_none());
    assert_eq!(group.positions(), [0]);
    other.ack().unwrap();
    assert_eq!(group.positions(), [0], "the first is not handled");
    first.ack().unwrap();
    assert_eq!(group.positions(), [1], "the second one waited");
    assert_eq!(work(&group, &[]), ["a@2"]);
    assert_eq!(group.positions(), [3]);
}

#[test]
fn an_event_that_failed_waits_its_time() {
    let store = Bank::new(1).open();
    fill(&store, &["a", "a", "b"]);
    let patient = Retry::new(9).first(NEVER).longest(NEVER);
    let group = store.events().group("mailer", patient).unwrap();
    assert_eq!(work(&group, &["a@1"]), ["b@1"]);
    assert!(group.parked().is_empty());
    let stats = store.stats().subscriptions;
    assert_eq!((stats[0].retrying, stats[0].parked), (1, 0));

    let short = Retry::new(9).first(Duration::from_millis(5));
    let hasty = store.events().group("hasty", short).unwrap();
    assert_eq!(work(&hasty, &["a@1", "b@1"]), [""; 0]);
    let mut handled = Vec::new();
    while handled.len() < 3 {
        let claim = hasty.claim().unwrap().unwrap();
        handled.push(name(&claim));
        claim.ack().unwrap();
    }
    handled.sort();
    assert_eq!(handled, ["a@1", "a@2", "b@1"]);
}

#[test]
fn a_claim_that_gets_no_answer_has_failed() {
    let store = Bank::new(1).open();
    fill(&store, &["a"]);
    let group = store.events().group("mailer", at_once(3)).unwrap();
    drop(group.try_claim().unwrap().unwrap());
    let consumer = group.clone();
    let panicked = thread::spawn(move || {
        let claim = consumer.try_claim().unwrap().unwrap();
        assert_eq!(claim.tries(), 1);
        panic!("the consumer fails");
    });
    assert!(panicked.join().is_err());
    let claim = group.try_claim().unwrap().unwrap();
    assert_eq!(claim.tries(), 2);
    claim.retry("for the last time").unwrap();
    assert_eq!(group.parked().len(), 1);
}

#[test]
fn what_is_parked_and_how_often_it_failed_outlives_a_restart() {
    let bank = Bank::new(2);
    let store = bank.open();
    fill(&store, &["a", "b", "c", "a"]);
    let patient = Retry::new(2).first(NEVER).longest(NEVER);
    let group = store.events().group("mailer", patient).unwrap();
    let park = |claim: Claim| claim.park("it makes no sense").unwrap();
    let mut unanswered = None;
    while let Some(claim) = group.try_claim().unwrap() {
        match name(&claim).as_str() {
            "a@1" => park(claim),
            "b@1" => claim.retry("later").unwrap(),
            _ => unanswered = Some(claim),
        }
    }
    group.checkpoint().unwrap();
    store.close().unwrap();
    drop((unanswered, group));

    let store = bank.open();
    let group = store.events().group("mailer", patient).unwrap();
    let parked = group.parked();
    assert_eq!((parked[0].key.as_str(), parked[0].version), ("a", 1));
    assert_eq!(parked[0].reason, "it makes no sense");
    let mut tries = BTreeMap::new();
    while let Some(claim) = group.try_claim().unwrap() {
        tries.insert(name(&claim), claim.tries());
        claim.ack().unwrap();
    }
    let expected = [("b@1".to_owned(), 1), ("c@1".to_owned(), 0)];
    assert_eq!(tries, BTreeMap::from(expected));
    group.redrive("a").unwrap();
    assert_eq!(work(&group, &[]), ["a@1", "a@2"]);
}

#[test]
fn consumers_that_wait_are_woken_by_what_is_new_free_or_due() {
    in_time("a group", || {
        let store = Bank::new(1).open();
        let group = store.events().group("mailer", at_once(9)).unwrap();
        let consumer = group.clone();
        let waiting = thread::spawn(move || {
            let mut handled = Vec::new();
            while let Some(claim) = consumer.claim().unwrap() {
                handled.push(name(&claim));
                claim.ack().unwrap();
                if handled.len() == 3 {
                    break;
                }
            }
            handled
        });
        // New; free once this one is answered; and due at once.
        fill(&store, &["a"]);
        fill(&store, &["b"]);
        fill(&store, &["b"]);
        assert_eq!(waiting.join().unwrap(), ["a@1", "b@1", "b@2"]);

        fill(&store, &["c", "c"]);
        let first = group.try_claim().unwrap().unwrap();
        let consumer = group.clone();
        let waiting = thread::spawn(move || name(&consumer.claim().unwrap().unwrap()));
        first.ack().unwrap();
        assert_eq!(waiting.join().unwrap(), "c@2");
    });
}

/// One that only looks does not take the news from those who wait.
#[test]
fn a_look_wakes_who_waits_for_what_comes_later() {
    in_time("a group", || {
        let store = Bank::new(1).open();
        let group = store.events().group("mailer", at_once(9)).unwrap();
        for number in 1..200 {
            let consumer = group.clone();
            let waiting = thread::spawn(move || {
                let claim = consumer.claim().unwrap().unwrap();
                let name = name(&claim);
                claim.ack().unwrap();
                name
            });
            assert!(group.try_claim().unwrap().is_none());
            thread::yield_now();
            assert!(group.try_claim().unwrap().is_none());
            fill(&store, &["a"]);
            assert_eq!(waiting.join().unwrap(), format!("a@{number}"));
        }
    });
}

#[test]
fn progress_is_in_a_backup_and_a_damaged_one_is_not_passed_over() {
    let bank = Bank::new(1);
    let store = bank.open();
    fill(&store, &["a", "b"]);
    let mut letters = store.events().named("letters").unwrap();
    assert!(letters.try_next().unwrap().is_some());
    letters.checkpoint().unwrap();

    let copy = Bank::new(1);
    let to: Arc<dyn eventcask::storage::Storage> = Arc::new(copy.storage.clone());
    store.backup(&to).unwrap();
    let copied = copy.open();
    assert_eq!(copied.stats().subscriptions[0].positions, [1]);
    copied.close().unwrap();

    let file = to
        .open("subscriptions/0001", eventcask::storage::Open::Write)
        .unwrap();
    file.write_all_at(b"x", 130).unwrap();
    let copied = copy.open();
    let refused = copied.events().named("letters").unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Damaged);
    copied.close().unwrap();
    let report = eventcask::verify(&to).unwrap();
    assert_eq!(report.problems.len(), 1, "{:?}", report.problems);
}

/// A group saved what it had handled when it had nothing more to hand out, or now and then: what
/// was handled between that and the closing of the store came again. The store saves it now.
#[test]
fn l11_what_was_handled_before_the_store_was_closed_does_not_come_again() {
    let bank = Bank::new(2);
    let store = bank.open();
    fill(&store, &["a", "b", "c", "a", "b"]);
    let group = store.events().group("mailer", at_once(3)).unwrap();
    let mut handled = Vec::new();
    for _ in 0..3 {
        let claim = group.try_claim().unwrap().unwrap();
        handled.push(name(&claim));
        claim.ack().unwrap();
    }
    let unanswered = group.try_claim().unwrap().unwrap();
    store.close().unwrap();
    // Nothing is written to a store that somebody else may have by now.
    let late = unanswered.retry("too late").unwrap_err();
    assert_eq!(late.kind(), ErrorKind::Closed);
    drop(group);

    let store = bank.open();
    let group = store.events().group("mailer", at_once(3)).unwrap();
    handled.extend(work(&group, &[]));
    assert_eq!(handled, all(&store));
}

#[test]
fn a_close_says_where_progress_could_not_be_saved() {
    let bank = Bank::new(1);
    let disk = FaultyDisk::on(Arc::new(bank.storage.clone()));
    let store = bank.options.open(Arc::new(disk.clone())).unwrap();
    fill(&store, &["a", "b"]);
    let group = store.events().group("mailer", at_once(3)).unwrap();
    group.try_claim().unwrap().unwrap().ack().unwrap();
    disk.fails(Operation::Sync, "subscriptions", Fault::Errno(EIO));
    assert_eq!(store.close().unwrap_err().kind(), ErrorKind::Io);
    drop(group);

    let store = bank.open();
    let group = store.events().group("mailer", at_once(3)).unwrap();
    assert_eq!(work(&group, &[]), all(&store));
}

/// What could not be saved counted as saved all the same: it came again, though the disk was well
/// by then.
#[test]
fn what_could_not_be_saved_is_saved_when_the_disk_is_well() {
    let bank = Bank::new(1);
    let disk = FaultyDisk::on(Arc::new(bank.storage.clone()));
    let store = bank.options.open(Arc::new(disk.clone())).unwrap();
    fill(&store, &["a"]);
    let group = store.events().group("mailer", at_once(3)).unwrap();
    disk.fails(Operation::Sync, "subscriptions", Fault::Errno(EIO));
    group.try_claim().unwrap().unwrap().ack().unwrap();
    let failed = group.claim_timeout(Duration::ZERO).unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::Io);
    disk.is_well();
    drop(group);

    let group = store.events().group("mailer", at_once(3)).unwrap();
    assert!(group.try_claim().unwrap().is_none());
}

/// Each event that waits holds its block, and only their number was bounded.
#[test]
fn events_that_wait_for_one_before_them_hold_no_more_than_so_many_bytes() {
    let store = Bank::new(1).open();
    let large = format!(r#"{{"note":"{}"}}"#, "x".repeat(1_000_000));
    let group = store.events().group("mailer", at_once(3)).unwrap();
    put(&store, "a", &large);
    let first = group.try_claim().unwrap().unwrap();
    for _ in 0..70 {
        put(&store, "a", &large);
    }
    fill(&store, &["b"]);
    assert!(group.try_claim().unwrap().is_none(), "it is behind 64 MiB");
    first.ack().unwrap();
    let handled = work(&group, &[]);
    assert_eq!(handled, all(&store)[1..]);
}
