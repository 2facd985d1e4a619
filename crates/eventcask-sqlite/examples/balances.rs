//! A read model in SQLite: balances that any SQLite client can ask, each event counted once.
//!
//! Run with `cargo run -p eventcask-sqlite --example balances`.

use std::time::Duration;

use eventcask::read_model::{Batches, ModelError};
use eventcask::{Expected, NewEvent, Place, Store, Timeout};
use eventcask_sqlite::rusqlite::{Connection, Transaction};
use eventcask_sqlite::{SqliteModel, Tables, Upsert};

const SOON: Duration = Duration::from_secs(60);

/// The model: a table, and how events change it.
struct Balances {
    upsert: Upsert,
}

impl Balances {
    fn new() -> Self {
        // A row for each event; the rows of one account are added up by SQLite.
        let upsert = Upsert::into("balances").key("account");
        let upsert = upsert.sum("cents").sum("events");
        Self { upsert }
    }
}

impl Tables for Balances {
    const NAME: &'static str = "balances";
    // Raise it when `apply` comes to do something else: the table is then filled anew by itself.
    const VERSION: u32 = 1;

    fn reset(&mut self, transaction: &Transaction<'_>) -> Result<(), ModelError> {
        Ok(transaction.execute_batch(
            "DROP TABLE IF EXISTS balances;
             CREATE TABLE balances (account TEXT PRIMARY KEY, cents INTEGER, events INTEGER)
             WITHOUT ROWID;",
        )?)
    }

    fn apply(
        &mut self,
        batches: &Batches<'_>,
        transaction: &Transaction<'_>,
    ) -> Result<(), ModelError> {
        let mut rows = self.upsert.rows();
        for event in batches.events() {
            let cents: i64 = str::from_utf8(event.payload)?.parse()?;
            let signed = if event.event_type == "Withdrawn" {
                -cents
            } else {
                cents
            };
            rows.push([event.key.into(), signed.into(), 1_i64.into()]);
        }
        // The same transaction keeps how far the model got: both are there after a crash, or
        // neither.
        Ok(rows.write(transaction)?)
    }
}

fn append(store: &Store, account: &str, kind: &str, cents: &str) -> Result<Place, ModelError> {
    let event = NewEvent::json(kind, cents.as_bytes());
    let ticket = store.producer().append(account, Expected::Any, &[event])?;
    Ok(ticket.wait()?.place())
}

fn main() -> Result<(), ModelError> {
    let directory = tempfile::tempdir()?;
    let store = eventcask::open(directory.path().join("bank"))?;
    let file = directory.path().join("balances.db");
    append(&store, "account-1", "Deposited", "500")?;
    append(&store, "account-2", "Deposited", "70")?;

    // The feed begins with what is in the log, and goes on with what is new.
    let feed = store
        .read_model(SqliteModel::open(&file, Balances::new())?)
        .start()?;
    let place = append(&store, "account-1", "Withdrawn", "20")?;

    // Reading what was just written: the answer of the append says what to wait for.
    feed.wait_for(place, Timeout::Error(SOON))?;
    let reader = Connection::open(&file)?;
    let mut query = reader.prepare("SELECT account, cents, events FROM balances ORDER BY 1")?;
    let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let rows: Vec<(String, i64, i64)> = rows.collect::<Result<_, _>>()?;
    for (account, cents, events) in &rows {
        println!("{account}: {cents} cents by {events} events");
    }
    let wanted = [("account-1", 480, 2), ("account-2", 70, 1)];
    let wanted = wanted.map(|(account, cents, events)| (account.to_owned(), cents, events));
    assert_eq!(rows, wanted);

    // A feed that ends and begins again goes on where the database says that it is.
    feed.stop()?;
    append(&store, "account-2", "Deposited", "7")?;
    let feed = store
        .read_model(SqliteModel::open(&file, Balances::new())?)
        .start()?;
    feed.catch_up(Timeout::Error(SOON))?;
    let query = "SELECT cents FROM balances WHERE account = 'account-2'";
    let cents: i64 = reader.query_row(query, [], |row| row.get(0))?;
    assert_eq!(cents, 77);
    assert_eq!(store.stats().read_models[0].lag_events, 0);
    Ok(())
}
