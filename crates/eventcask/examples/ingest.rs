//! Lines of a file, each stored exactly once however often this is run or killed.
//!
//! Run with `cargo run -p eventcask --example ingest`.

use eventcask::{Error, Flushed, NewEvent, Store};

/// Reads the whole file each time; the store knows how far it came.
fn ingest(store: &Store, file: &str) -> Result<Flushed, Error> {
    let mut producer = store.producer_from("file:sensors.csv")?;
    for (offset, line) in (0..).zip(file.lines()) {
        let (sensor, value) = line.split_once(',').unwrap_or((line, "null"));
        let event = NewEvent::json("Measured", value.as_bytes());
        producer.push_at(offset, 0, sensor, &event)?;
    }
    producer.flush()?.wait()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("sensors");
    let mut file = "north,17\nsouth,21\nnorth,18\n".to_owned();

    let store = eventcask::open(&path)?;
    let first = ingest(&store, &file)?;
    println!(
        "first run: {} stored, {} known",
        first.stored, first.duplicates
    );
    store.close()?;

    file.push_str("south,22\n");
    let store = eventcask::open(&path)?;
    let second = ingest(&store, &file)?;
    println!(
        "second run: {} stored, {} known",
        second.stored, second.duplicates
    );
    assert_eq!((second.stored, second.duplicates), (1, 3));
    for event in &store.events() {
        let event = event?;
        println!(
            "{} {} {}",
            event.key(),
            event.version(),
            String::from_utf8_lossy(event.payload())
        );
    }
    Ok(())
}
