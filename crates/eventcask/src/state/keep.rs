//! The snapshots of a projection, as its states know them.

use std::sync::{Arc, Mutex};

use eventcask_shard::ShardReader;

use super::definition::{Codec, Definition};
use super::files::{Files, Kept, Writing};
use super::folding::Folding;
use super::policy::{OnError, SnapshotPolicy};
use crate::Error;
use crate::follow::follower::caught;
use crate::sync::locked;

/// How the states of a projection are kept.
pub(crate) struct Keep<S> {
    pub(crate) policy: SnapshotPolicy,
    codec: Codec<S>,
    pub(crate) files: Files,
    /// Why a snapshot could not be written when it was last tried.
    failure: Mutex<Option<String>>,
}

impl<S: Send> Keep<S> {
    pub(crate) fn new(policy: SnapshotPolicy, codec: Codec<S>, files: Files) -> Self {
        Self {
            policy,
            codec,
            files,
            failure: Mutex::default(),
        }
    }

    /// The state that was kept for a shard, if there is one that fits.
    pub(crate) fn load(
        &self,
        definition: &Arc<Definition<S>>,
        reader: &ShardReader,
    ) -> Option<Folding<S>> {
        let given_up = reader.published().retired.mark();
        let kept = self.files.read(reader, given_up)?;
        // Bytes that a decoder of the user's panics on are bytes that do not fit.
        let decoded = caught(|| self.codec.decode(reader.shard(), &kept.body));
        let (state, parked) = decoded.ok().flatten()?;
        // One that parks no more has to stop where it had parked.
        let may_park = definition.on_error == OnError::Park || parked.is_empty();
        let folding = || Folding::at(definition, kept.progress, given_up, state, parked);
        may_park.then(folding)
    }

    /// A state as it is kept; an encoder of the user's that panics stops nothing else.
    ///
    /// # Errors
    /// What the panic said.
    pub(crate) fn encode(&self, shard: u32, folding: &Folding<S>) -> Result<Kept, Error> {
        let body =
            caught(|| self.codec.encode(&folding.state, &folding.parked)).map_err(|reason| {
                let reason = format!("its state has no bytes: {reason}");
                folding.stopped(shard, reason)
            })?;
        Ok(Kept {
            progress: folding.progress,
            given_up: folding.given_up.unwrap_or(0),
            body,
        })
    }

    /// Whether the bytes of a state are made so fast that it can be locked meanwhile.
    pub(crate) fn is_small(&self, folding: &Folding<S>) -> bool {
        self.codec.is_small(&folding.state)
    }

    /// Keeps a state.
    ///
    /// # Errors
    /// What the disk said.
    pub(crate) fn save(
        &self,
        writing: &Writing<'_>,
        shard: u32,
        folding: &Folding<S>,
    ) -> Result<(), Error> {
        self.write(writing, shard, self.encode(shard, folding))
    }

    /// Keeps a state that does not follow from the one that is kept. Where it can not be written,
    /// or holds what was given up, there is none, also not the one before: a start would take that
    /// up. Gives the progress that is kept.
    ///
    /// # Errors
    /// What the disk said, where the one before can not be removed.
    pub(crate) fn replace(
        &self,
        writing: &Writing<'_>,
        reader: &ShardReader,
        folding: &Folding<S>,
    ) -> Result<Option<u64>, Error> {
        let may_be_kept = folding.is_of_what_is_left(reader);
        if may_be_kept && self.save(writing, reader.shard(), folding).is_ok() {
            return Ok(Some(folding.progress));
        }
        writing.remove(reader.shard())?;
        Ok(None)
    }

    /// Keeps what a state was encoded to.
    ///
    /// # Errors
    /// What the disk said.
    pub(crate) fn write(
        &self,
        writing: &Writing<'_>,
        shard: u32,
        encoded: Result<Kept, Error>,
    ) -> Result<(), Error> {
        let written = encoded.and_then(|kept| Ok(writing.write(shard, kept)?));
        self.note(written.as_ref().err().map(ToString::to_string));
        written
    }

    /// Notes why the last snapshot could not be made, or that it was.
    pub(crate) fn note(&self, failure: Option<String>) {
        *locked(&self.failure) = failure;
    }

    pub(crate) fn failure(&self) -> Option<String> {
        locked(&self.failure).clone()
    }
}
