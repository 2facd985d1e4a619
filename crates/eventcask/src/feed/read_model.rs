//! What a read model outside of the engine's memory must be able to do.

use crate::read_model::{Batches, ModelProgress};

/// Why a read model could not do what it was asked: whatever its database says.
pub type ModelError = Box<dyn std::error::Error + Send + Sync>;

/// A read model in a database of its own, which is fed with the events of a store by a
/// [`ReadModelRunner`](crate::ReadModelRunner).
///
/// What makes each event have its effect once is the model's transaction: it takes what the events
/// change and how far the model got *together*, or nothing of both. Whatever is killed between two
/// steps, the model and its progress agree; a feed begins again where the model says that it is.
///
/// Events of one aggregate come in their order. Those of different shards come in no order.
///
/// ```
/// use eventcask::{NewEvent, ReadModel, Timeout};
/// use eventcask::read_model::{Batches, ModelError, ModelProgress};
/// use std::collections::BTreeMap;
/// use std::sync::{Arc, Mutex};
///
/// /// How many events each aggregate has, with how far that goes. A real model has both in a database.
/// #[derive(Default, Clone)]
/// struct Counts(Arc<Mutex<(BTreeMap<String, u64>, BTreeMap<u32, ModelProgress>)>>);
///
/// impl ReadModel for Counts {
///     fn name(&self) -> &str {
///         "counts"
///     }
///
///     fn progress(&mut self, _store: u128) -> Result<Vec<ModelProgress>, ModelError> {
///         Ok(self.0.lock().unwrap().1.values().copied().collect())
///     }
///
///     fn apply(&mut self, batches: &Batches<'_>) -> Result<(), ModelError> {
///         let (counts, progress) = &mut *self.0.lock().unwrap();
///         for event in batches.events() {
///             *counts.entry(event.key.to_owned()).or_default() += 1;
///         }
///         progress.extend(batches.steps().iter().map(|advance| (advance.to.shard, advance.to)));
///         Ok(())
///     }
/// }
///
/// # let directory = tempfile::tempdir()?;
/// # let store = eventcask::open(directory.path().join("s"))?;
/// let counts = Counts::default();
/// let feed = store.read_model(counts.clone()).start()?;
/// let mut producer = store.producer();
/// producer.push("account-42", &NewEvent::json("Deposited", b"{}"))?;
/// producer.flush()?.wait()?;
///
/// feed.catch_up(Timeout::Error(std::time::Duration::from_secs(60)))?;
/// assert_eq!(counts.0.lock().unwrap().0["account-42"], 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait ReadModel: Send + 'static {
    /// What the model is called in figures and errors; a store feeds one of each name at a time.
    fn name(&self) -> &str;

    /// How far it got in each shard of the store with this id; shards of which it has nothing may
    /// be left out. Asked once, before the first event.
    ///
    /// # Errors
    /// What its database says, or that it was filled from another store.
    fn progress(&mut self, store: u128) -> Result<Vec<ModelProgress>, ModelError>;

    /// Takes in events, and [how far](Batches::steps) it is then, in one transaction. There may be
    /// no event at all, where none was wanted.
    ///
    /// # Errors
    /// What its database says; then nothing was taken in, and the feed stops. A panic stops it too.
    fn apply(&mut self, batches: &Batches<'_>) -> Result<(), ModelError>;
}
