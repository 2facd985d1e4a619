//! The thread that feeds a read model.
//!
//! It 1. gathers events from the shards in turn until a transaction is full or the log ends; 2.
//! where it is not full, waits for more for as long as it may; 3. has the model apply them with how
//! far it is then; 4. tells those who wait. It reads from the log, so a slow model costs the memory
//! of one transaction and nothing of the writers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::feed::batches::{Batches, Taken};
use crate::feed::cursor::{Cursor, Room, Step};
use crate::follow::feeds::FeedState;
use crate::follow::filter::Filter;
use crate::follow::follower::caught;
use crate::{Error, ReadModel};

/// Events that were passed without being wanted, after which the progress is kept for itself: so
/// many are looked at again in a few milliseconds.
const PASSED_EVENTS: u64 = 100_000;

/// Which events go into transactions, and what ends one.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    pub(crate) events: usize,
    pub(crate) bytes: usize,
    pub(crate) delay: Duration,
    pub(crate) filter: Filter,
}

pub(crate) struct Feeder {
    model: Box<dyn ReadModel>,
    state: Arc<FeedState>,
    store: u128,
    cursors: Vec<Cursor>,
    limits: Limits,
    /// The shard whose events come first in the next transaction, so that none has to wait for
    /// ever.
    first: usize,
    taken: Vec<Taken>,
    room: Room,
    /// When the first of what was taken came.
    since: Option<Instant>,
}

impl Feeder {
    pub(crate) fn new(
        model: Box<dyn ReadModel>,
        state: Arc<FeedState>,
        store: u128,
        cursors: Vec<Cursor>,
        limits: Limits,
    ) -> Self {
        let room = Room::new(limits.events, limits.bytes);
        Self {
            model,
            state,
            store,
            cursors,
            limits,
            first: 0,
            taken: Vec::new(),
            room,
            since: None,
        }
    }

    /// Feeds the model until it is told to stop, or can not go on.
    pub(crate) fn run(self) {
        let state = Arc::clone(&self.state);
        let fed = caught(|| self.feed());
        let fed = fed.unwrap_or_else(|reason| Err(format!("its thread failed: {reason}")));
        if let Err(reason) = fed {
            state.fail(reason);
        }
    }

    fn feed(mut self) -> Result<(), String> {
        while !self.state.is_stopping() {
            self.turn()?;
        }
        // What was gathered and not applied is gathered again next time.
        if self.taken.is_empty() {
            self.apply()
        } else {
            Ok(())
        }
    }

    fn turn(&mut self) -> Result<(), String> {
        self.gather().map_err(|error| error.to_string())?;
        if self.taken.is_empty() {
            return self.pass();
        }
        let since = *self.since.get_or_insert_with(Instant::now);
        // A delay beyond the end of time does not end.
        let due = since.checked_add(self.limits.delay);
        if self.room.is_full() || due.is_some_and(|due| due <= Instant::now()) {
            return self.apply();
        }
        self.wait(due);
        Ok(())
    }

    /// Takes in what there is, as far as it goes into one transaction.
    fn gather(&mut self) -> Result<(), Error> {
        let shards = self.cursors.len();
        for turn in 0..shards {
            let shard = (self.first + turn) % shards;
            while !self.room.is_full() && !self.state.is_stopping() {
                match self.cursors[shard].step(&mut self.room, &self.limits.filter)? {
                    Step::Taken(taken) => self.taken.push(taken),
                    Step::Passed => {}
                    Step::End => break,
                }
            }
        }
        Ok(())
    }

    /// Goes on where nothing was wanted of what there is.
    fn pass(&mut self) -> Result<(), String> {
        let steps = self.cursors.iter().filter_map(Cursor::advance);
        let passed: u64 = steps.map(|one| one.to.position - one.from).sum();
        if passed >= PASSED_EVENTS {
            return self.apply();
        }
        self.tell();
        self.wait(None);
        Ok(())
    }

    fn wait(&self, until: Option<Instant>) {
        let has_more = || self.cursors.iter().any(Cursor::has_more);
        self.state.wait_for_events(has_more, until);
    }

    /// Has the model take in what was gathered and how far it is then.
    fn apply(&mut self) -> Result<(), String> {
        let steps: Vec<_> = self.cursors.iter().filter_map(Cursor::advance).collect();
        if !steps.is_empty() {
            let batches = Batches::new(self.store, &self.taken, &steps);
            let model = &mut self.model;
            let applied = match caught(|| model.apply(&batches)) {
                Ok(applied) => applied.map_err(|error| error.to_string()),
                Err(reason) => Err(format!("it panicked: {reason}")),
            };
            applied.map_err(|reason| format!("{}: {reason}", places(&batches)))?;
        }
        self.cursors.iter_mut().for_each(Cursor::keep);
        self.taken.clear();
        self.room = Room::new(self.limits.events, self.limits.bytes);
        self.since = None;
        self.first = (self.first + 1) % self.cursors.len();
        self.tell();
        Ok(())
    }

    /// Tells how far the model is: nothing that was gathered is missing in it.
    fn tell(&self) {
        let positions = self.cursors.iter().map(Cursor::position);
        self.state.moved_to(positions);
    }
}

/// Where the events of a transaction are.
fn places(batches: &Batches<'_>) -> String {
    let place = |one: &crate::read_model::ProgressStep| {
        let (shard, last) = (one.to.shard, one.to.position.saturating_sub(1));
        format!("positions {} to {last} of shard {shard}", one.from)
    };
    let places: Vec<_> = batches.steps().iter().map(place).collect();
    places.join(", ")
}
