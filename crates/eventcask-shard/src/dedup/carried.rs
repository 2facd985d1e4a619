//! How far sources were consumed before the events came into this store.
//!
//! A mark speaks of the events of one shard, and in a store that is made of another one's events
//! they are in others. So the marks come along as they were, with the routing that they speak of:
//! a row was stored if the mark of the shard that it had then has passed it.

use std::collections::{BTreeMap, HashMap};

use eventcask_event::Routing;
use eventcask_log::SourceMark;

/// How far one source was consumed by one shard of a store before this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CarriedMark {
    /// How that store found the shard of a key.
    pub routing: Routing,
    /// The shard.
    pub shard: u32,
    /// The mark.
    pub mark: SourceMark,
}

/// How far all sources were consumed before.
#[derive(Debug, Default)]
pub struct CarriedMarks(HashMap<String, CarriedSource>);

/// How far one source was consumed before.
#[derive(Debug, Default, Clone)]
pub struct CarriedSource {
    /// The marks of each routing that there was, by shard.
    routings: Vec<(Routing, BTreeMap<u32, SourceMark>)>,
    /// No mark has passed a row from this offset on.
    end: u64,
}

impl CarriedMarks {
    /// These marks, each of a routing, a shard and a source of its own.
    #[must_use]
    pub fn new(marks: impl IntoIterator<Item = CarriedMark>) -> Self {
        let mut all = Self::default();
        for carried in marks {
            let source = all.0.entry(carried.mark.source.clone()).or_default();
            source.add(carried);
        }
        all
    }

    /// What is known of a source.
    #[must_use]
    pub fn of(&self, source: &str) -> Option<&CarriedSource> {
        self.0.get(source)
    }

    /// All marks.
    pub fn marks(&self) -> impl Iterator<Item = CarriedMark> + '_ {
        self.0.values().flat_map(|source| {
            let routings = source.routings.iter();
            routings.flat_map(|(routing, marks)| {
                marks.iter().map(|(shard, mark)| CarriedMark {
                    routing: *routing,
                    shard: *shard,
                    mark: mark.clone(),
                })
            })
        })
    }
}

impl CarriedSource {
    fn add(&mut self, carried: CarriedMark) {
        self.end = self.end.max(carried.mark.next);
        let known = self.routings.iter_mut();
        let mut known = known.filter(|(routing, _)| *routing == carried.routing);
        match known.next() {
            Some((_, marks)) => drop(marks.insert(carried.shard, carried.mark)),
            None => {
                let marks = BTreeMap::from([(carried.shard, carried.mark)]);
                self.routings.push((carried.routing, marks));
            }
        }
    }

    /// Whether the row of a key at an offset was stored before.
    #[must_use]
    pub fn has(&self, offset: u64, key: &str) -> bool {
        let has = |(routing, marks): &(Routing, BTreeMap<u32, SourceMark>)| {
            let mark = marks.get(&routing.shard_of(key));
            mark.is_some_and(|mark| offset < mark.next)
        };
        offset < self.end && self.routings.iter().any(has)
    }

    /// No mark has passed a row from this offset on.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.end
    }

    /// The marks.
    pub fn marks(&self) -> impl Iterator<Item = &SourceMark> {
        let routings = self.routings.iter();
        routings.flat_map(|(_, marks)| marks.values())
    }

    /// The mark that speaks of all events that a shard can have, whichever shards they had before;
    /// `None` where there is none.
    #[must_use]
    pub fn of_shard(&self, shard: u32, routing: Routing) -> Option<&SourceMark> {
        let mut highest: Option<&SourceMark> = None;
        for (before, marks) in &self.routings {
            let shards = (0..before.shards).filter(|one| leads(*before, *one, routing, shard));
            let marks: Option<Vec<_>> = shards.map(|one| marks.get(&one)).collect();
            let lowest = marks.and_then(|all| all.into_iter().min_by_key(|mark| mark.next));
            highest = highest
                .into_iter()
                .chain(lowest)
                .max_by_key(|mark| mark.next);
        }
        highest
    }
}

/// Whether a key of shard `one` of a routing can be in shard `other` of another one.
///
/// Numbers of shards are powers of two, and a shard is the hash of the key modulo that number. So
/// by the same part of the key both agree in what they have in common.
#[must_use]
pub fn leads(from: Routing, one: u32, to: Routing, other: u32) -> bool {
    let common = from.shards.min(to.shards);
    from.by != to.by || one % common == other % common
}
