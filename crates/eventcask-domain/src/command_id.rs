//! What a command is known by when it comes again.

use std::fmt::Display;

use eventcask::EventId;

/// The id of a command, by which a repeat of it is known and gets its first answer; see
/// [`DeciderHandle::with_id`](crate::DeciderHandle::with_id).
///
/// It comes from who sends the command, and is the same in each try of it. The ids of the events
/// follow from it. As with ids of events, the key of the aggregate is part of the identity: the same
/// id for another aggregate is another command.
///
/// ```
/// use eventcask_domain::CommandId;
///
/// let id = CommandId::from_text("deposit-7719"); // whatever the request is known by
/// assert_eq!(id, CommandId::from_text("deposit-7719"));
/// assert_ne!(id, CommandId::from_u128(7719));
/// assert_ne!(id.event(0), id.event(1)); // its first event, and its second
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CommandId(EventId);

impl CommandId {
    /// The id of a text, such as an idempotency key: a digest of it.
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        Self(EventId::from_name(text))
    }

    /// The id of a number, such as a UUID. 0 is none: no command is executed with it
    /// ([`Error::NoCommandId`](crate::Error::NoCommandId)).
    #[must_use]
    pub const fn from_u128(bits: u128) -> Self {
        Self(EventId::from_u128(bits))
    }

    /// The id of one of the events that the command emits, counted from 0.
    #[must_use]
    pub fn event(self, ordinal: usize) -> EventId {
        EventId::from_name(&format!("{:032x} {ordinal}", self.0.as_u128()))
    }

    /// Whether it is the id 0, which one has that was never set.
    pub(crate) fn is_none(self) -> bool {
        self.0.as_u128() == 0
    }

    /// As the causation id that its events carry.
    #[must_use]
    pub const fn as_event_id(self) -> EventId {
        self.0
    }
}

impl Display for CommandId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
