//! The place in the log: what is admitted gets one, and goes to the write thread.

use std::sync::Arc;

use eventcask_event::EventBatch;
use eventcask_log::{
    Block, BlockHead, BlockPlace, Error, FIRST_BLOCK, NewSegment, PAGE_BYTES, PageBuffer,
    SegmentWriter, in_page,
};

use super::{LOADED_BYTES, SendTask, Shard};
use crate::commit::{Target, Task};
use crate::directory::number;
use crate::in_flight::{InFlight, InFlightBlock};
use crate::stages::StageTimer;
use crate::{AppendError, FlushShare, Flushed};

/// Smaller blocks begin no segment: with its header of 4 KiB it would be half empty.
const SMALL_BYTES: u64 = 8 << 10;
/// How much of those a full segment takes: what is open is read by each opening.
const BEHIND_BYTES: u64 = 64 << 10;

impl Shard {
    /// The write thread's side of the shard.
    pub(crate) fn target(&self) -> Result<Target, Error> {
        let writer = SegmentWriter::open(self.reader.dir().clone(), &self.tail)?.with_runway();
        let reports = Arc::clone(&self.reports);
        Ok(Target {
            reader: Arc::clone(&self.reader),
            writer,
            reports,
            refused_generation: None,
            broken: None,
            written: None,
            group: Vec::new(),
            stages: Arc::clone(&self.stages),
        })
    }

    /// Gives the admitted events a place in the log and hands them to the write thread.
    pub(super) fn store(
        &mut self,
        in_flight: &mut InFlight,
        commit_time: i64,
        send: SendTask<'_>,
        lap: &mut StageTimer,
    ) -> Result<(), String> {
        in_flight.tail_before = Some(self.tail.clone());
        let roll = if self.fits_behind(&in_flight.delivery.batch) {
            None
        } else {
            self.roll()
        };
        let mut head = self.head(self.builder.rows() as u32, commit_time);
        let source = in_flight.mark_before.as_ref();
        let mark = source.and_then(|(source, _)| self.dedup.mark(source));
        head.marks.extend(mark.cloned());
        let mut block = self.builder.finish(head, &mut in_flight.delivery.batch)?;
        lap.end(&self.stages.build_ns);
        let is_loaded = self.inbox.has_waiting() || self.in_flight_bytes >= LOADED_BYTES;
        let codec = self.settings.codec.resolve(is_loaded);
        let mut bytes = self.spare.pop().unwrap_or_default();
        bytes.clear();
        bytes.reserve(block.raw_bytes() + 3 * PAGE_BYTES);
        bytes.resize(in_page(self.tail.place), 0);
        let head = block.encode_paged(codec, &mut self.compressor, &mut bytes);
        block.set_length(head.length);
        let touched = self.builder.touched().iter();
        block.number_aggregates(self.reader.opening(), touched.map(|one| number(one.slot)));
        lap.end(&self.stages.encode_ns);
        let stored = InFlightBlock {
            place: BlockPlace::of(&head),
            sections: head.sections.clone(),
            touched: self.builder.take_touched(),
            block,
        };
        in_flight.bytes = in_flight.bytes.max(bytes.len());
        in_flight.stored = Some(stored);
        in_flight.sequence = self.hand_over(&head, roll, bytes, send);
        Ok(())
    }

    /// Whether the block that was built is so small that the segment takes it, though it is full:
    /// the next one would be nearly empty. Once something was refused the next one may be there
    /// already.
    fn fits_behind(&mut self, batch: &EventBatch) -> bool {
        let full = self.settings.segment_bytes;
        let is_full = self.tail.segment != 0 && !self.tail.ended && self.tail.place >= full;
        if !is_full || self.generation > 0 || self.is_given_up() {
            return false;
        }
        let bytes = self.builder.bytes(batch);
        let behind = self.behind_bytes + bytes;
        let fits = bytes < SMALL_BYTES.min(full / 32) && behind <= BEHIND_BYTES.min(full / 4);
        if fits {
            self.behind_bytes = behind;
        }
        fits
    }

    fn is_given_up(&self) -> bool {
        self.tail.segment == self.given_up_segment
    }

    /// Begins a new segment where the last one is full, or all of it is given up.
    pub(super) fn roll(&mut self) -> Option<NewSegment> {
        let is_full = self.tail.place >= self.settings.segment_bytes || self.is_given_up();
        let has_room = !self.tail.ended && !is_full;
        if self.tail.segment != 0 && has_room {
            return None;
        }
        self.behind_bytes = 0;
        self.tail.ended = false;
        self.tail.segment += 1;
        self.tail.place = FIRST_BLOCK;
        self.tail.durable_place = FIRST_BLOCK;
        Some(NewSegment {
            number: self.tail.segment,
            first_position: self.tail.next_position,
            previous_checksum: self.tail.previous_checksum,
        })
    }

    /// The head of the next block.
    pub(super) fn head(&self, rows: u32, commit_time: i64) -> BlockHead {
        let dir = self.reader.dir();
        BlockHead {
            store: dir.store(),
            shard: dir.shard(),
            segment: self.tail.segment,
            place: self.tail.place,
            first_position: self.tail.next_position,
            rows,
            durable_place: self.tail.durable_place,
            first_commit: commit_time,
            last_commit: commit_time,
            epoch: self.tail.epoch,
            previous_checksum: self.tail.previous_checksum,
            ..BlockHead::default()
        }
    }

    pub(super) fn hand_over(
        &mut self,
        head: &BlockHead,
        roll: Option<NewSegment>,
        bytes: PageBuffer,
        send: SendTask<'_>,
    ) -> u64 {
        self.tail.place += u64::from(head.length);
        self.tail.next_position = head.next_position();
        self.tail.previous_checksum = head.checksum;
        self.tail.closed = head.close;
        let task = Task::Write {
            roll,
            segment: head.segment,
            place: head.place,
            bytes,
        };
        self.send(task, send)
    }

    pub(super) fn send(&mut self, task: Task, send: SendTask<'_>) -> u64 {
        self.sequence += 1;
        send(self.generation, self.sequence, task);
        self.sequence
    }

    pub(super) fn flush(&mut self, share: FlushShare, send: SendTask<'_>) {
        if let Some(reason) = self.inbox.poisoned() {
            return share.settle(Flushed::default(), Some(&AppendError::Poisoned(reason)));
        }
        let sequence = self.send(Task::Sync, send);
        self.in_flight.push_back(InFlight {
            sequence,
            flush: Some(share),
            ..InFlight::default()
        });
    }

    /// Begins a new segment, so that the one before is complete. What is in the new one says that
    /// all before is durable, which it is then.
    pub(super) fn end_segment(&mut self, share: FlushShare, commit_time: i64, send: SendTask<'_>) {
        let is_empty = self.tail.segment == 0 || self.tail.place == FIRST_BLOCK;
        if is_empty || self.tail.ended || self.inbox.poisoned().is_some() {
            return self.flush(share, send);
        }
        let tail_before = Some(self.tail.clone());
        self.tail.ended = true;
        let roll = self.roll();
        let sequence = self.write_close(roll, commit_time, send);
        self.in_flight.push_back(InFlight {
            sequence,
            flush: Some(share),
            tail_before,
            ..InFlight::default()
        });
    }

    /// Writes the mark of a clean close, if there is something to close.
    pub(crate) fn close(&mut self, commit_time: i64, send: SendTask<'_>) {
        let nothing = self.tail.segment == 0 || self.tail.closed || self.tail.ended;
        if nothing || self.inbox.poisoned().is_some() {
            return;
        }
        // The mark says that all before it is durable, so it is written after a sync.
        self.send(Task::Sync, send);
        // It needs no segment of its own, however full this one is. Where something was refused,
        // the next one may be there already.
        let was_refused = self.generation > 0;
        let roll = was_refused.then(|| self.roll()).flatten();
        self.write_close(roll, commit_time, send);
        self.send(Task::Sync, send);
    }

    fn write_close(
        &mut self,
        roll: Option<NewSegment>,
        commit_time: i64,
        send: SendTask<'_>,
    ) -> u64 {
        let mut head = self.head(0, commit_time);
        head.close = true;
        head.durable_place = head.place;
        let mut bytes = PageBuffer::new();
        bytes.resize(in_page(head.place), 0);
        let head = Block::encode_empty(head, &mut bytes);
        self.hand_over(&head, roll, bytes, send)
    }
}
