//! Reads blocks at known places, from any thread.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::scan::BlockPlace;
use crate::segment::ShardDir;
use crate::storage::{Open, StoredFile};
use crate::{Block, BlockHead, Error, Payloads};

/// Blocks kept decoded, newest first: enough for a loader that walks back over neighbours.
const KEPT_BLOCKS: usize = 8;
/// Segment files kept open.
const KEPT_FILES: usize = 64;

/// Reads the blocks of one shard. Cheap to share: it keeps a few files open and a few blocks
/// decoded.
pub struct BlockReader {
    dir: ShardDir,
    files: Mutex<VecDeque<(u64, Arc<dyn StoredFile>)>>,
    blocks: Mutex<VecDeque<Arc<Block>>>,
}

impl fmt::Debug for BlockReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockReader")
            .field("dir", &self.dir)
            .finish_non_exhaustive()
    }
}

impl BlockReader {
    /// A reader of this shard.
    #[must_use]
    pub fn new(dir: ShardDir) -> Self {
        Self {
            dir,
            files: Mutex::default(),
            blocks: Mutex::default(),
        }
    }

    /// The block at a place, with all its payloads, from memory where it was just read.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Damaged`], or what the disk said.
    pub fn get(&self, at: &BlockPlace) -> Result<Arc<Block>, Error> {
        let is_it = |block: &Arc<Block>| {
            (block.head().segment, block.head().place) == (at.segment, at.place)
        };
        if let Some(block) = locked(&self.blocks).iter().find(|block| is_it(block)) {
            return Ok(Arc::clone(block));
        }
        let block = Arc::new(self.read(at, Payloads::All)?);
        let mut blocks = locked(&self.blocks);
        blocks.push_front(Arc::clone(&block));
        blocks.truncate(KEPT_BLOCKS);
        Ok(block)
    }

    /// The block at a place with the payloads that are wanted, read from the file.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Damaged`], or what the disk said.
    pub fn read(&self, at: &BlockPlace, want: Payloads<'_>) -> Result<Block, Error> {
        let name = self.dir.describe(at.segment);
        let damaged = |reason| Error::damaged(&name, at.place, reason);
        let mut bytes = vec![0; at.length as usize];
        let file = self.file(at.segment)?;
        let read = file
            .read_at(&mut bytes, at.place)
            .map_err(|e| Error::io("read", &name, e))?;
        let size = BlockHead::peek(&bytes[..read]).map_err(damaged)?;
        let head = bytes
            .get(..size.head)
            .ok_or("a block is cut short")
            .map_err(damaged)?;
        let head = BlockHead::decode(head).map_err(damaged)?;
        if BlockPlace::of(&head) != *at
            || head.store != self.dir.store
            || head.shard != self.dir.shard
        {
            return Err(damaged("another block is in this place"));
        }
        Block::decode(head, &bytes[..read], want).map_err(damaged)
    }

    fn file(&self, segment: u64) -> Result<Arc<dyn StoredFile>, Error> {
        let mut files = locked(&self.files);
        if let Some((_, file)) = files.iter().find(|(number, _)| *number == segment) {
            return Ok(Arc::clone(file));
        }
        let file: Arc<dyn StoredFile> = Arc::from(self.dir.open(segment, Open::Read)?);
        files.push_front((segment, Arc::clone(&file)));
        files.truncate(KEPT_FILES);
        Ok(file)
    }
}

/// A thread that panicked while it held the lock left a cache that is still right.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
