//! Walks over the blocks of a segment, checking each against the one before.

use crate::block::{padding_is_zero, stored};
use crate::head::{BLOCK_ALIGN, BlockHead, FIXED_HEAD_BYTES, HeadSize, Section};
use crate::recovery::Tail;
use crate::segment::{FIRST_BLOCK, ShardDir};
use crate::storage::{Open, StoredFile};
use crate::{Error, NewSegment};

/// Bytes read at once where a segment is searched.
const CHUNK_BYTES: usize = 1 << 20;

/// Where a block is, and which events it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockPlace {
    /// Number of the segment.
    pub segment: u64,
    /// Place in the segment's file.
    pub place: u64,
    /// Bytes of the block.
    pub length: u32,
    /// Number of events.
    pub rows: u32,
    /// Position of the first event.
    pub first_position: u64,
    /// Commit time of the first event, in nanoseconds.
    pub first_commit: i64,
    /// Commit time of the last event, in nanoseconds.
    pub last_commit: i64,
}

impl BlockPlace {
    /// The place of the block with this head.
    #[must_use]
    pub fn of(head: &BlockHead) -> Self {
        Self {
            segment: head.segment,
            place: head.place,
            length: head.length,
            rows: head.rows,
            first_position: head.first_position,
            first_commit: head.first_commit,
            last_commit: head.last_commit,
        }
    }
}

/// Something that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub file: String,
    /// The byte of the file where the damaged part begins.
    pub place: u64,
    /// What is wrong.
    pub reason: String,
}

/// How much of each block is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Head, columns and ids.
    Envelopes,
    /// Every byte.
    Full,
}

/// What a scan met.
pub(crate) enum Step {
    /// A good block; its bytes are in the scan's buffer.
    Block(BlockHead),
    /// The end of the file, or nothing but zeros up to there.
    End,
    /// Bytes that are no good block.
    Bad(&'static str),
}

/// A walk over the blocks of one segment.
pub(crate) struct Scan {
    name: String,
    /// Store and shard that the blocks must be of.
    owner: (u128, u32),
    pub(crate) number: u64,
    file: Box<dyn StoredFile>,
    pub(crate) place: u64,
    pub(crate) next_position: u64,
    pub(crate) previous_crc: u32,
    buffer: Vec<u8>,
}

impl Scan {
    /// Begins at the first block of a segment that is expected to follow `tail`.
    pub(crate) fn begin(dir: &ShardDir, number: u64, tail: &Tail) -> Result<Self, Error> {
        let file = dir.open(number, Open::Read)?;
        let header = dir.read_header(number, &*file)?.new;
        let follows =
            header.first_position == tail.next_position && header.previous_crc == tail.previous_crc;
        // What follows a damaged segment says itself where it begins.
        if (number == 1 || tail.segment != 0) && !follows {
            return Err(Error::damaged(
                &dir.describe(number),
                72,
                "it does not follow the segment before",
            ));
        }
        Ok(Self::over(
            file,
            dir.describe(number),
            (dir.store, dir.shard),
            &header,
            FIRST_BLOCK,
        ))
    }

    /// Goes on at `tail`, inside its segment.
    pub(crate) fn resume(dir: &ShardDir, tail: &Tail) -> Result<Self, Error> {
        let file = dir.open(tail.segment, Open::Read)?;
        let state = NewSegment {
            number: tail.segment,
            first_position: tail.next_position,
            previous_crc: tail.previous_crc,
        };
        Ok(Self::over(
            file,
            dir.describe(tail.segment),
            (dir.store, dir.shard),
            &state,
            tail.place,
        ))
    }

    /// A walk over a file called `name` that begins at `place` in this state.
    pub(crate) fn over(
        file: Box<dyn StoredFile>,
        name: String,
        owner: (u128, u32),
        state: &NewSegment,
        place: u64,
    ) -> Self {
        Self {
            name,
            owner,
            number: state.number,
            file,
            place,
            next_position: state.first_position,
            previous_crc: state.previous_crc,
            buffer: Vec::new(),
        }
    }

    /// The bytes of the block just met, as far as the depth asked for.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buffer
    }

    /// Reads the next block and steps over it if it is good.
    pub(crate) fn step(&mut self, depth: Depth) -> Result<Step, Error> {
        let fixed = self.read(self.place, FIXED_HEAD_BYTES)?;
        if fixed < FIXED_HEAD_BYTES || self.buffer.iter().all(|byte| *byte == 0) {
            let bad = Step::Bad("the bytes after the last block are no block");
            return Ok(if self.rest_is_zero()? { Step::End } else { bad });
        }
        let size = match BlockHead::peek(&self.buffer) {
            Ok(size) => size,
            Err(reason) => return Ok(Step::Bad(reason)),
        };
        match self.read_block(size, depth)? {
            Ok(head) => {
                self.place += u64::from(head.length);
                self.next_position = head.next_position();
                self.previous_crc = head.crc;
                Ok(Step::Block(head))
            }
            Err(reason) => Ok(Step::Bad(reason)),
        }
    }

    fn read_block(
        &mut self,
        size: HeadSize,
        depth: Depth,
    ) -> Result<Result<BlockHead, &'static str>, Error> {
        const SHORT: &str = "a block is cut short";
        // Room is made only for what is there: the lengths are not under a checksum yet.
        if self.bytes_left()? < u64::from(size.block) {
            return Ok(Err(SHORT));
        }
        let first = if depth == Depth::Full {
            size.block as usize
        } else {
            size.head
        };
        if self.read(self.place, first)? < first {
            return Ok(Err(SHORT));
        }
        let head = match BlockHead::decode(&self.buffer[..size.head]) {
            Ok(head) => head,
            Err(reason) => return Ok(Err(reason)),
        };
        if depth == Depth::Envelopes {
            let wanted = head
                .sections
                .iter()
                .filter(|section| section.kind <= Section::IDS);
            let end = wanted.map(Section::end).max().unwrap_or(size.head);
            if self.read(self.place, end)? < end {
                return Ok(Err(SHORT));
            }
        }
        Ok(self.check(&head, depth).map(|()| head))
    }

    fn check(&self, head: &BlockHead, depth: Depth) -> Result<(), &'static str> {
        if (head.store, head.shard) != self.owner {
            return Err("a block belongs to another store or shard");
        }
        if (head.segment, head.place) != (self.number, self.place) {
            return Err("a block belongs to another place");
        }
        if head.first_position != self.next_position || head.previous_crc != self.previous_crc {
            return Err("a block does not follow the one before it");
        }
        if depth == Depth::Full {
            for section in &head.sections {
                stored(section, &self.buffer)?;
            }
            if !padding_is_zero(head, &self.buffer) {
                return Err("the bytes between the sections of a block are not zero");
            }
        }
        Ok(())
    }

    fn len(&self) -> Result<u64, Error> {
        self.file
            .len()
            .map_err(|error| Error::io("read", &self.name, error))
    }

    /// Reads up to `count` bytes into the buffer and says how many there were.
    fn read(&mut self, place: u64, count: usize) -> Result<usize, Error> {
        self.buffer.resize(count, 0);
        let read = self.file.read_at(&mut self.buffer, place);
        let read = read.map_err(|error| Error::io("read", &self.name, error))?;
        self.buffer.truncate(read);
        Ok(read)
    }

    fn rest_is_zero(&mut self) -> Result<bool, Error> {
        let mut place = self.place;
        loop {
            let read = self.read(place, CHUNK_BYTES)?;
            if self.buffer.iter().any(|byte| *byte != 0) {
                return Ok(false);
            }
            if read < CHUNK_BYTES {
                return Ok(true);
            }
            place += read as u64;
        }
    }

    /// Whether a good head stands here whose block goes on beyond the end of the file: a write
    /// that ended with its process. No byte that changed looks like that.
    pub(crate) fn is_unfinished(&mut self) -> Result<bool, Error> {
        if self.read(self.place, FIXED_HEAD_BYTES)? < FIXED_HEAD_BYTES {
            return Ok(false);
        }
        let Ok(size) = BlockHead::peek(&self.buffer) else {
            return Ok(false);
        };
        if self.read(self.place, size.head)? < size.head {
            return Ok(false);
        }
        let Ok(head) = BlockHead::decode(&self.buffer) else {
            return Ok(false);
        };
        let fits = self.check(&head, Depth::Envelopes).is_ok();
        Ok(fits && self.bytes_left()? < u64::from(head.length))
    }

    /// Whether a good block further on says that the bytes at the scan's place were durable:
    /// then they are damaged, and not the torn end of a write.
    pub(crate) fn was_durable(&mut self) -> Result<bool, Error> {
        let mut place = self.place.next_multiple_of(BLOCK_ALIGN as u64);
        loop {
            let read = self.read(place, CHUNK_BYTES)?;
            let chunk = std::mem::take(&mut self.buffer);
            for (index, bytes) in chunk.chunks_exact(BLOCK_ALIGN).enumerate() {
                let at = place + (index * BLOCK_ALIGN) as u64;
                if at > self.place && BlockHead::may_begin(bytes) && self.vouches(at)? {
                    return Ok(true);
                }
            }
            if read < CHUNK_BYTES {
                return Ok(false);
            }
            place += read as u64;
        }
    }

    /// Whether the bytes at `at` are the head of a block that saw the scan's place durable.
    fn vouches(&mut self, at: u64) -> Result<bool, Error> {
        if self.read(at, FIXED_HEAD_BYTES)? < FIXED_HEAD_BYTES {
            return Ok(false);
        }
        let Ok(size) = BlockHead::peek(&self.buffer) else {
            return Ok(false);
        };
        if self.read(at, size.head)? < size.head {
            return Ok(false);
        }
        let Ok(head) = BlockHead::decode(&self.buffer) else {
            return Ok(false);
        };
        let ours = (head.store, head.shard) == self.owner;
        let here = (head.segment, head.place) == (self.number, at);
        Ok(ours && here && head.durable_place > self.place)
    }

    pub(crate) fn damaged(&self, reason: &str) -> Error {
        Error::damaged(&self.name, self.place, reason)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn problem(&self, place: u64, reason: &str) -> Problem {
        Problem {
            file: self.name.clone(),
            place,
            reason: reason.to_owned(),
        }
    }

    /// Bytes from the scan's place to the end of the file.
    pub(crate) fn bytes_left(&self) -> Result<u64, Error> {
        Ok(self.len()?.saturating_sub(self.place))
    }
}
