//! Walks over the blocks of a segment, checking each against the one before.

use crate::FIRST_BLOCK;
use crate::Tail;
use crate::disk::storage::{Open, StoredFile};
use crate::format::block::padding_is_zero;
use crate::format::head::{BLOCK_ALIGN, BlockHead, FIXED_HEAD_BYTES, HeadSize};
use crate::format::sealed_header::Sealed;
use crate::format::section::stored;
use crate::segment::dir::{SegmentHeader, ShardDir};
use crate::{Error, NewSegment, Problem};

/// Zeros at the end of a block by which an unfinished write is told from a changed byte.
const UNFINISHED_BYTES: u32 = 16;
/// Bytes read at once where a segment is searched.
const CHUNK_BYTES: usize = 1 << 20;

/// What a scan met.
pub(crate) enum Step {
    /// A good block; its bytes are in the scan's buffer.
    Block(BlockHead),
    /// The end of the file, or nothing but zeros up to there.
    End,
    /// Bytes that are no good block.
    Bad(&'static str),
}

/// What no block of a sealed segment goes beyond.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Where its blocks end.
    pub(crate) place: u64,
    /// Position after its last event.
    pub(crate) position: u64,
}

impl Bounds {
    fn of(sealed: &Sealed) -> Self {
        Self {
            place: sealed.blocks_end,
            position: sealed.next_position,
        }
    }
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
    pub(crate) previous_checksum: u32,
    /// The bounds of a sealed segment. Its events may have gaps between them.
    bounds: Option<Bounds>,
    /// Of which so many bytes were filled last: the rest is not filled with zeros again.
    room: Vec<u8>,
    filled: usize,
}

impl Scan {
    /// Begins at the first block of a segment.
    pub(crate) fn begin(dir: &ShardDir, number: u64) -> Result<(Self, SegmentHeader), Error> {
        let file = dir.open(number, Open::Read)?;
        let header = dir.read_header(number, &*file)?;
        let owner = (dir.store, dir.shard);
        let mut scan = Self::over(file, dir.describe(number), owner, &header.new, FIRST_BLOCK);
        scan.bounds = header.sealed.as_ref().map(Bounds::of);
        Ok((scan, header))
    }

    /// Goes on at `tail`, inside its segment.
    pub(crate) fn resume(dir: &ShardDir, tail: &Tail) -> Result<Self, Error> {
        let (mut scan, _) = Self::begin(dir, tail.segment)?;
        scan.go_on_at(tail);
        Ok(scan)
    }

    /// Moves on to `tail`, in the file that is open: another may have its name by now.
    pub(crate) fn go_on_at(&mut self, tail: &Tail) {
        self.place = tail.place;
        self.next_position = tail.next_position;
        self.previous_checksum = tail.previous_checksum;
    }

    /// Whether the segment was sealed when the scan began.
    pub(crate) fn is_sealed(&self) -> bool {
        self.bounds.is_some()
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
            previous_checksum: state.previous_checksum,
            bounds: None,
            room: Vec::new(),
            filled: 0,
        }
    }

    /// As [`over`](Self::over), for a segment that may be sealed.
    pub(crate) fn until(mut self, sealed: Option<&Sealed>) -> Self {
        self.bounds = sealed.map(Bounds::of);
        self
    }

    /// Lets the blocks have gaps between them, within these bounds.
    pub(crate) fn end_at(&mut self, bounds: Bounds) {
        self.bounds = Some(bounds);
    }

    /// Moves on to the next place, `from` or behind it, where the head of a block of this segment
    /// stands, whatever it follows; says whether there is one.
    pub(crate) fn skip_to_head(&mut self, from: u64) -> Result<bool, Error> {
        let end = self.bounds.map_or(u64::MAX, |bounds| bounds.place);
        let mut place = from.next_multiple_of(BLOCK_ALIGN as u64);
        while place < end {
            let read = self.read(place, CHUNK_BYTES)?;
            let chunk = self.take_bytes();
            for (index, bytes) in chunk.chunks_exact(BLOCK_ALIGN).enumerate() {
                let at = place + (index * BLOCK_ALIGN) as u64;
                if at < end
                    && BlockHead::may_begin(bytes)
                    && let Some(head) = self.head_at(at)?
                    && head.first_position >= self.next_position
                {
                    (self.place, self.previous_checksum) = (at, head.previous_checksum);
                    return Ok(true);
                }
            }
            if read < CHUNK_BYTES {
                break;
            }
            place += read as u64;
        }
        Ok(false)
    }

    /// The head at a place, if one stands there that names this store, shard and place.
    fn head_at(&mut self, at: u64) -> Result<Option<BlockHead>, Error> {
        if self.read(at, FIXED_HEAD_BYTES)? < FIXED_HEAD_BYTES {
            return Ok(None);
        }
        let Ok(size) = BlockHead::peek(self.bytes()) else {
            return Ok(None);
        };
        if self.read(at, size.head)? < size.head {
            return Ok(None);
        }
        let head = BlockHead::decode(self.bytes()).ok();
        Ok(head.filter(|head| {
            let ours = (head.store, head.shard) == self.owner;
            ours && (head.segment, head.place) == (self.number, at)
        }))
    }

    /// The bytes of the block just met.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.room[..self.filled]
    }

    /// Reads the next block and steps over it if it is good.
    pub(crate) fn step(&mut self) -> Result<Step, Error> {
        if self.bounds.is_some_and(|bounds| self.place >= bounds.place) {
            return Ok(Step::End);
        }
        let fixed = self.read(self.place, FIXED_HEAD_BYTES)?;
        if fixed < FIXED_HEAD_BYTES || self.bytes().iter().all(|byte| *byte == 0) {
            // Only a segment that is as written may end with zeros; a sealed one knows its end.
            let ends = self.bounds.is_none() && self.rest_is_zero()?;
            let bad = Step::Bad("the bytes after the last block are no block");
            return Ok(if ends { Step::End } else { bad });
        }
        let size = match BlockHead::peek(self.bytes()) {
            Ok(size) => size,
            Err(reason) => return Ok(Step::Bad(reason)),
        };
        match self.read_block(size)? {
            Ok(head) => {
                self.place += u64::from(head.length);
                self.next_position = head.next_position();
                self.previous_checksum = head.checksum;
                Ok(Step::Block(head))
            }
            Err(reason) => Ok(Step::Bad(reason)),
        }
    }

    fn read_block(&mut self, size: HeadSize) -> Result<Result<BlockHead, &'static str>, Error> {
        const SHORT: &str = "a block is cut short";
        let bytes = size.block as usize;
        // Room is made only for what is there: the lengths are not under a checksum yet.
        if self.bytes_left()? < u64::from(size.block) || self.read(self.place, bytes)? < bytes {
            return Ok(Err(SHORT));
        }
        let head = match BlockHead::decode(&self.bytes()[..size.head]) {
            Ok(head) => head,
            Err(reason) => return Ok(Err(reason)),
        };
        let checked = self.check_head(&head);
        Ok(checked.and_then(|()| self.check_body(&head)).map(|()| head))
    }

    fn check_head(&self, head: &BlockHead) -> Result<(), &'static str> {
        if (head.store, head.shard) != self.owner {
            return Err("a block belongs to another store or shard");
        }
        if (head.segment, head.place) != (self.number, self.place) {
            return Err("a block belongs to another place");
        }
        let follows = match self.bounds {
            None => head.first_position == self.next_position && head.gaps == 0,
            Some(bounds) => {
                let ends = self.place + u64::from(head.length) <= bounds.place;
                if !ends || head.next_position() > bounds.position {
                    return Err("a block goes beyond what the segment's header says");
                }
                head.first_position >= self.next_position
            }
        };
        if !follows || head.previous_checksum != self.previous_checksum {
            return Err("a block does not follow the one before it");
        }
        Ok(())
    }

    fn check_body(&self, head: &BlockHead) -> Result<(), &'static str> {
        for section in &head.sections {
            stored(section, self.bytes())?;
        }
        if padding_is_zero(head, self.bytes()) {
            Ok(())
        } else {
            Err("the bytes between the sections of a block are not zero")
        }
    }

    pub(crate) fn len(&self) -> Result<u64, Error> {
        self.file
            .len()
            .map_err(|error| Error::io("read", &self.name, error))
    }

    /// Up to so many bytes of the file from a place on.
    pub(crate) fn read_at(&mut self, place: u64, count: usize) -> Result<&[u8], Error> {
        self.read(place, count)?;
        Ok(self.bytes())
    }

    /// The store of the segment.
    pub(crate) fn store(&self) -> u128 {
        self.owner.0
    }

    /// The number of the segment.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Whether the file holds these bytes at a place.
    pub(crate) fn holds(&mut self, place: u64, bytes: &[u8]) -> Result<bool, Error> {
        self.read(place, bytes.len())?;
        Ok(self.bytes() == bytes)
    }

    /// Reads up to `count` bytes into the buffer and says how many there were.
    fn read(&mut self, place: u64, count: usize) -> Result<usize, Error> {
        if self.room.len() < count {
            self.room.resize(count, 0);
        }
        let read = self.file.read_at(&mut self.room[..count], place);
        self.filled = read.map_err(|error| Error::io("read", &self.name, error))?;
        Ok(self.filled)
    }

    /// The bytes that were read last, for good.
    fn take_bytes(&mut self) -> Vec<u8> {
        let mut bytes = std::mem::take(&mut self.room);
        bytes.truncate(std::mem::take(&mut self.filled));
        bytes
    }

    fn rest_is_zero(&mut self) -> Result<bool, Error> {
        let mut place = self.place;
        loop {
            let read = self.read(place, CHUNK_BYTES)?;
            if self.bytes().iter().any(|byte| *byte != 0) {
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
        let read = self.read(self.place, FIXED_HEAD_BYTES)?;
        if read < FIXED_HEAD_BYTES {
            return Ok(read > 0 && BlockHead::may_be_cut(self.bytes()));
        }
        let Ok(size) = BlockHead::peek(self.bytes()) else {
            return Ok(false);
        };
        let names_us = BlockHead::names(self.bytes(), self.owner, self.number, self.place);
        if self.read(self.place, size.head)? < size.head {
            return Ok(names_us);
        }
        let Ok(head) = BlockHead::decode(self.bytes()) else {
            return Ok(false);
        };
        if self.check_head(&head).is_err() {
            return Ok(false);
        }
        Ok(self.bytes_left()? < u64::from(head.length) || self.ends_in_zeros(&head)?)
    }

    /// Whether the last bytes of a block's last section are zeros, and all behind it: a write
    /// into room that was taken ahead, which ended with its process.
    fn ends_in_zeros(&mut self, head: &BlockHead) -> Result<bool, Error> {
        let sections = head.sections.iter().rev();
        let Some(last) = sections.into_iter().find(|section| section.stored > 0) else {
            return Ok(false);
        };
        let shown = last.stored.min(UNFINISHED_BYTES) as usize;
        let place = self.place;
        self.place += (last.end() - shown) as u64;
        let is_zero = self.rest_is_zero();
        self.place = place;
        is_zero
    }

    /// Whether a good block further on says that the bytes at the scan's place were durable:
    /// then they are damaged, and not the torn end of a write.
    pub(crate) fn was_durable(&mut self) -> Result<bool, Error> {
        let mut place = self.place.next_multiple_of(BLOCK_ALIGN as u64);
        loop {
            let read = self.read(place, CHUNK_BYTES)?;
            let chunk = self.take_bytes();
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
        let head = self.head_at(at)?;
        Ok(head.is_some_and(|head| head.durable_place > self.place))
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
