//! What is kept of the models of a database, in two tables of ours beside theirs.

use eventcask::Timestamp;
use eventcask::read_model::{ModelError, ModelIdentity, ModelProgress, ProgressStep};
use redb::{ReadableTable, TableDefinition, WriteTransaction};

/// By model: the store, and the version of the code.
const MODELS: TableDefinition<'_, &str, (u128, u32)> = TableDefinition::new("eventcask_models");
/// By model and shard: the position, and the commit time in nanoseconds.
const PROGRESS: TableDefinition<'_, (&str, u32), (u64, i64)> =
    TableDefinition::new("eventcask_progress");

/// What a model was made from and by, if it was made.
pub(crate) fn identity(
    transaction: &WriteTransaction,
    model: &str,
) -> Result<Option<ModelIdentity>, ModelError> {
    let models = transaction.open_table(MODELS)?;
    let kept = models.get(model)?.map(|kept| kept.value());
    Ok(kept.map(|(store, version)| ModelIdentity { store, version }))
}

/// Keeps what a model was made from and by, and forgets how far it was.
pub(crate) fn begin(
    transaction: &WriteTransaction,
    model: &str,
    identity: ModelIdentity,
) -> Result<(), ModelError> {
    let mut models = transaction.open_table(MODELS)?;
    models.insert(model, (identity.store, identity.version))?;
    let mut progress = transaction.open_table(PROGRESS)?;
    progress.retain_in((model, 0)..=(model, u32::MAX), |_, _| false)?;
    Ok(())
}

/// How far a model is.
pub(crate) fn progress(
    transaction: &WriteTransaction,
    model: &str,
) -> Result<Vec<ModelProgress>, ModelError> {
    let progress = transaction.open_table(PROGRESS)?;
    let mut known = Vec::new();
    for kept in progress.range((model, 0)..=(model, u32::MAX))? {
        let (key, value) = kept?;
        let (position, commit_time) = value.value();
        known.push(ModelProgress {
            shard: key.value().1,
            position,
            commit_time: Timestamp::from_nanos(commit_time),
        });
    }
    Ok(known)
}

/// Moves a model on, from where it was left.
pub(crate) fn advance(
    transaction: &WriteTransaction,
    model: &str,
    steps: &[ProgressStep],
) -> Result<(), ModelError> {
    let mut progress = transaction.open_table(PROGRESS)?;
    for advance in steps {
        let to = advance.to;
        let next = (to.position, to.commit_time.as_nanos());
        let kept = progress.insert((model, to.shard), next)?;
        advance.check(kept.map_or(0, |kept| kept.value().0))?;
    }
    Ok(())
}
