//! How far a read model is, by what it keeps of the store and its positions.

use eventcask_event::Timestamp;

/// How far a read model got in one shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModelProgress {
    /// The shard.
    pub shard: u32,
    /// Position after the last event that the model holds.
    pub position: u64,
    /// When that event was committed. It tells whether the store still has the history that the
    /// model was filled from.
    pub commit_time: Timestamp,
}

/// What a read model was made from and by: kept with it, and held against what it is to be fed
/// with.
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
    /// Whether a model of this identity has to be made anew, with what is kept of it forgotten: it
    /// is not there yet, or was made by an older version.
    ///
    /// ```
    /// # use eventcask::read_model::{ModelIdentity, ModelMismatch};
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
pub struct ProgressStep {
    /// The position that the model had. A model that finds itself at another one is fed by somebody
    /// else too, and must refuse.
    pub from: u64,
    /// How far it is with this transaction.
    pub to: ModelProgress,
}

impl ProgressStep {
    /// Holds the position that a model has, 0 where it has nothing of the shard, against the one
    /// that this begins at: a model that keeps it in the transaction is never fed by two at once.
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
