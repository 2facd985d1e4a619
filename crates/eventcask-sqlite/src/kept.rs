//! What is kept of the models of a database, in two tables of ours beside theirs.

use eventcask::Timestamp;
use eventcask::read_model::{ModelError, ModelIdentity, ModelProgress, ProgressStep};
use rusqlite::{Connection, OptionalExtension, params};

/// Makes our tables, where they are not there yet.
pub(crate) fn create(transaction: &Connection) -> rusqlite::Result<()> {
    transaction.execute_batch(
        "CREATE TABLE IF NOT EXISTS eventcask_models (
             model TEXT PRIMARY KEY, version INTEGER NOT NULL, store BLOB NOT NULL
         ) WITHOUT ROWID;
         CREATE TABLE IF NOT EXISTS eventcask_progress (
             model TEXT NOT NULL, shard INTEGER NOT NULL, position INTEGER NOT NULL,
             commit_time INTEGER NOT NULL, PRIMARY KEY (model, shard)
         ) WITHOUT ROWID;",
    )
}

/// What a model was made from and by, if it was made.
pub(crate) fn identity(
    transaction: &Connection,
    model: &str,
) -> rusqlite::Result<Option<ModelIdentity>> {
    let query = "SELECT store, version FROM eventcask_models WHERE model = ?1";
    let identity = transaction.query_row(query, [model], |row| {
        Ok(ModelIdentity {
            store: u128::from_be_bytes(row.get(0)?),
            version: row.get(1)?,
        })
    });
    identity.optional()
}

/// Keeps what a model was made from and by, and forgets how far it was.
pub(crate) fn begin(
    transaction: &Connection,
    model: &str,
    identity: ModelIdentity,
) -> rusqlite::Result<()> {
    transaction.execute("DELETE FROM eventcask_progress WHERE model = ?1", [model])?;
    let store = identity.store.to_be_bytes();
    transaction.execute(
        "INSERT OR REPLACE INTO eventcask_models (model, version, store) VALUES (?1, ?2, ?3)",
        params![model, identity.version, &store[..]],
    )?;
    Ok(())
}

/// How far a model is.
pub(crate) fn progress(
    transaction: &Connection,
    model: &str,
) -> rusqlite::Result<Vec<ModelProgress>> {
    let query = "SELECT shard, position, commit_time FROM eventcask_progress WHERE model = ?1";
    let mut statement = transaction.prepare(query)?;
    let rows = statement.query_map([model], |row| {
        Ok(ModelProgress {
            shard: row.get(0)?,
            position: row.get::<_, i64>(1)?.cast_unsigned(),
            commit_time: Timestamp::from_nanos(row.get(2)?),
        })
    })?;
    rows.collect()
}

/// Moves a model on, from where it was left.
pub(crate) fn advance(
    transaction: &Connection,
    model: &str,
    advance: &ProgressStep,
) -> Result<(), ModelError> {
    let query = "SELECT position FROM eventcask_progress WHERE model = ?1 AND shard = ?2";
    let mut statement = transaction.prepare_cached(query)?;
    let shard = advance.to.shard;
    let kept = statement.query_row(params![model, shard], |row| row.get::<_, i64>(0));
    advance.check(kept.optional()?.unwrap_or(0).cast_unsigned())?;
    let mut statement = transaction.prepare_cached(
        "INSERT OR REPLACE INTO eventcask_progress (model, shard, position, commit_time)
         VALUES (?1, ?2, ?3, ?4)",
    )?;
    let (position, time) = (advance.to.position, advance.to.commit_time);
    statement.execute(params![
        model,
        shard,
        position.cast_signed(),
        time.as_nanos()
    ])?;
    Ok(())
}
