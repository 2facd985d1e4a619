//! What came back from the disk becomes visible, and is answered.

use std::sync::Arc;

use super::{SPARE_BUFFERS, Shard};
use crate::Flushed;
use crate::commit::{Done, Failure};
use crate::in_flight::InFlight;
use crate::stages::StageTimer;

impl Shard {
    /// Publishes what came back from the disk.
    pub(crate) fn take_reports(&mut self) {
        if !self.reports.is_empty() {
            self.complete();
        }
    }

    /// Tells readers up to which time everything is visible now.
    pub(super) fn settle(&mut self) {
        let mut stored = self.in_flight.iter().filter_map(|one| one.stored.as_ref());
        let first = stored.next().map(|stored| stored.place.first_commit - 1);
        self.reader.set_settled(first.unwrap_or(i64::MAX));
        self.apply.settled();
    }

    /// Takes up what the write thread has done.
    pub(super) fn complete(&mut self) -> bool {
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

    pub(super) fn take_report(&mut self, done: &Done) {
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
    pub(super) fn publish_done(&mut self) {
        while self.in_flight.front().is_some_and(|first| first.is_done) {
            if let Some(in_flight) = self.in_flight.pop_front() {
                self.publish(in_flight);
            }
        }
    }

    pub(super) fn publish(&mut self, mut in_flight: InFlight) {
        self.in_flight_bytes -= in_flight.bytes;
        let mut lap = StageTimer::start();
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
        self.answered += in_flight.delivery.callers();
        in_flight.answer();
        for account in in_flight.delivery.accounts.drain(..) {
            account.settle();
        }
        if let Some(share) = in_flight.flush {
            share.settle(Flushed::default(), None);
        }
        self.inbox.recycle(in_flight.delivery);
        lap.end(&self.stages.publish_ns);
    }

    /// Drops ids that are out of the window, or that rest on disk by now.
    pub(super) fn drop_old_ids(&mut self, now: i64) {
        if self.dedup.is_due() {
            let (sealed_to, filter_bytes) = {
                let published = self.reader.published();
                (published.sealed_to(), published.filter_bytes())
            };
            self.dedup.drop_old(sealed_to, filter_bytes, now);
            self.reader.note_ids(&self.dedup);
        }
    }
}
