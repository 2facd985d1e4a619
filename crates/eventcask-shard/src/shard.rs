//! The state of one shard and the steps of its pipeline.
//!
//! A batch walks: `receive` -> `judge` (dedup, expected versions) -> `store` (columns, archive,
//! compression, checksum, a place in the log) -> the write thread -> `complete` -> `publish`
//! (index, projections, answers). Between `store` and `publish` a block is *in flight*: its
//! effects are in the tables, nothing of it is visible, and all of it can be taken back.
//!
//! This file is long: recovery, the pipeline, the tail and going back have no files of their own yet.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use eventcask_event::{EventId, NewEvent};
use eventcask_log::{
    Block, BlockHead, BlockPlace, Caches, Codec, Compressor, Error, ErrorKind, FIRST_BLOCK,
    KeyPlace, NewSegment, PAGE_BYTES, PageBuffer, SegmentWriter, ShardDir, SourceMark, Tail,
    in_page,
};

use crate::admit::{Admission, History, Original, ROWS_AHEAD};
use crate::build::BlockBuilder;
use crate::commit::{Done, Failure, Reports, Target, Task};
use crate::dedup::Dedup;
use crate::delivery::refuse_all;
use crate::in_flight::{InFlight, InFlightBlock};
use crate::inbox::{Message, Rest};
use crate::index::with_event;
use crate::stages::{Lap, StageCounters, count};
use crate::{
    Apply, DedupSettings, Delivery, Flushed, Inbox, KeyHasher, Refused, ShardReader, Share,
};

/// Bytes of blocks that are on their way to the disk at most; more would only wait there.
const IN_FLIGHT_BYTES: usize = 8 << 20;
/// With so many there is no time to compress by itself: whoever makes events in the worker's own
/// thread leaves no batches waiting that would tell.
const LOADED_BYTES: usize = 1 << 20;
/// Buffers of written blocks that are kept for the next ones: as many as are in flight where blocks
/// have the usual size.
const SPARE_BUFFERS: usize = IN_FLIGHT_BYTES / (256 << 10);

/// How a shard writes.
#[derive(Debug, Clone, Copy)]
pub struct ShardSettings {
    /// Compression of blocks.
    pub codec: Codec,
    /// A segment ends with the first block that would start beyond this place.
    pub segment_bytes: u64,
}

/// One slice of all aggregates: its tables, its place in the log, and what is in flight.
pub struct Shard {
    reader: Arc<ShardReader>,
    inbox: Arc<Inbox>,
    settings: ShardSettings,
    apply: Box<dyn Apply>,
    dedup: Dedup,
    builder: BlockBuilder,
    compressor: Compressor,
    tail: Tail,
    /// Batches that were taken together: they share one group of writes.
    taken: VecDeque<Message>,
    /// Whether a group of blocks came back from the disk since open batches were taken.
    is_group_done: bool,
    in_flight: VecDeque<InFlight>,
    in_flight_bytes: usize,
    sequence: u64,
    generation: u64,
    reports: Reports,
    spare: Vec<PageBuffer>,
    stages: Arc<StageCounters>,
}

impl std::fmt::Debug for Shard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shard")
            .field("reader", &self.reader)
            .finish_non_exhaustive()
    }
}

/// A shard that was recovered, and what the recovery did.
pub struct Opened {
    /// Its reader, to be shared.
    pub reader: Arc<ShardReader>,
    /// What was taken off the end of its log, in words.
    pub cut: Option<eventcask_log::Problem>,
    dedup: Dedup,
    tail: Tail,
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opened")
            .field("tail", &self.tail)
            .finish_non_exhaustive()
    }
}

impl Opened {
    /// Recovers a shard for writing: mends its tail and fills its tables from the log.
    ///
    /// # Errors
    /// Damage, or what the disk said.
    pub fn recover(
        dir: ShardDir,
        hasher: KeyHasher,
        caches: Caches,
        settings: DedupSettings,
    ) -> Result<Self, Error> {
        let reader = Arc::new(ShardReader::new(dir, hasher, caches));
        let mut dedup = Dedup::new(settings);
        let recovery = reader.dir().recover(&mut |block, at| {
            reader.enter(block, at);
            dedup.enter(block, &|position, key| reader.is_of(position, key))
        })?;
        reader.take_ended(recovery.ended)?;
        reader.note_what_was_met();
        for segment in reader.published().ended().iter() {
            dedup.rest_in(segment);
        }
        for mark in &reader.published().marks {
            dedup.set_mark(&mark.source, Some(mark.clone()));
        }
        Ok(Self {
            reader,
            cut: recovery.cut,
            dedup,
            tail: recovery.tail,
        })
    }

    /// Commit time of the newest event.
    #[must_use]
    pub fn last_commit(&self) -> i64 {
        self.tail.last_commit
    }

    /// How many ids the shard knows.
    #[must_use]
    pub fn ids(&self) -> usize {
        self.dedup.ids()
    }

    /// The shard, ready to take batches from `inbox`.
    #[must_use]
    pub fn start(self, inbox: Arc<Inbox>, settings: ShardSettings, apply: Box<dyn Apply>) -> Shard {
        let tail = Tail {
            epoch: self.tail.epoch.saturating_add(1),
            ..self.tail
        };
        let stages = Arc::clone(self.reader.stage_counters());
        self.reader.note_ids(&self.dedup);
        Shard {
            reader: self.reader,
            inbox,
            settings,
            apply,
            dedup: self.dedup,
            builder: BlockBuilder::default(),
            compressor: Compressor::default(),
            tail,
            taken: VecDeque::new(),
            is_group_done: false,
            in_flight: VecDeque::new(),
            in_flight_bytes: 0,
            sequence: 0,
            generation: 0,
            reports: Reports::default(),
            spare: Vec::new(),
            stages,
        }
    }
}

/// Where a shard hands its blocks to the write thread.
pub(crate) type SendTask<'s> = &'s mut dyn FnMut(u64, u64, Task);

impl Shard {
    /// The write thread's side of the shard.
    pub(crate) fn target(&self) -> Result<Target, Error> {
        let writer = SegmentWriter::open(self.reader.dir().clone(), &self.tail)?.with_runway();
        let reports = Arc::clone(&self.reports);
        Ok(Target {
            writer,
            reports,
            refused_generation: None,
            broken: None,
            written: None,
            group: Vec::new(),
            stages: Arc::clone(&self.stages),
        })
    }

    /// Whether so much is on its way to the disk that nothing more is taken.
    pub(crate) fn is_busy(&self) -> bool {
        self.in_flight_bytes >= IN_FLIGHT_BYTES
    }

    /// Whether one batch is on its way to the disk, and no more.
    pub(crate) fn has_one_in_flight(&self) -> bool {
        self.in_flight.len() == 1
    }

    /// Whether something is on its way to the disk, or waits.
    pub(crate) fn has_more(&self) -> bool {
        !self.in_flight.is_empty() || self.look() == Rest::Not
    }

    /// Publishes what came back from the disk.
    pub(crate) fn take_reports(&mut self) {
        if !self.reports.is_empty() {
            self.complete();
        }
    }

    /// One turn: what came back from the disk, then the next batch. Says whether there was
    /// anything to do.
    pub(crate) fn turn(&mut self, now: &dyn Fn() -> i64, send: SendTask<'_>) -> bool {
        let completed = self.complete();
        let Some(message) = self.next_message() else {
            return completed;
        };
        match message {
            Message::Delivery(delivery) => self.receive(delivery, now, send),
            Message::Flush(share) => self.flush(share, send),
            Message::EndSegment(share) => self.end_segment(share, now(), send),
        }
        true
    }

    /// The next batch. While a block is in flight, open batches are left to fill up: they
    /// become the next group. Those in which somebody waits go along with the next blocks as soon as a
    /// group is done.
    fn next_message(&mut self) -> Option<Message> {
        if self.is_busy() {
            return None;
        }
        if self.taken.is_empty() && self.is_group_done {
            self.inbox.take_asked(&mut self.taken);
            self.is_group_done = self.taken.is_empty();
        }
        if let Some(message) = self.taken.pop_front() {
            return Some(message);
        }
        let waiting = self.inbox.take();
        if waiting.is_some() || !self.in_flight.is_empty() {
            return waiting;
        }
        self.inbox.take_open(&mut self.taken);
        self.taken.pop_front()
    }

    /// Whether [`turn`](Self::turn) would do something, or when it will without being called.
    pub(crate) fn look(&self) -> Rest {
        if !self.reports.is_empty() {
            return Rest::Not;
        }
        if self.in_flight.is_empty() && self.taken.is_empty() {
            return self.inbox.look();
        }
        let is_asked = || self.is_group_done && self.inbox.is_asked();
        let waits = !self.taken.is_empty() || self.inbox.has_waiting() || is_asked();
        if waits && !self.is_busy() {
            Rest::Not
        } else {
            Rest::Until(None)
        }
    }

    /// Whether all is done and nothing more will come.
    pub(crate) fn is_finished(&self) -> bool {
        self.inbox.is_closed() && self.in_flight.is_empty() && self.look() != Rest::Not
    }

    /// Decides on a batch, and sends what is admitted of it to the disk.
    pub(crate) fn receive(
        &mut self,
        mut delivery: Box<Delivery>,
        now: &dyn Fn() -> i64,
        send: SendTask<'_>,
    ) {
        if let Some(refused) = self.refusal(&delivery) {
            refuse_all(&mut delivery, &refused);
            self.inbox.recycle(delivery);
            return;
        }
        let commit_time = self.take_time(now);
        let mut lap = Lap::start();
        count(&self.stages.events, delivery.batch.len() as u64);
        count(&self.stages.batches, 1);
        let mut in_flight = self.judge(delivery);
        lap.end(&self.stages.decide_ns);
        if in_flight.failed.is_none() {
            in_flight.mark_before = self.pass_mark(&in_flight.delivery);
        }
        in_flight.bytes = in_flight.delivery.batch.bytes();
        if self.builder.rows() == 0 {
            in_flight.is_done = true;
        } else if let Err(reason) = self.store(&mut in_flight, commit_time, send, &mut lap) {
            self.in_flight.push_back(in_flight);
            return self.poison(&reason);
        }
        self.drop_old_ids(commit_time);
        self.in_flight_bytes += in_flight.bytes;
        self.in_flight.push_back(in_flight);
        self.publish_done();
    }

    /// A time for the events of the batch in hand. Whoever asks the clock later knows before that
    /// something is under way.
    fn take_time(&self, now: &dyn Fn() -> i64) -> i64 {
        // As in `settle`: a flush that is under way says nothing of any time.
        if self.in_flight.iter().any(|one| one.stored.is_some()) {
            return now();
        }
        self.reader.set_settled(self.tail.last_commit);
        let time = now();
        self.reader.set_settled(time - 1);
        time
    }

    /// Tells readers up to which time everything is visible now.
    fn settle(&mut self) {
        let mut stored = self.in_flight.iter().filter_map(|one| one.stored.as_ref());
        let first = stored.next().map(|stored| stored.place.first_commit - 1);
        self.reader.set_settled(first.unwrap_or(i64::MAX));
        self.apply.settled();
    }

    /// Why a whole batch is refused, if it is.
    fn refusal(&self, delivery: &Delivery) -> Option<Refused> {
        if let Some(reason) = self.inbox.poisoned() {
            return Some(Refused::Poisoned(reason));
        }
        let rows = delivery.batch.source()?;
        let next = self.dedup.passed(&delivery.batch);
        let source_name = rows.source.clone();
        (rows.after > next).then_some(Refused::SourceGap { source_name, next })
    }

    /// Decides on each append of a batch; what is admitted is in the builder then.
    fn judge(&mut self, mut delivery: Box<Delivery>) -> InFlight {
        let mut in_flight = InFlight::default();
        self.builder.begin(self.tail.next_position);
        let history = Stored {
            reader: &self.reader,
            in_flight: &self.in_flight,
        };
        let mut directory = self.reader.directory_mut();
        let mut admission = Admission {
            shard: self.reader.shard(),
            first_position: self.tail.next_position,
            passed: self.dedup.passed(&delivery.batch),
            batch: &delivery.batch,
            directory: &mut directory,
            dedup: &mut self.dedup,
            builder: &mut self.builder,
            history: &history,
            likely: [None; ROWS_AHEAD],
        };
        let mut appends = delivery.appends.drain(..).peekable();
        let (mut row, mut asked) = (0, 0);
        while row < delivery.batch.len() {
            if row >= asked {
                admission.prefetch(row);
                asked = row + ROWS_AHEAD;
            }
            match appends.next_if(|append| append.first_row as usize == row) {
                Some(append) => {
                    let rows = row..row + append.rows as usize;
                    row = rows.end;
                    let outcome = admission.judge(rows, append.expected);
                    if let Err(refused @ (Refused::Damaged(_) | Refused::Unreadable(_))) = &outcome
                        && delivery.batch.source().is_some()
                    {
                        // It was not decided on, so the mark of its source must not pass it.
                        in_flight.failed.get_or_insert(refused.clone());
                    }
                    in_flight.answers.push((append.completion, outcome));
                }
                None => {
                    let is_stored = admission.judge_pushed(row);
                    if let Err(refused) = in_flight.counted.count(is_stored) {
                        in_flight.failed.get_or_insert(refused);
                    }
                    row += 1;
                }
            }
        }
        drop(appends);
        drop(directory);
        in_flight.delivery = delivery;
        if in_flight.failed.is_some() && in_flight.delivery.batch.source().is_some() {
            self.undo(&mut in_flight);
        }
        in_flight
    }

    /// Takes back what was admitted of a batch of which a row could not be decided: the mark of
    /// its source stands for all of its rows or for none.
    fn undo(&mut self, in_flight: &mut InFlight) {
        let mut directory = self.reader.directory_mut();
        for touched in self.builder.touched() {
            directory.take_back(touched.slot, touched.version, touched.last);
        }
        let batch = &in_flight.delivery.batch;
        for index in 0..self.builder.rows() {
            let (row, _) = self.builder.built(index);
            if let Some(id) = batch.id(row) {
                let position = self.tail.next_position + index as u64;
                self.dedup.forget(id, batch.key(row), position);
            }
        }
        self.builder.begin(self.tail.next_position);
        in_flight.counted = Flushed::default();
        if let Some(refused) = &in_flight.failed {
            for (_, outcome) in &mut in_flight.answers {
                *outcome = Err(refused.clone());
            }
        }
    }

    /// Moves the mark of the batch's source on, and returns how it was.
    fn pass_mark(&mut self, delivery: &Delivery) -> Option<(String, Option<SourceMark>)> {
        let rows = delivery.batch.source()?;
        let before = self.dedup.mark(&rows.source).cloned();
        let next = rows.offsets.last()? + 1;
        if before.as_ref().is_none_or(|mark| mark.next < next) {
            let mark = SourceMark {
                source: rows.source.clone(),
                next,
                check: rows.check,
            };
            self.dedup.set_mark(&rows.source, Some(mark));
        }
        Some((rows.source.clone(), before))
    }

    /// Gives the admitted events a place in the log and hands them to the write thread.
    fn store(
        &mut self,
        in_flight: &mut InFlight,
        commit_time: i64,
        send: SendTask<'_>,
        lap: &mut Lap,
    ) -> Result<(), String> {
        in_flight.tail_before = Some(self.tail.clone());
        let roll = self.roll();
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

    /// Begins a new segment where the last one is full.
    fn roll(&mut self) -> Option<NewSegment> {
        let has_room = !self.tail.ended && self.tail.place < self.settings.segment_bytes;
        if self.tail.segment != 0 && has_room {
            return None;
        }
        self.tail.ended = false;
        self.tail.segment += 1;
        self.tail.place = FIRST_BLOCK;
        self.tail.durable_place = FIRST_BLOCK;
        Some(NewSegment {
            number: self.tail.segment,
            first_position: self.tail.next_position,
            previous_crc: self.tail.previous_crc,
        })
    }

    /// The head of the next block.
    fn head(&self, rows: u32, commit_time: i64) -> BlockHead {
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
            previous_crc: self.tail.previous_crc,
            ..BlockHead::default()
        }
    }

    fn hand_over(
        &mut self,
        head: &BlockHead,
        roll: Option<NewSegment>,
        bytes: PageBuffer,
        send: SendTask<'_>,
    ) -> u64 {
        self.tail.place += u64::from(head.length);
        self.tail.next_position = head.next_position();
        self.tail.previous_crc = head.crc;
        self.tail.closed = head.close;
        let task = Task::Write {
            roll,
            segment: head.segment,
            place: head.place,
            bytes,
        };
        self.send(task, send)
    }

    fn send(&mut self, task: Task, send: SendTask<'_>) -> u64 {
        self.sequence += 1;
        send(self.generation, self.sequence, task);
        self.sequence
    }

    fn flush(&mut self, share: Share, send: SendTask<'_>) {
        if let Some(reason) = self.inbox.poisoned() {
            return share.settle(Flushed::default(), Some(&Refused::Poisoned(reason)));
        }
        let sequence = self.send(Task::Sync, send);
        self.in_flight.push_back(InFlight {
            sequence,
            flush: Some(share),
            ..InFlight::default()
        });
    }

    /// Begins a new segment, so that the one before is complete. What is in the new one says that all
    /// before is durable, which it is then.
    fn end_segment(&mut self, share: Share, commit_time: i64, send: SendTask<'_>) {
        let is_empty = self.tail.segment == 0 || self.tail.place == FIRST_BLOCK;
        if is_empty || self.tail.ended || self.inbox.poisoned().is_some() {
            return self.flush(share, send);
        }
        let tail_before = Some(self.tail.clone());
        self.tail.ended = true;
        let sequence = self.write_close(commit_time, send);
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
        self.write_close(commit_time, send);
        self.send(Task::Sync, send);
    }

    fn write_close(&mut self, commit_time: i64, send: SendTask<'_>) -> u64 {
        let roll = self.roll();
        let mut head = self.head(0, commit_time);
        head.close = true;
        head.durable_place = head.place;
        let mut bytes = PageBuffer::new();
        bytes.resize(in_page(head.place), 0);
        let head = Block::encode_empty(head, &mut bytes);
        self.hand_over(&head, roll, bytes, send)
    }

    /// Takes up what the write thread has done.
    fn complete(&mut self) -> bool {
        let mut any = false;
        while let Some(mut done) = self.reports.pop() {
            (any, self.is_group_done) = (true, true);
            if done.buffer.capacity() > 0 && self.spare.len() < SPARE_BUFFERS {
                self.spare.push(std::mem::take(&mut done.buffer));
            }
            let is_broken = matches!(done.result, Err(Failure::Broken(_)));
            if is_broken || done.generation == self.generation {
                self.take_report(&done);
            }
        }
        self.publish_done();
        any
    }

    fn take_report(&mut self, done: &Done) {
        if let Some((segment, place)) = done.durable
            && segment == self.tail.segment
        {
            self.tail.durable_place = place;
        }
        match &done.result {
            Ok(()) => {
                let waiting = self
                    .in_flight
                    .iter_mut()
                    .find(|one| one.sequence == done.sequence);
                if let Some(in_flight) = waiting {
                    in_flight.is_done = true;
                }
            }
            Err(Failure::Full(reason)) => self.take_back(done.sequence, reason),
            Err(Failure::Broken(reason)) => self.poison(reason),
        }
    }

    /// Publishes, in order, all that is done.
    fn publish_done(&mut self) {
        while self.in_flight.front().is_some_and(|first| first.is_done) {
            if let Some(in_flight) = self.in_flight.pop_front() {
                self.publish(in_flight);
            }
        }
    }

    fn publish(&mut self, mut in_flight: InFlight) {
        self.in_flight_bytes -= in_flight.bytes;
        let mut lap = Lap::start();
        if let Some(stored) = in_flight.stored.take() {
            let (place, block) = (&stored.place, Arc::new(stored.block));
            let mut freed = self.reader.take_recent(place, &block);
            self.reader
                .publish(&block, place, &stored.sections, &stored.touched);
            self.dedup.note_stored(&block);
            lap.end(&self.stages.publish_ns);
            self.apply.apply(&block);
            lap.end(&self.stages.project_ns);
            self.builder.recycle_touched(stored.touched);
            freed.extend(Arc::into_inner(block));
            for block in freed {
                self.builder.recycle(block.into_parts());
            }
            self.builder.keep(SPARE_BUFFERS);
        }
        // Before anyone is told: who was answered finds its events visible to all readers.
        self.settle();
        for (completion, outcome) in in_flight.answers.drain(..) {
            completion.answer(outcome);
        }
        if let Some(share) = in_flight.delivery.account.take() {
            share.settle(in_flight.counted, in_flight.failed.as_ref());
        }
        if let Some(share) = in_flight.flush {
            share.settle(Flushed::default(), None);
        }
        self.inbox.recycle(in_flight.delivery);
        lap.end(&self.stages.publish_ns);
    }

    /// Drops ids that are out of the window, or that rest on disk by now.
    fn drop_old_ids(&mut self, now: i64) {
        if self.dedup.is_due() {
            let (sealed_to, filter_bytes) = {
                let published = self.reader.published();
                (published.sealed_to(), published.filter_bytes())
            };
            self.dedup.drop_old(sealed_to, filter_bytes, now);
            self.reader.note_ids(&self.dedup);
        }
    }

    /// Takes back the block of a full disk and all that was chained to it.
    fn take_back(&mut self, sequence: u64, reason: &Arc<str>) {
        let refused = Refused::StorageFull(Arc::clone(reason));
        let first = self
            .in_flight
            .iter()
            .position(|one| one.sequence == sequence);
        let Some(first) = first else { return };
        let mut directory = self.reader.directory_mut();
        let mut taken_back = Vec::new();
        for mut in_flight in self.in_flight.drain(first..).rev() {
            self.in_flight_bytes -= in_flight.bytes;
            if let Some(stored) = in_flight.stored.take() {
                for touched in stored.touched {
                    directory.take_back(touched.slot, touched.version, touched.last);
                }
                let events = stored.block.events();
                for row in 0..events.len() {
                    if let Some(id) = events.given_id(row) {
                        let key = events.key(events.aggregate_index(row));
                        self.dedup.forget(id, key, events.position(row));
                    }
                }
            }
            if let Some(tail) = in_flight.tail_before.take() {
                self.tail = Tail {
                    durable_place: self.tail.durable_place,
                    ..tail
                };
            }
            if let Some((source, mark)) = in_flight.mark_before.take() {
                self.dedup.set_mark(&source, mark);
            }
            taken_back.push(in_flight);
        }
        drop(directory);
        // Without a lock: who waits may ask the store when it is woken.
        for in_flight in &mut taken_back {
            in_flight.refuse(&refused);
        }
        self.generation += 1;
        self.settle();
    }

    /// Stops the shard: all that waits and all that comes is refused.
    pub(crate) fn poison(&mut self, reason: &str) {
        let (first, is_new) = self.inbox.health().poison(reason);
        if is_new {
            self.apply.stopped(reason);
        }
        let refused = Refused::Poisoned(first);
        for mut in_flight in self.in_flight.drain(..) {
            in_flight.refuse(&refused);
        }
        self.in_flight_bytes = 0;
        self.settle();
    }
}

impl InFlight {
    fn refuse(&mut self, refused: &Refused) {
        for (completion, _) in self.answers.drain(..) {
            completion.answer(Err(refused.clone()));
        }
        if let Some(share) = self.flush.take() {
            share.settle(Flushed::default(), Some(refused));
        }
        refuse_all(&mut self.delivery, refused);
    }
}

/// Events that are in flight or stored.
struct Stored<'s> {
    reader: &'s ShardReader,
    in_flight: &'s VecDeque<InFlight>,
}

impl History for Stored<'_> {
    fn compare(&self, position: u64, key: &str, event: &NewEvent<'_>) -> Result<Original, Refused> {
        let flying = self.in_flight.iter().filter_map(|one| one.stored.as_ref());
        let holds = |at: &BlockPlace| (at.first_position..at.next_position).contains(&position);
        if let Some(stored) = flying.into_iter().find(|stored| holds(&stored.place)) {
            return Ok(compare_in(&stored.block, position, key, event));
        }
        let block = self
            .reader
            .block_with(position)
            .map_err(|error| unreadable(&error))?;
        Ok(block.map_or(Original::Gone, |block| {
            compare_in(&block, position, key, event)
        }))
    }

    fn position_of(&self, id: EventId, range: Range<u64>) -> Result<Option<u64>, Refused> {
        self.reader
            .position_of(id, range)
            .map_err(|error| unreadable(&error))
    }

    fn aggregate(&self, key: &str) -> Result<Option<KeyPlace>, Refused> {
        self.reader
            .not_met_aggregate(key)
            .map_err(|error| unreadable(&error))
    }
}

fn unreadable(error: &Error) -> Refused {
    let reason = error.to_string().into();
    match error.kind() {
        ErrorKind::Damaged => Refused::Damaged(reason),
        _ => Refused::Unreadable(reason),
    }
}

fn compare_in(block: &Block, position: u64, key: &str, event: &NewEvent<'_>) -> Original {
    let compared = with_event(block, position, |stored| {
        let original = NewEvent {
            event_type: stored.event_type,
            schema: stored.schema,
            encoding: stored.encoding,
            payload: stored.payload,
            id: event.id,
            time: stored.time,
        };
        Original::of(stored.aggregate == key, &original, event, stored.version)
    });
    compared.unwrap_or(Original::Gone)
}
