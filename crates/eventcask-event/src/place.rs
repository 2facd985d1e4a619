//! Where an event is.

use std::cmp::Ordering;

/// Where an event is in a store: its shard, and its position there. An append is answered one, an
/// event has one, and whatever follows the store can be waited for until it has come to one.
///
/// Places of one shard are ordered; between those of two shards there is no order.
///
/// ```
/// use eventcask_event::Place;
/// assert!(Place::new(0, 7) < Place::new(0, 8));
/// assert_eq!(Place::new(0, 7).partial_cmp(&Place::new(1, 8)), None);
/// assert_eq!(Place::new(2, 7).to_string(), "position 7 of shard 2");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Place {
    /// The shard.
    pub shard: u32,
    /// The 0-based ordinal of the event in its shard.
    pub position: u64,
}

impl Place {
    /// The place at a position of a shard.
    #[must_use]
    pub const fn new(shard: u32, position: u64) -> Self {
        Self { shard, position }
    }
}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self.shard == other.shard).then(|| self.position.cmp(&other.position))
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "position {} of shard {}", self.position, self.shard)
    }
}
