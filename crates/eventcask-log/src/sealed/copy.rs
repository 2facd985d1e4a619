//! Writes the log of a shard of rows from other logs: for a store that is made of another one's
//! events.
//!
//! 1. Rows come in the order in which they are to stand, and each gets the next position. Version,
//!    commit time, time, type and payload stay what they are.
//! 2. Whenever enough rows are together they become a block, whose aggregates are linked to their
//!    events before it.
//! 3. A segment that is full is ended, and can be sealed meanwhile.
//! 4. The log ends as after a clean close.
//!
//! The store is none until it is whole, so a crash needs no care here.

use eventcask_event::{EventId, Events, NO_POSITION, TRUNCATED_TYPE};

use crate::format::codec::{Codec, Compressor};
use crate::sealed::rewrite::Rows;
use crate::segment::dir::ShardDir;
use crate::segment::writer::SegmentWriter;
use crate::{Block, BlockHead, Error, FIRST_BLOCK, Fate, LogEnd, NewSegment, Tail};

/// Links an aggregate: see [`LogCopy::push`].
pub type LinkBy<'l> = &'l mut dyn FnMut(&str, u64) -> Result<u64, Error>;

/// What all logs of a copy share: how blocks are made, and the memory for it.
#[derive(Default)]
pub struct CopyTools {
    /// Compression of the blocks.
    pub codec: Codec,
    /// A segment ends with the first block that would start beyond this place.
    pub segment_bytes: u64,
    compressor: Compressor,
    bytes: Vec<u8>,
}

impl std::fmt::Debug for CopyTools {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CopyTools")
            .field("codec", &self.codec)
            .finish_non_exhaustive()
    }
}

impl CopyTools {
    /// Tools that make such blocks and segments.
    #[must_use]
    pub fn new(codec: Codec, segment_bytes: u64) -> Self {
        Self {
            codec,
            segment_bytes,
            ..Self::default()
        }
    }
}

/// The log of one shard on its way.
pub struct LogCopy {
    dir: ShardDir,
    writer: SegmentWriter,
    tail: Tail,
    rows: Rows,
    /// The block that the rows before came from, by its shard and first position.
    from: Option<(u32, u64)>,
    next_position: u64,
}

impl std::fmt::Debug for LogCopy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogCopy")
            .field("dir", &self.dir)
            .finish_non_exhaustive()
    }
}

impl LogCopy {
    /// Begins the log of a shard that has none; its directory is there.
    ///
    /// # Errors
    /// What the disk said.
    pub fn begin(dir: ShardDir) -> Result<Self, Error> {
        let tail = Tail {
            epoch: 1,
            ..Tail::empty()
        };
        Ok(Self {
            writer: SegmentWriter::open(dir.clone(), &tail)?,
            dir,
            tail,
            rows: Rows::default(),
            from: None,
            next_position: 0,
        })
    }

    /// Adds a row of a block, with the id that the event had in its store. Of what is not
    /// [kept](Fate::Kept) a truncation is added. Where a block is full, each of its aggregates is
    /// linked: `link` is told the key and the newest position there, and says the position of the
    /// aggregate's event before, or [`NO_POSITION`].
    ///
    /// # Errors
    /// What the disk said, or what `link` did.
    pub fn push(
        &mut self,
        events: &Events<'_>,
        row: usize,
        fate: &Fate,
        tools: &mut CopyTools,
        link: LinkBy<'_>,
    ) -> Result<(), Error> {
        let fills_segment = self.rows.bytes() as u64 >= tools.segment_bytes;
        if fills_segment || self.rows.is_full(events, row) {
            self.flush(tools, link)?;
        }
        let from = (events.shard(), events.position(0));
        if self.from != Some(from) {
            self.rows.begin_types(events);
            self.from = Some(from);
        }
        let key = match fate {
            Fate::Erased(key) => key,
            _ => events.key(events.aggregate_index(row)),
        };
        let aggregate = self.rows.named_aggregate(key, NO_POSITION);
        let position = self.next_position;
        let id = id_of(events, row);
        self.rows
            .push_as(events, row, aggregate, fate, position, id);
        self.next_position += 1;
        Ok(())
    }

    /// Number of the last segment that is complete; 0 without one.
    #[must_use]
    pub fn complete_to(&self) -> u64 {
        let segment = self.tail.segment;
        if self.tail.ended {
            segment
        } else {
            segment.saturating_sub(1)
        }
    }

    /// Ends the segment that is being written: what comes next stands in another one.
    ///
    /// # Errors
    /// What the disk said, or what `link` did.
    pub fn end_segment(&mut self, tools: &mut CopyTools, link: LinkBy<'_>) -> Result<(), Error> {
        self.flush(tools, link)?;
        self.tail.ended = true;
        Ok(())
    }

    /// Ends the log as a clean close at this time does, durably, and says where it ends. After
    /// [`end_segment`](Self::end_segment) all segments with events are complete.
    ///
    /// # Errors
    /// What the disk said, or what `link` did.
    pub fn finish(
        &mut self,
        time: i64,
        tools: &mut CopyTools,
        link: LinkBy<'_>,
    ) -> Result<LogEnd, Error> {
        self.flush(tools, link)?;
        if self.tail.segment > 0 {
            self.writer.sync()?;
            if self.tail.ended {
                self.roll()?;
            }
            let mut head = self.head();
            (head.first_commit, head.last_commit) = (time, time);
            (head.close, head.durable_place) = (true, head.place);
            tools.bytes.clear();
            let head = Block::encode_empty(head, &mut tools.bytes);
            self.write(&head, &tools.bytes)?;
            self.writer.sync()?;
        }
        Ok(LogEnd::of(&self.tail))
    }

    /// Makes a block of the rows that are together, and writes it.
    fn flush(&mut self, tools: &mut CopyTools, link: LinkBy<'_>) -> Result<(), Error> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let is_full = self.tail.place >= tools.segment_bytes;
        if self.tail.segment == 0 || self.tail.ended || is_full {
            self.roll()?;
        }
        self.rows.link(link)?;
        let block = self.rows.finish(self.head()).map_err(|reason| {
            let file = self.dir.describe(self.tail.segment);
            Error::damaged(
                &file,
                0,
                &format!("events can not be written to it: {reason}"),
            )
        })?;
        tools.bytes.clear();
        let codec = tools.codec.resolve(false);
        let head = block.encode(codec, &mut tools.compressor, &mut tools.bytes);
        self.write(&head, &tools.bytes)
    }

    /// Begins the next segment, once the one before is durable.
    fn roll(&mut self) -> Result<(), Error> {
        let new = NewSegment {
            number: self.tail.segment + 1,
            first_position: self.tail.next_position,
            previous_checksum: self.tail.previous_checksum,
        };
        self.writer.roll(&new)?;
        self.tail.segment = new.number;
        self.tail.place = FIRST_BLOCK;
        self.tail.ended = false;
        Ok(())
    }

    /// The head of the next block. Nothing of the segment is known to be durable before its end.
    fn head(&self) -> BlockHead {
        BlockHead {
            store: self.dir.store,
            shard: self.dir.shard,
            segment: self.tail.segment,
            place: self.tail.place,
            first_position: self.tail.next_position,
            durable_place: FIRST_BLOCK,
            epoch: self.tail.epoch,
            previous_checksum: self.tail.previous_checksum,
            ..BlockHead::default()
        }
    }

    fn write(&mut self, head: &BlockHead, bytes: &[u8]) -> Result<(), Error> {
        self.writer.append(head.segment, head.place, &[bytes])?;
        self.tail.place += u64::from(head.length);
        self.tail.next_position = head.next_position();
        self.tail.previous_checksum = head.checksum;
        Ok(())
    }
}

/// The id that an event keeps: also one that was made of its place, which is another one now. What
/// only says that others are given up is shown to nobody.
fn id_of(events: &Events<'_>, row: usize) -> Option<EventId> {
    match events.given_id(row) {
        None if events.event_type(row) == TRUNCATED_TYPE => None,
        None => Some(events.id(row)),
        given => given,
    }
}
