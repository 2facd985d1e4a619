//! The keys that stand for aggregates whose own key is erased.
//!
//! Of an aggregate that was given up whole nothing is left but its version. The log keeps that
//! under a key made of a hash, so that the aggregate goes on with its versions where it comes
//! again.

use crate::{ERASED_PREFIX, EventId, route};

/// What stands for a key once it is erased: a hash of the store's id and the key.
///
/// ```
/// use eventcask_event::{erased_id, erased_id_of, erased_key, route};
/// let stands_for = erased_key(7, "ada@example.org", 16);
/// assert_eq!(erased_id_of(&stands_for), Some(erased_id(7, "ada@example.org")));
/// assert_eq!(route(&stands_for, 16), route("ada@example.org", 16));
/// assert_eq!(erased_id_of("ada@example.org"), None);
/// ```
#[must_use]
pub fn erased_id(store: u128, key: &str) -> EventId {
    EventId::from_name(&format!("{store:032x} {key}"))
}

/// The key that takes the place of an erased one: in the same of so many shards.
///
/// # Panics
/// When `shards` is zero.
#[must_use]
pub fn erased_key(store: u128, key: &str, shards: u32) -> String {
    let id = erased_id(store, key);
    let shard = route(key, shards);
    let keys = (0_u64..).map(|number| format!("{ERASED_PREFIX}{id}:{number}"));
    let mut keys = keys.filter(|key| route(key, shards) == shard);
    keys.next().expect("one of the numbers leads to the shard")
}

/// Which erased key this one stands for, if it does.
#[must_use]
pub fn erased_id_of(key: &str) -> Option<EventId> {
    let (id, _number) = key.strip_prefix(ERASED_PREFIX)?.split_once(':')?;
    id.parse().ok()
}
