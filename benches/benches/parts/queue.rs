//! From a producer's hands to the shard's: whole batches through the inbox.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use eventcask_benches::{Outcome, batch, size, workload};
use eventcask_shard::{Delivery, Inbox, Message};

use super::EVENTS;

pub(super) fn benches(c: &mut Criterion) {
    let mut outcome = Outcome::default();
    outcome.add_batch(&cross(size(10, 1000)).1.batch);
    outcome.print("queue", format_args!("batches of {EVENTS} events"));
    let mut group = c.benchmark_group("queue");
    // Of events, though a batch costs the same however many it holds.
    group.throughput(Throughput::Elements(EVENTS as u64));
    group.bench_function("one-thread", |b| {
        let inbox = inbox();
        let mut open = full();
        b.iter(|| {
            inbox.try_send(&mut open).expect("there is room");
            let empty = std::mem::replace(&mut open, taken(&inbox).expect("it was sent"));
            inbox.recycle(empty);
        });
    });
    group.bench_function("two-threads", |b| b.iter_custom(|batches| cross(batches).0));
    group.finish();
}

fn inbox() -> Inbox {
    Inbox::new(Arc::default(), Duration::ZERO, 256 << 10)
}

fn full() -> Box<Delivery> {
    let mut delivery = Box::<Delivery>::default();
    delivery.batch = batch(&workload(EVENTS, 1_000_000));
    delivery
}

fn taken(inbox: &Inbox) -> Option<Box<Delivery>> {
    match inbox.take()? {
        Message::Delivery(delivery) => Some(delivery),
        Message::Flush(_) | Message::EndSegment(_) => None,
    }
}

/// Sends a batch to another thread, which sends it back, so many times; says how long it took, and
/// what came back.
fn cross(times: u64) -> (Duration, Box<Delivery>) {
    let (there, back) = (inbox(), inbox());
    thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..times {
                let mut delivery = wait_for(&there);
                back.send(&mut delivery).expect("it is open");
                there.recycle(delivery);
            }
        });
        let mut open = full();
        let started = Instant::now();
        for _ in 0..times {
            there.send(&mut open).expect("it is open");
            back.recycle(std::mem::replace(&mut open, wait_for(&back)));
        }
        (started.elapsed(), open)
    })
}

fn wait_for(inbox: &Inbox) -> Box<Delivery> {
    loop {
        match taken(inbox) {
            Some(delivery) => return delivery,
            None => thread::yield_now(),
        }
    }
}
