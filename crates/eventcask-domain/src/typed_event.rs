//! Stored events that were handed out, as events of a set.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::ops::Deref;

use eventcask::Event as StoredEvent;

use crate::error::{DecodeError, Error};
use crate::event_set::{Decoded, EventSet, StoredType};

/// A stored event of a set: it can be asked for what [`eventcask::Event`] can, and
/// [`view`](Self::view) shows it by its type.
pub struct TypedEvent<S> {
    stored: StoredEvent,
    /// None where it is seen in place.
    decoded: Option<S>,
}

impl<S: EventSet> TypedEvent<S> {
    /// The events of a set that a stored event is: one as a rule, none where the set does not have
    /// its type.
    ///
    /// # Errors
    /// [`Error::Unreadable`].
    pub fn of(stored: &StoredEvent) -> Result<Vec<Self>, Error> {
        let event = stored.get();
        let decoded = S::decode(&event).map_err(|reason| Error::unreadable(&event, reason))?;
        let one = |decoded| Self {
            stored: stored.clone(),
            decoded,
        };
        Ok(match decoded {
            None => Vec::new(),
            Some(Decoded::InPlace(_)) => vec![one(None)],
            Some(Decoded::Owned(event)) => vec![one(Some(event))],
            Some(Decoded::Several(events)) => {
                events.into_iter().map(|event| one(Some(event))).collect()
            }
        })
    }

    /// What is seen of it.
    ///
    /// # Panics
    /// Never: an event that is seen in place was read before it was handed out.
    #[must_use]
    pub fn view(&self) -> S::Ref<'_> {
        if let Some(event) = &self.decoded {
            return event.view();
        }
        let event = self.stored.get();
        let found = S::find(StoredType::of(&event)).ok().flatten();
        let found = found.expect("its type was found when it was read");
        match S::decode_found(found, event.payload) {
            Ok(Decoded::InPlace(view)) => view,
            _ => unreachable!("the same bytes were seen in place before"),
        }
    }

    /// The stored event.
    #[must_use]
    pub fn stored(&self) -> &StoredEvent {
        &self.stored
    }
}

impl<S> Deref for TypedEvent<S> {
    type Target = StoredEvent;

    fn deref(&self) -> &StoredEvent {
        &self.stored
    }
}

impl<S: EventSet> Debug for TypedEvent<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TypedEvent")
            .field("key", &self.stored.key())
            .field("version", &self.stored.version())
            .field("event", &self.view())
            .finish()
    }
}

/// Stored events, as events of a set: from [`Typing::typed`].
///
/// An event of a type that the set does not have is an error, unless
/// [`passing_others`](Self::passing_others) says that it is no matter.
#[must_use]
pub struct TypedEvents<S, I> {
    stored: I,
    passes_others: bool,
    ready: VecDeque<TypedEvent<S>>,
}

impl<S, I> TypedEvents<S, I> {
    /// Passes over events of types that the set does not have.
    pub fn passing_others(mut self) -> Self {
        self.passes_others = true;
        self
    }

    /// What the events come from.
    pub fn get_mut(&mut self) -> &mut I {
        &mut self.stored
    }
}

impl<S: EventSet, I> TypedEvents<S, I> {
    fn take_in(&mut self, stored: &StoredEvent) -> Result<(), Error> {
        let events = TypedEvent::of(stored)?;
        let event = stored.get();
        let is_known = || S::TYPES.contains(&event.event_type);
        if events.is_empty() && !self.passes_others && !is_known() {
            return Err(Error::unreadable(
                &event,
                DecodeError::unknown(event.event_type),
            ));
        }
        self.ready.extend(events);
        Ok(())
    }
}

impl<S, I> Iterator for TypedEvents<S, I>
where
    S: EventSet,
    I: Iterator<Item = Result<StoredEvent, eventcask::Error>>,
{
    type Item = Result<TypedEvent<S>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(Ok(event));
            }
            let taken = match self.stored.next()? {
                Ok(stored) => self.take_in(&stored),
                Err(error) => Err(error.into()),
            };
            if let Err(error) = taken {
                return Some(Err(error));
            }
        }
    }
}

/// Whatever gives stored events: those of an aggregate, a query, a subscription.
pub trait Typing: Iterator<Item = Result<StoredEvent, eventcask::Error>> + Sized {
    /// The same events, as events of a set.
    ///
    /// ```
    /// use eventcask::{Expected, NewEvent};
    /// use eventcask_domain::prelude::*;
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
    /// store.append_events("account-42", Expected::NoStream, &[deposit])?.wait()?;
    ///
    /// for event in store.aggregate("account-42").events()?.typed::<AccountEvent>() {
    ///     let event = event?;
    ///     assert_eq!(event.version(), 1);
    ///     match event.view() {
    ///         AccountEventRef::Deposited(event) => assert_eq!(event.cents(), 500),
    ///     }
    /// }
    ///
    /// let all = store.events().types(AccountEvent::TYPES).iter().typed::<AccountEvent>();
    /// assert_eq!(all.count(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn typed<S: EventSet>(self) -> TypedEvents<S, Self> {
        TypedEvents {
            stored: self,
            passes_others: false,
            ready: VecDeque::new(),
        }
    }
}

impl<I: Iterator<Item = Result<StoredEvent, eventcask::Error>>> Typing for I {}
