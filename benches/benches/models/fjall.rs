//! fjall, for comparison: its batches are atomic, so the progress goes with the rows as elsewhere.

use std::path::Path;

use eventcask::read_model::{Batches, ModelError, ModelProgress};
use eventcask::{ReadModel, Timestamp};
use fjall::{Database, Keyspace, KeyspaceCreateOptions};

use super::{Contender, Sizes, changes};

pub(super) struct Buffered;

pub(super) struct FjallModel {
    database: Database,
    sizes: Keyspace,
    progress: Keyspace,
}

fn encode(one: u64, other: u64) -> [u8; 16] {
    (u128::from(one) << 64 | u128::from(other)).to_be_bytes()
}

fn decode(bytes: &[u8]) -> (u64, u64) {
    let both = bytes.try_into().map_or(0, u128::from_be_bytes);
    ((both >> 64) as u64, both as u64)
}

fn open(directory: &Path) -> fjall::Result<FjallModel> {
    let database = Database::builder(directory.join("db")).open()?;
    Ok(FjallModel {
        sizes: database.keyspace("sizes", KeyspaceCreateOptions::default)?,
        progress: database.keyspace("progress", KeyspaceCreateOptions::default)?,
        database,
    })
}

impl ReadModel for FjallModel {
    fn name(&self) -> &str {
        "sizes"
    }

    fn progress(&mut self, _store: u128) -> Result<Vec<ModelProgress>, ModelError> {
        let mut known = Vec::new();
        for shard in 0..2_u32 {
            if let Some(kept) = self.progress.get(shard.to_be_bytes())? {
                let (position, time) = decode(&kept);
                let commit_time = Timestamp::from_nanos(time.cast_signed());
                known.push(ModelProgress {
                    shard,
                    position,
                    commit_time,
                });
            }
        }
        Ok(known)
    }

    fn apply(&mut self, batches: &Batches<'_>) -> Result<(), ModelError> {
        let mut write = self.database.batch();
        for advance in batches.steps() {
            let to = advance.to;
            let known = self.progress.get(to.shard.to_be_bytes())?;
            advance.check(known.map_or(0, |known| decode(&known).0))?;
            let kept = encode(to.position, to.commit_time.as_nanos().cast_unsigned());
            write.insert(&self.progress, to.shard.to_be_bytes(), kept);
        }
        for (key, (events, bytes)) in changes(batches) {
            let kept = self.sizes.get(key)?;
            let (old_events, old_bytes) = kept.map_or((0, 0), |kept| decode(&kept));
            write.insert(
                &self.sizes,
                key,
                encode(old_events + events, old_bytes + bytes),
            );
        }
        Ok(write.commit()?)
    }
}

impl Contender for Buffered {
    const NAME: &'static str = "fjall";
    type Model = FjallModel;

    fn model(directory: &Path) -> Self::Model {
        open(directory).expect("the database opens")
    }

    fn sum(directory: &Path) -> Sizes {
        let model = open(directory).expect("the database opens");
        model.sizes.iter().fold((0, 0), |sum, row| {
            let (events, bytes) = decode(&row.value().expect("a row"));
            (sum.0 + events, sum.1 + bytes)
        })
    }
}
