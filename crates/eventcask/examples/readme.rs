//! The code of the README.

use eventcask::{Expected, NewEvent};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let store = eventcask::open("bank")?; // a directory, made on first use
    let mut producer = store.producer(); // one for each thread

    let deposit = NewEvent::json("Deposited", br#"{"cents":500}"#);
    let ticket = producer.append("account-42", Expected::Any, &[deposit])?;
    println!("{:?}", ticket.wait()?); // durable on disk from here on

    for event in store.aggregate("account-42").events()? {
        let event = event?; // read in place in the stored block, oldest first
        let text = String::from_utf8_lossy(event.payload());
        println!("{} {} {text}", event.version(), event.event_type());
    }
    Ok(())
}
