//! Subscriptions: what is stored, and then what is new.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use eventcask::storage::{MemoryStorage, Storage};
use eventcask::subscribe::Retry;
use eventcask::{Error, ErrorKind, Event, NewEvent, Store, Subscription, Timestamp};

use crate::faulty::{Fault, FaultyDisk, Operation};
use crate::support::{Bank, all, in_time, put};

fn name(event: &Event) -> String {
    format!("{}@{}", event.key(), event.version())
}

/// What is there already.
fn drain(subscription: &mut Subscription) -> Vec<String> {
    let mut names = Vec::new();
    while let Some(event) = subscription.try_next().unwrap() {
        names.push(name(&event));
    }
    names
}

/// Pushes `events` events from a thread of its own, in batches of some.
fn push(store: &Store, writer: usize, events: usize) {
    let mut producer = store.producer();
    for number in 0..events {
        let key = format!("account-{}", (number + writer) % 7);
        producer
            .push(&key, &NewEvent::json("Deposited", b"{}"))
            .unwrap();
        if number % 13 == 0 {
            producer.flush().unwrap().wait().unwrap();
        }
    }
    producer.flush().unwrap().wait().unwrap();
}

/// Reads so many events, and checks that each shard's come without a gap and all by commit time.
fn follow(mut subscription: Subscription, events: usize, whence: &[u64]) {
    let mut next = whence.to_vec();
    let mut time = Timestamp::from_nanos(i64::MIN);
    for _ in 0..events {
        let event = subscription.next().unwrap().unwrap();
        let shard = event.shard() as usize;
        assert_eq!(event.position(), next[shard], "in shard {shard}");
        next[shard] += 1;
        assert!(time <= event.commit_time(), "by commit time");
        time = event.commit_time();
    }
    assert_eq!(subscription.positions(), next);
    assert!(subscription.try_next().unwrap().is_none());
}

#[test]
fn l11_each_event_comes_once_and_in_order_from_catch_up_into_live() {
    in_time("a subscription", || {
        let mut bank = Bank::new(4);
        bank.options = bank.options.threads(2).segment_bytes(4_000);
        let store = bank.open();
        push(&store, 0, 500);
        thread::scope(|scope| {
            let early = store.events().subscribe().unwrap();
            scope.spawn(move || follow(early, 2_000, &[0; 4]));
            for writer in 0..3 {
                let store = &store;
                scope.spawn(move || push(store, writer, 500));
            }
            // This one begins somewhere in the middle.
            let from_start = store.events().subscribe().unwrap();
            scope.spawn(move || follow(from_start, 2_000, &[0; 4]));
        });
    });
}

/// Those who wait are moved on behind blocks that they do not want, without being woken.
#[test]
fn who_waits_misses_nothing_that_is_wanted() {
    in_time("a subscription", || {
        let mut bank = Bank::new(4);
        bank.options = bank.options.threads(2).segment_bytes(4_000);
        let store = bank.open();
        let all = store.events();
        let wanted = [
            all.clone(),
            all.clone().shard(2),
            all.clone().types(&["Rare", "Unknown"]),
            all.clone().types(&["Rare"]).shard(1),
            all.clone().types(&["Deposited"]).key_prefix("account-1"),
            all.clone().key_prefix("card-"),
        ];
        let read = |subscription: Subscription| {
            let names = subscription.map(|event| name(&event.unwrap()));
            names.collect::<Vec<_>>()
        };
        let live = wanted.clone().map(|query| {
            let subscription = query.subscribe().unwrap();
            thread::spawn(move || read(subscription))
        });
        thread::scope(|scope| {
            for writer in 0..3 {
                let store = &store;
                scope.spawn(move || push(store, writer, 400));
            }
            let mut producer = store.producer();
            for number in 0..100 {
                let key = format!("{}-{}", ["account", "card"][number % 2], number % 5);
                let name = ["Rare", "Deposited", "Withdrawn"][number % 3];
                producer.push(&key, &NewEvent::json(name, b"{}")).unwrap();
                producer.flush().unwrap().wait().unwrap();
            }
        });
        store.clone().close().unwrap();
        for (live, query) in live.into_iter().zip(wanted) {
            let expected = read(query.subscribe().unwrap());
            assert!(!expected.is_empty());
            assert_eq!(live.join().unwrap(), expected);
        }
    });
}

#[test]
fn a_subscription_goes_on_where_another_was() {
    let store = Bank::new(2).open();
    for number in 0..10 {
        put(&store, &format!("account-{}", number % 3), "{}");
    }
    let mut first = store.events().subscribe().unwrap();
    let mut seen: Vec<String> = Vec::new();
    for _ in 0..4 {
        seen.push(name(&first.try_next().unwrap().unwrap()));
    }
    let mut second = store
        .events()
        .from_positions(&first.positions())
        .subscribe()
        .unwrap();
    seen.extend(drain(&mut second));
    assert_eq!(seen, all(&store));
}

#[test]
fn only_what_was_asked_for_comes() {
    let store = Bank::new(2).open();
    put(&store, "account-1", "{}");
    let query = store.events();
    let mut now = query.clone().from_now().subscribe().unwrap();
    let mut cards = query.clone().key_prefix("card-").subscribe().unwrap();
    let mut others = query.clone().types(&["Unknown"]).subscribe().unwrap();
    let shard = eventcask::event::route("card-1", 2);
    let mut of_shard = query.shard(shard).from_now().subscribe().unwrap();
    put(&store, "card-1", "{}");
    assert_eq!(drain(&mut now), ["card-1@1"]);
    assert_eq!(drain(&mut cards), ["card-1@1"]);
    assert_eq!(drain(&mut of_shard), ["card-1@1"]);
    assert!(drain(&mut others).is_empty());
    assert_eq!(
        others.positions(),
        store.positions(),
        "what is not wanted is passed over"
    );

    let newest = store.events().rev().next().unwrap().unwrap();
    let since = store.events().since(newest.commit_time());
    assert_eq!(drain(&mut since.subscribe().unwrap()), ["card-1@1"]);
}

/// A subscription that can get no event any more, or none at all, would wait for ever.
#[test]
fn a_subscription_with_an_end_or_of_no_shard_is_refused() {
    let store = Bank::new(2).open();
    put(&store, "account-1", "{}");
    let newest = store.events().rev().next().unwrap().unwrap();
    let until = store.events().until(newest.commit_time());
    let elsewhere = store.events().shard(2);
    for (query, expected, says) in [
        (&until, ErrorKind::Invalid, "has no end"),
        (&elsewhere, ErrorKind::NotFound, "no shard 2 "),
    ] {
        let check = |error: Error| {
            assert_eq!(error.kind(), expected, "{error}");
            assert!(error.to_string().contains(says), "{error}");
        };
        check(query.subscribe().unwrap_err());
        check(query.named("letters").unwrap_err());
        let group = query.group("mailer", Retry::default());
        check(group.unwrap_err());
    }
    assert_eq!(until.iter().count(), 1);
    assert_eq!(elsewhere.iter().count(), 0);
    // Nothing of it is kept, and the names are free.
    assert!(store.events().named("letters").is_ok());
    assert!(store.events().group("mailer", Retry::default()).is_ok());
}

#[test]
fn one_query_means_the_same_scanned_backwards_and_subscribed_to() {
    let store = Bank::new(4).open();
    push(&store, 0, 30);
    let middle = store.events().iter().nth(15).unwrap().unwrap();
    let all = store.events();
    let queries = [
        all.clone(),
        all.clone().shard(middle.shard()),
        all.clone().types(&["Deposited"]),
        all.clone().key_prefix(middle.key()),
        all.clone().since(middle.commit_time()),
        all.clone().from_position(3),
        all.clone().from_positions(&[1, 2]),
        all.clone().from_now(),
    ];
    push(&store, 1, 10);
    for query in queries {
        let name = |event: Result<Event, Error>| name(&event.unwrap());
        let scanned: Vec<_> = query.iter().map(name).collect();
        let mut backwards: Vec<_> = query.rev().map(name).collect();
        backwards.reverse();
        assert!(!scanned.is_empty(), "{query:?}");
        assert_eq!(backwards, scanned, "{query:?}");
        assert_eq!(drain(&mut query.subscribe().unwrap()), scanned, "{query:?}");
    }
}

#[test]
fn what_is_acknowledged_is_there_at_once() {
    let store = Bank::new(4).open();
    let mut subscription = store.events().subscribe().unwrap();
    for number in 0..200 {
        put(&store, &format!("account-{number}"), "{}");
        assert!(subscription.try_next().unwrap().is_some(), "{number}");
    }
}

#[test]
fn what_waits_ends_when_the_store_is_closed() {
    in_time("a subscription", || {
        let store = Bank::new(2).open();
        let subscription = store.events().subscribe().unwrap();
        let reader = thread::spawn(move || {
            let names = subscription.map(|event| name(&event.unwrap()));
            names.collect::<Vec<_>>()
        });
        put(&store, "account-1", "{}");
        store.close().unwrap();
        assert_eq!(reader.join().unwrap(), ["account-1@1"]);
    });
}

#[test]
fn a_time_out_is_told_from_an_end() {
    let store = Bank::new(1).open();
    let mut subscription = store.events().subscribe().unwrap();
    let wait = Duration::from_millis(1);
    assert!(subscription.next_timeout(wait).unwrap().is_none());
    assert!(!subscription.is_over());
    store.close().unwrap();
    assert!(subscription.next_timeout(wait).unwrap().is_none());
    assert!(subscription.is_over());
}

/// Many events of a subscriber that does not read cost nothing, and it loses none.
#[test]
fn a_slow_subscriber_reads_from_the_log() {
    let mut bank = Bank::new(2);
    bank.options = bank.options.segment_bytes(20_000);
    let store = bank.open();
    let mut slow = store.events().subscribe().unwrap();
    put(&store, "account-0", "{}");
    assert!(slow.try_next().unwrap().is_some());
    push(&store, 0, 3_000);
    store.seal().unwrap();
    assert_eq!(drain(&mut slow).len(), 3_000);
}

#[test]
fn events_that_are_given_up_do_not_come() {
    let store = Bank::new(1).open();
    for _ in 0..3 {
        put(&store, "account-1", "{}");
    }
    let mut subscription = store.events().subscribe().unwrap();
    store.truncate_aggregate("account-1", 3).unwrap();
    // The block in hand was opened before or after; what is hidden now is not handed out.
    put(&store, "account-1", "{}");
    let names = drain(&mut subscription);
    assert_eq!(names.last().unwrap(), "account-1@5");
    assert!(!names.contains(&"account-1@4".to_owned()), "{names:?}");
}

#[test]
fn a_reader_follows_what_another_process_writes() {
    in_time("a subscription", || {
        let bank = Bank::new(2);
        let store = bank.open();
        put(&store, "account-1", "{}");
        let reader = bank.open_read_only();
        let mut subscription = reader.events().subscribe().unwrap();
        assert_eq!(drain(&mut subscription), ["account-1@1"]);
        put(&store, "account-2", "{}");
        let event = subscription.next().unwrap().unwrap();
        assert_eq!(name(&event), "account-2@1");
    });
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return value;
        }
        thread::park();
    }
}

#[test]
fn the_next_event_can_be_awaited() {
    in_time("a subscription", || {
        let store = Bank::new(2).open();
        let mut subscription = store.events().subscribe().unwrap();
        let reader = thread::spawn(move || {
            block_on(async {
                let mut names = Vec::new();
                while let Some(event) = subscription.next_async().await? {
                    names.push(name(&event));
                }
                Ok::<_, Error>(names)
            })
        });
        put(&store, "account-1", "{}");
        store.close().unwrap();
        assert_eq!(reader.join().unwrap().unwrap(), ["account-1@1"]);
    });
}

#[test]
fn l11_a_first_save_that_failed_is_replaced_by_the_next() {
    // Its file was there all the same, and the next save took another number: after a restart the
    // older of the two was taken up, and what was kept as handled came again.
    let disk = FaultyDisk::on(Arc::new(MemoryStorage::default()));
    let open = || {
        let options = Store::options().shards(1).threads(1).pin(false);
        options.open(Arc::new(disk.clone())).unwrap()
    };
    let store = open();
    for _ in 0..3 {
        put(&store, "account-1", "1");
    }
    let mut letters = store.events().named("letters").unwrap();
    letters.try_next().unwrap().unwrap();
    disk.fails(Operation::SyncDir, "subscriptions", Fault::Errno(5));
    assert!(letters.checkpoint().is_err());
    disk.is_well();
    letters.try_next().unwrap().unwrap();
    letters.checkpoint().unwrap();
    drop(letters);
    store.close().unwrap();

    assert_eq!(disk.list("subscriptions").unwrap(), ["0001"]);
    let letters = open().events().named("letters").unwrap();
    assert_eq!(letters.positions(), [2]);
}
