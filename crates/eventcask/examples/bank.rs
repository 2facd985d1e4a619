//! Accounts with optimistic concurrency: read, decide, append at the version that was read.
//!
//! Run with `cargo run -p eventcask --example bank`.

use eventcask::{Error, ErrorKind, Expected, NewEvent, Producer, Store};

/// What an account is worth, and the version that says so.
fn balance(store: &Store, account: &str) -> Result<(i64, u64), Error> {
    let (mut cents, mut version) = (0, 0);
    for event in store.aggregate(account).events()? {
        let event = event?;
        let amount: i64 = str::from_utf8(event.payload())
            .unwrap_or("0")
            .parse()
            .unwrap_or(0);
        cents += if event.event_type() == "Deposited" {
            amount
        } else {
            -amount
        };
        version = event.version();
    }
    Ok((cents, version))
}

/// Takes money out, unless there is too little; decides anew when somebody else was faster.
fn withdraw(
    store: &Store,
    producer: &mut Producer,
    account: &str,
    cents: i64,
) -> Result<bool, Error> {
    loop {
        let (available, version) = balance(store, account)?;
        if available < cents {
            return Ok(false);
        }
        let amount = cents.to_string();
        let event = NewEvent::json("Withdrawn", amount.as_bytes());
        let answer = producer
            .append(account, Expected::Exact(version), &[event])?
            .wait();
        match answer {
            Ok(_) => return Ok(true),
            Err(error) if error.kind() == ErrorKind::Conflict => {}
            Err(error) => return Err(error),
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    let store = eventcask::open(directory.path().join("bank"))?;
    let mut producer = store.producer();
    let opening = NewEvent::json("Deposited", b"1000");
    producer
        .append("account-42", Expected::NoStream, &[opening])?
        .wait()?;

    // Four people share the account and each wants 300, three times.
    let paid: usize = std::thread::scope(|scope| {
        let people: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut producer = store.producer();
                    let mut pay = || withdraw(&store, &mut producer, "account-42", 300);
                    (0..3).filter(|_| pay().is_ok_and(|paid| paid)).count()
                })
            })
            .collect();
        people
            .into_iter()
            .filter_map(|person| person.join().ok())
            .sum()
    });

    let (cents, version) = balance(&store, "account-42")?;
    println!("{paid} payments of 300; {cents} are left after {version} events");
    assert_eq!((paid, cents, version), (3, 100, 4));
    drop(producer);
    store.close()?;
    Ok(())
}
