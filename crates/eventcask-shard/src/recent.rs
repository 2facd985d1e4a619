//! Blocks that became durable a moment ago, for readers right behind the writer.
//!
//! Such a reader gets a block from memory. Large blocks are written past the system's cache, so
//! reading one back would take the disk, a check and a decoding. Readers do not register. A reader
//! of one of the newest blocks will want the next ones, so these are kept, until several came that
//! nobody read.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use eventcask_log::{Block, BlockPlace};

/// Bytes of the blocks that are kept of a shard. Half of what may be in flight: a reader that is
/// further behind is not about to catch up, and reads from the disk.
const KEPT_BYTES: usize = 4 << 20;
/// Whoever reads an event that has no more than these behind it is right behind the writer.
const NEAR_EVENTS: u64 = 50_000;
/// So many blocks are kept after the last one that was asked for.
const PATIENCE: u32 = 32;

/// The newest blocks of a shard, for as long as somebody reads them.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    /// Blocks that are still to be kept.
    wanted: AtomicU32,
    /// Position after the last event that was published.
    end: AtomicU64,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// In the order of their positions, without a gap.
    blocks: VecDeque<(BlockPlace, Arc<Block>)>,
    bytes: usize,
}

impl Recent {
    /// The block at a place, if it is kept. Asking for one of the newest blocks has the next ones
    /// kept.
    pub(crate) fn get(&self, at: &BlockPlace) -> Option<Arc<Block>> {
        // Relaxed: a wrong guess costs a read from the disk, or memory for some blocks.
        let end = self.end.load(Ordering::Relaxed);
        if end.saturating_sub(at.next_position) > NEAR_EVENTS {
            return None;
        }
        self.wanted.store(PATIENCE, Ordering::Relaxed);
        let kept = self.kept();
        let place = kept
            .blocks
            .binary_search_by_key(&at.first_position, |(of, _)| of.first_position);
        let (of, block) = kept.blocks.get(place.ok()?)?;
        // In its segment's newer form it is another one.
        (of == at).then(|| Arc::clone(block))
    }

    /// Takes a block just before it is published, so that each reader that sees it finds it here.
    /// Returns the blocks that are not needed any more: their memory can be used again.
    pub(crate) fn take(&self, at: &BlockPlace, block: &Arc<Block>) -> Vec<Block> {
        self.end.store(at.next_position, Ordering::Relaxed);
        let wanted = self.wanted.load(Ordering::Relaxed);
        self.wanted
            .store(wanted.saturating_sub(1), Ordering::Relaxed);
        let bytes = block.raw_bytes();
        let is_wanted = wanted > 0 && bytes <= KEPT_BYTES;
        let mut kept = self.kept();
        let most = if is_wanted { KEPT_BYTES - bytes } else { 0 };
        let freed = kept.cut_to(most);
        if is_wanted {
            kept.bytes += bytes;
            kept.blocks.push_back((*at, Arc::clone(block)));
        }
        freed
    }

    /// A panic while it is held leaves blocks that are whole.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// Lets go of the oldest blocks until at most `bytes` are left. Returns the ones that nobody
    /// reads.
    fn cut_to(&mut self, bytes: usize) -> Vec<Block> {
        let mut freed = Vec::new();
        while self.bytes > bytes
            && let Some((_, block)) = self.blocks.pop_front()
        {
            self.bytes -= block.raw_bytes();
            freed.extend(Arc::into_inner(block));
        }
        freed
    }
}
