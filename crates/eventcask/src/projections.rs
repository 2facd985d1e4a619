//! The projections of a store that its users wrote, for as long as somebody holds them.

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use eventcask_log::{Block, Payloads};
use eventcask_project::{Batch, Projection};
use eventcask_shard::{Hidden, ShardReader};

use crate::Error;
use crate::follower::{self, Fold, Follower};
use crate::store::locked;

/// The projections that follow a store.
#[derive(Default)]
pub(crate) struct Projections {
    live: RwLock<Vec<Arc<dyn Live>>>,
}

impl std::fmt::Debug for Projections {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Projections").finish_non_exhaustive()
    }
}

/// A projection whatever its state is.
trait Live: Send + Sync {
    fn follow(&self, reader: &ShardReader, block: &Block);
}

impl Projections {
    pub(crate) fn add<P: Projection>(&self, live: &Arc<LiveProjection<P>>) {
        let live: Arc<dyn Live> = Arc::<LiveProjection<P>>::clone(live);
        let mut all = self.live.write().unwrap_or_else(PoisonError::into_inner);
        all.push(live);
    }

    /// Applies nothing to it from now on.
    pub(crate) fn remove<P: Projection>(&self, live: &LiveProjection<P>) {
        let mut all = self.live.write().unwrap_or_else(PoisonError::into_inner);
        all.retain(|one| !std::ptr::addr_eq(Arc::as_ptr(one), live));
    }

    /// Applies a block that has just become durable to all of them.
    pub(crate) fn apply(&self, reader: &ShardReader, block: &Block) {
        let all = self.live.read().unwrap_or_else(PoisonError::into_inner);
        all.iter().for_each(|live| live.follow(reader, block));
    }
}

/// A projection and its state in each shard.
pub(crate) struct LiveProjection<P: Projection> {
    shards: Vec<Mutex<Follower<Projecting<P>>>>,
}

/// The state of a projection in one shard, and how far it got.
struct Projecting<P: Projection> {
    projection: Arc<P>,
    state: P::State,
    progress: u64,
    /// The rows of the block in hand that are shown, where not all are.
    shown: Vec<u32>,
}

impl<P: Projection> LiveProjection<P> {
    pub(crate) fn new(projection: P, shards: usize) -> Self {
        let projection = Arc::new(projection);
        let empty = || {
            Mutex::new(Follower::new(Projecting {
                projection: Arc::clone(&projection),
                state: P::State::default(),
                progress: 0,
                shown: Vec::new(),
            }))
        };
        Self {
            shards: std::iter::repeat_with(empty).take(shards).collect(),
        }
    }

    /// Brings all shards up to what is durable now, several at a time.
    ///
    /// # Errors
    /// Why one of them stopped.
    pub(crate) fn catch_up_all(&self, readers: &[Arc<ShardReader>]) -> Result<(), Error> {
        follower::catch_up_all(&self.shards, readers, |shard, reader| {
            shard.catch_up_all(reader, Payloads::All);
        });
        let mut shards = self.shards.iter().enumerate();
        shards.try_for_each(|(shard, follower)| checked(shard, &locked(follower)))
    }

    /// Runs `read` on the state of a shard, up to date.
    ///
    /// # Errors
    /// Why it stopped.
    pub(crate) fn read<T>(
        &self,
        reader: &ShardReader,
        read: impl FnOnce(&P::State) -> T,
    ) -> Result<T, Error> {
        let shard = reader.shard() as usize;
        let mut follower = locked(&self.shards[shard]);
        follower.catch_up_all(reader, Payloads::All);
        checked(shard, &follower)?;
        Ok(read(&follower.fold.state))
    }

    /// Position after the last event that was applied in a shard.
    pub(crate) fn progress(&self, shard: usize) -> u64 {
        locked(&self.shards[shard]).fold.progress
    }
}

fn checked<F>(shard: usize, follower: &Follower<F>) -> Result<(), Error> {
    match &follower.failure {
        None => Ok(()),
        Some(reason) => Err(Error::ProjectionStopped {
            shard: shard as u32,
            reason: reason.clone(),
        }),
    }
}

impl<P: Projection> Live for LiveProjection<P> {
    fn follow(&self, reader: &ShardReader, block: &Block) {
        let mut follower = locked(&self.shards[reader.shard() as usize]);
        follower.follow(reader, block, Payloads::All);
    }
}

impl<P: Projection> Fold for Projecting<P> {
    fn progress(&self) -> u64 {
        self.progress
    }

    fn take(&mut self, block: &Block, hidden: &Hidden, replay: bool) {
        let events = block.events();
        // Segments that were written anew have other blocks: one may have been seen in part.
        let first = if self.progress <= block.head().first_position {
            0
        } else {
            let seen = |row: &usize| events.position(*row) < self.progress;
            (0..events.len()).take_while(seen).count()
        };
        let batch = if hidden.is_empty() && !events.lists_truncation() {
            Batch::new(events, first, replay)
        } else {
            let rows = first..events.len();
            let shown = rows.filter(|row| !hidden.hides(&events, *row));
            self.shown.clear();
            self.shown.extend(shown.map(|row| row as u32));
            Batch::listed(events, &self.shown, replay)
        };
        if !batch.is_empty() {
            self.projection.apply(&mut self.state, &batch);
        }
        self.progress = self.progress.max(block.head().next_position());
    }
}
