//! A projection that follows a store, held against what the store has.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use eventcask::projection::{Rebuild, SnapshotPolicy};
use eventcask::{Error, Place, ProjectionHandle, Store, Timeout};

use crate::model::content::Content;
use crate::model::ledger::Ledger;
use crate::model::projection::Checked;

/// Longer than any state takes that gets there at all.
pub(crate) const PATIENT: Timeout = Timeout::Error(Duration::from_secs(60));

/// How a projection is started.
#[derive(Debug, Clone, Copy)]
pub(crate) struct How {
    pub(crate) is_sync: bool,
    pub(crate) snapshot_events: u64,
    pub(crate) batch_events: u64,
    /// Whether it begins before anyone writes, so that it follows from the first event on.
    pub(crate) is_first: bool,
    /// The version of its code.
    pub(crate) version: u32,
}

/// A projection that follows a store, whatever its state is.
pub(crate) trait Following: Send + Sync {
    /// Its states are what the content adds up to, and whatever was seen of them before was what a
    /// prefix adds up to.
    ///
    /// # Errors
    /// L5, where they are not, or where it stopped.
    fn check(&self, content: &Content, ledger: &Ledger) -> Result<(), String>;

    /// What was just answered is held; a projection that stopped has said why.
    ///
    /// # Errors
    /// L5, where it is not.
    fn check_answered(&self, shard: u32, entry: usize, position: Option<u64>)
    -> Result<(), String>;

    /// Looks at the state of a shard, as any reader may at any time.
    ///
    /// # Errors
    /// L5, where it does not hold as many events as its progress says, or fewer than before.
    fn look(&self, shard: u32) -> Result<(), String>;

    /// Waits a little for a position.
    ///
    /// # Errors
    /// What the engine said.
    fn wait_for(&self, shard: u32, position: u64, time: Duration) -> Result<u64, Error>;

    /// Begins a rebuild.
    ///
    /// # Errors
    /// What the engine said.
    fn rebuild(&self) -> Result<Rebuild, Error>;

    /// Why it stopped, if it did.
    fn failure(&self) -> Option<String>;
}

/// Starts a projection.
///
/// # Errors
/// What the engine said.
pub(crate) fn start<P: Checked>(
    store: &Store,
    projection: P,
    how: How,
) -> Result<Box<dyn Following>, Error> {
    let policy = SnapshotPolicy::default().events(how.snapshot_events);
    let options = store.projection(projection).snapshots(policy);
    let options = options.batch_events(how.batch_events);
    let options = match how.is_sync {
        true => options.sync(),
        false => options,
    };
    Ok(Box::new(Followed {
        projected: options.start()?,
        how,
        seen: Mutex::default(),
        newest: Mutex::new(vec![0; store.shards() as usize]),
    }))
}

struct Followed<P: Checked> {
    projected: ProjectionHandle<P>,
    how: How,
    seen: Mutex<Vec<Seen<P::Plain>>>,
    /// The most events that were seen in each shard.
    newest: Mutex<Vec<u64>>,
}

/// A state as it was once.
struct Seen<T> {
    shard: usize,
    events: u64,
    plain: T,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<P: Checked> Followed<P> {
    fn broken(&self, how: &str) -> String {
        format!("L5: projection {} {how} ({:?})", P::NAME, self.how)
    }

    fn check_shard(&self, content: &Content, ledger: &Ledger, shard: usize) -> Result<(), String> {
        let rows = &content.shards[shard];
        let failed = |error: Error| self.broken(&format!("in shard {shard}: {error}"));
        if let Some(last) = (rows.len() as u64).checked_sub(1) {
            let place = Place::new(shard as u32, last);
            let reached = self.projected.wait_for(place, PATIENT);
            reached.map_err(failed)?;
        }
        let (events, plain) = self
            .projected
            .read(shard as u32, P::plain)
            .map_err(failed)?;
        if events == rows.len() as u64 && plain == P::fold(rows, ledger, self.how.version) {
            return Ok(());
        }
        let wanted = P::fold(rows, ledger, self.how.version);
        Err(self.broken(&format!(
            "has in shard {shard} {events} of {} events: {}",
            rows.len(),
            difference(&format!("{plain:#?}"), &format!("{wanted:#?}"))
        )))
    }

    fn check_seen(&self, content: &Content, ledger: &Ledger) -> Result<(), String> {
        for seen in std::mem::take(&mut *locked(&self.seen)) {
            let rows = content.shards[seen.shard].get(..seen.events as usize);
            let is_prefix =
                rows.is_some_and(|rows| P::fold(rows, ledger, self.how.version) == seen.plain);
            if !is_prefix {
                let what = format!(
                    "was seen in shard {} with {} events that are no prefix",
                    seen.shard, seen.events
                );
                return Err(self.broken(&what));
            }
        }
        Ok(())
    }
}

/// The first lines that differ.
fn difference(is: &str, should: &str) -> String {
    let both = is.lines().zip(should.lines());
    let differs = both.into_iter().find(|(is, should)| is != should);
    format!("first difference {differs:?}")
}

impl<P: Checked> Following for Followed<P> {
    fn check(&self, content: &Content, ledger: &Ledger) -> Result<(), String> {
        (0..content.shards.len()).try_for_each(|shard| self.check_shard(content, ledger, shard))?;
        self.check_seen(content, ledger)
    }

    fn check_answered(
        &self,
        shard: u32,
        entry: usize,
        position: Option<u64>,
    ) -> Result<(), String> {
        if !self.how.is_sync {
            return Ok(());
        }
        // A state that is read is brought up to date; how far it was before is what counts. What
        // came while it was started again is only taken in when somebody asks.
        let before = self.projected.progress(shard);
        let place = |state: &P::State| P::place(state, entry, position);
        let Ok(place) = self.projected.read(shard, place) else {
            return Ok(());
        };
        let progress = match self.how.is_first {
            true => before,
            false => self.projected.progress(shard),
        };
        match place {
            Some(place) if place < progress => Ok(()),
            place => Err(self.broken(&format!(
                "had come to {progress} of shard {shard} when entry {entry} was answered, at {place:?}"
            ))),
        }
    }

    fn look(&self, shard: u32) -> Result<(), String> {
        let before = self.projected.progress(shard);
        let Ok((events, plain)) = self.projected.read(shard, P::plain) else {
            return Ok(());
        };
        let after = self.projected.progress(shard);
        let newest = {
            let newest = &mut locked(&self.newest)[shard as usize];
            std::mem::replace(newest, events)
        };
        if !(before..=after).contains(&events) || events < newest {
            return Err(self.broken(&format!(
                "showed {events} events of shard {shard} between progress {before} and {after}, after {newest}"
            )));
        }
        let shard = shard as usize;
        locked(&self.seen).push(Seen {
            shard,
            events,
            plain,
        });
        Ok(())
    }

    fn wait_for(&self, shard: u32, position: u64, time: Duration) -> Result<u64, Error> {
        self.projected
            .wait_for(Place::new(shard, position), Timeout::Stale(time))
    }

    fn rebuild(&self) -> Result<Rebuild, Error> {
        self.projected.rebuild()
    }

    fn failure(&self) -> Option<String> {
        self.projected.stats().failure
    }
}
