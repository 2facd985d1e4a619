//! What reads a store while it is open: how that is drawn, and what becomes of it in the end.

use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use eventcask::{Error, Store};
use fastrand::Rng;

use crate::clients::Clients;
use crate::clients::followed::{self, Following, How};
use crate::clients::opened::Opened;
use crate::clients::parker::Parker;
use crate::model::content::Content;
use crate::model::handler::{Handler, POISON};
use crate::model::ledger::Ledger;
use crate::model::outside::Outside;
use crate::model::projection::{Chaining, Noting};
use crate::planted::Planted;

/// How many projections there are: one that notes, one that chains.
pub(crate) const PROJECTIONS: usize = 2;

/// How a store is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reads {
    projections: [How; PROJECTIONS],
    /// The projection that parks.
    parks: How,
    /// Whether a projection comes across an event that it fails on.
    pub(crate) is_poisoned: bool,
}

impl Reads {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let (noting_is_sync, parking_is_sync) = (rng.bool(), rng.bool());
        let mut how = |is_sync| How {
            is_sync,
            is_first: true,
            snapshot_events: rng.u64(1..40),
            batch_events: rng.u64(1..50),
            version: rng.u32(1..3),
        };
        Self {
            projections: [how(noting_is_sync), how(!noting_is_sync)],
            parks: how(parking_is_sync),
            is_poisoned: rng.u32(..3) == 0,
        }
    }
}

/// A projection that can be started again while others ask it.
pub(crate) struct Slot {
    number: usize,
    pub(crate) handler: Handler,
    following: RwLock<Option<Box<dyn Following>>>,
}

impl Slot {
    fn start(
        store: &Store,
        number: usize,
        how: How,
        planted: Option<Planted>,
    ) -> Result<Self, Error> {
        let slot = Self {
            number,
            handler: Handler::new(how.version, planted),
            following: RwLock::default(),
        };
        slot.restart(store, how, planted)?;
        Ok(slot)
    }

    /// Starts it anew; the one before is ended first.
    ///
    /// # Errors
    /// What the engine said; then there is none.
    pub(crate) fn restart(
        &self,
        store: &Store,
        how: How,
        planted: Option<Planted>,
    ) -> Result<(), Error> {
        let mut following = self.write();
        drop(following.take());
        let handler = self.handler.clone().of_version(how.version);
        // The planted bug is that nobody tells the engine of new code.
        let told = match planted {
            Some(Planted::VersionIsNotRaised) => 1,
            _ => how.version,
        };
        let started = match (self.number, told) {
            (0, 1) => followed::start(store, Noting::<1>(handler), how),
            (0, _) => followed::start(store, Noting::<2>(handler), how),
            (_, 1) => followed::start(store, Chaining::<1>(handler), how),
            (_, _) => followed::start(store, Chaining::<2>(handler), how),
        };
        *following = Some(started?);
        Ok(())
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Option<Box<dyn Following>>> {
        self.following
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Option<Box<dyn Following>>> {
        self.following
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with the projection, if it is there.
    pub(crate) fn with<T>(
        &self,
        act: impl FnOnce(&dyn Following) -> Result<T, String>,
    ) -> Result<Option<T>, String> {
        self.read().as_deref().map(act).transpose()
    }

    /// Holds it against the content. Where there is a poison event in it, it must have stopped and
    /// say so; then it is cured.
    fn finish(&self, content: &Content, ledger: &Ledger, may_stop: bool) -> Result<bool, String> {
        let Some(following) = &*self.read() else {
            return Ok(true);
        };
        let poison = self.handler.poison();
        let is_hit = poison.is_some_and(|entry| content.rows().any(|row| row.entry == entry));
        let checked = following.check(content, ledger);
        let failure = following.failure();
        match (is_hit, checked) {
            (false, Ok(())) => Ok(true),
            (false, Err(_)) if may_stop && failure.is_some() => Ok(false),
            (false, Err(broken)) => Err(broken),
            (true, _) => match failure {
                Some(said) if said.contains(POISON) || may_stop => Ok(false),
                said => Err(format!(
                    "L6: entry {poison:?} is poison, and the projection says {said:?}"
                )),
            },
        }
    }

    /// After the cure a rebuild brings back all of it, each event once.
    fn mend(&self, content: &Content, ledger: &Ledger) -> Result<(), String> {
        self.handler.cure();
        let mended = |following: &dyn Following| {
            let rebuild = following.rebuild();
            let rebuilt = rebuild.and_then(eventcask::projection::Rebuild::wait);
            match rebuilt {
                Ok(Some(_)) => following.check(content, ledger),
                other => Err(format!("L6: a rebuild after the cure: {other:?}")),
            }
        };
        self.with(mended).map(drop)
    }
}

/// All that reads an open store.
pub(crate) struct Reading {
    pub(crate) reads: Reads,
    pub(crate) slots: Vec<Slot>,
    parker: Mutex<Parker>,
    /// They begin when it is known what the store has.
    clients: Mutex<Option<Clients>>,
    planted: Option<Planted>,
}

impl Reading {
    /// # Errors
    /// L5, where it can not begin.
    pub(crate) fn start(
        store: &Store,
        reads: Reads,
        planted: Option<Planted>,
    ) -> Result<Self, String> {
        let slot = |(number, how): (usize, How)| Slot::start(store, number, how, planted);
        let slots: Result<Vec<_>, _> = (0..).zip(reads.projections).map(slot).collect();
        Ok(Self {
            reads,
            slots: slots.map_err(|error| format!("L5: {error}"))?,
            parker: Mutex::new(Parker::start(store, reads.parks, planted)?),
            clients: Mutex::default(),
            planted,
        })
    }

    /// Those who keep their place begin, too.
    ///
    /// # Errors
    /// The first promise that was broken.
    pub(crate) fn start_clients(
        &self,
        opened: &Opened<'_>,
        outside: &Outside,
        rng: &mut Rng,
    ) -> Result<(), String> {
        let clients = Clients::start(opened, outside, outside.kept(), rng)?;
        *self.clients() = Some(clients);
        Ok(())
    }

    pub(crate) fn clients(&self) -> MutexGuard<'_, Option<Clients>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn parker(&self) -> MutexGuard<'_, Parker> {
        self.parker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is there is held, by all of them.
    ///
    /// # Errors
    /// The first promise that was broken.
    pub(crate) fn check(&self, content: &Content, ledger: &Ledger) -> Result<(), String> {
        let check = |slot: &Slot| slot.with(|following| following.check(content, ledger));
        self.slots
            .iter()
            .try_for_each(|slot| check(slot).map(drop))?;
        self.parker().check(content, ledger)
    }

    /// What was just answered was seen by the projections before.
    ///
    /// # Errors
    /// L5, where it was not.
    pub(crate) fn check_answered(
        &self,
        shard: u32,
        entry: usize,
        position: Option<u64>,
    ) -> Result<(), String> {
        let check =
            |slot: &Slot| slot.with(|following| following.check_answered(shard, entry, position));
        self.slots.iter().try_for_each(|slot| check(slot).map(drop))
    }

    /// Starts a projection anew, perhaps with other code. One that fails is cured first.
    ///
    /// # Errors
    /// What the engine said.
    pub(crate) fn restart(&self, store: &Store, number: usize, version: u32) -> Result<(), Error> {
        let how = How {
            version,
            is_first: false,
            ..self.reads.projections[number]
        };
        self.slots[number].restart(store, how, self.planted)
    }

    /// When all has been written: each of them holds all of it, or has stopped with reason.
    ///
    /// # Errors
    /// The first promise that was broken.
    pub(crate) fn finish(
        &self,
        store: &Store,
        content: &Content,
        ledger: &Ledger,
        may_stop: bool,
        rng: &mut Rng,
    ) -> Result<(), String> {
        if let Some(clients) = &mut *self.clients() {
            clients.finish(store, content, may_stop)?;
        }
        self.parker().finish(content, ledger, may_stop)?;
        for slot in &self.slots {
            let is_well = slot.finish(content, ledger, may_stop)?;
            // Otherwise the next run is the cure.
            if !is_well && rng.bool() {
                slot.mend(content, ledger)?;
            }
        }
        Ok(())
    }
}
