//! What is stored, and then what is new, in one go; and a progress that outlives a restart.
//!
//! Run with `cargo run -p eventcask --example subscriptions`.

use eventcask::{Error, Event, Expected, NewEvent};

fn name(event: Result<Event, Error>) -> Result<String, Error> {
    let event = event?;
    Ok(format!("{} {}", event.key(), event.event_type()))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    let store = eventcask::open(directory.path().join("orders"))?;
    let mut producer = store.producer();
    let mut append = |key: &str, event_type: &str| {
        let event = NewEvent::json(event_type, b"{}");
        producer.append(key, Expected::Any, &[event])?.wait()?;
        Ok::<_, Error>(())
    };
    append("order-1", "Placed")?;
    append("invoice-1", "Sent")?;

    // A subscription begins with what is stored, of the aggregates it is to, and goes on with what
    // is new. As an iterator it waits, and ends when the store is closed.
    let orders = store.events().key_prefix("order-").subscribe()?;
    let reader = std::thread::spawn(move || orders.map(name).collect::<Result<Vec<_>, _>>());

    // One with a name keeps its progress, whenever it says that all it got is handled.
    let mut letters = store.events().named("letters")?;
    let first = letters.next().transpose()?.ok_or("an order is there")?;
    println!("a letter about {}", first.key());
    letters.checkpoint()?;
    drop(letters);

    append("order-1", "Shipped")?;
    store.close()?;
    let seen = reader.join().map_err(|_| "the reader failed")??;
    println!("orders: {seen:?}");
    assert_eq!(seen, ["order-1 Placed", "order-1 Shipped"]);

    // After a restart it goes on behind the event that was handled.
    let store = eventcask::open(directory.path().join("orders"))?;
    let mut letters = store.events().named("letters")?;
    let mut left = Vec::new();
    while let Some(event) = letters.try_next()? {
        left.push(name(Ok(event))?);
    }
    letters.checkpoint()?;
    println!("letters to write: {left:?}");
    assert_eq!(left, ["invoice-1 Sent", "order-1 Shipped"]);

    // Only some types, of one shard, from a moment on. What else there is is not decompressed.
    let shipped = store.events().types(&["Shipped"]);
    let shipped = shipped.shard(eventcask::event::route("order-1", store.shards()));
    let mut shipped = shipped.since(first.commit_time()).subscribe()?;
    let found = shipped.try_next().transpose().map(name).transpose()?;
    assert_eq!(found.as_deref(), Some("order-1 Shipped"));

    // Backwards, by the way: the newest event of all orders.
    let newest = store.events().key_prefix("order-").rev().next();
    assert_eq!(
        newest.map(name).transpose()?.as_deref(),
        Some("order-1 Shipped")
    );
    Ok(())
}
