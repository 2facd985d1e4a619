//! Accounts on a simulated disk, for tests that want to see each step.

use std::collections::BTreeSet;
use std::sync::Arc;

use eventcask::{AppendResult, Error, ErrorKind, Event, Expected, NewEvent, Options, Store};
use eventcask_sim::{Faults, SimDisk};

pub(crate) fn options() -> Options {
    let options = Store::options().shards(2).threads(1).pin(false);
    // Segments are sealed where a test says so: it has to know what comes when.
    options.segment_bytes(6_000).seal(false)
}

pub(crate) fn open_with(options: &Options, disk: &SimDisk) -> Store {
    try_open(options, disk).unwrap()
}

pub(crate) fn try_open(options: &Options, disk: &SimDisk) -> Result<Store, Error> {
    options.open(Arc::new(disk.clone()))
}

pub(crate) fn account(number: u32) -> String {
    format!("account-{}", number % 5)
}

/// A payload that names the deposit and takes some room.
pub(crate) fn payload(number: u32) -> String {
    format!(r#"{{"deposit":{number},"note":"{:0400}"}}"#, number)
}

/// Deposits with these numbers, one after the other, and what they were answered.
pub(crate) fn deposit(store: &Store, numbers: std::ops::Range<u32>) -> Vec<(u32, AppendResult)> {
    let mut producer = store.producer();
    let mut answers = Vec::new();
    for number in numbers {
        let payload = payload(number);
        let event = NewEvent::json("Deposited", payload.as_bytes());
        let outcome = match producer.append(&account(number), Expected::Any, &[event]) {
            Ok(ticket) => ticket.wait(),
            Err(error) => Err(error),
        };
        answers.push((number, outcome));
    }
    answers
}

pub(crate) fn acknowledged(answers: &[(u32, AppendResult)]) -> BTreeSet<u32> {
    let stored = answers.iter().filter(|(_, outcome)| outcome.is_ok());
    stored.map(|(number, _)| *number).collect()
}

/// Numbers of the deposits that the store has; each aggregate is checked for gaps on the way.
pub(crate) fn deposits(store: &Store) -> BTreeSet<u32> {
    let events: Result<Vec<Event>, Error> = store.events().iter().collect();
    let events = events.unwrap();
    let mut versions = std::collections::BTreeMap::new();
    let mut found = BTreeSet::new();
    for event in &events {
        let version: &mut u64 = versions.entry(event.key().to_owned()).or_default();
        *version += 1;
        assert_eq!(event.version(), *version, "{} has a gap", event.key());
        let text = str::from_utf8(event.payload()).unwrap();
        let digits = text.trim_start_matches(r#"{"deposit":"#);
        let number = digits.split_once(',').unwrap().0.parse().unwrap();
        assert_eq!(text, payload(number));
        assert!(found.insert(number), "deposit {number} is there twice");
    }
    found
}

/// The disk is well from now on, the store is opened anew.
pub(crate) fn reopened(options: &Options, disk: &SimDisk) -> Store {
    disk.set_faults(Faults::none());
    open_with(options, disk)
}

pub(crate) fn kind(outcome: &AppendResult) -> Option<ErrorKind> {
    Some(outcome.as_ref().err()?.kind())
}
