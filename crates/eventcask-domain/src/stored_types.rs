//! Whether all that a store holds can be read.

use std::num::NonZeroU64;

use eventcask::StoreReader;
use eventcask::event::Encoding;

use crate::error::{DecodeError, Error};
use crate::event_set::{EventSet, StoredType};

/// The event types that a store holds, each with its schema versions and encodings.
///
/// ```
/// use eventcask::{Expected, NewEvent};
/// use eventcask_domain::prelude::*;
/// use eventcask_domain::{ErrorKind, StoredTypes};
///
/// #[event("account.deposited")]
/// struct Deposited { cents: u64 }
///
/// #[derive(EventSet)]
/// enum AccountEvent { Deposited(Deposited) }
///
/// # let directory = tempfile::tempdir()?;
/// # let store = eventcask::open(directory.path())?;
/// let deposit = AccountEvent::from(Deposited { cents: 500 });
/// store.append_events("account-42", Expected::Any, &[deposit])?.wait()?;
/// StoredTypes::of(&store)?.known_to::<AccountEvent>().check()?;
///
/// let newer = NewEvent::json("account.deposited", b"{}").schema(2);
/// store.append("account-42", Expected::Any, &[newer])?.wait()?;
/// let error = StoredTypes::of(&store)?.known_to::<AccountEvent>().check().unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::NoPath);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct StoredTypes {
    types: Vec<Stored>,
}

#[derive(Debug, Clone)]
struct Stored {
    event_type: String,
    version: u32,
    encoding: Encoding,
    shape: Option<NonZeroU64>,
    /// What the sets said that were asked: the first that has the type and can not read it, or
    /// that one can, or that none has it.
    answer: Result<(), DecodeError>,
}

impl StoredTypes {
    /// Reads which event types a store holds: the head of each block is read for it.
    ///
    /// # Errors
    /// Damage, or what the disk said.
    pub fn of(store: &StoreReader) -> Result<Self, Error> {
        let mut types = Self { types: Vec::new() };
        for batch in store.events().batches() {
            let batch = batch?;
            let batch = batch.get();
            for number in 0..batch.types() {
                types.add(StoredType {
                    event_type: batch.type_name(number),
                    version: batch.type_schema(number),
                    encoding: batch.type_encoding(number),
                    shape: batch.type_shape(number),
                });
            }
        }
        types.types.sort_by(|left, right| {
            (&left.event_type, left.version).cmp(&(&right.event_type, right.version))
        });
        Ok(types)
    }

    fn add(&mut self, stored: StoredType<'_>) {
        let is_engine_made = stored.event_type.starts_with('$');
        if !is_engine_made && !self.types.iter().any(|known| known.get() == stored) {
            self.types.push(Stored {
                event_type: stored.event_type.to_owned(),
                version: stored.version,
                encoding: stored.encoding,
                shape: stored.shape,
                answer: Err(DecodeError::unknown(stored.event_type)),
            });
        }
    }

    /// The types, in the order of their names and versions.
    pub fn iter(&self) -> impl Iterator<Item = StoredType<'_>> {
        self.types.iter().map(Stored::get)
    }

    /// Those that a set can read count as known from here on. Those that it has and can not read are
    /// an error, whatever other sets can: some code reads by each set that is named.
    pub fn known_to<S: EventSet>(mut self) -> Self {
        for stored in &mut self.types {
            let answer = S::find(stored.get()).transpose();
            match answer {
                Some(answer) if !stored.is_unreadable() => stored.answer = answer.map(drop),
                _ => {}
            }
        }
        self
    }

    /// Leaves out the types whose names none of the sets has: somebody else's.
    pub fn but_for_others(mut self) -> Self {
        self.types.retain(|stored| !stored.is_unknown());
        self
    }

    /// Whether there is a way from each stored type to one of the sets.
    ///
    /// # Errors
    /// [`Error::NoPath`], which lists all for which there is none.
    pub fn check(self) -> Result<(), Error> {
        let answers = self.types.into_iter().map(|stored| stored.answer);
        let missing: Vec<DecodeError> = answers.filter_map(Result::err).collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(Error::NoPath { missing })
    }
}

impl Stored {
    /// Whether none of the sets that were asked has the type.
    fn is_unknown(&self) -> bool {
        matches!(self.answer, Err(DecodeError::UnknownType { .. }))
    }

    /// Whether one has it and can not read it.
    fn is_unreadable(&self) -> bool {
        self.answer.is_err() && !self.is_unknown()
    }

    fn get(&self) -> StoredType<'_> {
        StoredType {
            event_type: &self.event_type,
            version: self.version,
            encoding: self.encoding,
            shape: self.shape,
        }
    }
}
