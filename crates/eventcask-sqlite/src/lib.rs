//! Read models of an eventcask store in SQLite: tables that any SQLite client can ask.
//!
//! This crate has one job: to keep what events change in [`Tables`] and how far that is in one
//! transaction of SQLite, so that each event has its effect once. Its main type is [`SqliteModel`],
//! which a [`ReadModelRunner`](eventcask::ReadModelRunner) of `eventcask` feeds; [`Upsert`] writes
//! many rows by one statement. Its neighbours are `eventcask`, whose public face it uses and
//! nothing else, and `rusqlite`, which brings SQLite itself. It never opens a store and never
//! starts a thread.
//!
//! ```
//! use eventcask::read_model::{Batches, ModelError};
//! use eventcask::{NewEvent, Timeout};
//! use eventcask_sqlite::{SqliteModel, Tables, Upsert, rusqlite::Transaction};
//!
//! /// The cents and the number of events of each account.
//! struct Balances(Upsert);
//!
//! impl Tables for Balances {
//!     const NAME: &'static str = "balances";
//!     const VERSION: u32 = 1;
//!
//!     fn reset(&mut self, transaction: &Transaction<'_>) -> Result<(), ModelError> {
//!         Ok(transaction.execute_batch(
//!             "DROP TABLE IF EXISTS balances;
//!              CREATE TABLE balances (account TEXT PRIMARY KEY, cents INTEGER, events INTEGER) WITHOUT ROWID;",
//!         )?)
//!     }
//!
//!     fn apply(&mut self, batches: &Batches<'_>, transaction: &Transaction<'_>) -> Result<(), ModelError> {
//!         let mut rows = self.0.rows();
//!         for event in batches.events() {
//!             let cents: i64 = str::from_utf8(event.payload)?.parse()?;
//!             rows.push([event.key.into(), cents.into(), 1_i64.into()]);
//!         }
//!         Ok(rows.write(transaction)?)
//!     }
//! }
//!
//! # let directory = tempfile::tempdir()?;
//! # let (directory, file) = (directory.path().join("store"), directory.path().join("balances.db"));
//! let store = eventcask::open(directory)?;
//! let upsert = Upsert::into("balances").key("account").sum("cents").sum("events");
//! let feed = store.read_model(SqliteModel::open(&file, Balances(upsert))?).start()?;
//! let mut producer = store.producer();
//! producer.push("account-42", &NewEvent::json("Deposited", b"500"))?;
//! producer.push("account-42", &NewEvent::json("Withdrawn", b"-20"))?;
//! producer.flush()?.wait()?;
//!
//! feed.catch_up(Timeout::Error(std::time::Duration::from_secs(60)))?;
//! let reader = rusqlite::Connection::open(&file)?;
//! let query = "SELECT cents FROM balances WHERE account = 'account-42'";
//! let cents: i64 = reader.query_row(query, [], |row| row.get(0))?;
//! assert_eq!(cents, 480);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod tables;
mod upsert;
mod kept;
mod model;

pub use model::SqliteModel;
pub use tables::Tables;
pub use upsert::{Rows, Upsert};

pub use rusqlite;
