//! What a user says of a read model in redb.

use eventcask::read_model::{Batches, ModelError};
use redb::WriteTransaction;

/// Tables of redb that are filled from events.
///
/// The transaction that is handed in also keeps how far the model got. It is ended by the
/// [`RedbModel`](crate::RedbModel).
pub trait Tables: Send + 'static {
    /// Name of the model, unique in its database.
    const NAME: &'static str;
    /// Version of this code. Where a lower one has filled the tables they are reset and filled
    /// anew, from the first event on.
    const VERSION: u32;

    /// Makes the tables, empty, whatever there was of them before.
    ///
    /// # Errors
    /// What redb says; nothing is changed then.
    fn reset(&mut self, transaction: &WriteTransaction) -> Result<(), ModelError>;

    /// Writes what the events change.
    ///
    /// # Errors
    /// What redb says, or what is wrong with an event; nothing is changed then, and the feed stops.
    fn apply(
        &mut self,
        batches: &Batches<'_>,
        transaction: &WriteTransaction,
    ) -> Result<(), ModelError>;
}
