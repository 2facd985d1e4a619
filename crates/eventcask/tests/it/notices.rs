//! What the log of the program is told: who stopped and why, and how rebuilds end.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;

use eventcask::event::route;
use eventcask::read_model::{Batches, ModelError, ModelProgress};
use eventcask::storage::{MemoryStorage, Storage};
use eventcask::subscribe::Retry;
use eventcask::{
    ApplyError, Batch, Expected, NewEvent, Place, Projection, ReadModel, Store, Timeout,
};
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber, span};

use crate::faulty::{Fault, FaultyDisk, Operation};
use crate::support::{Bank, deposit, put};

const LONG: Duration = Duration::from_secs(60);

/// All lines of all tests: the log belongs to the process.
static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Log;

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        LINES.lock().unwrap().push(line.0);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        write!(self.0, " {field}={value:?}").unwrap();
    }
}

/// From now on lines are kept.
fn listen() {
    static LISTENS: Once = Once::new();
    LISTENS.call_once(|| tracing::subscriber::set_global_default(Log).unwrap());
}

/// The lines that hold all of these.
fn lines(parts: &[&str]) -> Vec<String> {
    let lines = LINES.lock().unwrap();
    let holds = |line: &&String| parts.iter().all(|part| line.contains(part));
    lines.iter().filter(holds).cloned().collect()
}

/// One line and no more says all of this.
fn check(parts: &[&str]) {
    let found = lines(&parts[..1]);
    assert_eq!(found.len(), 1, "{found:#?}");
    for part in parts {
        assert!(found[0].contains(part), "{part} in {}", found[0]);
    }
}

/// Fails on the type `Boom`.
struct Fragile<const SYNC: bool>;

impl<const SYNC: bool> Projection for Fragile<SYNC> {
    const NAME: &'static str = if SYNC { "told-sync" } else { "told-behind" };
    const VERSION: u32 = 1;
    type State = u64;

    fn apply(&self, events: &mut u64, batch: &Batch<'_>) -> Result<(), ApplyError> {
        for event in batch.iter() {
            if event.event_type == "Boom" {
                std::panic::resume_unwind(Box::new("more than it can take"));
            }
            *events += 1;
        }
        Ok(())
    }
}

fn boom(store: &Store) {
    let mut producer = store.producer();
    let ticket = producer.append("a", Expected::Any, &[NewEvent::json("Boom", b"{}")]);
    ticket.unwrap().wait().unwrap();
}

#[test]
fn l6_the_log_is_told_once_that_a_projection_stopped() {
    listen();
    let store = Bank::new(1).open();
    let sync = store.projection(Fragile::<true>).sync().start().unwrap();
    let behind = store.projection(Fragile::<false>).start().unwrap();
    put(&store, "a", "1");
    boom(&store);
    for _ in 0..3 {
        put(&store, "a", "1");
        assert!(sync.read(0, |_| ()).is_err());
        assert!(
            behind
                .wait_for(Place::new(0, 1), Timeout::Error(LONG))
                .is_err()
        );
    }
    for name in [r#"name="told-sync""#, r#"name="told-behind""#] {
        check(&[
            name,
            "ERROR",
            r#"kind="projection""#,
            "shard=0",
            "position=1",
            "lag_events=",
            "lag_seconds=",
            "more than it can take",
            "raised version",
        ]);
    }
}

#[test]
fn the_log_is_told_of_rebuilds() {
    /// Does nothing.
    struct Rebuilt;
    impl Projection for Rebuilt {
        const NAME: &'static str = "told-rebuilt";
        const VERSION: u32 = 1;
        type State = ();
        fn apply(&self, (): &mut (), _batch: &Batch<'_>) -> Result<(), ApplyError> {
            Ok(())
        }
    }
    listen();
    let store = Bank::new(1).open();
    let rebuilt = store.projection(Rebuilt).sync().start().unwrap();
    put(&store, "a", "1");
    rebuilt.rebuild().unwrap().wait().unwrap();
    let told = lines(&["told-rebuilt"]);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].contains("INFO") && told[0].contains("has started"));
    assert!(told[1].contains("was swapped in at positions [1]"));
}

#[test]
fn the_log_is_told_that_a_read_model_stopped() {
    struct Gone;
    impl ReadModel for Gone {
        fn name(&self) -> &str {
            "told-gone"
        }
        fn progress(&mut self, _store: u128) -> Result<Vec<ModelProgress>, ModelError> {
            Ok(Vec::new())
        }
        fn apply(&mut self, _batches: &Batches<'_>) -> Result<(), ModelError> {
            Err("the database is gone".into())
        }
    }
    listen();
    let store = Bank::new(1).open();
    put(&store, "a", "1");
    let feed = store.read_model(Gone).start().unwrap();
    assert!(feed.catch_up(Timeout::Error(LONG)).is_err());
    check(&[
        r#"name="told-gone""#,
        "ERROR",
        r#"kind="read model""#,
        "the database is gone",
        "start it again",
    ]);
}

#[test]
fn the_log_is_told_that_an_aggregate_is_parked() {
    listen();
    let store = Bank::new(1).open();
    put(&store, "a", "1");
    put(&store, "a", "1");
    let group = store
        .events()
        .group("told-group", Retry::new(2).first(Duration::ZERO));
    let group = group.unwrap();
    for _ in 0..2 {
        group
            .try_claim()
            .unwrap()
            .unwrap()
            .retry("wrong address")
            .unwrap();
    }
    check(&[
        r#"name="told-group""#,
        "ERROR",
        "shard=0",
        "position=0",
        "wrong address",
        "redrive",
    ]);
}

#[test]
fn f2_the_log_is_told_that_a_shard_stopped() {
    const EIO: i32 = 5;
    listen();
    let disk = FaultyDisk::on(Arc::new(MemoryStorage::default()));
    let storage: Arc<dyn Storage> = Arc::new(disk.clone());
    // No other test has so many shards.
    let options = Store::options().shards(64).threads(1).pin(false);
    let store = options.open(storage).unwrap();
    let mut keys = (0..).map(|number| format!("account-{number}"));
    let key = keys.find(|key| route(key, 64) == 63).unwrap();
    put(&store, &key, "1");
    disk.fails(Operation::Sync, "shards/0063", Fault::Errno(EIO));
    let mut producer = store.producer();
    let ticket = producer.append(&key, Expected::Any, &[deposit("1")]);
    assert!(ticket.unwrap().wait().is_err());
    check(&[
        "shard=63",
        "ERROR",
        r#"kind="shard""#,
        "position=1",
        "shards/0063",
        "open it again",
    ]);
}
