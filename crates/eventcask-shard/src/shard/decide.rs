//! Decides on a batch, and sends what is admitted of it on.

use std::iter::Peekable;
use std::ops::Range;
use std::slice::IterMut;
use std::sync::Arc;

use eventcask_log::SourceMark;

use super::stored::Stored;
use super::{SendTask, Shard};
use crate::admit::{Admission, AskedIds};
use crate::delivery::Account;
use crate::delivery::refuse_all;
use crate::in_flight::InFlight;
use crate::stages::{StageTimer, count};
use crate::{AppendError, Delivery};

/// Decides on pushed rows, and counts each in its account. Returns the first refusal that is not an
/// event's own fault.
fn judge_pushed(
    admission: &mut Admission<'_>,
    mut rows: Range<usize>,
    accounts: &mut Peekable<IterMut<'_, Account>>,
) -> Option<AppendError> {
    let mut first = None;
    while let Some(account) = accounts.peek_mut() {
        let end = rows.end.min(account.end as usize);
        if rows.start < end {
            let failed = admission.judge_pushed(rows.start..end, &mut account.counted);
            account.failed = account.failed.take().or_else(|| failed.clone());
            first = first.or(failed);
            rows.start = end;
        }
        if rows.is_empty() {
            break;
        }
        accounts.next();
    }
    debug_assert!(rows.is_empty(), "each pushed row is counted in an account");
    first
}

impl Shard {
    /// Decides on a batch, and sends what is admitted of it to the disk.
    pub(crate) fn receive(
        &mut self,
        mut delivery: Box<Delivery>,
        now: &dyn Fn() -> i64,
        send: SendTask<'_>,
    ) {
        self.answered = 0;
        if let Some(refused) = self.refusal(&delivery) {
            refuse_all(&mut delivery, &refused);
            self.inbox.recycle(delivery);
            return;
        }
        let commit_time = self.take_time(now);
        let mut lap = StageTimer::start();
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
    pub(super) fn take_time(&self, now: &dyn Fn() -> i64) -> i64 {
        // As in `settle`: a flush that is under way says nothing of any time.
        if self.in_flight.iter().any(|one| one.stored.is_some()) {
            return now();
        }
        self.reader.set_settled(self.tail.last_commit);
        let time = now();
        self.reader.set_settled(time - 1);
        time
    }

    /// Why a whole batch is refused, if it is.
    pub(super) fn refusal(&self, delivery: &Delivery) -> Option<AppendError> {
        if let Some(reason) = self.inbox.poisoned() {
            return Some(AppendError::Poisoned(reason));
        }
        let rows = delivery.batch.source()?;
        let next = self.dedup.passed(&delivery.batch);
        let source_name = rows.source.clone();
        (rows.after > next).then_some(AppendError::SourceGap { source_name, next })
    }

    /// Decides on each append of a batch; what is admitted is in the builder then.
    pub(super) fn judge(&mut self, mut delivery: Box<Delivery>) -> InFlight {
        let mut in_flight = InFlight::default();
        self.builder.begin(self.tail.next_position);
        let history = Stored {
            reader: &self.reader,
            in_flight: &self.in_flight,
        };
        let mut directory = self.reader.directory_mut();
        let carried = Arc::clone(self.dedup.carried());
        let source = delivery.batch.source().map(|rows| &*rows.source);
        let mut admission = Admission {
            shard: self.reader.shard(),
            first_position: self.tail.next_position,
            passed: self.dedup.passed(&delivery.batch),
            carried: source.and_then(|source| carried.of(source)),
            batch: &delivery.batch,
            directory: &mut directory,
            dedup: &mut self.dedup,
            builder: &mut self.builder,
            history: &history,
            asked_ids: AskedIds::default(),
            asked: 0,
        };
        let mut accounts = std::mem::take(&mut delivery.accounts);
        let mut counted_in = accounts.iter_mut().peekable();
        let mut appends = delivery.appends.drain(..).peekable();
        let mut row = 0;
        while row < delivery.batch.len() {
            let Some(append) = appends.next_if(|append| append.first_row as usize == row) else {
                let next = appends.peek().map(|append| append.first_row as usize);
                let rows = row..next.unwrap_or(delivery.batch.len());
                row = rows.end;
                let failed = judge_pushed(&mut admission, rows, &mut counted_in);
                in_flight.failed = in_flight.failed.or(failed);
                continue;
            };
            let rows = row..row + append.rows as usize;
            row = rows.end;
            admission.ask_ahead(rows.start);
            let outcome = admission.judge_append(rows, &append.expected);
            if let Err(refused @ (AppendError::Damaged(_) | AppendError::Unreadable(_))) = &outcome
                && delivery.batch.source().is_some()
            {
                // It was not decided on, so the mark of its source must not pass it.
                in_flight.failed.get_or_insert(refused.clone());
            }
            in_flight.answers.push(outcome);
        }
        drop(appends);
        delivery.accounts = accounts;
        drop(directory);
        in_flight.delivery = delivery;
        if in_flight.failed.is_some() && in_flight.delivery.batch.source().is_some() {
            self.undo(&mut in_flight);
        }
        in_flight
    }

    /// Moves the mark of the batch's source on, and returns how it was.
    pub(super) fn pass_mark(
        &mut self,
        delivery: &Delivery,
    ) -> Option<(String, Option<SourceMark>)> {
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
}
