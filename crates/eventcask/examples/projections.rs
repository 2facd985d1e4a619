//! A read model of your own: kept up to date behind the writers, asked after your own write, saved,
//! rebuilt, and as it was.
//!
//! Run with `cargo run -p eventcask --example projections`.

use std::time::Duration;

use eventcask::projection::{Merge, SnapshotPolicy};
use eventcask::{
    ApplyError, AsOf, Batch, Expected, NewEvent, PerAggregate, Place, Projection, Store, Timeout,
};

/// The cents of each account.
struct Balances;

impl Projection for Balances {
    // What is kept of another version is not taken up: raise it whenever `apply` changes.
    const NAME: &'static str = "balances";
    const VERSION: u32 = 1;
    type State = PerAggregate<i64>;

    fn apply(&self, state: &mut PerAggregate<i64>, batch: &Batch<'_>) -> Result<(), ApplyError> {
        // All accounts of the batch are looked up together, then each event costs an addition.
        let mut balances = state.of(batch);
        for row in batch.rows() {
            let cents = batch.payload(row).try_into().map_or(0, i64::from_le_bytes);
            balances[batch.aggregate_index(row)] += cents;
        }
        Ok(())
    }
}

/// All money there is, over all shards.
struct Money;

impl Projection for Money {
    const NAME: &'static str = "money";
    const VERSION: u32 = 1;
    type State = i64;

    fn apply(&self, cents: &mut i64, batch: &Batch<'_>) -> Result<(), ApplyError> {
        let amounts = batch.rows().map(|row| batch.payload(row));
        *cents += amounts
            .map(|amount| amount.try_into().map_or(0, i64::from_le_bytes))
            .sum::<i64>();
        Ok(())
    }
}

impl Merge for Money {
    fn merge(&self, into: &mut i64, from: &i64) {
        *into += from;
    }
}

/// Moves money and tells where the event is.
fn transfer(store: &Store, account: &str, cents: i64) -> Result<Place, Box<dyn std::error::Error>> {
    let cents = cents.to_le_bytes();
    let event = NewEvent::bytes("Transferred", &cents);
    let ticket = store.producer().append(account, Expected::Any, &[event])?;
    Ok(ticket.wait()?.place())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    let bank = directory.path().join("bank");
    let options = Store::options().shards(2);
    let store = options.open(&bank)?;

    // Behind the acknowledgement, which is the default: writers never wait for it. It is saved
    // every 100,000 events, and when it ends.
    let policy = SnapshotPolicy::default().events(100_000);
    let balances = store.projection(Balances).snapshots(policy).start()?;
    // Before the acknowledgement: what was acknowledged is in it.
    let money = store.projection(Money).sync().start()?;

    // Read your own write: wait for its place, then ask.
    let first = transfer(&store, "ada", 500)?;
    balances.wait_for(first, Timeout::Error(Duration::from_secs(10)))?;
    let cents = balances.read_of("ada", |state| state.get("ada").copied())?;
    println!("ada has {cents:?}");
    assert_eq!(cents, Some(500));

    transfer(&store, "ada", -120)?;
    transfer(&store, "grace", 120)?;
    assert_eq!(money.merged()?, 500);

    // Entries that are asked for often: who reads them waits for nobody who writes.
    let hot = balances.entries(10_000);
    let later = transfer(&store, "grace", 40)?;
    let soon = Timeout::Error(Duration::from_secs(10));
    let cents = hot.get_at_least("grace", later, soon)?;
    println!("grace has {cents:?}");
    assert_eq!(cents, Some(160));
    transfer(&store, "grace", -40)?;

    // As it was after the first event of that shard.
    let past = balances.as_of(AsOf::Position(first.position))?;
    println!("ada had {:?}", past.state_of("ada").get("ada"));
    assert_eq!(past.state_of("ada").get("ada"), Some(&500));

    // Filled anew from the log, beside the states in use. It tells how far it is, and can be
    // cancelled.
    let rebuild = money.rebuild()?;
    let progress = rebuild.progress();
    println!("{} of {} events", progress.events_done, progress.events);
    let swapped_at = rebuild.wait()?;
    println!("rebuilt, and swapped at {swapped_at:?}");
    assert_eq!(swapped_at, Some(store.positions()));
    assert_eq!(money.merged()?, 500);
    let rebuild = money.rebuild()?;
    rebuild.cancel();
    println!("cancelled, or just done: {:?}", rebuild.wait()?);
    assert_eq!(money.merged()?, 500);

    // A restart takes up what was saved.
    store.close()?;
    let stats = balances.stats();
    println!("saved up to {:?}", stats.snapshot_positions);
    drop((hot, balances, money));
    let store = options.open(&bank)?;
    let balances = store
        .projection(Balances)
        .snapshots(policy)
        .sync()
        .start()?;
    let cents = balances.read_of("ada", |state| state.get("ada").copied())?;
    assert_eq!(cents, Some(380));
    Ok(())
}
