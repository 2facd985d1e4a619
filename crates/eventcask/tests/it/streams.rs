//! Subscriptions and queries as streams, on a runtime.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use eventcask::subscribe::EventStream;
use eventcask::{Event, NewEvent, Store, Subscription};
use futures_core::Stream;
use tokio::task::{JoinSet, yield_now};
use tokio::time::timeout;

use crate::support::Bank;

/// Longer than anything here takes; a lost wake-up would wait for ever.
const PATIENCE: Duration = Duration::from_secs(60);

fn push(store: &Store, keys: &[&str], events: usize) {
    let mut producer = store.producer();
    for number in 0..events {
        let payload = format!("{{\"n\":{number}}}");
        let event = NewEvent::json("Deposited", payload.as_bytes());
        producer.push(keys[number % keys.len()], &event).unwrap();
    }
    producer.flush().unwrap().wait().unwrap();
}

async fn next<S>(stream: &mut S) -> Option<Event>
where
    S: Stream<Item = Result<Event, eventcask::Error>> + Unpin,
{
    let next = poll_fn(|context| Pin::new(&mut *stream).poll_next(context));
    let next = timeout(PATIENCE, next).await;
    next.expect("an event or the end comes")
        .transpose()
        .unwrap()
}

fn stream(store: &Store) -> EventStream<Subscription> {
    store.events().subscribe().unwrap().into_stream()
}

/// Counts how often its task is woken.
#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Follows with many tasks while events are pushed; each is to see all of them, in order.
async fn follow_many(streams: usize, stored: usize, live: usize) {
    let keys = ["account-1", "account-2", "account-3"];
    let store = Bank::new(4).open();
    push(&store, &keys, stored);
    let mut tasks = JoinSet::new();
    for _ in 0..streams {
        let mut events = stream(&store);
        tasks.spawn(async move {
            let mut seen = Vec::new();
            while let Some(event) = next(&mut events).await {
                seen.push((event.commit_time(), event.key().to_owned(), event.version()));
            }
            seen
        });
    }
    let writer = store.clone();
    let write = move || (0..live).for_each(|_| push(&writer, &keys, keys.len()));
    tokio::task::spawn_blocking(write).await.unwrap();
    store.close().unwrap();

    let seen = tasks.join_all().await;
    assert_eq!(seen.len(), streams);
    for seen in seen {
        assert_eq!(seen.len(), stored + live * keys.len());
        assert!(seen.is_sorted_by_key(|(time, _, _)| *time));
        for key in keys {
            let versions = seen.iter().filter(|one| one.1 == key).map(|one| one.2);
            assert!(versions.eq(1..=((stored / 3 + live) as u64)), "{key}");
        }
    }
}

#[tokio::test]
async fn a_stream_goes_from_catch_up_into_live_without_a_gap() {
    follow_many(1, 300, 50).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_streams_see_every_event_in_order_and_end_with_the_store() {
    follow_many(40, 300, 50).await;
}

#[tokio::test]
async fn a_stream_that_waits_leaves_the_thread_to_others() {
    let store = Bank::new(2).open();
    let mut events = stream(&store);
    let others = async {
        for _ in 0..100 {
            yield_now().await;
        }
        push(&store, &["account-1"], 1);
    };
    let (event, ()) = tokio::join!(next(&mut events), others);
    assert_eq!(event.unwrap().key(), "account-1");
}

#[tokio::test]
async fn a_stream_that_catches_up_gives_way_to_other_tasks() {
    let store = Bank::new(2).open();
    push(&store, &["account-1"], 2_000);
    let turns = AtomicUsize::new(0);
    let mut events = stream(&store);
    let read = async {
        for _ in 0..2_000 {
            next(&mut events).await.unwrap();
        }
        turns.load(Ordering::SeqCst)
    };
    let others = async {
        for _ in 0..100 {
            yield_now().await;
            turns.fetch_add(1, Ordering::SeqCst);
        }
    };
    let (turns, ()) = tokio::join!(read, others);
    assert!(turns >= 10, "others had {turns} turns");
}

#[test]
fn a_stream_that_is_dropped_while_it_waits_leaves_nothing_behind() {
    let bank = Bank::new(2);
    let store = bank.open();
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(Arc::clone(&wakes));
    let mut events = stream(&store);
    let poll = Pin::new(&mut events).poll_next(&mut Context::from_waker(&waker));
    assert!(poll.is_pending());
    drop((events, waker));

    assert_eq!(Arc::strong_count(&wakes), 1, "nobody holds the waker");
    push(&store, &["account-1"], 1);
    assert_eq!(wakes.0.load(Ordering::SeqCst), 0);
    // A subscription keeps its store open: none is left that does.
    drop(store);
    drop(bank.open());
}

/// What takes from the subscription ends its wait, and the stream kept the listener of that wait:
/// it would have slept for ever. Now it looks again.
#[tokio::test]
async fn a_stream_goes_on_after_events_were_taken_from_its_subscription() {
    let store = Bank::new(2).open();
    let mut events = stream(&store);
    let mut context = Context::from_waker(Waker::noop());
    assert!(Pin::new(&mut events).poll_next(&mut context).is_pending());
    assert!(events.get_mut().try_next().unwrap().is_none());

    let (event, ()) = tokio::join!(next(&mut events), async {
        yield_now().await;
        push(&store, &["account-1"], 1);
    });
    assert_eq!(event.unwrap().version(), 1);
}

#[tokio::test]
async fn a_stream_that_ended_says_so_again() {
    let store = Bank::new(2).open();
    push(&store, &["account-1"], 1);
    let mut events = stream(&store);
    store.close().unwrap();
    assert_eq!(next(&mut events).await.unwrap().version(), 1);
    assert!(next(&mut events).await.is_none());
    assert!(next(&mut events).await.is_none());
    assert!(events.into_inner().is_over());
}

#[tokio::test]
async fn a_named_stream_goes_on_where_it_was_saved() {
    let store = Bank::new(2).open();
    push(&store, &["account-1"], 3);
    let mut letters = store.events().named("letters").unwrap().into_stream();
    next(&mut letters).await.unwrap();
    letters.get_mut().checkpoint().unwrap();
    next(&mut letters).await.unwrap();
    drop(letters);

    let mut letters = store.events().named("letters").unwrap().into_stream();
    assert_eq!(letters.get_ref().name(), "letters");
    assert_eq!(next(&mut letters).await.unwrap().version(), 2);
}

#[tokio::test]
async fn a_query_streams_what_is_durable_and_ends() {
    let store = Bank::new(2).open();
    push(&store, &["account-1", "account-2"], 400);
    let mut events = store.events().key_prefix("account-2").stream();
    let mut versions = Vec::new();
    while let Some(event) = next(&mut events).await {
        versions.push(event.version());
    }
    assert!(versions.into_iter().eq(1..=200));
}

#[test]
fn a_stream_can_be_polled_without_any_runtime() {
    let store = Bank::new(2).open();
    let mut events = stream(&store);
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(Arc::clone(&wakes));
    let mut context = Context::from_waker(&waker);
    assert!(Pin::new(&mut events).poll_next(&mut context).is_pending());
    push(&store, &["account-1"], 1);
    assert!(wakes.0.load(Ordering::SeqCst) > 0, "it is woken");
    let next = Pin::new(&mut events).poll_next(&mut context);
    assert!(matches!(next, Poll::Ready(Some(Ok(event))) if event.version() == 1));
}
