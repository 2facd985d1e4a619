//! The first answer of a command that comes again.
//!
//! 1. Its first event is looked for by its id.
//! 2. The state before that event is loaded.
//! 3. The command is decided by it again.
//! 4. What that emits is held against the events that are stored, in all that they hold: if they are
//!    the same, the reply is given. It is that of the command which is given now, since the first one
//!    is not stored.

use eventcask::{AsOf, Event as StoredEvent};

use crate::command_id::CommandId;
use crate::content::Content;
use crate::decided::Decided;
use crate::decider::Decider;
use crate::decision::Decision;
use crate::error::Error;
use crate::terms::Terms;

/// Repeats come soon as a rule: so many of the aggregate's newest events are looked at before the
/// whole store is asked for the id. They are read in about the time of one read from a disk.
const LOOKED_AT: usize = 64;

/// A command that was carried out before.
pub(crate) struct Repeat<'r, D: Decider> {
    pub(crate) terms: &'r Terms<D>,
    pub(crate) key: &'r str,
    pub(crate) id: CommandId,
}

impl<D: Decider> Repeat<'_, D> {
    /// Its first answer; `first` is the version of its first event, if that is known.
    pub(crate) fn first_answer(
        &self,
        first: Option<u64>,
        command: &D::Command,
    ) -> Result<Decided<D>, Error> {
        let first = match first {
            Some(version) => version,
            None => self.first_version()?.ok_or_else(|| self.gone())?,
        };
        let stored = self.stored_from(first)?;
        let Some(last) = stored.last() else {
            return Err(self.gone());
        };
        let states = self.terms.states();
        let before = states.load_as_of(self.key, AsOf::Version(first.saturating_sub(1)))?;
        match Decision::by(&before, command) {
            Ok(decision) if is_same::<D>(&decision.events, &stored)? => Ok(Decided {
                reply: decision.reply,
                events: decision.events,
                version: last.version(),
                place: last.place(),
                repeated: true,
            }),
            _ => Err(self.differs(first)),
        }
    }

    /// The version of its first event. Where the store forgot the id and took it once more, that of
    /// the last time.
    fn first_version(&self) -> Result<Option<u64>, Error> {
        let store = self.terms.store();
        let id = self.id.event(0);
        let mut version = None;
        for event in store.aggregate(self.key).last(LOOKED_AT).events()? {
            let event = event?;
            if event.id() == id {
                version = Some(event.version());
            }
        }
        if version.is_some() {
            return Ok(version);
        }
        let found = store.find(id)?;
        let ours = found.iter().filter(|event| event.key() == self.key);
        Ok(ours.map(StoredEvent::version).max())
    }

    /// Its events, which are stored one after the other.
    fn stored_from(&self, first: u64) -> Result<Vec<StoredEvent>, Error> {
        let aggregate = self.terms.store().aggregate(self.key);
        let mut stored = Vec::new();
        for event in aggregate.from_version(first).events()? {
            let event = event?;
            if event.id() != self.id.event(stored.len()) {
                break;
            }
            stored.push(event);
        }
        Ok(stored)
    }

    /// The store knows an event of the command that is not shown any more.
    fn gone(&self) -> Error {
        Error::AnswerGone {
            command: self.id,
            key: self.key.to_owned(),
        }
    }

    fn differs(&self, version: u64) -> Error {
        Error::RepeatDiffers {
            command: self.id,
            key: self.key.to_owned(),
            version,
        }
    }
}

/// Whether stored events, as they are read today, are those that were emitted, in all that they hold.
fn is_same<D: Decider>(emitted: &[D::Event], stored: &[StoredEvent]) -> Result<bool, Error> {
    let mut read = Vec::new();
    for event in stored {
        read.extend(Content::of_stored::<D::Event>(&event.get())?);
    }
    Ok(Content::of(emitted)? == read)
}
