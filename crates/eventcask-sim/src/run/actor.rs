//! One producer's part in a run: what it does is drawn from its seed.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use eventcask::{DedupWindow, Error, Expected, Ticket};
use fastrand::Rng;

use crate::disk::faults::Faults;
use crate::model::ledger::{Entry, Wish};
use crate::run::door::Door;
use crate::run::stage::Stage;

/// Accounts that all producers share.
const ACCOUNTS: usize = 7;
/// How long an owner with nothing to do waits for what others send to its shard.
const REST: Duration = Duration::from_micros(100);
/// Appends whose answers a producer does not wait for at once.
const OPEN_APPENDS: usize = 6;

/// A producer and what it has on the way.
pub(crate) struct Actor<'s> {
    stage: &'s Stage,
    door: Door,
    accounts: Vec<String>,
    lane: u32,
    rng: Rng,
    open: VecDeque<(usize, Ticket)>,
    /// Entries that may be sent again.
    sent: Vec<usize>,
}

impl<'s> Actor<'s> {
    pub(crate) fn new(
        stage: &'s Stage,
        door: Door,
        lane: u32,
        seed: u64,
        mut sent: Vec<usize>,
    ) -> Self {
        let takes = |key: &str| door.takes(key, &stage.store);
        let keys = (0..).map(|number| stage.ledger.account(number));
        let accounts = keys.filter(|key| takes(key)).take(ACCOUNTS).collect();
        sent.retain(|number| {
            let entry = stage.ledger.entry(*number);
            entry.is_some_and(|entry| takes(&entry.key))
        });
        Self {
            accounts,
            door,
            stage,
            lane,
            rng: Rng::with_seed(seed),
            open: VecDeque::new(),
            sent,
        }
    }

    /// Does so many things, then waits for all answers.
    ///
    /// # Errors
    /// A promise that was broken on the way.
    pub(crate) fn act(mut self, steps: usize) -> Result<(), String> {
        for _ in 0..steps {
            self.step()?;
        }
        self.settle_down_to(0);
        self.serve();
        Ok(())
    }

    /// An owner runs its shard for as long as anyone writes to it.
    fn serve(&mut self) {
        while self.door.is_owner() && self.stage.busy.load(Ordering::Acquire) > 0 {
            self.door.run();
            thread::sleep(REST);
        }
    }

    fn step(&mut self) -> Result<(), String> {
        match self.rng.u32(..20) {
            0..6 => self.append(Expected::Any, 1),
            6..9 => {
                let events = self.rng.usize(2..5);
                // From numbers of its own, so that seeds that once failed mostly do what they did.
                let mut other = Rng::with_seed(!self.rng.clone().u64(..));
                match other.bool() {
                    true => self.append_set(events, &mut other),
                    false => self.append(Expected::Any, events),
                }
            }
            9..12 => self.append_exactly(),
            12 => self.append_first(),
            13..15 => self.append_again(),
            15 => return self.append_with_taken_ids(),
            16 => return self.push(),
            17 => {
                // A segment that can not be sealed stays as it is.
                let _ = self.stage.store.seal();
            }
            // An owner would wait for itself.
            18 if self.door.is_owner() => self.door.run(),
            18 => self.stage.flush(),
            _ => return self.stage.make_view(),
        }
        Ok(())
    }

    fn account(&mut self) -> String {
        self.accounts[self.rng.usize(..self.accounts.len())].clone()
    }

    fn wish(&mut self, expected: Expected, events: usize) -> Wish {
        Wish {
            key: self.account(),
            expected,
            events,
            ids: self.rng.bool(),
            ..Wish::default()
        }
    }

    fn append(&mut self, expected: Expected, events: usize) {
        let wish = self.wish(expected, events);
        let number = self.stage.ledger.add(wish, &mut self.rng);
        self.sent.push(number);
        self.send(number);
    }

    /// Appends to several accounts of a shard at once, some of which must be as they were just read.
    fn append_set(&mut self, events: usize, rng: &mut Rng) {
        let number = self.stage.ledger.add(self.set_wish(events, rng), rng);
        self.sent.push(number);
        self.send(number);
    }

    fn set_wish(&self, events: usize, rng: &mut Rng) -> Wish {
        let store = &self.stage.store;
        let shard = store.shard_of(&self.accounts[rng.usize(..self.accounts.len())]);
        let near = self.accounts.iter();
        let near: Vec<&String> = near.filter(|key| store.shard_of(key) == shard).collect();
        let expect = |key: &&String, rng: &mut Rng| {
            let version = store.aggregate(key).version();
            // A read error leaves the version open.
            let expected = version.map_or(Expected::Any, Expected::Exact);
            let expected = if rng.u32(..6) == 0 {
                expected
            } else {
                Expected::Any
            };
            ((*key).clone(), expected)
        };
        let wish = Wish {
            accounts: (0..events)
                .map(|_| near[rng.usize(..near.len())].clone())
                .collect(),
            each: near.iter().map(|key| expect(key, rng)).collect(),
            events,
            ids: rng.bool(),
            ..Wish::default()
        };
        Wish {
            key: wish.accounts[0].clone(),
            ..wish
        }
    }

    /// Expects the version that was just read; others may be quicker.
    fn append_exactly(&mut self) {
        let mut wish = self.wish(Expected::Any, 1);
        let version = self.stage.store.aggregate(&wish.key).version();
        // A read error leaves the version open.
        let Ok(version) = version else { return };
        wish.expected = Expected::Exact(version);
        wish.events = self.rng.usize(1..3);
        let number = self.stage.ledger.add(wish, &mut self.rng);
        self.sent.push(number);
        self.send(number);
    }

    fn append_first(&mut self) {
        let key = format!("new-{}", self.rng.u32(..40));
        if !self.door.takes(&key, &self.stage.store) {
            return;
        }
        let wish = Wish {
            key,
            ..self.wish(Expected::NoStream, 2)
        };
        let number = self.stage.ledger.add(wish, &mut self.rng);
        self.send(number);
    }

    /// Sends something again that came with ids; it must not be stored again.
    fn append_again(&mut self) {
        if let Some((number, entry)) = self.drawn()
            && entry.events.iter().all(|event| event.id.is_some())
        {
            self.send(number);
        }
    }

    /// Uses the ids of an append that was stored for other events.
    fn append_with_taken_ids(&mut self) -> Result<(), String> {
        let Some((other, entry)) = self.drawn() else {
            return Ok(());
        };
        if entry.events[0].id.is_none() {
            return Ok(());
        }
        self.settle_down_to(0);
        let Some(ticket) = self.stage.submit(&mut self.door, self.lane, other) else {
            return Ok(());
        };
        if self
            .stage
            .settle(&mut self.door, self.lane, other, ticket)
            .is_err()
        {
            return Ok(());
        }
        let events = self.rng.usize(1..3);
        let number = self.stage.ledger.add(
            Wish {
                key: entry.key.clone(),
                events,
                ids_of: Some(other),
                ..Wish::default()
            },
            &mut self.rng,
        );
        let Some(ticket) = self.stage.submit(&mut self.door, self.lane, number) else {
            return Ok(());
        };
        match self.stage.settle(&mut self.door, self.lane, number, ticket) {
            // What a window has forgotten meanwhile may be taken; the check of all repeats tells.
            Ok(answer) if self.stage.planted.is_none() && self.stage.window == DedupWindow::All => {
                Err(format!(
                    "L4: the ids of {other} were taken again: {answer:?}"
                ))
            }
            _ => Ok(()),
        }
    }

    fn drawn(&mut self) -> Option<(usize, Arc<Entry>)> {
        if self.sent.is_empty() {
            return None;
        }
        let number = self.sent[self.rng.usize(..self.sent.len())];
        Some((number, self.stage.ledger.entry(number)?))
    }

    /// Pushes events one by one, now and then with an append over several accounts between them.
    fn push(&mut self) -> Result<(), String> {
        let count = self.rng.usize(1..25);
        // From numbers of its own, so that seeds that once failed mostly do what they did.
        let mut other = Rng::with_seed(!self.rng.clone().u64(..));
        let mut entries = Vec::new();
        for _ in 0..count {
            let wish = self.wish(Expected::Any, 1);
            entries.push(self.stage.ledger.add(wish, &mut self.rng));
            if other.u32(..8) == 0 {
                let events = other.usize(1..4);
                let wish = self.set_wish(events, &mut other);
                entries.push(self.stage.ledger.add(wish, &mut other));
            }
        }
        self.stage.push(&mut self.door, self.lane, &entries)?;
        Ok(())
    }

    fn send(&mut self, number: usize) {
        if let Some(ticket) = self.stage.submit(&mut self.door, self.lane, number) {
            self.open.push_back((number, ticket));
        }
        let keep = self.rng.usize(..OPEN_APPENDS);
        self.settle_down_to(keep);
    }

    fn settle_down_to(&mut self, keep: usize) {
        while self.open.len() > keep {
            if let Some((number, ticket)) = self.open.pop_front() {
                let outcome = self.stage.settle(&mut self.door, self.lane, number, ticket);
                if matches!(outcome, Err(Error::StorageFull(_))) && self.rng.bool() {
                    self.stage.disk.set_faults(Faults::none());
                }
            }
        }
    }
}
