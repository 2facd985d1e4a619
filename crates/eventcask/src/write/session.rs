//! Exactly once without ids: a producer that numbers its events.
//!
//! A session is a source whose offsets the producer gives: the ordinals of its events, from 0. The
//! mark of each shard says which of them it has.

use eventcask_event::{Expected, Invalid, source_of_session};

use crate::write::producer::Origin;
use crate::{AppendSet, Error, Producer, Store};

impl Store {
    /// A producer that numbers its events, so that what is sent again is stored once: no id is
    /// looked up, and an event takes no byte for it, neither on disk nor in memory. What is kept is
    /// one mark for each session and shard, so a client has few sessions, with names of its own
    /// that it uses again.
    ///
    /// Events get the ordinals 0, 1, 2 and so on in the order in which they are pushed or appended;
    /// one that is not taken, since the call failed, has none. A client notes the
    /// [`next_ordinal`](Producer::next_ordinal) of a moment before which all is answered. After a
    /// crash, or a refusal, it goes back there by [`resume_at`](Producer::resume_at) and sends the
    /// same events again in the same order: what a shard has is a duplicate.
    ///
    /// ```
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path().join("s"))?;
    /// use eventcask::NewEvent;
    /// let sent = ["1", "2", "3"].map(|cents| NewEvent::json("Deposited", cents.as_bytes()));
    /// let mut session = store.session("teller-7")?;
    /// for event in &sent {
    ///     session.push("account-42", event)?;
    /// }
    /// drop(session); // and the client does not know what became of them
    ///
    /// let mut session = store.session("teller-7")?;
    /// assert_eq!(session.next_ordinal(), Some(3));
    /// session.resume_at(0)?;
    /// for event in &sent {
    ///     session.push("account-42", event)?;
    /// }
    /// assert_eq!(session.flush()?.wait()?.duplicates, 3);
    /// assert_eq!(store.aggregate("account-42").version()?, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// **Appends that expect a version** have no ordinal: sent again, they are refused by what they
    /// expect, so they are stored once all the same, and a refusal never turns into "duplicate".
    /// [`Expected::Exists`] would be neither, and is refused. The answer to a numbered append that
    /// a shard has is a duplicate without its original place.
    ///
    /// # Errors
    /// [`Error::InUse`] while another producer of the same session is
    /// open, a name that is empty or too long, or a store that was closed.
    pub fn session(&self, name: &str) -> Result<Producer, Error> {
        let source = source_of_session(name)?;
        self.running()?;
        let origin = Origin::Session {
            source: source.clone(),
            next: 0,
        };
        let mut producer = self.producer_of(&source, origin)?;
        let consumed = self.consumed(&source);
        let newest = consumed.marks().map(|mark| mark.next).max().unwrap_or(0);
        producer.origin = Origin::Session {
            source,
            next: newest,
        };
        Ok(producer)
    }
}

impl Producer {
    /// The ordinal of the next event of a session: at first the one after the newest that any shard
    /// has durably. `None` where this is no session.
    #[must_use]
    pub fn next_ordinal(&self) -> Option<u64> {
        match &self.origin {
            Origin::Session { next, .. } => Some(*next),
            _ => None,
        }
    }

    /// Goes on in a session at this ordinal, before which the client knows all to be answered. From
    /// there on it sends the events that had these ordinals again, or events of their own that
    /// no shard has seen. To leave ordinals out is allowed.
    ///
    /// What is in open batches is handed over first.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Invalid`] where this is no session, or [`crate::ErrorKind::Closed`].
    pub fn resume_at(&mut self, ordinal: u64) -> Result<(), Error> {
        if self.next_ordinal().is_none() {
            return Err(Invalid::NoSession.into());
        }
        self.begin_anew()?;
        if let Origin::Session { next, .. } = &mut self.origin {
            *next = ordinal;
        }
        Ok(())
    }

    /// The first ordinal of an append over several aggregates, where it is numbered.
    pub(crate) fn ordinals_of(&self, set: &AppendSet<'_>) -> Result<Option<u64>, Error> {
        if self.next_ordinal().is_none() || set.expects_nothing() {
            return self.ordinals(Expected::Any, set.events());
        }
        match set.is_stored_once() {
            true => Ok(None),
            false => Err(Invalid::SetInSession.into()),
        }
    }

    /// The first ordinal of an append, where it is numbered.
    pub(crate) fn ordinals(&self, expected: Expected, events: usize) -> Result<Option<u64>, Error> {
        let Some(next) = self.next_ordinal() else {
            return Ok(None);
        };
        match expected {
            Expected::Any if next.checked_add(events as u64).is_none() => {
                let offset = next;
                Err(Invalid::Offset { offset, next }.into())
            }
            Expected::Any => Ok(Some(next)),
            Expected::Exists => Err(Invalid::ExistsInSession.into()),
            // By its expectation it can not be stored twice.
            Expected::NoStream | Expected::Exact(_) => Ok(None),
        }
    }
}
