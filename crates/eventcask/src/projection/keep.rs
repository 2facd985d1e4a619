//! The snapshots of a projection, as its states know them.

use std::sync::{Arc, Mutex};

use eventcask_project::{Projection, Snapshot};
use eventcask_shard::ShardReader;

use super::files::{Files, Writing};
use super::folding::Folding;
use crate::Error;
use crate::follow::follower::caught;
use crate::projection::SnapshotPolicy;
use crate::sync::locked;

/// A state as bytes and back.
pub(crate) struct Codec<S> {
    encode: fn(&S) -> Vec<u8>,
    decode: fn(&[u8]) -> Option<S>,
}

impl<S> Clone for Codec<S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for Codec<S> {}

impl<S: Snapshot> Codec<S> {
    pub(crate) fn of_snapshots() -> Self {
        Self {
            encode: |state| {
                let mut bytes = Vec::new();
                state.encode(&mut bytes);
                bytes
            },
            decode: |mut bytes| S::decode(&mut bytes).filter(|_| bytes.is_empty()),
        }
    }
}

/// How the states of a projection are kept.
pub(crate) struct Keep<P: Projection> {
    pub(crate) policy: SnapshotPolicy,
    codec: Codec<P::State>,
    pub(crate) files: Files,
    /// Why a snapshot could not be written when it was last tried.
    failure: Mutex<Option<String>>,
}

impl<P: Projection> Keep<P> {
    pub(crate) fn new(policy: SnapshotPolicy, codec: Codec<P::State>, files: Files) -> Self {
        Self {
            policy,
            codec,
            files,
            failure: Mutex::default(),
        }
    }

    /// The state of a shard from its snapshot, if there is one that fits.
    pub(crate) fn load(&self, projection: &Arc<P>, reader: &ShardReader) -> Option<Folding<P>> {
        let given_up = reader.published().hidden.mark();
        let (progress, body) = self.files.read(reader, given_up)?;
        // Bytes that a decoder of the user's panics on are bytes that do not fit.
        let decoded = caught(|| (self.codec.decode)(&body));
        let state = decoded.ok().flatten()?;
        Some(Folding::at(projection, progress, given_up, state))
    }

    /// Keeps a state.
    ///
    /// # Errors
    /// What the disk said.
    pub(crate) fn save(
        &self,
        writing: &Writing<'_>,
        shard: u32,
        folding: &Folding<P>,
    ) -> Result<(), Error> {
        let written = self.encode(shard, &folding.state);
        let given_up = folding.given_up.unwrap_or(0);
        let written =
            written.and_then(|body| Ok(writing.write(shard, folding.progress, given_up, body)?));
        self.note(written.as_ref().err().map(ToString::to_string));
        written
    }

    /// The state as bytes; an encoder of the user's that panics stops nothing else.
    fn encode(&self, shard: u32, state: &P::State) -> Result<Vec<u8>, Error> {
        caught(|| (self.codec.encode)(state)).map_err(|reason| Error::ProjectionStopped {
            shard,
            reason: format!("its state has no bytes: {reason}"),
        })
    }

    /// Notes why the last snapshot could not be made, or that it was.
    pub(crate) fn note(&self, failure: Option<String>) {
        *locked(&self.failure) = failure;
    }

    pub(crate) fn failure(&self) -> Option<String> {
        locked(&self.failure).clone()
    }
}
