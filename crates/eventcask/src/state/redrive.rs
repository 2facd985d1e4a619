//! Goes on with aggregates that are parked.

use super::folding::Unapplied;
use super::live::LiveProjection;
use super::shard_state::ShardState;
use crate::Error;
use crate::follow::parked::Parked;
use crate::sync::locked;

impl<S: Send + 'static> LiveProjection<S> {
    /// The aggregates that are parked, by shard and key.
    pub(crate) fn parked(&self) -> Vec<Parked> {
        let mut parked = Vec::new();
        for state in &self.shards {
            parked.extend(locked(state).follower.fold.parked.iter().cloned());
        }
        parked
    }

    /// Applies the events of an aggregate that is parked, from the one that failed on; says whether
    /// it was parked.
    ///
    /// # Errors
    /// Why the projection stopped, or what the disk said.
    pub(crate) fn redrive(&self, key: &str) -> Result<bool, Error> {
        let shard = self.shard_of(key);
        // A snapshot that is made meanwhile, of the one before, would have it parked again.
        let writing = self.keep.as_ref().map(|keep| (keep, keep.files.writing()));
        let mut state = self.state(shard);
        state.check(shard)?;
        if state.follower.fold.parked.get(key).is_none() {
            return Ok(false);
        }
        let read = self.redrive_in(&mut state, shard, key);
        let woken = self.moved(&mut state);
        let applied = state.check(shard);
        let mut kept = Ok(());
        if applied.is_ok()
            && let Some((keep, Some(writing))) = &writing
        {
            let replaced =
                keep.replace(writing, &self.readers[shard as usize], &state.follower.fold);
            kept = replaced.map(|saved| state.saved = saved);
        }
        drop(state);
        woken.wake();
        applied.and(read).and(kept)?;
        Ok(true)
    }

    fn redrive_in(&self, state: &mut ShardState<S>, shard: u32, key: &str) -> Result<(), Error> {
        let parked = state.follower.fold.parked.get(key);
        let position = parked.map_or(0, |parked| parked.position);
        let reader = &self.readers[shard as usize];
        let mut read = Ok(());
        state
            .follower
            .take_with(position, |folding| match folding.redrive(reader, key) {
                Ok(()) => Ok(()),
                Err(Unapplied::Unread(error)) => {
                    read = Err(error.into());
                    Ok(())
                }
                Err(Unapplied::Failed(error)) => Err(error),
            });
        read
    }
}
