//! What the events of a command carry beside their payloads.

use eventcask::{Event, EventId, NewEvent};

use crate::command_id::CommandId;

/// What the events of a command carry beside what they say: whom it came from, and what it belongs
/// to. Given by [`DeciderHandle::with`](crate::DeciderHandle::with).
///
/// Without it, events of a command that has an id carry that id as their causation and as their
/// correlation. What is given here goes before.
///
/// ```
/// # use eventcask_domain::prelude::*;
/// # #[event("counted")]
/// # struct Counted { by: u64 }
/// # #[derive(EventSet)]
/// # enum CountEvent { Counted(Counted) }
/// # #[derive(Default, Clone)]
/// # struct Count(u64);
/// # impl Decider for Count {
/// #   const CATEGORY: &'static str = "count";
/// #   type Event = CountEvent;
/// #   type Command = u64;
/// #   type Reply = u64;
/// #   type Error = std::convert::Infallible;
/// #   fn evolve(&mut self, CountEventRef::Counted(event): CountEventRef<'_>) { self.0 += event.by(); }
/// #   fn decide(cx: &mut Deciding<Self>, by: &u64) -> Result<u64, Self::Error> {
/// #       cx.emit(Counted { by: *by });
/// #       Ok(cx.state().0)
/// #   }
/// # }
/// # let directory = tempfile::tempdir()?;
/// # let store = eventcask::open(directory.path())?;
/// let counts = store.decider::<Count>();
/// let from_ada = CommandMeta::new().header("user", b"ada");
/// counts.with_id(CommandId::from_u128(7)).with(from_ada).execute("a", &1).wait()?;
///
/// let cause = store.aggregate("count-a").events()?.next().ok_or("there is one")??;
/// assert_eq!(cause.causation_id(), Some(CommandId::from_u128(7).as_event_id()));
/// assert_eq!(cause.headers().get("user"), Some(&b"ada"[..]));
///
/// // What follows from an event belongs to the same as the event.
/// counts.with(CommandMeta::caused_by(&cause)).execute("b", &1).wait()?;
/// let effect = store.aggregate("count-b").events()?.next().ok_or("there is one")??;
/// assert_eq!(effect.causation_id(), Some(cause.id()));
/// assert_eq!(effect.correlation_id(), cause.correlation_id());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommandMeta {
    correlation: Option<EventId>,
    causation: Option<EventId>,
    headers: Vec<(String, Vec<u8>)>,
}

impl CommandMeta {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// That of a command which follows from a stored event: the event is its cause, and it belongs
    /// to what the event belongs to, or to the event where that is the first.
    #[must_use]
    pub fn caused_by(event: &Event) -> Self {
        Self::new()
            .causation(event.id())
            .correlation(event.correlation_id().unwrap_or_else(|| event.id()))
    }

    /// What all of a conversation have in common.
    #[must_use]
    pub fn correlation(mut self, id: EventId) -> Self {
        self.correlation = Some(id);
        self
    }

    /// What it directly follows from.
    #[must_use]
    pub fn causation(mut self, id: EventId) -> Self {
        self.causation = Some(id);
        self
    }

    /// One more header, which each of the events has.
    #[must_use]
    pub fn header(mut self, name: &str, value: &[u8]) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The headers as events take them.
    pub(crate) fn header_list(&self) -> Vec<(&str, &[u8])> {
        let headers = self.headers.iter();
        headers
            .map(|(name, value)| (name.as_str(), value.as_slice()))
            .collect()
    }

    /// Marks one of the events of a command, which has an id or none.
    pub(crate) fn mark<'a>(
        &self,
        event: NewEvent<'a>,
        headers: &'a [(&'a str, &'a [u8])],
        id: Option<CommandId>,
        ordinal: usize,
    ) -> NewEvent<'a> {
        let of_command = id.map(CommandId::as_event_id);
        let mut event = event;
        if let Some(id) = id {
            event = event.id(id.event(ordinal));
        }
        if let Some(id) = self.causation.or(of_command) {
            event = event.causation(id);
        }
        if let Some(id) = self.correlation.or(of_command) {
            event = event.correlation(id);
        }
        match headers {
            [] => event,
            headers => event.headers(headers),
        }
    }
}
