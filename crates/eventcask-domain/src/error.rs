//! What can go wrong, for people as a sentence and for programs as a kind.

use eventcask::Place;
use eventcask::event::{Encoding, EventRef};

use crate::command_id::CommandId;

/// What a caller can branch on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A stored event is of a type that the set does not have.
    UnknownType,
    /// A stored event has a newer schema than this program knows: run a newer program.
    NewerSchema,
    /// Nothing leads from the schema of a stored event to what this program declares.
    NoUpcaster,
    /// A stored event is encoded in another way than its schema is declared.
    OtherEncoding,
    /// A stored archive is of another struct than its schema is declared with.
    OtherShape,
    /// A payload is not what its schema says.
    Malformed,
    /// Some of what is stored can not be read by this program.
    NoPath,
    /// An event can not be encoded.
    NotEncoded,
    /// A command with this id was carried out, and what it decides today is not what is stored.
    RepeatDiffers,
    /// A command with this id was carried out, and what it stored was given up.
    AnswerGone,
    /// The id of a command is 0, which is none.
    NoCommandId,
    /// What the store said: see [`eventcask::Error::kind`].
    Store,
}

/// Why a stored event can not be read as one of a set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The set does not have this event type.
    #[error("{event_type:?} is no event type of this set: add it, or read by a filter")]
    UnknownType {
        /// Name of the event type.
        event_type: String,
    },
    /// The schema is newer than what is declared.
    #[error(
        "{event_type:?} has schema version {version}, and this program knows it up to {known}: run a newer program"
    )]
    NewerSchema {
        /// Name of the event type.
        event_type: String,
        /// The version that is stored.
        version: u32,
        /// The newest version that is declared.
        known: u32,
    },
    /// The schema is older, and no chain of upcasters has it.
    #[error(
        "nothing leads from schema version {version} of {event_type:?} to version {known}, which this program declares: add a struct for it, named by `prev`"
    )]
    NoUpcaster {
        /// Name of the event type.
        event_type: String,
        /// The version that is stored.
        version: u32,
        /// The newest version that is declared.
        known: u32,
    },
    /// The payload is encoded otherwise than the schema is declared.
    #[error(
        "{event_type:?} of schema version {version} is stored as {} and declared as {}: give a new encoding a new version",
        name_of(*stored), name_of(*declared)
    )]
    OtherEncoding {
        /// Name of the event type.
        event_type: String,
        /// Version of the schema.
        version: u32,
        /// How the event is encoded.
        stored: Encoding,
        /// How the schema is declared.
        declared: Encoding,
    },
    /// The payload is an archive of a struct with other fields; nothing of it was read.
    #[error(
        "{event_type:?} of schema version {version} is stored with other fields than this program declares: give changed fields a new version, with the old struct as `prev`"
    )]
    OtherShape {
        /// Name of the event type.
        event_type: String,
        /// Version of the schema.
        version: u32,
    },
    /// The payload is not what the schema says.
    #[error("the payload is no {event_type:?} of schema version {version}: {reason}")]
    Malformed {
        /// Name of the event type.
        event_type: String,
        /// Version of the schema.
        version: u32,
        /// Why.
        reason: String,
    },
}

impl DecodeError {
    /// That a set does not have an event type.
    pub(crate) fn unknown(event_type: &str) -> Self {
        Self::UnknownType {
            event_type: event_type.to_owned(),
        }
    }

    /// What a caller can branch on.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::UnknownType { .. } => ErrorKind::UnknownType,
            Self::NewerSchema { .. } => ErrorKind::NewerSchema,
            Self::NoUpcaster { .. } => ErrorKind::NoUpcaster,
            Self::OtherEncoding { .. } => ErrorKind::OtherEncoding,
            Self::OtherShape { .. } => ErrorKind::OtherShape,
            Self::Malformed { .. } => ErrorKind::Malformed,
        }
    }
}

/// Why an event can not be encoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{event_type:?} can not be encoded: {reason}")]
#[non_exhaustive]
pub struct EncodeError {
    /// Name of the event type.
    pub event_type: &'static str,
    /// Why.
    pub reason: String,
}

impl EncodeError {
    /// That an event of this type can not be encoded, and why.
    #[must_use]
    pub fn new(event_type: &'static str, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self { event_type, reason }
    }
}

/// An error: a sentence that says what, where and what to do, and a [kind](Self::kind).
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A stored event that can not be read as one of the set that was asked for.
    #[error("version {version} of aggregate {key:?}, at {place}: {reason}")]
    Unreadable {
        /// Key of the aggregate.
        key: String,
        /// The event's version in it.
        version: u64,
        /// Where the event is.
        place: Place,
        /// Why.
        reason: DecodeError,
    },
    /// Event types that are stored and that the program can not read.
    #[error("{}", sentences(missing))]
    NoPath {
        /// Why, for each type and version; at least one.
        missing: Vec<DecodeError>,
    },
    /// An event that can not be encoded; nothing is stored.
    #[error(transparent)]
    NotEncoded(#[from] EncodeError),
    /// A command came again, and its first answer can not be given: what it decides today is not
    /// what it stored. Its id was used for another command, or the rules have changed.
    #[error(
        "command {command} was carried out on aggregate {key:?}, from version {version} on, and what it decides today differs: give another command an id of its own"
    )]
    RepeatDiffers {
        /// The command.
        command: CommandId,
        /// Key of the aggregate.
        key: String,
        /// Version of the first event that the command stored.
        version: u64,
    },
    /// A command came again, and its first answer can not be given: its events were given up.
    #[error(
        "command {command} was carried out on aggregate {key:?}, and its events were given up since: its answer is gone with them"
    )]
    AnswerGone {
        /// The command.
        command: CommandId,
        /// Key of the aggregate.
        key: String,
    },
    /// A command has the id 0, as one that was never set: all such commands would be repeats of one.
    #[error(
        "the id of a command on aggregate {key:?} is 0, which is none: give it one of its own, or execute it without"
    )]
    NoCommandId {
        /// Key of the aggregate.
        key: String,
    },
    /// What the store said.
    #[error(transparent)]
    Store(#[from] eventcask::Error),
}

impl Error {
    /// Says which event it was.
    pub(crate) fn unreadable(event: &EventRef<'_>, reason: DecodeError) -> Self {
        Self::Unreadable {
            key: event.key.to_owned(),
            version: event.version,
            place: event.place(),
            reason,
        }
    }

    /// What a caller can branch on.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Unreadable { reason, .. } => reason.kind(),
            Self::NoPath { .. } => ErrorKind::NoPath,
            Self::NotEncoded(_) => ErrorKind::NotEncoded,
            Self::RepeatDiffers { .. } => ErrorKind::RepeatDiffers,
            Self::AnswerGone { .. } => ErrorKind::AnswerGone,
            Self::NoCommandId { .. } => ErrorKind::NoCommandId,
            Self::Store(_) => ErrorKind::Store,
        }
    }
}

fn sentences(errors: &[DecodeError]) -> String {
    let sentences: Vec<String> = errors.iter().map(ToString::to_string).collect();
    sentences.join("; ")
}

fn name_of(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Json => "JSON",
        _ => "bytes",
    }
}
