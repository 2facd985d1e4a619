//! An event that ends the process of its handler: what is done about it at the next start.

use std::path::Path;
use std::process::Command;

use eventcask::subscribe::Retry;
use eventcask::{ApplyError, Batch, ConsumerGroup, PerAggregate, Projection, Store};

use crate::support::put;

/// Set in the process that is to end: what it does, and where the store is.
const ROLE: &str = "EVENTCASK_TEST_KILLED";

/// How many events each account has. It ends the process at one of them, unless that is left out.
struct Counts {
    leaves_out: Option<(u32, u64)>,
}

impl Projection for Counts {
    const NAME: &'static str = "counts";
    const VERSION: u32 = 1;
    type State = PerAggregate<u64>;

    fn apply(&self, state: &mut Self::State, batch: &Batch<'_>) -> Result<(), ApplyError> {
        let mut counts = state.of(batch);
        for row in batch.rows() {
            if self.leaves_out == Some((batch.shard(), batch.position(row))) {
                continue;
            }
            if batch.payload(row) == b"poison" {
                std::process::abort();
            }
            counts[batch.aggregate_index(row)] += 1;
        }
        Ok(())
    }
}

fn open(dir: &Path) -> Store {
    Store::options().shards(1).pin(false).open(dir).unwrap()
}

fn group(store: &Store) -> ConsumerGroup {
    let subscription = store.events();
    subscription.group("mailer", Retry::new(9)).unwrap()
}

/// Handles all there is; ends the process at the poison.
fn work(group: &ConsumerGroup, parks: Option<(u32, u64)>) -> Vec<String> {
    let mut handled = Vec::new();
    while let Some(claim) = group.try_claim().unwrap() {
        let event = claim.event();
        if parks == Some((event.shard(), event.position())) {
            claim.park("it ends the process").unwrap();
            continue;
        }
        if event.payload() == b"poison" {
            std::process::abort();
        }
        handled.push(format!("{}@{}", event.key(), event.version()));
        claim.ack().unwrap();
    }
    handled
}

/// What the other process does: run by the tests below, and nothing by itself.
#[test]
fn the_process_that_is_to_end() {
    let Ok(role) = std::env::var(ROLE) else {
        return;
    };
    let (what, dir) = role.split_once(' ').unwrap();
    let store = open(Path::new(dir));
    match what {
        "project" => drop(store.projection(Counts { leaves_out: None }).sync().start()),
        _ => drop(work(&group(&store), None)),
    }
    panic!("it should have ended");
}

/// Runs it; says whether it was ended by a signal, as an abort is.
fn is_killed(what: &str, dir: &Path) -> bool {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "killed::the_process_that_is_to_end"]);
    child.env(ROLE, format!("{what} {}", dir.display()));
    let status = child.output().unwrap().status;
    status.code().is_none()
}

/// Three events, of which the second is poison: its shard and position.
fn filled(dir: &Path) -> (u32, u64) {
    let store = open(dir);
    put(&store, "a", "1");
    let position = put(&store, "b", "poison").position().unwrap();
    put(&store, "b", "2");
    put(&store, "a", "3");
    (0, position)
}

#[test]
fn l6_a_projection_whose_handler_ends_the_process_goes_on_without_that_event() {
    let directory = tempfile::tempdir().unwrap();
    let dir = directory.path().join("s");
    let poison = filled(&dir);
    for _ in 0..2 {
        assert!(is_killed("project", &dir), "at each start");
    }
    let store = open(&dir);
    let leaves_out = Some(poison);
    let counts = store
        .projection(Counts { leaves_out })
        .sync()
        .start()
        .unwrap();
    let count = |key| counts.read(0, |state| state.get(key).copied()).unwrap();
    assert_eq!((count("a"), count("b")), (Some(2), Some(1)));
}

#[test]
fn l6_a_group_whose_consumer_ends_the_process_goes_on_without_that_aggregate() {
    let directory = tempfile::tempdir().unwrap();
    let dir = directory.path().join("s");
    let poison = filled(&dir);
    for _ in 0..2 {
        assert!(is_killed("group", &dir), "at each start");
    }
    let store = open(&dir);
    let group = group(&store);
    assert_eq!(work(&group, Some(poison)), ["a@1", "a@2"]);
    assert_eq!(group.parked()[0].key, "b");
    assert!(group.skip("b").unwrap());
    assert_eq!(work(&group, None), ["b@2"]);
}
