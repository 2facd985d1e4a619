//! Answers: waited for, asked for, awaited; and who waits when the store goes away.

use std::future::IntoFuture;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use eventcask::{AppendResult, ErrorKind, Expected, Ticket};
use eventcask_shard::{AppendError, Delivery, Expectation, Inbox, OpenBatch};

use crate::support::{Bank, deposit, put};

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Awaits a ticket on this thread, without any runtime.
pub(crate) fn block_on(ticket: Ticket) -> AppendResult {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(ticket.into_future());
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(outcome) => return outcome,
            Poll::Pending => std::thread::park(),
        }
    }
}

#[test]
fn a_ticket_can_be_awaited_without_a_runtime() {
    let store = Bank::new(2).open();
    let mut producer = store.producer();
    for version in 1..=20 {
        let ticket = producer
            .append("a", Expected::Any, &[deposit("{}")])
            .unwrap();
        assert_eq!(block_on(ticket).unwrap().version(), Some(version));
    }
}

struct Count(AtomicU32);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A task may be asked by one executor first and by another later: the last one is told.
#[test]
fn the_answer_wakes_the_task_by_its_newest_waker() {
    let mut bank = Bank::new(1);
    bank.options = bank.options.linger(Duration::from_secs(3600));
    let store = bank.open();
    let ticket = store.append("a", Expected::Any, &[deposit("{}")]).unwrap();
    let other = store.append("b", Expected::Any, &[deposit("{}")]).unwrap();
    let wakers = [0; 3].map(|_| Arc::new(Count(AtomicU32::new(0))));
    let mut future = pin!(ticket.into_future());
    let mut other = pin!(other.into_future());
    for waker in &wakers[..2] {
        let waker = Waker::from(Arc::clone(waker));
        let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
    }
    let waker = Waker::from(Arc::clone(&wakers[2]));
    let mut context = Context::from_waker(&waker);
    assert!(other.as_mut().poll(&mut context).is_pending());
    store.flush().unwrap();
    let woken = wakers.map(|waker| waker.0.load(Ordering::Relaxed));
    assert_eq!(woken, [0, 1, 1]);
    assert!(future.as_mut().poll(&mut context).is_ready());
    assert!(other.as_mut().poll(&mut context).is_ready());
}

#[test]
fn a_ticket_can_be_asked_for_its_answer() {
    let store = Bank::new(1).open();
    let ticket = store
        .producer()
        .append("a", Expected::Any, &[deposit("{}")])
        .unwrap();
    put(&store, "a", "{}");
    let answer = ticket
        .poll()
        .expect("answered before the later append of the same shard");
    assert_eq!(answer.unwrap().version(), Some(1));
    assert_eq!(ticket.wait().unwrap().version(), Some(1));
}

#[test]
fn what_a_dropped_producer_held_is_stored() {
    let store = Bank::new(2).open();
    let mut producer = store.producer();
    producer.push("a", &deposit("{}")).unwrap();
    drop(producer);
    store.flush().unwrap();
    assert_eq!(store.aggregate("a").version().unwrap(), 1);
}

#[test]
fn after_close_everyone_is_told() {
    let bank = Bank::new(2);
    let store = bank.open();
    let other = store.clone();
    let mut producer = store.producer();
    let before = producer
        .append("a", Expected::Any, &[deposit("{}")])
        .unwrap();
    store.close().unwrap();
    assert_eq!(before.wait().unwrap().version(), Some(1));
    let refused = producer
        .append("a", Expected::Any, &[deposit("{}")])
        .map(|_| ());
    assert_eq!(refused.expect_err("closed").kind(), ErrorKind::Closed);
    assert!(producer.push("a", &deposit("{}")).is_err());
    assert_eq!(other.flush().expect_err("closed").kind(), ErrorKind::Closed);
    assert_eq!(bank.open().aggregate("a").version().unwrap(), 1);
}

/// Adds an event to a batch, as an append does that has asked whether the shard takes it.
fn appended(open: &mut Delivery) -> eventcask_shard::Ticket {
    open.batch.push("a", 0, &deposit("{}")).unwrap();
    open.join(0, Expectation::One(Expected::Any))
}

/// A worker that ends looks at no batch that is in nobody's list. Who had asked before, and adds to
/// such a batch after, waited for ever.
#[test]
fn who_adds_to_a_batch_when_the_worker_is_gone_is_told() {
    let inbox = Inbox::new(Arc::default(), Duration::ZERO, 1 << 20);
    let (late, listed) = (
        Arc::new(OpenBatch::default()),
        Arc::new(OpenBatch::default()),
    );
    let mut open = late.lock();
    assert!(inbox.refusal().is_none());
    let mut other = listed.lock();
    let before = appended(&mut other);
    inbox.begin(&listed, &mut other);
    drop(other);

    inbox.close();
    inbox.abandon();
    let after = appended(&mut open);
    inbox.begin(&late, &mut open);
    assert!(open.is_empty() && listed.lock().is_empty());
    assert_eq!(before.poll(), Some(Err(AppendError::Closed)));
    assert_eq!(after.poll(), Some(Err(AppendError::Closed)));
}

#[test]
fn a_full_queue_is_said_and_not_waited_for() {
    let store = Bank::new(1).open();
    let mut producer = store.producer();
    let payload = format!("\"{}\"", "x".repeat(60_000));
    let mut tickets = Vec::new();
    let full = loop {
        match producer.try_append("a", Expected::Any, &[deposit(&payload)]) {
            Ok(ticket) => tickets.push(ticket),
            Err(error) => break Some(error),
        }
        // A worker that always keeps up never lets the queue fill.
        if tickets.len() == 2000 {
            break None;
        }
    };
    if let Some(error) = full {
        assert_eq!(error.kind(), ErrorKind::Full);
        assert!(error.is_retryable());
    }
    let stored = tickets.len() as u64;
    let answers: Vec<_> = tickets.into_iter().map(Ticket::wait).collect();
    assert!(
        answers.iter().all(Result::is_ok),
        "what was taken is stored"
    );
    assert_eq!(store.aggregate("a").version().unwrap(), stored);
}

#[test]
fn dropping_a_ticket_changes_nothing() {
    let store = Bank::new(1).open();
    drop(
        store
            .producer()
            .append("a", Expected::Any, &[deposit("{}")])
            .unwrap(),
    );
    assert_eq!(put(&store, "a", "{}").version(), Some(2));
}

/// Fault: a worker that looked for work waited for the batch of a producer, who waited for room in
/// the queue that only the worker empties. Cure: who looks for work waits for nobody.
#[test]
fn l10_producers_that_flush_often_never_block_the_worker() {
    let mut bank = Bank::new(1);
    bank.options = bank.options.durability(eventcask::Durability::Os);
    let store = bank.open();
    let payload = format!("\"{}\"", "x".repeat(200));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut producer = store.producer();
                for _ in 0..300 {
                    for number in 0..20 {
                        let key = format!("account-{number}");
                        producer.push(&key, &deposit(&payload)).unwrap();
                    }
                    drop(producer.flush().unwrap());
                }
            });
        }
    });
    store.flush().unwrap();
    assert_eq!(store.stats().events, 8 * 300 * 20);
}

#[test]
fn an_interval_without_end_is_a_level_like_others() {
    let mut bank = Bank::new(1);
    let forever = eventcask::Durability::Interval(Duration::MAX);
    bank.options = bank.options.durability(forever);
    let store = bank.open();
    for version in 1..=3 {
        assert_eq!(put(&store, "a", "{}").version(), Some(version));
    }
    store.close().unwrap();
}
