//! The events that carry an id, wherever they are.

use eventcask_event::EventId;

use crate::{Error, Event, StoreReader, parallel};

impl StoreReader {
    /// The durable events that carry an id, over all shards, in the order of their commits: those
    /// that came with it, and the one for which the engine made it.
    ///
    /// The key is part of an event's identity, so several aggregates may have an event with the
    /// same id, and all are given. An aggregate has one, unless a [window](crate::Options::dedup)
    /// had forgotten it. Events that were given up are not found.
    ///
    /// It reads what is durable at the moment of the call and is not one step with an append: the
    /// id may be stored right after it was not found. An append of the same id to the same
    /// aggregate is answered with its first event in any case.
    ///
    /// In sealed segments it costs a look at each filter, which stays in memory, and mostly no
    /// read. The open end of each shard is read: up to a segment, and those that are not sealed
    /// yet.
    ///
    /// ```
    /// use eventcask::{EventId, NewEvent};
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path().join("s"))?;
    /// let command = EventId::from_name("transfer 7");
    /// let mut producer = store.producer();
    /// producer.push("account-a", &NewEvent::json("Withdrawn", b"5").id(command))?;
    /// producer.push("account-b", &NewEvent::json("Deposited", b"5").id(command))?;
    /// producer.flush()?.wait()?;
    ///
    /// let mut keys: Vec<String> = store
    ///     .find(command)?
    ///     .iter()
    ///     .map(|event| event.key().to_owned())
    ///     .collect();
    /// keys.sort();
    /// assert_eq!(keys, ["account-a", "account-b"]);
    /// assert!(store.find(EventId::from_name("transfer 8"))?.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Damage, or what the disk said.
    pub fn find(&self, id: EventId) -> Result<Vec<Event>, Error> {
        let readers = &self.inner.readers;
        let mut found = Vec::new();
        for events in parallel::map(readers.len(), |shard| readers[shard].find(id)) {
            let events = events?.into_iter();
            found.extend(events.map(|(block, row)| Event::new(block, row as u32)));
        }
        found.sort_by_key(|event| (event.commit_time(), event.shard()));
        Ok(found)
    }
}
