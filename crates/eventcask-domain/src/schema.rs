//! What a program declares of its event types, as constants.

use std::num::NonZeroU64;

use eventcask::event::Encoding;

/// One event type at one schema version, as a program declares it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventSchema {
    /// Name of the event type.
    pub event_type: &'static str,
    /// Version of the payload's schema.
    pub version: u32,
    /// How the payload is encoded.
    pub encoding: Encoding,
    /// What the fields of an archive are, as a number; none of JSON.
    pub shape: Option<NonZeroU64>,
    /// The one before it, which is upcast to this one.
    pub prev: Option<&'static EventSchema>,
}

impl EventSchema {
    /// How many schemas there are up to this one, itself included.
    #[must_use]
    pub const fn chain_len(&self) -> usize {
        let (mut count, mut at) = (1, self.prev);
        while let Some(schema) = at {
            (count, at) = (count + 1, schema.prev);
        }
        count
    }

    /// This one, and those before it, newest first.
    pub fn chain(&'static self) -> impl Iterator<Item = &'static Self> {
        std::iter::successors(Some(self), |schema| schema.prev)
    }

    /// Whether it is of the same event type and version.
    const fn is_same(&self, other: &Self) -> bool {
        self.version == other.version && is_same_text(self.event_type, other.event_type)
    }
}

/// Nothing, where the schema before one is of another event type, or of a lower version.
///
/// # Panics
/// Where it is not: a build fails by it.
pub const fn assert_prev_is_older(schema: &EventSchema) {
    if let Some(prev) = schema.prev {
        assert!(
            prev.version < schema.version || !is_same_text(prev.event_type, schema.event_type),
            "`prev` is of the same event type, and its version is not lower"
        );
    }
}

/// How many schemas some chains have together.
#[must_use]
pub const fn schemas_in(heads: &[&EventSchema]) -> usize {
    let (mut count, mut head) = (0, 0);
    while head < heads.len() {
        count += heads[head].chain_len();
        head += 1;
    }
    count
}

/// The names of all event types in some chains, each once, and how many they are; `N` is
/// [`schemas_in`] of them.
///
/// # Panics
/// Where two of the schemas are the same event type and version: a build fails by it.
#[must_use]
pub const fn type_names<const N: usize>(
    heads: &[&'static EventSchema],
) -> ([&'static str; N], usize) {
    let all = flattened::<N>(heads);
    let (mut names, mut count, mut next) = ([""; N], 0, 0);
    while next < N {
        assert!(
            !is_among(all[next], &all, next),
            "two members of the set are the same event type at the same version"
        );
        if !is_text_among(all[next].event_type, &names, count) {
            names[count] = all[next].event_type;
            count += 1;
        }
        next += 1;
    }
    (names, count)
}

const fn flattened<const N: usize>(heads: &[&'static EventSchema]) -> [&'static EventSchema; N] {
    let mut all = [heads[0]; N];
    let (mut count, mut head) = (0, 0);
    while head < heads.len() {
        let mut at = Some(heads[head]);
        while let Some(schema) = at {
            all[count] = schema;
            (count, at) = (count + 1, schema.prev);
        }
        head += 1;
    }
    all
}

const fn is_among(schema: &EventSchema, all: &[&EventSchema], count: usize) -> bool {
    let mut at = 0;
    while at < count {
        if all[at].is_same(schema) {
            return true;
        }
        at += 1;
    }
    false
}

const fn is_text_among(text: &str, all: &[&str], count: usize) -> bool {
    let mut at = 0;
    while at < count {
        if is_same_text(all[at], text) {
            return true;
        }
        at += 1;
    }
    false
}

/// `==` of texts is no constant function.
const fn is_same_text(left: &str, right: &str) -> bool {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    let mut at = 0;
    while at < left.len() && at < right.len() && left[at] == right[at] {
        at += 1;
    }
    at == left.len() && at == right.len()
}
