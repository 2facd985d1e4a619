//! A projection that parks aggregates: what it holds and what waits are all that is stored, each
//! event in one of them.

use std::collections::BTreeMap;

use eventcask::projection::{OnError, Parked, Rebuild, SnapshotPolicy};
use eventcask::{Error, ProjectionHandle, Store};
use fastrand::Rng;

use crate::clients::followed::{How, PATIENT};
use crate::model::content::{Content, Row};
use crate::model::ledger::Ledger;
use crate::model::parking::{Parking, is_bad};
use crate::model::projection::Noted;
use crate::planted::Planted;

/// The projection, and whoever mends and redrives it.
pub(crate) struct Parker {
    how: How,
    code: Parking,
    /// None where it could not be started again.
    projected: Option<ProjectionHandle<Parking>>,
}

/// The versions that aggregates are parked with, by key.
type Versions = BTreeMap<String, u64>;

impl Parker {
    /// # Errors
    /// L6, where it can not begin.
    pub(crate) fn start(store: &Store, how: How, planted: Option<Planted>) -> Result<Self, String> {
        let mut parker = Self {
            how,
            code: Parking::new(planted),
            projected: None,
        };
        match parker.begin(store) {
            Ok(()) => Ok(parker),
            Err(error) => Err(format!("L6: a projection that parks: {error}")),
        }
    }

    fn begin(&mut self, store: &Store) -> Result<(), Error> {
        let policy = SnapshotPolicy::default().events(self.how.snapshot_events);
        let options = store.projection(self.code.clone()).snapshots(policy);
        let options = options.on_error(OnError::Park);
        let options = match self.how.is_sync {
            true => options.sync(),
            false => options.batch_events(self.how.batch_events),
        };
        self.projected = Some(options.start()?);
        Ok(())
    }

    fn parked(&self) -> Versions {
        let parked = self.projected.iter().flat_map(ProjectionHandle::parked);
        parked.map(|one| (one.key, one.version)).collect()
    }

    /// Some of its work, beside those who write.
    ///
    /// # Errors
    /// The first promise that was broken.
    pub(crate) fn work(
        &mut self,
        store: &Store,
        may_fail: bool,
        rng: &mut Rng,
    ) -> Result<(), String> {
        match rng.u32(..6) {
            0 => {
                self.code.mend(rng.bool());
                Ok(())
            }
            1 => self.restart(store, may_fail),
            2 => self.rebuild(may_fail),
            _ => {
                let keys: Vec<_> = self.parked().into_keys().collect();
                match keys.is_empty() {
                    true => Ok(()),
                    false => self.redrive(&keys[rng.usize(..keys.len())], may_fail),
                }
            }
        }
    }

    /// Ends it and starts it again: what waited still waits, where the code still fails on it. The
    /// state may be an older one, which the code of today brings up to now.
    fn restart(&mut self, store: &Store, may_fail: bool) -> Result<(), String> {
        let before = self.parked();
        self.projected = None;
        let caught_up = self.begin(store).and_then(|()| {
            let projected = self.projected.as_ref();
            projected.map_or(Ok(Vec::new()), |one| one.catch_up(PATIENT))
        });
        match caught_up {
            Ok(_) => {}
            Err(_) if may_fail => return Ok(()),
            Err(error) => return Err(format!("L6: a projection that parks: {error}")),
        }
        let after = self.parked();
        let waits =
            |(key, version): (&String, &u64)| after.get(key).is_some_and(|at| at <= version);
        match may_fail || self.code.is_mended() || before.iter().all(waits) {
            true => Ok(()),
            false => Err(format!("L6: a restart made {after:?} parked of {before:?}")),
        }
    }

    /// Fills it anew: with nothing that is parked, where the code is mended.
    fn rebuild(&self, may_fail: bool) -> Result<(), String> {
        let Some(projected) = &self.projected else {
            return Ok(());
        };
        match projected.rebuild().and_then(Rebuild::wait) {
            Ok(Some(_)) if !self.code.is_mended() || projected.parked().is_empty() => Ok(()),
            Err(_) if may_fail => Ok(()),
            other => Err(format!(
                "L6: {:?} are parked after a rebuild that ended as {other:?}",
                projected.parked()
            )),
        }
    }

    /// Has an aggregate go on: all of it where the code is mended, nothing of it where it is not.
    fn redrive(&self, key: &str, may_fail: bool) -> Result<(), String> {
        let Some(projected) = &self.projected else {
            return Ok(());
        };
        let before = self.parked().get(key).copied();
        self.code.redriving(true);
        let redriven = projected.redrive(key);
        self.code.redriving(false);
        let after = self.parked().get(key).copied();
        match redriven {
            Ok(true) if self.code.is_mended() && after.is_none() => Ok(()),
            Ok(true) if !self.code.is_mended() && after == before => Ok(()),
            Err(_) if may_fail => Ok(()),
            other => Err(format!(
                "L6: {key} was parked with {before:?}, is with {after:?}, and redriving it: {other:?}"
            )),
        }
    }

    /// It holds what is stored, but what waits: of an aggregate that is parked all from an event on
    /// that the code fails on.
    ///
    /// # Errors
    /// L6, where it does not.
    pub(crate) fn check(&self, content: &Content, ledger: &Ledger) -> Result<(), String> {
        let Some(projected) = &self.projected else {
            return Ok(());
        };
        let broken = |error: Error| format!("L6: a projection that parks: {error}");
        projected.catch_up(PATIENT).map_err(broken)?;
        let parked = projected.parked();
        for (shard, rows) in (0..).zip(&content.shards) {
            let of_shard = parked.iter().filter(|one| one.shard == shard);
            let waiting: BTreeMap<_, _> = of_shard.map(|one| (one.key.as_str(), one)).collect();
            let held = projected.read(shard, Noted::by_position).map_err(broken)?;
            let should = not_waiting(rows, &waiting, ledger)?;
            if held != should {
                let mut both = held.iter().zip(&should);
                let differs = both.find(|(is, should)| is != should);
                return Err(format!(
                    "L6: a projection holds {} events of shard {shard} and not {} beside {waiting:?}; first difference {differs:?}",
                    held.len(),
                    should.len()
                ));
            }
        }
        Ok(())
    }

    /// When all has been written: it holds what it should, and all of it once it is mended.
    ///
    /// # Errors
    /// The first promise that was broken.
    pub(crate) fn finish(
        &self,
        content: &Content,
        ledger: &Ledger,
        may_stop: bool,
    ) -> Result<(), String> {
        let checked = self.check(content, ledger);
        let failure = self.projected.as_ref().and_then(|one| one.stats().failure);
        if may_stop && failure.is_some() {
            return Ok(());
        }
        checked?;
        self.code.mend(true);
        for key in self.parked().keys() {
            self.redrive(key, false)?;
        }
        self.check(content, ledger)
    }
}

/// The rows of a shard without those that wait.
fn not_waiting(
    rows: &[Row],
    waiting: &BTreeMap<&str, &Parked>,
    ledger: &Ledger,
) -> Result<Vec<(u64, Row)>, String> {
    let mut failed = 0;
    let mut held = Vec::new();
    for (position, row) in (0..).zip(rows) {
        let key = ledger.key_of(row.entry, row.index);
        let parked = waiting.get(key.as_str());
        match parked {
            Some(parked) if parked.version == row.version => {
                failed += usize::from(parked.position == position && is_bad(row.entry));
            }
            Some(parked) if parked.version < row.version => {}
            _ => held.push((position, *row)),
        }
    }
    match failed == waiting.len() {
        true => Ok(held),
        false => Err(format!(
            "L6: {failed} of {waiting:?} are parked with an event that fails"
        )),
    }
}
