//! What a user says of a read model in SQLite.

use eventcask::read_model::{Batches, ModelError};
use rusqlite::Transaction;

/// Tables of SQLite that are filled from events.
///
/// The transaction that is handed in also keeps how far the model got. It is ended by the
/// [`SqliteModel`](crate::SqliteModel), never here.
pub trait Tables: Send + 'static {
    /// Name of the model, unique in its database.
    const NAME: &'static str;
    /// Version of this code. Where a lower one has filled the tables they are reset and filled
    /// anew, from the first event on.
    const VERSION: u32;

    /// Makes the tables, empty, whatever there was of them before.
    ///
    /// # Errors
    /// What SQLite says; nothing is changed then.
    fn reset(&mut self, transaction: &Transaction<'_>) -> Result<(), ModelError>;

    /// Writes what the events change.
    ///
    /// # Errors
    /// What SQLite says, or what is wrong with an event; nothing is changed then, and the feed
    /// stops.
    fn apply(
        &mut self,
        batches: &Batches<'_>,
        transaction: &Transaction<'_>,
    ) -> Result<(), ModelError>;
}
