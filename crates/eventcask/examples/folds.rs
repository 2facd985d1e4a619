//! Decide by the state of an aggregate: load it, append what was decided, and look back.
//!
//! Run with `cargo run -p eventcask --example folds`.

use std::time::Duration;

use eventcask::event::EventRef;
use eventcask::{ApplyError, AsOf, ErrorKind, Expected, Fold, NewEvent, Timeout};

/// The cents of an account: a sum over its events.
struct Balance;

impl Fold for Balance {
    const NAME: &'static str = "balance";
    const VERSION: u32 = 1;
    type State = i64;

    fn apply(&self, cents: &mut i64, event: &EventRef<'_>) -> Result<(), ApplyError> {
        let amount = i64::from_le_bytes(event.payload.try_into()?);
        *cents += if event.event_type == "Withdrawn" {
            -amount
        } else {
            amount
        };
        Ok(())
    }

    // What a snapshot holds. Raise VERSION when this changes, or when `apply` does.
    fn encode(&self, cents: &i64, out: &mut Vec<u8>) {
        out.extend_from_slice(&cents.to_le_bytes());
    }

    fn decode(&self, bytes: &[u8]) -> Option<i64> {
        bytes.try_into().ok().map(i64::from_le_bytes)
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    let store = eventcask::open(directory.path().join("bank"))?;
    // One handle for the process: it keeps the states that are loaded most, and saves each every
    // 1,000 events.
    let balances = store.fold(Balance).snapshot_every(1_000);
    let mut producer = store.producer();

    let deposit = 500_i64.to_le_bytes();
    let deposit = NewEvent::bytes("Deposited", &deposit);
    let answer = producer
        .append("account-42", Expected::Any, &[deposit])?
        .wait()?;

    // An acknowledged event is in every load that begins afterwards.
    let account = balances.load("account-42")?;
    println!("{} cents at version {}", *account, account.version());
    assert_eq!((*account, account.version()), (500, 1));

    // What was decided by a state is stored only if the state is still that of the aggregate.
    let withdrawal = 200_i64.to_le_bytes();
    let withdrawal = NewEvent::bytes("Withdrawn", &withdrawal);
    let first = producer.append("account-42", account.expected(), &[withdrawal])?;
    first.wait()?;
    let second = producer.append("account-42", account.expected(), &[withdrawal])?;
    let refused = second.wait();
    assert!(matches!(refused, Err(error) if error.kind() == ErrorKind::Conflict));
    assert_eq!(*balances.load("account-42")?, 300);

    // As it was: at a version, at the position of an append, at a time.
    let position = answer.position().ok_or("stored")?;
    let then = balances.load_as_of("account-42", AsOf::Position(position))?;
    println!("{} cents at position {position}", *then);
    assert_eq!(*then, 500);
    let time = then.commit_time().ok_or("it has an event")?;
    assert_eq!(*balances.load_as_of("account-42", AsOf::Time(time))?, 500);
    assert_eq!(*balances.load_as_of("account-42", AsOf::Version(0))?, 0);

    // A reader that only needs what it has stored itself may get a state that is kept.
    let soon = Timeout::Error(Duration::from_secs(1));
    let own = balances.load_at_least("account-42", answer.place(), soon)?;
    assert!(own.version() >= 1);
    Ok(())
}
