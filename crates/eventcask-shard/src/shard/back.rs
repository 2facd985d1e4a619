//! Takes back what can not be stored, and stops.

use std::sync::Arc;

use eventcask_log::Tail;

use super::Shard;
use crate::delivery::refuse_all;
use crate::in_flight::InFlight;
use crate::{AppendError, Flushed};

impl Shard {
    /// Takes back what was admitted of a batch of which a row could not be decided: the mark of
    /// its source stands for all of its rows or for none.
    pub(super) fn undo(&mut self, in_flight: &mut InFlight) {
        let mut directory = self.reader.directory_mut();
        for touched in self.builder.touched() {
            directory.take_back(touched.slot, touched.version, touched.last);
        }
        let batch = &in_flight.delivery.batch;
        for index in 0..self.builder.rows() {
            let row = self.builder.batch_row(index);
            if let Some(id) = batch.id(row) {
                let position = self.tail.next_position + index as u64;
                self.dedup.forget(id, batch.key(row), position);
            }
        }
        self.builder.begin(self.tail.next_position);
        if let Some(refused) = &in_flight.failed {
            for account in &mut in_flight.delivery.accounts {
                account.counted = Flushed::default();
                account.failed = Some(refused.clone());
            }
            for outcome in &mut in_flight.answers {
                *outcome = Err(refused.clone());
            }
        }
    }

    /// Takes back the block of a full disk and all that was chained to it.
    pub(super) fn take_back(&mut self, sequence: u64, reason: &Arc<str>) {
        let refused = AppendError::StorageFull(Arc::clone(reason));
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
        let refused = AppendError::Poisoned(first);
        for mut in_flight in self.in_flight.drain(..) {
            in_flight.refuse(&refused);
        }
        self.in_flight_bytes = 0;
        self.settle();
    }
}

impl InFlight {
    fn refuse(&mut self, refused: &AppendError) {
        if let Some(share) = self.flush.take() {
            share.settle(Flushed::default(), Some(refused));
        }
        refuse_all(&mut self.delivery, refused);
    }
}
