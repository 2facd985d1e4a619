//! What a read model outside of the engine's memory must be able to do.

use eventcask_event::Timestamp;

use crate::Batches;

/// Why a read model could not do what it was asked: whatever its database says.
pub type ModelError = Box<dyn std::error::Error + Send + Sync>;

/// A read model in a database of its own, which is fed with the events of a store by a
/// [`Feed`](crate::Feed).
///
/// What makes each event have its effect once is the model's transaction: it takes what the events
/// change and how far the model got *together*, or nothing of both. Whatever is killed between two
/// steps, the model and its progress agree; a feed begins again where the model says that it is.
///
/// Events of one aggregate come in their order. Those of different shards come in no order.
///
/// ```
/// use eventcask::{Batches, ModelError, ModelProgress, NewEvent, ReadModel};
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
///             *counts.entry(event.aggregate.to_owned()).or_default() += 1;
///         }
///         progress.extend(batches.advances().iter().map(|advance| (advance.to.shard, advance.to)));
///         Ok(())
///     }
/// }
///
/// # let directory = tempfile::tempdir()?;
/// # let store = eventcask::open(directory.path().join("s"))?;
/// let counts = Counts::default();
/// let feed = store.feed(counts.clone()).start()?;
/// let mut producer = store.producer();
/// producer.push("account-42", &NewEvent::json("Deposited", b"{}"))?;
/// producer.flush()?.wait()?;
///
/// assert!(feed.catch_up(std::time::Duration::from_secs(60))?);
/// assert_eq!(counts.0.lock().unwrap().0["account-42"], 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait ReadModel: Send + 'static {
    /// What the model is called in figures and errors; a store feeds one of each name at a time.
    fn name(&self) -> &str;

    /// How far it got in each shard of the store with this id; shards of which it has nothing may be
    /// left out. Asked once, before the first event.
    ///
    /// # Errors
    /// What its database says, or that it was filled from another store.
    fn progress(&mut self, store: u128) -> Result<Vec<ModelProgress>, ModelError>;

    /// Takes in events, and [how far](Batches::advances) it is then, in one transaction. There may be
    /// no event at all, where none was wanted.
    ///
    /// # Errors
    /// What its database says; then nothing was taken in, and the feed stops. A panic stops it too.
    fn apply(&mut self, batches: &Batches<'_>) -> Result<(), ModelError>;
}

/// How far a read model got in one shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModelProgress {
    /// The shard.
    pub shard: u32,
    /// Position after the last event that the model holds.
    pub position: u64,
    /// When that event was committed. It tells whether the store still has the history that the model
    /// was filled from.
    pub commit_time: Timestamp,
}

/// What a read model was made from and by: kept with it, and held against what it is to be fed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModelIdentity {
    /// Id of the store.
    pub store: u128,
    /// Version of the code that turns events into the model. A higher one has it filled anew.
    pub version: u32,
}

/// Why a read model can not be fed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ModelMismatch {
    /// It holds the events of another store.
    #[error("it was filled from another store")]
    OtherStore,
    /// Newer code has filled it.
    #[error("version {kept} of its code has filled it, and this is version {code}")]
    NewerVersion {
        /// The version that filled it.
        kept: u32,
        /// The version that is to go on.
        code: u32,
    },
    /// It is not where this feed left it.
    #[error(
        "it is at position {kept} of shard {shard} and was left at {left}: somebody else feeds it too"
    )]
    OtherFeed {
        /// The shard.
        shard: u32,
        /// Where it is.
        kept: u64,
        /// Where this feed left it.
        left: u64,
    },
}

impl ModelIdentity {
    /// Whether a model of this identity has to be made anew, with what is kept of it forgotten: it is
    /// not there yet, or was made by an older version.
    ///
    /// ```
    /// # use eventcask::{ModelIdentity, ModelMismatch};
    /// let code = ModelIdentity { store: 1, version: 2 };
    /// assert_eq!(code.is_new(None), Ok(true));
    /// assert_eq!(code.is_new(Some(code)), Ok(false));
    /// assert_eq!(code.is_new(Some(ModelIdentity { store: 1, version: 1 })), Ok(true));
    /// let other = ModelIdentity { store: 7, version: 1 };
    /// assert_eq!(code.is_new(Some(other)), Err(ModelMismatch::OtherStore));
    /// ```
    ///
    /// # Errors
    /// It was made from another store, or by newer code.
    pub fn is_new(&self, kept: Option<Self>) -> Result<bool, ModelMismatch> {
        let Some(kept) = kept else {
            return Ok(true);
        };
        if kept.store != self.store {
            return Err(ModelMismatch::OtherStore);
        }
        if kept.version > self.version {
            return Err(ModelMismatch::NewerVersion {
                kept: kept.version,
                code: self.version,
            });
        }
        Ok(kept.version < self.version)
    }
}

/// How a transaction moves a read model on in one shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Advance {
    /// The position that the model had. A model that finds itself at another one is fed by somebody
    /// else too, and must refuse.
    pub from: u64,
    /// How far it is with this transaction.
    pub to: ModelProgress,
}

impl Advance {
    /// Holds the position that a model has, 0 where it has nothing of the shard, against the one that
    /// this begins at: a model that keeps it in the transaction is never fed by two at once.
    ///
    /// # Errors
    /// [`ModelMismatch::OtherFeed`] where they differ.
    pub fn check(&self, kept: u64) -> Result<(), ModelMismatch> {
        if kept == self.from {
            return Ok(());
        }
        Err(ModelMismatch::OtherFeed {
            shard: self.to.shard,
            kept,
            left: self.from,
        })
    }
}
