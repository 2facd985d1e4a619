//! A subscription as a stream, on an async runtime: what is stored, and then what is new.
//!
//! Run with `cargo run -p eventcask --example stream --features stream`.

use std::error::Error;
use std::future::poll_fn;
use std::pin::Pin;

use eventcask::subscribe::EventStream;
use eventcask::{Event, Expected, NewEvent, Subscription};
use futures_core::Stream;

/// What `StreamExt::next` of the crates futures and tokio-stream does.
async fn next(events: &mut EventStream<Subscription>) -> Result<Option<Event>, eventcask::Error> {
    let next = poll_fn(|context| Pin::new(&mut *events).poll_next(context));
    next.await.transpose()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let store = eventcask::open(directory.path().join("orders"))?;
    let mut producer = store.producer();
    let placed = NewEvent::json("Placed", b"{}");
    producer
        .append("order-1", Expected::Any, &[placed])?
        .await?;

    let mut orders = store.events().subscribe()?.into_stream();
    let reader = tokio::spawn(async move {
        let mut seen = Vec::new();
        while let Some(event) = next(&mut orders).await? {
            println!("{} of {}", event.event_type(), event.key());
            seen.push(event.event_type().to_owned());
        }
        Ok::<_, eventcask::Error>(seen)
    });

    let shipped = NewEvent::json("Shipped", b"{}");
    producer
        .append("order-1", Expected::Exact(1), &[shipped])?
        .await?;
    // The stream ends once the store is closed and all of it was handed out.
    store.close()?;
    assert_eq!(reader.await??, ["Placed", "Shipped"]);
    Ok(())
}
