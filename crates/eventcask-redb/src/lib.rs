//! Read models of an eventcask store in redb: an embedded key-value store in one file.
//!
//! This crate has one job: to keep what events change in [`Tables`] and how far that is in one
//! transaction of redb, so that each event has its effect once. Its main type is [`RedbModel`],
//! which a [`ReadModelRunner`](eventcask::ReadModelRunner) of `eventcask` feeds; [`upsert`] writes
//! many keys in their order. Its neighbours are `eventcask`, whose public face it uses and nothing
//! else, and `redb`. It never opens a store and never starts a thread.
//!
//! ```
//! use std::collections::HashMap;
//! use std::sync::Arc;
//!
//! use eventcask::read_model::{Batches, ModelError};
//! use eventcask::{NewEvent, Timeout};
//! use eventcask_redb::redb::{Database, ReadableDatabase, TableDefinition, WriteTransaction};
//! use eventcask_redb::{RedbModel, Tables, upsert};
//!
//! const BALANCES: TableDefinition<&str, i64> = TableDefinition::new("balances");
//!
//! /// The cents of each account.
//! struct Balances;
//!
//! impl Tables for Balances {
//!     const NAME: &'static str = "balances";
//!     const VERSION: u32 = 1;
//!
//!     fn reset(&mut self, transaction: &WriteTransaction) -> Result<(), ModelError> {
//!         transaction.delete_table(BALANCES)?;
//!         transaction.open_table(BALANCES)?;
//!         Ok(())
//!     }
//!
//!     fn apply(&mut self, batches: &Batches<'_>, transaction: &WriteTransaction) -> Result<(), ModelError> {
//!         let mut changes = HashMap::<&str, i64>::new();
//!         for event in batches.events() {
//!             *changes.entry(event.key).or_default() += str::from_utf8(event.payload)?.parse::<i64>()?;
//!         }
//!         let mut balances = transaction.open_table(BALANCES)?;
//!         Ok(upsert(&mut balances, changes, |kept, change| kept.unwrap_or(0) + change)?)
//!     }
//! }
//!
//! # let directory = tempfile::tempdir()?;
//! # let (directory, file) = (directory.path().join("store"), directory.path().join("balances.redb"));
//! let store = eventcask::open(directory)?;
//! let database = Arc::new(Database::create(file)?);
//! let feed = store.read_model(RedbModel::new(Arc::clone(&database), Balances)).start()?;
//! let mut producer = store.producer();
//! producer.push("account-42", &NewEvent::json("Deposited", b"500"))?;
//! producer.push("account-42", &NewEvent::json("Withdrawn", b"-20"))?;
//! producer.flush()?.wait()?;
//!
//! feed.catch_up(Timeout::Error(std::time::Duration::from_secs(60)))?;
//! let balances = database.begin_read()?.open_table(BALANCES)?;
//! assert_eq!(balances.get("account-42")?.map(|cents| cents.value()), Some(480));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod tables;
mod upsert;
mod kept;
mod model;

pub use model::RedbModel;
pub use tables::Tables;
pub use upsert::upsert;

pub use redb;
