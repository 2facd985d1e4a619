//! Several consumers share out the events of one subscription; what fails is tried again, then
//! parked, and holds up nothing but its own aggregate.
//!
//! Run with `cargo run -p eventcask --example consumers`.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use eventcask::subscribe::Retry;
use eventcask::{ConsumerGroup, Error, NewEvent};

/// Handles events until there are none for a moment. The second event of order 3 can not be
/// handled.
fn consume(group: &ConsumerGroup, mailed: &Mutex<BTreeMap<String, Vec<u64>>>) -> Result<(), Error> {
    while let Some(claim) = group.claim_timeout(Duration::from_millis(300))? {
        let event = claim.event();
        let (key, version) = (event.key().to_owned(), event.version());
        if (key.as_str(), version) == ("order-3", 2) {
            claim.retry("the address is wrong")?;
            continue;
        }
        if let Ok(mut mailed) = mailed.lock() {
            mailed.entry(key).or_default().push(version);
        }
        claim.ack()?;
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    let store = eventcask::open(directory.path().join("orders"))?;
    let mut producer = store.producer();
    for number in 0..20 {
        let key = format!("order-{}", number % 5);
        producer.push(&key, &NewEvent::json("Changed", b"{}"))?;
    }
    producer.flush()?.wait()?;

    // Two tries, then the aggregate is parked.
    let retry = Retry::new(2).first(Duration::from_millis(10));
    let group = store.events().group("mailer", retry)?;
    let mailed = Mutex::default();
    thread::scope(|scope| {
        let consumers = [0, 1, 2].map(|_| scope.spawn(|| consume(&group, &mailed)));
        let results = consumers.map(thread::ScopedJoinHandle::join);
        results.into_iter().try_for_each(|result| {
            result.unwrap_or(Ok(())) // A consumer that panics fails its event only.
        })
    })?;
    let mailed = mailed.into_inner()?;
    for (order, versions) in &mailed {
        println!("{order}: {versions:?}");
    }
    assert_eq!(mailed["order-1"], [1, 2, 3, 4], "in order");
    assert_eq!(mailed["order-3"], [1], "the rest of it waits");

    // A person looks at it, mends the address, and redrives.
    let parked = group.parked();
    let order = &parked[0];
    println!(
        "{} waits at version {}: {}",
        order.key, order.version, order.reason
    );
    group.redrive(&order.key)?;
    let mut redriven = Vec::new();
    while let Some(claim) = group.try_claim()? {
        redriven.push(claim.event().version());
        claim.ack()?;
    }
    assert_eq!(redriven, [2, 3, 4]);
    assert_eq!(store.stats().subscriptions[0].parked, 0);
    Ok(())
}
