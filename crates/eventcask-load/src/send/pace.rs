//! One producer sends its share: as fast as it goes, one by one, or as events are due.
//!
//! Events are answered by stretches: a flush hands over what is open in each shard, and tells
//! when all of it is answered. In the closed loop a stretch ends shortly before 1 MiB a shard, so
//! that all batches are nearly full when they are handed over, or after 10 ms. In the open loop it ends
//! after a millisecond, which is how long a batch waits for more events anyway. So a latency
//! may be too long by up to the length of a stretch, and is never too short.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use eventcask::Store;
use eventcask_console::failure::Failure;
use eventcask_console::signals;

use crate::args::Call;
use crate::generate::Generator;
use crate::send::counts::Counts;
use crate::send::goal::{Goal, Pace};
use crate::send::latencies::Stretch;
use crate::send::way::Way;

/// Bytes of a stretch for each shard: nearly four full batches of the usual size. With a little more
/// than four, each stretch would end with a batch of some events.
const STRETCH_BYTES: usize = (1 << 20) - (24 << 10);
const STRETCH_TIME: Duration = Duration::from_millis(10);
const OPEN_STRETCH_TIME: Duration = Duration::from_millis(1);
/// Events between two looks at the clock: some ten microseconds' work.
const EVENTS_A_LOOK: u64 = 64;
/// Bytes of an event beside key and payload: id, time, version, lengths.
const ENVELOPE_BYTES: usize = 40;
/// How long an open loop sleeps when nothing is due. Spinning would take a core from the threads
/// that are measured. An event that falls due meanwhile counts from its due time.
const NAP: Duration = Duration::from_micros(100);

/// Sends the events of one producer.
pub(crate) struct Sender<'a> {
    way: Way<'a>,
    generator: &'a mut Generator,
    goal: Goal,
    /// Shards that its events go to.
    shards: u32,
    /// Another one has failed.
    stops: &'a AtomicBool,
    sent: Sent,
}

/// What one producer sent.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    pub(crate) events: u64,
    pub(crate) duplicates: u64,
    /// How often too many stretches were unanswered for another to begin.
    pub(crate) waits: u64,
}

impl<'a> Sender<'a> {
    pub(crate) fn new(
        way: Way<'a>,
        generator: &'a mut Generator,
        goal: Goal,
        shards: u32,
        stops: &'a AtomicBool,
    ) -> Self {
        Self {
            way,
            generator,
            goal,
            shards,
            stops,
            sent: Sent::default(),
        }
    }

    /// Sends everything, in a loop that does not wait for answers.
    pub(crate) fn run(mut self) -> Result<Sent, Failure> {
        let ended = match self.goal.pace {
            Pace::Open(rate) => self.open_loop(rate),
            Pace::Closed | Pace::OneByOne(_) => self.closed_loop(),
        };
        ended?;
        self.way.end()?;
        Ok(self.sent)
    }

    fn closed_loop(&mut self) -> Result<(), Failure> {
        let stretch_bytes = STRETCH_BYTES * self.shards as usize;
        let started = Instant::now();
        let mut now = started;
        while self.goes_on() && now - started < self.goal.time() {
            let (first, before) = (now, self.sent.events);
            let mut bytes = 0;
            while bytes < stretch_bytes && now - first < STRETCH_TIME {
                bytes += self.push(EVENTS_A_LOOK)?;
                now = Instant::now();
                if self.goal.events == self.sent.events {
                    break;
                }
            }
            self.ask(first, now, before)?;
            now = Instant::now();
        }
        Ok(())
    }

    /// Event n is due after n / rate; a stretch begins when its first event was due.
    fn open_loop(&mut self, rate: f64) -> Result<(), Failure> {
        let started = Instant::now();
        let due_at = |event: u64| started + Duration::from_secs_f64(event as f64 / rate);
        self.goal.events = self.goal.events_expected();
        let mut asked = 0;
        while self.goes_on() {
            let now = Instant::now();
            let due = ((now - started).as_secs_f64() * rate) as u64 + 1;
            self.push(due.saturating_sub(self.sent.events).min(EVENTS_A_LOOK))?;
            let next = due_at(self.sent.events);
            let is_long = next - due_at(asked) >= OPEN_STRETCH_TIME;
            if self.sent.events > asked && (is_long || self.goal.events == self.sent.events) {
                self.ask(due_at(asked), due_at(self.sent.events - 1), asked)?;
                asked = self.sent.events;
            }
            self.way.idle()?;
            let now = Instant::now();
            if next > now {
                std::thread::sleep((next - now).max(NAP));
            }
        }
        Ok(())
    }

    fn goes_on(&self) -> bool {
        self.sent.events < self.goal.events
            && !signals::is_stopped()
            && !self.stops.load(Ordering::Relaxed)
    }

    /// Pushes up to so many events, and says how many bytes they have.
    fn push(&mut self, events: u64) -> Result<usize, Failure> {
        let events = events.min(self.goal.events - self.sent.events);
        let mut bytes = 0;
        for _ in 0..events {
            let made = self.generator.make();
            self.way.push(made.key, &made.event)?;
            bytes += made.key.len() + made.event.payload.len() + ENVELOPE_BYTES;
            self.sent.duplicates += u64::from(made.is_duplicate);
        }
        self.sent.events += events;
        self.way.look()?;
        Ok(bytes)
    }

    /// Ends a stretch, which began after event `before`.
    fn ask(&mut self, first: Instant, last: Instant, before: u64) -> Result<(), Failure> {
        let stretch = Stretch {
            first,
            last,
            events: self.sent.events - before,
        };
        match self.way.ask(stretch)? {
            Some(waits) => self.sent.waits += waits,
            // The thread that takes the answers ended early, and tells why.
            None => self.stops.store(true, Ordering::Relaxed),
        }
        Ok(())
    }

    /// Sends one event, waits until it is acknowledged, sends the next.
    pub(crate) fn one_by_one(
        mut self,
        by: Call,
        store: &Store,
        counts: &mut Counts,
        answered: &AtomicU64,
    ) -> Result<Sent, Failure> {
        let started = Instant::now();
        while self.goes_on() && started.elapsed() < self.goal.time() {
            let sent = Instant::now();
            let made = self.generator.make();
            let is_stored = self.way.append(by, store, made.key, made.event)?;
            self.sent.events += 1;
            self.sent.duplicates += u64::from(made.is_duplicate);
            counts.add_one(sent, is_stored);
            answered.fetch_add(1, Ordering::Relaxed);
        }
        Ok(self.sent)
    }
}
