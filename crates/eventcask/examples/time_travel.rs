//! An aggregate as it was: at a version, and at a moment. And a view, as it was then.
//!
//! Run with `cargo run -p eventcask --example time_travel`.

use eventcask::read::AggregateEvents;
use eventcask::{AsOf, Error, Expected, NewEvent, ViewSpec};

fn statuses(events: AggregateEvents) -> Result<Vec<String>, Error> {
    events
        .map(|event| Ok(event?.event_type().to_owned()))
        .collect()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    let store = eventcask::open(directory.path().join("orders"))?;
    let spec = ViewSpec::new("state", &["count"], None, None)?;
    let states = store.create_view("states", spec)?;
    let mut producer = store.producer();
    for name in ["Placed", "Paid", "Shipped"] {
        let payload = format!(r#"{{"state":"{name}"}}"#);
        let event = NewEvent::json(name, payload.as_bytes());
        producer
            .append("order-7", Expected::Any, &[event])?
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
    let moment = paid.commit_time();
    let then = statuses(order.as_of_time(moment).events()?)?;
    println!("at {moment}: {then:?}");
    assert_eq!(then, ["Placed", "Paid"]);

    // The same question about the same moment has the same answer, whenever it is asked.
    let keys = |rows: Vec<eventcask::view::ViewRow>| rows.into_iter().map(|row| row.key);
    let then: Vec<_> = keys(states.as_of(AsOf::Time(moment))?.rows()).collect();
    let now: Vec<_> = keys(states.rows()?).collect();
    println!("the view at {moment}: {then:?}, now: {now:?}");
    assert_eq!(then, ["Paid", "Placed"]);
    assert_eq!(now, ["Paid", "Placed", "Shipped"]);
    Ok(())
}
