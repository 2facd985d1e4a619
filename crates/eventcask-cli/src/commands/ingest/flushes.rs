//! Asks for what was pushed to be made durable, and counts the answers.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use eventcask::{Error, FlushTicket, Producer};
use hdrhistogram::Histogram;

use super::super::store::failure;
use super::answered::Answered;
use crate::failure::Failure;
use crate::output::Out;

/// How often it asks: seldom enough that blocks get full, often enough to be told soon.
const ASK_EVERY: Duration = Duration::from_millis(10);
/// The longest latency that is told apart from longer ones, an hour, in microseconds.
const LATENCY_US_MAX: u64 = 3_600_000_000;

/// The rows so far, and what is known to have become of them.
pub(super) struct Flushes {
    rows: u64,
    answered: Arc<Answered>,
    refused: u64,
    first_refused: Option<Error>,
    /// Rows that are durable, or were refused.
    acked: u64,
    asked_rows: u64,
    asked_at: Instant,
    /// When the first row after the last question came.
    oldest_row: Option<Instant>,
    pending: VecDeque<Pending>,
    latencies_us: Option<Histogram<u64>>,
    acks: Option<Out>,
    has_failed: bool,
}

struct Pending {
    rows: u64,
    since: Instant,
    ticket: FlushTicket,
}

impl Flushes {
    /// Begins with no row; `acks` says on standard output how many rows are durable.
    pub(super) fn new(acks: bool, answered: Arc<Answered>) -> Self {
        Self {
            rows: 0,
            answered,
            refused: 0,
            first_refused: None,
            acked: 0,
            asked_rows: 0,
            asked_at: Instant::now(),
            oldest_row: None,
            pending: VecDeque::new(),
            latencies_us: Histogram::new_with_bounds(1, LATENCY_US_MAX, 3).ok(),
            acks: acks.then(Out::new),
            has_failed: false,
        }
    }

    /// Counts a row that came.
    pub(super) fn row(&mut self) {
        self.rows += 1;
        if self.oldest_row.is_none() {
            self.oldest_row = Some(Instant::now());
        }
    }

    /// Counts rows that were not sent since the store has them.
    pub(super) fn skipped(&mut self, rows: u64) {
        self.answered.add(0, rows);
    }

    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    pub(super) fn stored(&self) -> u64 {
        self.answered.stored()
    }

    pub(super) fn duplicates(&self) -> u64 {
        self.answered.duplicates()
    }

    /// Rows that the store refused, and why it refused the first of them.
    pub(super) fn refused(&self) -> (u64, Option<&Error>) {
        (self.refused, self.first_refused.as_ref())
    }

    /// Microseconds until the rows up to this quantile were durable.
    pub(super) fn latency_us(&self, quantile: f64) -> u64 {
        self.latencies_us
            .as_ref()
            .map_or(0, |latencies| latencies.value_at_quantile(quantile))
    }

    /// Takes the answers that are there, and asks if it is time to.
    pub(super) fn look(&mut self, producer: &mut Producer) -> Result<(), Failure> {
        self.take_answers(FlushTicket::is_done)?;
        if self.rows > self.asked_rows && self.asked_at.elapsed() >= ASK_EVERY {
            self.flush(producer)?;
        }
        Ok(())
    }

    /// Asks for everything so far.
    pub(super) fn flush(&mut self, producer: &mut Producer) -> Result<(), Failure> {
        let ticket = producer.flush().map_err(|error| failure(&error))?;
        let now = Instant::now();
        let since = self.oldest_row.take().unwrap_or(now);
        self.pending.push_back(Pending {
            rows: self.rows,
            since,
            ticket,
        });
        (self.asked_rows, self.asked_at) = (self.rows, now);
        Ok(())
    }

    /// Waits for all answers.
    pub(super) fn drain(&mut self) -> Result<(), Failure> {
        let mut ended = Ok(());
        while !self.pending.is_empty() {
            ended = ended.and(self.take_answers(|_| true));
        }
        ended
    }

    /// Takes the answers of all flushes at the head that are `ready`; the first refusal ends it.
    fn take_answers(&mut self, ready: impl Fn(&FlushTicket) -> bool) -> Result<(), Failure> {
        let acked = self.acked;
        let mut ended = Ok(());
        while ended.is_ok() && self.pending.front().is_some_and(|head| ready(&head.ticket)) {
            let Some(head) = self.pending.pop_front() else {
                break;
            };
            ended = self.take_answer(head);
        }
        if self.acked > acked {
            ended = ended.and(self.print_ack());
        }
        ended
    }

    fn take_answer(
        &mut self,
        Pending {
            rows,
            since,
            ticket,
        }: Pending,
    ) -> Result<(), Failure> {
        let flushed = ticket.wait().map_err(|error| {
            self.has_failed = true;
            failure(&error)
        })?;
        self.answered.add(flushed.stored, flushed.duplicates);
        self.refused += flushed.refused;
        self.first_refused = self.first_refused.take().or(flushed.first_refused);
        let micros = u64::try_from(since.elapsed().as_micros()).unwrap_or(LATENCY_US_MAX);
        if let Some(latencies) = &mut self.latencies_us {
            latencies.saturating_record(micros);
        }
        // Rows after a refused one are not "the first N rows", whatever became of them.
        if !self.has_failed {
            self.acked = rows;
        }
        Ok(())
    }

    /// Says how many rows are durable; one who does not listen any more is not told.
    fn print_ack(&mut self) -> Result<(), Failure> {
        let Some(out) = &mut self.acks else {
            return Ok(());
        };
        let line = format!("{{\"acked_rows\":{}}}", self.acked);
        let said = out.line(&line).and_then(|()| out.flush());
        if said.is_err() {
            self.acks = None;
        }
        match said {
            Err(Failure::BrokenPipe) => Ok(()),
            other => other,
        }
    }
}
