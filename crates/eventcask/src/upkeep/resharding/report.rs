//! What came of it.

use eventcask_event::RouteBy;

/// What was written anew.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ReshardReport {
    /// Number of shards now.
    pub shards: u32,
    /// By which part of its key an aggregate finds its shard now.
    pub route_by: RouteBy,
    /// Events that were copied, those among them that only say that others were given up too.
    pub events: u64,
    /// Events that had been given up and are not in the new store.
    pub given_up: u64,
    /// Sources and sessions whose marks came along.
    pub sources: u64,
    /// Views whose definitions came along; they are filled when they are first asked.
    pub views: Vec<String>,
    /// Named subscriptions that go on in the new store.
    pub subscriptions: Vec<String>,
    /// Named subscriptions that begin anew.
    pub forgotten: Vec<String>,
    /// How long it took.
    pub seconds: f64,
}
