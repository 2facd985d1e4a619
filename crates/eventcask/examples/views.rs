//! A view: a keyed aggregation that is kept up to date as events come in.
//!
//! Run with `cargo run -p eventcask --example views`.

use eventcask::view::Value;
use eventcask::{NewEvent, ViewSpec};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    let store = eventcask::open(directory.path().join("shop"))?;
    let spec = ViewSpec::new(
        "customer",
        &["count", "sum:price", "max:price"],
        Some("Bought"),
        None,
    )?;
    let sales = store.create_view("sales", spec)?;

    let mut producer = store.producer();
    for (order, customer, price) in [(1, "ada", "3.10"), (2, "bob", "12"), (3, "ada", "0.20")] {
        let payload = format!(r#"{{"customer":"{customer}","price":{price}}}"#);
        producer.push(
            &format!("order-{order}"),
            &NewEvent::json("Bought", payload.as_bytes()),
        )?;
    }
    producer.flush()?.wait()?;

    for row in sales.rows()? {
        let figures: Vec<String> = row
            .values
            .iter()
            .filter_map(|(name, value)| Some(format!("{name} {}", value.number()?)))
            .collect();
        println!("{}: {}", row.key, figures.join(", "));
    }
    let sum = sales.get("ada")?[0]
        .value("sum:price")
        .and_then(Value::number);
    assert_eq!(sum.map(|sum| sum.to_string()).as_deref(), Some("3.3"));
    Ok(())
}
