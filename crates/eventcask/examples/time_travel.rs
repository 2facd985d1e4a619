//! An aggregate as it was: at a version, and at a moment.
//!
//! Run with `cargo run -p eventcask --example time_travel`.

use eventcask::{AggregateEvents, Error, Expected, NewEvent};

fn statuses(events: AggregateEvents) -> Result<Vec<String>, Error> {
    events
        .map(|event| Ok(event?.get().event_type.to_owned()))
        .collect()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    let store = eventcask::open(directory.path().join("orders"))?;
    let mut producer = store.producer();
    for name in ["Placed", "Paid", "Shipped"] {
        producer
            .append("order-7", Expected::Any, &[NewEvent::json(name, b"{}")])?
            .wait()?;
    }

    let order = store.aggregate("order-7");
    println!("now: {:?}", statuses(order.events()?)?);
    println!(
        "at version 2: {:?}",
        statuses(order.clone().as_of_version(2).events()?)?
    );

    let paid = order
        .clone()
        .as_of_version(2)
        .last(1)
        .events()?
        .next()
        .ok_or("no event")??;
    let moment = paid.get().commit_time;
    let then = statuses(order.as_of_time(moment).events()?)?;
    println!("at {moment}: {then:?}");
    assert_eq!(then, ["Placed", "Paid"]);
    Ok(())
}
