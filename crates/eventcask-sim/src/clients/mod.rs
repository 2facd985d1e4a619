//! Clients of a store: their database is beside it, or their place is kept in it.

pub(crate) mod opened;
pub(crate) mod read_model;
pub(crate) mod letters;
pub(crate) mod mailer;
pub(crate) mod followed;
pub(crate) mod parker;
pub(crate) mod reading;

use std::sync::Arc;
use std::time::Duration;

use eventcask::{Error, Store, Timeout};
use fastrand::Rng;

use crate::clients::letters::Letters;
use crate::clients::mailer::Mailer;
use crate::clients::opened::Opened;
use crate::clients::read_model::Model;
use crate::model::content::Content;
use crate::model::kept::Kept;
use crate::model::outside::Outside;

/// A read model, a named subscription, and a consumer group.
pub(crate) struct Clients {
    model: Model,
    letters: Letters,
    mailer: Mailer,
}

impl Clients {
    /// They go on where they were.
    ///
    /// # Errors
    /// The first promise that was broken.
    pub(crate) fn start(
        opened: &Opened<'_>,
        outside: &Outside,
        kept: Arc<Kept>,
        rng: &mut Rng,
    ) -> Result<Self, String> {
        let version = kept.version() + u32::from(rng.u32(..8) == 0);
        let model = (version, rng.usize(1..40));
        Ok(Self {
            model: Model::start(opened, kept, model)?,
            letters: Letters::start(opened, &outside.letters)?,
            mailer: Mailer::start(opened, &outside.mailer)?,
        })
    }

    /// Some of their work.
    ///
    /// # Errors
    /// The first promise that was broken.
    pub(crate) fn work(&mut self, may_fail: bool, rng: &mut Rng) -> Result<(), String> {
        match rng.u32(..5) {
            0 => {
                let time = Timeout::Stale(Duration::from_micros(rng.u64(..2_000)));
                let waited = self.model.catch_up(time);
                waited.or_else(|error| match may_fail {
                    true => Ok(()),
                    false => Err(format!("L5: a read model: {error}")),
                })
            }
            1 | 2 => self.letters.work(may_fail, rng),
            _ => self.mailer.work(may_fail, rng),
        }
    }

    /// Ends the feed of the read model and begins another one.
    ///
    /// # Errors
    /// What the engine said.
    pub(crate) fn restart_model(&mut self, store: &Store) -> Result<(), Error> {
        self.model.restart(store)
    }

    /// The read model is to fail on an entry from now on.
    pub(crate) fn poison_model(&self, entry: usize) {
        self.model.set_poison(entry);
    }

    /// All of them get all that is there.
    ///
    /// # Errors
    /// The first promise that was broken.
    pub(crate) fn finish(
        &mut self,
        store: &Store,
        content: &Content,
        may_stop: bool,
    ) -> Result<(), String> {
        self.model.finish(store, content, may_stop)?;
        self.letters.finish(content)?;
        self.mailer.finish(content)
    }
}
