//! A reader beside the writers. Its seed decides what it does.

use std::time::Duration;

use eventcask::projection::Rebuild;
use fastrand::Rng;

use crate::clients::reading::{PROJECTIONS, Reading};
use crate::disk::faults::Faults;
use crate::run::stage::Stage;

/// How far ahead the entry may be that a projection fails on.
const POISON_AHEAD: usize = 12;

/// A reader and what it has begun.
pub(crate) struct Reader<'s> {
    stage: &'s Stage,
    reading: &'s Reading,
    rng: Rng,
    rebuild: Option<Begun>,
    /// Whether an operation may be told of an error: the disk has faults, or there was poison.
    may_fail: bool,
}

/// A rebuild that goes on.
struct Begun {
    number: usize,
    rebuild: Rebuild,
    /// Whether it may end with nothing.
    may_end: bool,
}

impl<'s> Reader<'s> {
    pub(crate) fn new(stage: &'s Stage, reading: &'s Reading, seed: u64, has_faults: bool) -> Self {
        Self {
            stage,
            reading,
            rng: Rng::with_seed(seed),
            rebuild: None,
            may_fail: has_faults || reading.reads.is_poisoned,
        }
    }

    /// Does so many things, then ends what it has begun.
    ///
    /// # Errors
    /// The first promise that was broken.
    pub(crate) fn act(mut self, steps: usize) -> Result<(), String> {
        for _ in 0..steps {
            self.step()?;
        }
        self.end_rebuild()
    }

    fn step(&mut self) -> Result<(), String> {
        let number = self.rng.usize(..PROJECTIONS);
        match self.rng.u32(..28) {
            0..6 => self.look(number),
            6 => self.wait(number),
            7..9 if self.rebuild.is_some() => self.end_rebuild(),
            7..9 => self.begin_rebuild(number),
            9 => self.restart(number),
            10 => {
                self.poison(number);
                Ok(())
            }
            11 => self.restart_model(),
            12..22 => self.client(),
            22..27 => self.parker(),
            _ => {
                std::thread::sleep(Duration::from_micros(self.rng.u64(..300)));
                Ok(())
            }
        }
    }

    fn shard(&mut self) -> u32 {
        self.rng.u32(..self.stage.store.shards())
    }

    fn look(&mut self, number: usize) -> Result<(), String> {
        let shard = self.shard();
        let slot = &self.reading.slots[number];
        slot.with(|following| following.look(shard)).map(drop)
    }

    fn wait(&mut self, number: usize) -> Result<(), String> {
        let shard = self.shard();
        let end = self.stage.store.positions()[shard as usize];
        let time = Duration::from_micros(self.rng.u64(..2_000));
        let may_fail = self.may_fail;
        let slot = &self.reading.slots[number];
        let waited = slot.with(|following| {
            let waited = following.wait_for(shard, end, time);
            waited.map(drop).or_else(|error| match may_fail {
                true => Ok(()),
                false => Err(format!("L5: waiting for a projection: {error}")),
            })
        });
        waited.map(drop)
    }

    fn begin_rebuild(&mut self, number: usize) -> Result<(), String> {
        let slot = &self.reading.slots[number];
        slot.handler.rebuild_begins(self.stage.store.positions());
        let begun = slot.with(|following| {
            let rebuild = following.rebuild();
            rebuild.map_err(|error| format!("L5: a rebuild did not begin: {error}"))
        })?;
        self.rebuild = begun.map(|rebuild| Begun {
            number,
            rebuild,
            may_end: false,
        });
        Ok(())
    }

    /// Waits for the rebuild, or gives it up.
    fn end_rebuild(&mut self) -> Result<(), String> {
        let Some(begun) = self.rebuild.take() else {
            return Ok(());
        };
        let is_cancelled = match self.rng.u32(..4) {
            0 => {
                begun.rebuild.cancel();
                true
            }
            1 => {
                drop(begun);
                return Ok(());
            }
            _ => begun.may_end,
        };
        match begun.rebuild.wait() {
            Ok(Some(positions)) => {
                let ends = self.stage.store.positions();
                let mut both = positions.iter().zip(&ends);
                match both.all(|(at, end)| at <= end) {
                    true => Ok(()),
                    false => Err(format!("L5: a rebuild came to {positions:?} of {ends:?}")),
                }
            }
            Ok(None) if is_cancelled => Ok(()),
            Err(_) if self.may_fail => Ok(()),
            other => Err(format!("L5: a rebuild ended as {other:?}")),
        }
    }

    /// Starts a projection again beside the writers; where that fails, without what made it fail.
    fn restart(&mut self, number: usize) -> Result<(), String> {
        if let Some(begun) = &mut self.rebuild {
            begun.may_end |= begun.number == number;
        }
        let version = self.rng.u32(1..3);
        let store = &self.stage.store;
        let Err(first) = self.reading.restart(store, number, version) else {
            return Ok(());
        };
        if self.may_fail {
            self.reading.slots[number].handler.cure();
            self.stage.disk.set_faults(Faults::none());
            if self.reading.restart(store, number, version).is_ok() {
                return Ok(());
            }
        }
        Err(format!("L5: a projection did not start: {first}"))
    }

    fn parker(&mut self) -> Result<(), String> {
        let mut parker = self.reading.parker();
        parker.work(&self.stage.store, self.may_fail, &mut self.rng)
    }

    fn client(&mut self) -> Result<(), String> {
        match &mut *self.reading.clients() {
            Some(clients) => clients.work(self.may_fail, &mut self.rng),
            None => Ok(()),
        }
    }

    /// Feeds the read model anew; where that fails, without what made it fail.
    fn restart_model(&mut self) -> Result<(), String> {
        let store = &self.stage.store;
        let Some(clients) = &mut *self.reading.clients() else {
            return Ok(());
        };
        let Err(first) = clients.restart_model(store) else {
            return Ok(());
        };
        if self.may_fail {
            self.stage.disk.set_faults(Faults::none());
            if clients.restart_model(store).is_ok() {
                return Ok(());
            }
        }
        Err(format!("L5: a read model was not fed again: {first}"))
    }

    /// Has a projection or the read model fail on an entry that is still to come.
    fn poison(&mut self, number: usize) {
        if self.reading.reads.is_poisoned {
            let ahead = self.rng.usize(..POISON_AHEAD);
            let entry = self.stage.ledger.len() + ahead;
            if self.rng.u32(..3) == 0 {
                if let Some(clients) = &*self.reading.clients() {
                    clients.poison_model(entry);
                }
                return;
            }
            let handler = &self.reading.slots[number].handler;
            if handler.poison().is_none() {
                handler.set_poison(entry);
            }
        }
    }
}
