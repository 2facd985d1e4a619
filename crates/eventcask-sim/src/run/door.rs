//! How events get into the store.

use eventcask::{
    AppendResult, AppendSet, Error, Expected, FlushTicket, Flushed, NewEvent, Producer, ShardOwner,
    StoreReader, Ticket,
};

/// What an actor writes by.
pub(crate) enum Door {
    /// A producer, of a source or not.
    Producer(Producer),
    /// A producer that numbers its events by itself.
    Session(Producer),
    /// The shard itself.
    Owner(Box<ShardOwner>),
}

impl Door {
    /// Whether events of this aggregate can be taken.
    pub(crate) fn takes(&self, key: &str, store: &StoreReader) -> bool {
        match self {
            Self::Producer(_) | Self::Session(_) => true,
            Self::Owner(owner) => owner.shard() == store.shard_of(key),
        }
    }

    pub(crate) fn is_owner(&self) -> bool {
        matches!(self, Self::Owner(_))
    }

    pub(crate) fn append(
        &mut self,
        key: &str,
        expected: Expected,
        events: &[NewEvent<'_>],
    ) -> Result<Ticket, Error> {
        match self {
            Self::Producer(producer) | Self::Session(producer) => {
                producer.append(key, expected, events)
            }
            Self::Owner(owner) => owner.append(key, expected, events),
        }
    }

    pub(crate) fn append_all(&mut self, set: &AppendSet<'_>) -> Result<Ticket, Error> {
        match self {
            Self::Producer(producer) | Self::Session(producer) => producer.append_all(set),
            Self::Owner(owner) => owner.append_all(set),
        }
    }

    /// Pushes an event, which may be the row of a source.
    pub(crate) fn push(
        &mut self,
        key: &str,
        offset: Option<u64>,
        event: &NewEvent<'_>,
    ) -> Result<(), Error> {
        match (self, offset) {
            (Self::Producer(producer), Some(offset)) => {
                producer.push_at(offset, offset, key, event)
            }
            (Self::Producer(producer) | Self::Session(producer), _) => producer.push(key, event),
            (Self::Owner(owner), _) => owner.push(key, event),
        }
    }

    /// Waits until all that was pushed and appended is answered.
    pub(crate) fn flush(&mut self) -> Result<Flushed, Error> {
        match self {
            Self::Producer(producer) | Self::Session(producer) => {
                producer.flush().and_then(FlushTicket::wait)
            }
            Self::Owner(owner) => {
                let ticket = owner.flush()?;
                owner.wait(ticket)
            }
        }
    }

    /// Waits for the answer to an append.
    pub(crate) fn answer(&mut self, ticket: Ticket) -> AppendResult {
        match self {
            Self::Producer(_) | Self::Session(_) => ticket.wait(),
            Self::Owner(owner) => owner.answer(ticket),
        }
    }

    /// Does the work of an owner's shard that has come up meanwhile.
    pub(crate) fn run(&mut self) {
        if let Self::Owner(owner) = self {
            owner.run();
        }
    }
}
