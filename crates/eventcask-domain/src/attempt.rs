//! The steps of a command: decide, append, and what follows from the answer.

use std::sync::Arc;

use eventcask::{
    AppendResult, Appended, Error as StoreError, Expected, NewEvent, Place, Store, Ticket,
};

use crate::command_id::CommandId;
use crate::command_meta::CommandMeta;
use crate::decided::{DecideError, Decided};
use crate::decider::Decider;
use crate::decider_fold::{Confirmed, Kept};
use crate::decision::Decision;
use crate::encoded::EncodedEvents;
use crate::error::Error;
use crate::event_set::EventSet;
use crate::loaded::LoadPolicy;
use crate::moment::Moment;
use crate::repeat::Repeat;
use crate::terms::Terms;

/// What a command comes to.
pub(crate) type Outcome<D> = Result<Decided<D>, DecideError<<D as Decider>::Error>>;

/// Where a command stands.
pub(crate) enum Step<D: Decider> {
    /// The store was asked; what is done with the answer depends on what it was told.
    Asked(Ticket, Told<D>),
    Done(Box<Outcome<D>>),
}

/// What the store was told.
pub(crate) enum Told<D: Decider> {
    /// Events to be stored, at the earliest at this moment.
    Events(Decision<D>, Moment),
    /// An event that is never stored, to find out whether the command was carried out before. If it
    /// was not, this is its outcome.
    Probe(Box<Outcome<D>>),
}

/// A command that is tried until it succeeds.
pub(crate) struct Attempt<'c, D: Decider> {
    terms: Terms<D>,
    key: String,
    command: &'c D::Command,
    /// How often it may still be decided on.
    left: u32,
}

impl<'c, D: Decider> Attempt<'c, D> {
    pub(crate) fn new(terms: Terms<D>, key: String, command: &'c D::Command) -> Self {
        Self {
            left: terms.attempts,
            terms,
            key,
            command,
        }
    }

    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    pub(crate) fn begin(&mut self) -> Step<D> {
        if self.terms.id.is_some_and(CommandId::is_none) {
            let key = self.key.clone();
            return failed(Error::NoCommandId { key });
        }
        let policy = self.terms.first_policy();
        self.decide(policy)
    }

    fn decide(&mut self, policy: LoadPolicy) -> Step<D> {
        self.left -= 1;
        self.try_decide(policy).unwrap_or_else(failed)
    }

    fn try_decide(&self, policy: LoadPolicy) -> Result<Step<D>, Error> {
        let before = self.terms.load_by(&self.key, policy)?;
        let decision = Decision::by(&before, self.command);
        if policy == LoadPolicy::Fresh || has_events(&decision) {
            return self.take(before.version(), decision);
        }
        // Nothing will be appended, which would find out that the state is not the newest.
        let newest = self.terms.load_by(&self.key, LoadPolicy::Fresh)?;
        if newest.version() == before.version() {
            return self.take(before.version(), decision);
        }
        self.take(newest.version(), Decision::by(&newest, self.command))
    }

    fn take(
        &self,
        version: u64,
        decision: Result<Decision<D>, D::Error>,
    ) -> Result<Step<D>, Error> {
        let outcome = match decision {
            Ok(decision) if !decision.events.is_empty() => return self.append(decision),
            Ok(decision) => {
                let place = self.place_of(decision.before.position());
                Ok(decision.decided(version, place))
            }
            Err(refused) => Err(DecideError::Refused(refused)),
        };
        let outcome = Box::new(outcome);
        match self.terms.id {
            None => Ok(Step::Done(outcome)),
            Some(id) => self.probe(id, outcome),
        }
    }

    fn append(&self, decision: Decision<D>) -> Result<Step<D>, Error> {
        let encoded = EncodedEvents::of(&decision.events)?;
        let expected = decision.before.expected();
        let begun = Moment::now();
        let ticket = encoded.with(|events| self.append_marked(expected, events))?;
        Ok(Step::Asked(ticket, Told::Events(decision, begun)))
    }

    fn append_marked(
        &self,
        expected: Expected,
        events: &[NewEvent<'_>],
    ) -> Result<Ticket, StoreError> {
        let (store, id) = (self.terms.store(), self.terms.id);
        let (none, meta) = (CommandMeta::new(), self.terms.meta.as_deref());
        if id.is_none() && meta.is_none() {
            return store.append(&self.key, expected, events);
        }
        let meta = meta.unwrap_or(&none);
        let headers = meta.header_list();
        let events = events.iter().enumerate();
        let marked = events.map(|(ordinal, event)| meta.mark(*event, &headers, id, ordinal));
        let marked: Vec<NewEvent<'_>> = marked.collect();
        store.append(&self.key, expected, &marked)
    }

    /// Asks whether the first event of the command is stored. The store looks for ids before it looks
    /// at the version, and no aggregate has this one: so nothing is stored in any case.
    fn probe(&self, id: CommandId, outcome: Box<Outcome<D>>) -> Result<Step<D>, Error> {
        let event = NewEvent::bytes(D::Event::TYPES[0], b"").id(id.event(0));
        let never = Expected::Exact(u64::MAX);
        let ticket = self.terms.store().append(&self.key, never, &[event])?;
        Ok(Step::Asked(ticket, Told::Probe(outcome)))
    }

    /// What follows from the answer of the store.
    pub(crate) fn answered(&mut self, answer: AppendResult, told: Told<D>) -> Step<D> {
        match (answer, told, self.terms.id) {
            (Ok(duplicate @ Appended::Duplicate { .. }), Told::Events(decision, _), Some(id)) => {
                let events = decision.events.len() as u64;
                let first = duplicate
                    .version()
                    .map(|last| (last + 1).saturating_sub(events));
                self.repeated(id, first)
            }
            (Ok(stored), Told::Events(decision, begun), _) => self.stored(&stored, decision, begun),
            (Err(StoreError::Conflict { .. }), Told::Events(..), _) if self.left > 0 => {
                self.decide(LoadPolicy::Fresh)
            }
            (Err(StoreError::Conflict { .. }), Told::Probe(outcome), _) => Step::Done(outcome),
            (Err(known), _, Some(id)) if is_known(&known) => self.repeated(id, None),
            (Ok(_), Told::Probe(_), Some(id)) => self.repeated(id, None),
            (Ok(_), Told::Probe(outcome), None) => Step::Done(outcome),
            (Err(error), _, _) => failed(error.into()),
        }
    }

    fn stored(&self, stored: &Appended, decision: Decision<D>, begun: Moment) -> Step<D> {
        let kept = Kept {
            state: Arc::clone(&decision.after),
            // The answer may be taken long after it was given, and others may have come between.
            confirmed: Confirmed::at(begun),
        };
        let states = self.terms.states();
        let events = decision.events.len() as u64;
        states.keep(&self.key, &decision.before, stored, events, kept);
        let version = stored.version().unwrap_or_default();
        Step::Done(Box::new(Ok(decision.decided(version, stored.place()))))
    }

    /// The command was carried out before: its first event has this version, if that is known.
    fn repeated(&self, id: CommandId, first: Option<u64>) -> Step<D> {
        let repeat = Repeat {
            terms: &self.terms,
            key: &self.key,
            id,
        };
        let answer = repeat.first_answer(first, self.command);
        Step::Done(Box::new(answer.map_err(DecideError::Failed)))
    }

    /// Where what was decided by is stored.
    fn place_of(&self, newest: Option<u64>) -> Place {
        let store = self.terms.store();
        let shard = store.shard_of(&self.key);
        match newest {
            Some(position) => Place::new(shard, position),
            None => newest_place(store, shard),
        }
    }
}

/// The newest place of a shard, or of another one where it is empty.
fn newest_place(store: &Store, shard: u32) -> Place {
    let ends = store.positions();
    let newest = |shard: u32| {
        let last = ends.get(shard as usize)?.checked_sub(1)?;
        Some(Place::new(shard, last))
    };
    let others = || (0..store.shards()).find_map(newest);
    newest(shard)
        .or_else(others)
        .unwrap_or(Place::new(shard, 0))
}

fn has_events<D: Decider>(decision: &Result<Decision<D>, D::Error>) -> bool {
    decision
        .as_ref()
        .is_ok_and(|decision| !decision.events.is_empty())
}

/// Whether it says that events with these ids are stored.
fn is_known(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::IdConflict { .. } | StoreError::PartlyKnown { .. }
    )
}

fn failed<D: Decider>(error: Error) -> Step<D> {
    Step::Done(Box::new(Err(error.into())))
}
