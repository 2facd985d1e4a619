//! Reads blocks at known places, from any thread.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::BlockPlace;
use crate::disk::chunks::for_chunks;
use crate::disk::room::Room;
use crate::disk::storage::{Open, Storage, StoredFile};
use crate::format::kept_type::KeptTypes;
use crate::read::caches::Caches;
use crate::sealed::closed::ClosedSegment;
use crate::segment::dir::ShardDir;
use crate::{Block, BlockHead, Error, MAX_BLOCK_BYTES, Payloads};

/// The largest buffer that a thread keeps: blocks of batches are well below.
const KEPT_BUFFER_BYTES: usize = 1 << 20;
/// What is read first of a block of which only some payloads are wanted: the head, and with it the
/// envelopes of a small block.
const FIRST_READ_BYTES: usize = 16 << 10;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Reads the blocks of one shard. Cheap to share: it keeps a few files open, and blocks in the
/// cache that it was given.
pub struct BlockReader {
    dir: ShardDir,
    caches: Caches,
    /// Files by number, and by how many times they had been written anew.
    files: Mutex<VecDeque<(FileName, Arc<dyn StoredFile>)>>,
    reads: AtomicU64,
    types: KeptTypes,
}

impl fmt::Debug for BlockReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockReader")
            .field("dir", &self.dir)
            .finish_non_exhaustive()
    }
}

impl BlockReader {
    /// A reader of this shard that keeps what it has read in `caches`.
    #[must_use]
    pub fn new(dir: ShardDir, caches: Caches) -> Self {
        Self {
            dir,
            caches,
            files: Mutex::default(),
            reads: AtomicU64::new(0),
            types: KeptTypes::default(),
        }
    }

    pub(crate) fn dir(&self) -> &ShardDir {
        &self.dir
    }

    /// The types that its blocks share.
    pub(crate) fn types(&self) -> &KeptTypes {
        &self.types
    }

    pub(crate) fn caches(&self) -> &Caches {
        &self.caches
    }

    /// Lets go of what is kept of a segment that was written anew.
    pub fn forget(&self, segment: u64) {
        locked(&self.files).retain(|((number, _), _)| *number != segment);
        self.caches.blocks.forget(self.dir.shard, segment);
    }

    /// The block at a place with at least the payloads that are wanted, from memory where it was
    /// read before.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Damaged`], or what the disk said.
    pub fn get(&self, at: &BlockPlace, want: Payloads<'_>) -> Result<Arc<Block>, Error> {
        self.get_or_read(at, want, |want| self.read(at, want))
    }

    /// As [`get`](Self::get), where `read` reads the block with the payloads that it is told.
    pub(crate) fn get_or_read(
        &self,
        at: &BlockPlace,
        want: Payloads<'_>,
        read: impl FnOnce(Payloads<'_>) -> Result<Block, Error>,
    ) -> Result<Arc<Block>, Error> {
        let shard = self.dir.shard;
        let kept = self.caches.blocks.get(shard, at);
        let want = match kept {
            Some(block) if block.has(want) => return Ok(block),
            // A caller that wants other payloads than the one before may come back for more.
            Some(_) => Payloads::All,
            None => want,
        };
        let block = Arc::new(read(want)?);
        self.caches.blocks.insert(shard, at, &block);
        Ok(block)
    }

    /// The block at a place with the payloads that are wanted, read from the file.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Damaged`], [`crate::ErrorKind::Replaced`], or what the disk said.
    pub fn read(&self, at: &BlockPlace, want: Payloads<'_>) -> Result<Block, Error> {
        self.check_length(at)?;
        with_room(at.length as usize, |bytes| self.read_into(bytes, at, want))
    }

    /// As [`read`](Self::read), for who reads block after block: payloads are not copied out of the
    /// bytes of the block, which it keeps, also those that are not wanted.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_in_place(&self, at: &BlockPlace, want: Payloads<'_>) -> Result<Block, Error> {
        self.check_length(at)?;
        let source = self.source(at)?;
        let mut room = Room::take();
        let read = source.read(room.grow(at.length as usize).1, 0)?;
        room.truncate(read);
        let head = self.head(&source, room.bytes(), at)?;
        Block::decode_in_place(head, room, want).map_err(|reason| source.damaged(reason))
    }

    /// Room is made only for what can be a block.
    fn check_length(&self, at: &BlockPlace) -> Result<(), Error> {
        if at.length <= MAX_BLOCK_BYTES {
            return Ok(());
        }
        let name = self.dir.describe(at.segment);
        let reason = "a block is longer than a block can be";
        Err(Error::damaged(&name, at.place, reason))
    }

    /// Reads exactly the bytes of a cluster of this segment.
    pub(crate) fn read_cluster(
        &self,
        segment: &ClosedSegment,
        bytes: &mut [u8],
        place: u64,
    ) -> Result<(), Error> {
        let file = self.file(segment.number(), segment.sealed().rewrite)?;
        self.reads.fetch_add(1, Ordering::Relaxed);
        let read = file.read_at(bytes, place);
        let name = || self.dir.describe(segment.number());
        match read.map_err(|error| Error::io("read", &name(), error))? == bytes.len() {
            true => Ok(()),
            false => Err(Error::damaged(&name(), place, "a cluster is cut short")),
        }
    }

    fn read_into(
        &self,
        bytes: &mut [u8],
        at: &BlockPlace,
        want: Payloads<'_>,
    ) -> Result<Block, Error> {
        let source = self.source(at)?;
        let is_large = bytes.len() > FIRST_READ_BYTES;
        if is_large && matches!(want, Payloads::OfAggregateAt(_)) {
            return self.read_parts(&source, bytes, at, want);
        }
        let read = source.read(bytes, 0)?;
        let head = self.head(&source, &bytes[..read], at)?;
        Block::decode(head, &bytes[..read], want).map_err(|reason| source.damaged(reason))
    }

    /// Reads head and envelopes, and then nothing but the payloads that are wanted.
    fn read_parts(
        &self,
        source: &Source<'_>,
        bytes: &mut [u8],
        at: &BlockPlace,
        want: Payloads<'_>,
    ) -> Result<Block, Error> {
        let damaged = |reason| source.damaged(reason);
        let mut read = source.read(&mut bytes[..FIRST_READ_BYTES], 0)?;
        let head_bytes = BlockHead::peek(&bytes[..read]).map_err(damaged)?.head;
        if head_bytes > read {
            source.read_exactly(bytes, read, head_bytes)?;
            read = head_bytes;
        }
        let head = self.head(source, &bytes[..read], at)?;
        let envelopes_end = Block::envelopes_end(&head).map_err(damaged)?;
        source.read_exactly(bytes, read, envelopes_end)?;
        let mut block = Block::decode_envelopes(head, bytes).map_err(damaged)?;
        block.open_metadata(bytes, want).map_err(damaged)?;
        for section in block.wanted(want) {
            source.read_exactly(bytes, section.start as usize, section.end())?;
            block.open_payloads(&section, bytes).map_err(damaged)?;
        }
        Ok(block)
    }

    /// Where the bytes of a block come from, to be read once.
    pub(crate) fn source(&self, at: &BlockPlace) -> Result<Source<'_>, Error> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        Ok(Source {
            dir: &self.dir,
            file: self.file(at.segment, at.rewrite)?,
            segment: at.segment,
            place: at.place,
        })
    }

    /// The head of the block at a place, if it is that one.
    pub(crate) fn head(
        &self,
        source: &Source<'_>,
        bytes: &[u8],
        at: &BlockPlace,
    ) -> Result<BlockHead, Error> {
        let damaged = |reason| source.damaged(reason);
        let size = BlockHead::peek(bytes).map_err(damaged)?;
        let head = bytes
            .get(..size.head)
            .ok_or("a block is cut short")
            .map_err(damaged)?;
        let head = BlockHead::decode(head).map_err(damaged)?;
        let found = BlockPlace {
            rewrite: at.rewrite,
            group_rows: match at.group_rows {
                0 => 0,
                _ => head.group_rows,
            },
            ..BlockPlace::of(&head)
        };
        if found != *at || head.store != self.dir.store || head.shard != self.dir.shard {
            return Err(damaged("another block is in this place"));
        }
        Ok(head)
    }

    /// Copies the first `length` bytes of a segment, all of it where there is none, to the file of
    /// the same name in another storage, durably; says how many.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Replaced`], or what a disk said.
    pub fn copy(
        &self,
        segment: u64,
        rewrite: u32,
        length: Option<u64>,
        to: &dyn Storage,
    ) -> Result<u64, Error> {
        let file = self.file(segment, rewrite)?;
        let path = self.dir.path(segment);
        let copy = || {
            let copy = to.open(&path, Open::Create)?;
            let length = length.unwrap_or(file.len()?);
            let mut copied = 0;
            for_chunks(&*file, 0, |at, chunk| {
                let wanted = length.saturating_sub(at).min(chunk.len() as u64);
                copied += wanted;
                copy.write_all_at(&chunk[..wanted as usize], at)
            })?;
            copy.sync()?;
            Ok(copied)
        };
        copy().map_err(|error| Error::io("copy to", &to.describe(&path), error))
    }

    /// How many blocks, and parts of blocks, were read from files so far.
    #[must_use]
    pub fn blocks_read(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }

    /// The file of a segment in the form that it has after it was written anew so many times.
    pub(crate) fn file(&self, segment: u64, rewrite: u32) -> Result<Arc<dyn StoredFile>, Error> {
        let mut files = locked(&self.files);
        let wanted = (segment, rewrite);
        if let Some((_, file)) = files.iter().find(|(name, _)| *name == wanted) {
            return Ok(Arc::clone(file));
        }
        let file: Arc<dyn StoredFile> = Arc::from(self.dir.open(segment, Open::Read)?);
        let header = self.dir.read_header(segment, &*file)?;
        if header.sealed.map_or(0, |sealed| sealed.rewrite) != rewrite {
            return Err(Error::replaced(&self.dir.describe(segment)));
        }
        files.push_front((wanted, Arc::clone(&file)));
        files.truncate(self.caches.kept_files);
        Ok(file)
    }
}

/// Lends room for so many bytes: it is made once a thread, not once a block.
pub(crate) fn with_room<T>(bytes: usize, read: impl FnOnce(&mut [u8]) -> T) -> T {
    BUFFER.with_borrow_mut(|buffer| {
        if buffer.len() < bytes {
            buffer.resize(bytes, 0);
        }
        let read = read(&mut buffer[..bytes]);
        if buffer.len() > KEPT_BUFFER_BYTES {
            *buffer = Vec::new();
        }
        read
    })
}

/// Where the bytes of a block come from.
pub(crate) struct Source<'r> {
    dir: &'r ShardDir,
    file: Arc<dyn StoredFile>,
    segment: u64,
    place: u64,
}

impl Source<'_> {
    pub(crate) fn damaged(&self, reason: &str) -> Error {
        Error::damaged(&self.dir.describe(self.segment), self.place, reason)
    }

    /// Reads what there is of the block from `within` on.
    pub(crate) fn read(&self, bytes: &mut [u8], within: usize) -> Result<usize, Error> {
        let read = self.file.read_at(bytes, self.place + within as u64);
        read.map_err(|error| Error::io("read", &self.dir.describe(self.segment), error))
    }

    /// Reads the bytes of the block between two places into theirs; none where they are there.
    pub(crate) fn read_exactly(
        &self,
        bytes: &mut [u8],
        from: usize,
        to: usize,
    ) -> Result<(), Error> {
        let cut_short = || self.damaged("a block is cut short");
        let wanted = bytes.get_mut(from..to.max(from)).ok_or_else(cut_short)?;
        let length = wanted.len();
        match length == 0 || self.read(wanted, from)? == length {
            true => Ok(()),
            false => Err(cut_short()),
        }
    }
}

/// Number of a segment, and how many times it had been written anew.
type FileName = (u64, u32);

/// A thread that panicked while it held the lock left a cache that is still right.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
