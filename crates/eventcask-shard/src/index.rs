//! What readers see of a shard: the durable blocks and which aggregates are in them.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use eventcask_event::{EventRef, Events};
use eventcask_log::{Block, BlockPlace, BlockReader, Error, Section, ShardDir, Tail};

use crate::directory::{AggregateSlot, Directory};
use crate::{KeyHasher, SourceMark};

/// The durable blocks of a shard, in order.
#[derive(Debug, Clone, Default)]
pub struct Published {
    /// Where the blocks are.
    pub blocks: Vec<BlockPlace>,
    /// Position after the last durable event.
    pub watermark: u64,
    /// Bytes of the blocks' sections before compression.
    pub raw_bytes: u64,
    /// Bytes of the blocks in their files.
    pub disk_bytes: u64,
    /// Number of the newest segment.
    pub segment: u64,
    /// How far each source is durably consumed.
    pub marks: Vec<SourceMark>,
}

impl Published {
    /// The block that holds the event at `position`.
    #[must_use]
    pub fn block_of(&self, position: u64) -> Option<&BlockPlace> {
        if position >= self.watermark {
            return None;
        }
        let after = self
            .blocks
            .partition_point(|block| block.first_position <= position);
        self.blocks.get(after.checked_sub(1)?)
    }

    /// The blocks from the one that holds `position` on.
    #[must_use]
    pub fn from(&self, position: u64) -> &[BlockPlace] {
        let first = self
            .blocks
            .partition_point(|block| block.first_position + u64::from(block.rows) <= position);
        &self.blocks[first..]
    }

    fn push(&mut self, block: &Block, at: &BlockPlace, sections: &[Section]) {
        debug_assert_eq!(
            at.first_position, self.watermark,
            "blocks follow each other"
        );
        self.blocks.push(*at);
        self.watermark = at.first_position + u64::from(at.rows);
        self.raw_bytes += sections
            .iter()
            .map(|section| u64::from(section.raw))
            .sum::<u64>();
        self.disk_bytes += u64::from(at.length);
        self.segment = at.segment;
        for mark in &block.head().marks {
            self.marks.retain(|old| old.source != mark.source);
            self.marks.push(mark.clone());
        }
    }
}

/// Reads one shard, from any thread, beside its writer.
#[derive(Debug)]
pub struct ShardReader {
    dir: ShardDir,
    blocks: BlockReader,
    hasher: KeyHasher,
    directory: RwLock<Directory>,
    published: RwLock<Published>,
}

impl ShardReader {
    pub(crate) fn new(dir: ShardDir, hasher: KeyHasher) -> Self {
        let blocks = BlockReader::new(dir.clone());
        Self {
            dir,
            blocks,
            hasher,
            directory: RwLock::default(),
            published: RwLock::default(),
        }
    }

    /// A reader of a store that is open for reading only; `tail` is where it goes on.
    ///
    /// # Errors
    /// Damage, or what the disk said.
    pub fn open(dir: ShardDir, hasher: KeyHasher) -> Result<(Self, Tail), Error> {
        let reader = Self::new(dir, hasher);
        let mut tail = Tail::empty();
        reader.follow(&mut tail)?;
        Ok((reader, tail))
    }

    /// Takes up what another process wrote since.
    ///
    /// # Errors
    /// Damage, or what the disk said.
    pub fn follow(&self, tail: &mut Tail) -> Result<(), Error> {
        self.dir.follow(tail, &mut |block, at| {
            let slots = self.enter(block);
            self.publish(block, at, &block.head().sections, &slots);
            Ok(())
        })
    }

    /// The number of the shard.
    #[must_use]
    pub fn shard(&self) -> u32 {
        self.dir.shard()
    }

    /// The shard's directory.
    #[must_use]
    pub fn dir(&self) -> &ShardDir {
        &self.dir
    }

    /// Reads blocks.
    #[must_use]
    pub fn blocks(&self) -> &BlockReader {
        &self.blocks
    }

    /// The durable blocks.
    pub fn published(&self) -> RwLockReadGuard<'_, Published> {
        self.published
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The aggregates.
    pub fn directory(&self) -> RwLockReadGuard<'_, Directory> {
        self.directory
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn directory_mut(&self) -> RwLockWriteGuard<'_, Directory> {
        self.directory
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Position of the newest durable event of an aggregate.
    #[must_use]
    pub fn newest(&self, key: &str) -> Option<u64> {
        self.directory().newest(self.hasher.hash(key), key)
    }

    /// Version of an aggregate's newest durable event; 0 where there is none.
    ///
    /// # Errors
    /// Damage, or what the disk said.
    pub fn version(&self, key: &str) -> Result<u64, Error> {
        let Some(position) = self.newest(key) else {
            return Ok(0);
        };
        let block = self.block_at(position)?;
        let version = block.and_then(|block| with_event(&block, position, |event| event.version));
        version.ok_or_else(|| self.lost(position))
    }

    /// The error of a position that no block holds, though it should.
    pub(crate) fn lost(&self, position: u64) -> Error {
        let file = self.dir.describe(self.published().segment);
        Error::damaged(&file, 0, &format!("no block holds position {position}"))
    }

    /// Enters the events of a block that was read back into the directory, and returns the
    /// slots of the block's aggregates.
    pub(crate) fn enter(&self, block: &Block) -> Vec<AggregateSlot> {
        let mut directory = self.directory_mut();
        let events = block.events();
        let slots: Vec<_> = (0..events.aggregates())
            .map(|index| {
                let key = events.key(index);
                let hash = self.hasher.hash(key);
                directory
                    .find(hash, key)
                    .unwrap_or_else(|| directory.add(hash, key))
            })
            .collect();
        for row in 0..events.len() {
            directory.admit(slots[events.aggregate_index(row)], events.position(row));
        }
        slots
    }

    /// Makes a durable block visible to readers; `slots` are those of its aggregates.
    pub(crate) fn publish(
        &self,
        block: &Block,
        at: &BlockPlace,
        sections: &[Section],
        slots: &[AggregateSlot],
    ) {
        // The block first: who finds an event in the directory finds its block as well.
        self.published
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .push(block, at, sections);
        let mut directory = self.directory_mut();
        for (slot, position) in slots.iter().zip(newest_positions(&block.events())) {
            directory.make_durable(*slot, position);
        }
    }

    /// The event at `position`, with its block.
    ///
    /// # Errors
    /// Damage, or what the disk said.
    pub fn block_at(&self, position: u64) -> Result<Option<Arc<Block>>, Error> {
        let at = self.published().block_of(position).copied();
        at.map(|at| self.blocks.get(&at)).transpose()
    }
}

/// The newest position that each aggregate has in a block.
fn newest_positions(events: &Events<'_>) -> Vec<u64> {
    let mut newest = vec![0; events.aggregates()];
    for row in 0..events.len() {
        newest[events.aggregate_index(row)] = events.position(row);
    }
    newest
}

/// The row of a block that has this position.
pub(crate) fn row_at(events: &Events<'_>, position: u64) -> Option<usize> {
    let guess = usize::try_from(position.checked_sub(events.position(0))?).ok()?;
    // Rows of a re-ordered block are found by search; others lie where the position says.
    if guess < events.len() && events.position(guess) == position {
        return Some(guess);
    }
    (0..events.len()).find(|row| events.position(*row) == position)
}

/// Runs `read` on the event at a position of a block.
pub(crate) fn with_event<R>(
    block: &Block,
    position: u64,
    read: impl FnOnce(EventRef<'_>) -> R,
) -> Option<R> {
    let events = block.events();
    row_at(&events, position).map(|row| read(events.event(row)))
}
