//! State that follows the durable events of a shard: that of views, and that of projections.
//!
//! A state and how far it got are one unit. Whoever comes across one that is behind brings it up
//! to date from the log before going on, so it does not matter which blocks it was told of.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use eventcask_log::{Block, BlockPlace, Payloads};
use eventcask_project::ApplyError;
use eventcask_shard::{Retired, ShardReader};

use crate::follow::cursor::ShardCursor;
use crate::follow::read_ahead;
use crate::notices::{self, Who};
use crate::parallel;
use crate::sync::locked;

/// A state that events are folded into, with how far it got.
pub(crate) trait Follow: Send {
    /// Position of the first event that was not taken in yet.
    fn progress(&self) -> u64;

    /// Takes in the events of a block from there on, without those that are hidden.
    ///
    /// # Errors
    /// Why it could not; it is not to be used any more then.
    fn take(&mut self, block: &Block, retired: &Retired) -> Result<(), ApplyError>;

    /// Notes that there are no events of the shard before a position that were not taken in: they
    /// are gone.
    fn pass(&mut self, shard: u32, position: u64);
}

/// A fold over the events of one shard, for as long as it goes well.
#[derive(Debug)]
pub(crate) struct Follower<F> {
    pub(crate) fold: F,
    /// Why it stopped, if it did; then nothing more is taken in.
    pub(crate) failure: Option<String>,
    /// Who has stopped then, where the program is to be told.
    pub(crate) who: Option<Who>,
}

impl<F: Follow> Follower<F> {
    pub(crate) fn new(fold: F) -> Self {
        Self {
            fold,
            failure: None,
            who: None,
        }
    }

    /// Stops it.
    pub(crate) fn fail(&mut self, reason: String) {
        let reason = self.failure.insert(reason);
        if let Some(who) = &self.who {
            notices::stopped(who, Some(self.fold.progress()), reason);
        }
    }

    /// Takes in a block that has just become durable, after what is missing before it. Says
    /// whether it is up to date then.
    pub(crate) fn follow(
        &mut self,
        reader: &ShardReader,
        block: &Block,
        want: Payloads<'_>,
    ) -> bool {
        self.catch_up(reader, block.head().first_position, want);
        // What is new may be given up already, by a time that is yet to come.
        let retired = Arc::clone(&reader.published().retired);
        self.failure.is_none() && self.take(block, &retired)
    }

    /// Takes in what is missing of the shard's log before `position`.
    pub(crate) fn catch_up(&mut self, reader: &ShardReader, position: u64, want: Payloads<'_>) {
        self.catch_up_while(reader, position, want, |_| true);
    }

    /// As [`catch_up`](Self::catch_up), for as long as `goes_on` says so of the position it came
    /// to.
    pub(crate) fn catch_up_while(
        &mut self,
        reader: &ShardReader,
        position: u64,
        want: Payloads<'_>,
        goes_on: impl Fn(u64) -> bool,
    ) {
        let next = self.fold.progress();
        if self.failure.is_some() || next >= position {
            return;
        }
        let mut blocks = ShardCursor::new(reader, next).until(position);
        while !blocks.left().is_empty() && goes_on(blocks.left().start) {
            match blocks.next_read(want) {
                Ok(Some((_, block))) => {
                    if !self.take(&block, blocks.retired()) {
                        return;
                    }
                }
                Ok(None) => self.fold.pass(reader.shard(), position),
                Err(error) => return self.fail(error.to_string()),
            }
        }
    }

    /// Takes in what is missing of all that is durable now.
    pub(crate) fn catch_up_all(&mut self, reader: &ShardReader, want: Payloads<'_>) {
        let watermark = reader.published().watermark;
        self.catch_up(reader, watermark, want);
    }

    /// As [`catch_up_all`](Self::catch_up_all), of a state that nobody else knows yet: the log is
    /// read ahead on all cores. Goes on for as long as `goes_on` says so of the position it came
    /// to.
    pub(crate) fn fill(
        &mut self,
        reader: &ShardReader,
        want: Payloads<'_>,
        mut goes_on: impl FnMut(u64) -> bool + Send,
    ) {
        let next = self.fold.progress();
        let log = ShardCursor::new(reader, next);
        if self.failure.is_some() || log.left().is_empty() || !goes_on(next) {
            return;
        }
        let mut is_whole = true;
        let take = |at: &BlockPlace, block: &Block| {
            is_whole = self.take(block, log.retired()) && goes_on(at.next_position);
            is_whole
        };
        match read_ahead::each_block(&log, want, take) {
            Ok(()) if is_whole => self.fold.pass(reader.shard(), log.left().end),
            Ok(()) => {}
            Err(error) => self.fail(error.to_string()),
        }
    }

    /// Takes in a block; see [`take_with`](Self::take_with).
    pub(crate) fn take(&mut self, block: &Block, retired: &Retired) -> bool {
        let position = block.head().first_position;
        self.take_with(position, |fold| fold.take(block, retired))
    }

    /// Takes in the block at `position`, or some of it. An error or a panic stops this fold alone,
    /// and the failure says so.
    pub(crate) fn take_with(
        &mut self,
        position: u64,
        take: impl FnOnce(&mut F) -> Result<(), ApplyError>,
    ) -> bool {
        let fold = &mut self.fold;
        let taken = caught(|| take(fold));
        let taken = taken.and_then(|taken| taken.map_err(|error| error.to_string()));
        if let Err(reason) = &taken {
            self.fail(format!(
                "it failed in the block at position {position}: {reason}"
            ));
        }
        taken.is_ok()
    }
}

/// Does some work on the followers of all shards, several at a time.
pub(crate) fn on_all<T: Send>(
    followers: &[Mutex<T>],
    readers: &[Arc<ShardReader>],
    work: impl Fn(&mut T, &ShardReader) + Sync + Send,
) {
    parallel::map_few(followers.len(), |shard| {
        work(&mut locked(&followers[shard]), &readers[shard]);
    });
}

/// Runs what may panic; what the panic said is the error. What was in its hands is not to be used
/// any more, or is whole at any time.
pub(crate) fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let text = panic.downcast_ref::<&str>().copied();
        let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        text.unwrap_or("panic").to_owned()
    })
}
