//! Which payloads of a block are wanted.

use eventcask_event::{Carrying, Events};

/// Which payloads a reader wants decompressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payloads<'a> {
    /// All.
    All,
    /// None: only envelopes, without metadata.
    Shut,
    /// Those of the event types with these names.
    Types(&'a [String]),
    /// Those of the event types that have an event whose key begins like this; of the types with
    /// these names, where there are names.
    Keys {
        /// What the key begins with.
        prefix: &'a str,
        /// The names.
        types: Option<&'a [String]>,
    },
    /// As [`Keys`](Self::Keys), without metadata: that stays shut.
    Plain {
        /// What the key begins with.
        prefix: &'a str,
        /// The names.
        types: Option<&'a [String]>,
    },
    /// Those of the event types that have an event which carries what is wanted, and whose key begins
    /// like this; of the types with these names, where there are names.
    Carrying {
        /// What it must carry.
        wanted: &'a Carrying,
        /// What the key begins with.
        prefix: &'a str,
        /// The names.
        types: Option<&'a [String]>,
    },
    /// Those of the event types that an aggregate has in the block: the one that the event at this
    /// position is about.
    OfAggregateAt(u64),
}

impl Payloads<'_> {
    /// Whether metadata is wanted as well.
    pub(super) fn with_metadata(self) -> bool {
        !matches!(self, Self::Shut | Self::Plain { .. })
    }

    /// Which of a block's event types are wanted, by their index.
    pub(super) fn of(self, events: &Events<'_>) -> Vec<bool> {
        match self {
            Self::All => vec![true; events.types()],
            Self::Shut => vec![false; events.types()],
            Self::Types(names) => events.types_named(names),
            Self::Keys { prefix, types } | Self::Plain { prefix, types } => {
                let wanted = types_with_key(events, prefix);
                of_names(wanted, events, types)
            }
            Self::Carrying {
                wanted,
                prefix,
                types,
            } => of_names(types_carrying(events, wanted, prefix), events, types),
            Self::OfAggregateAt(position) => types_at(events, position),
        }
    }
}

/// Of these types those that have one of these names, where there are names.
fn of_names(mut types: Vec<bool>, events: &Events<'_>, names: Option<&[String]>) -> Vec<bool> {
    if let Some(names) = names {
        let named = events.types_named(names);
        let both = types.iter_mut().zip(named);
        both.for_each(|(one, is_named)| *one &= is_named);
    }
    types
}

/// The event types that have an event which carries what is wanted, and whose key begins like this.
fn types_carrying(events: &Events<'_>, wanted: &Carrying, prefix: &str) -> Vec<bool> {
    let mut types = vec![false; events.types()];
    if wanted.may_be_in(&events.columns().metadata) {
        let begins = |row| events.key_bytes(events.aggregate_index(row));
        let is_wanted = |row: &usize| {
            begins(*row).starts_with(prefix.as_bytes()) && wanted.admits(events.metadata(*row))
        };
        let rows = (0..events.len()).filter(is_wanted);
        rows.for_each(|row| types[events.type_index(row)] = true);
    }
    types
}

/// The event types that have an event whose key begins like this.
fn types_with_key(events: &Events<'_>, prefix: &str) -> Vec<bool> {
    if prefix.is_empty() {
        return vec![true; events.types()];
    }
    let mut has_key = vec![false; events.types()];
    let begins = |index| events.key_bytes(index).starts_with(prefix.as_bytes());
    let wanted: Vec<bool> = (0..events.aggregates()).map(begins).collect();
    if wanted.contains(&true) {
        for row in 0..events.len() {
            has_key[events.type_index(row)] |= wanted[events.aggregate_index(row)];
        }
    }
    has_key
}

/// The event types that the aggregate of the event at `position` has.
fn types_at(events: &Events<'_>, position: u64) -> Vec<bool> {
    let mut types = vec![false; events.types()];
    if let Some(row) = events.row_at(position) {
        let rows = events.rows_of(events.aggregate_index(row));
        rows.for_each(|row| types[events.type_index(row)] = true);
    }
    types
}
