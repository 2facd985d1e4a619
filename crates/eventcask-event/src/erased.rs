//! The keys that stand for aggregates whose own key is erased.
//!
//! Of an aggregate that was given up whole nothing is left but its version. The log keeps that
//! under a key made of a hash, so that the aggregate goes on with its versions where it comes
//! again.

use std::collections::BTreeMap;

use crate::{ERASED_PREFIX, EventId, Routing};

/// What stands for a key once it is erased: a hash of the store's id and the key.
///
/// ```
/// use eventcask_event::{RouteBy, Routing, erased_id, erased_id_of, erased_key};
/// let routing = Routing { by: RouteBy::Key, shards: 16 };
/// let stands_for = erased_key(7, "ada@example.org", routing);
/// assert_eq!(erased_id_of(&stands_for), Some(erased_id(7, "ada@example.org")));
/// assert_eq!(routing.shard_of(&stands_for), routing.shard_of("ada@example.org"));
/// assert_eq!(erased_id_of("ada@example.org"), None);
/// ```
#[must_use]
pub fn erased_id(store: u128, key: &str) -> EventId {
    EventId::from_name(&format!("{store:032x} {key}"))
}

/// The key that takes the place of an erased one, in the same shard.
///
/// # Panics
/// When there are no shards.
#[must_use]
pub fn erased_key(store: u128, key: &str, routing: Routing) -> String {
    let id = erased_id(store, key);
    let shard = routing.shard_of(key);
    let keys = (0_u64..).map(|number| format!("{ERASED_PREFIX}{id}:{number}"));
    let mut keys = keys.filter(|key| routing.shard_of(key) == shard);
    keys.next().expect("one of the numbers leads to the shard")
}

/// The keys that take the place of an erased one in each of the wanted shards, by their shard. For
/// who knows what stands for a key, and not the key, and so not which of these shards it has.
///
/// ```
/// use eventcask_event::{RouteBy, Routing, erased_id, erased_keys};
/// let routing = Routing { by: RouteBy::Key, shards: 4 };
/// let stand_for = erased_keys(erased_id(7, "ada"), routing, |shard| shard % 2 == 1);
/// for (shard, key) in &stand_for {
///     assert_eq!(routing.shard_of(key), *shard);
/// }
/// assert_eq!(stand_for.len(), 2);
/// ```
///
/// # Panics
/// When there are no shards.
#[must_use]
pub fn erased_keys(
    id: EventId,
    routing: Routing,
    is_wanted: impl Fn(u32) -> bool,
) -> BTreeMap<u32, String> {
    let wanted = (0..routing.shards).filter(|shard| is_wanted(*shard));
    let wanted = wanted.count();
    let mut keys = BTreeMap::new();
    let mut numbers = 0_u64..;
    while keys.len() < wanted
        && let Some(number) = numbers.next()
    {
        let key = format!("{ERASED_PREFIX}{id}:{number}");
        let shard = routing.shard_of(&key);
        if is_wanted(shard) {
            keys.entry(shard).or_insert(key);
        }
    }
    keys
}

/// Which erased key this one stands for, if it does.
#[must_use]
pub fn erased_id_of(key: &str) -> Option<EventId> {
    let (id, _number) = key.strip_prefix(ERASED_PREFIX)?.split_once(':')?;
    id.parse().ok()
}
