//! Events that are given up: readers are not shown them, and their room is taken back when
//! their segments are written anew.

use std::collections::{HashMap, HashSet};

use eventcask_event::{EventId, Events, TRUNCATED_TYPE, erased_id, erased_id_of};
use eventcask_log::Framed;
use foldhash::fast::RandomState;

/// What readers of a shard are not shown any more.
#[derive(Debug, Clone)]
pub struct Retired {
    /// The first version that is still there, of aggregates whose beginning was given up.
    keys: HashMap<String, u64, RandomState>,
    /// The keys among them that stand for erased ones.
    erased: HashMap<EventId, String, RandomState>,
    /// Those that were erased since the shard was opened: states in memory may still hold them.
    unmarked: HashSet<String, RandomState>,
    /// Events that were committed before this time are given up.
    before: i64,
    /// Sum of the marks of `keys`.
    marks: u32,
}

impl Default for Retired {
    fn default() -> Self {
        Self {
            keys: HashMap::default(),
            erased: HashMap::default(),
            unmarked: HashSet::default(),
            before: i64::MIN,
            marks: 0,
        }
    }
}

impl Retired {
    pub(crate) fn truncate(&mut self, key: &str, version: u64) {
        let known = self.keys.get(key).copied();
        if known.is_some_and(|known| known >= version) {
            return;
        }
        let is_marked = !self.unmarked.remove(key);
        let before = known.filter(|_| is_marked);
        let before = before.map_or(0, |known| mark(known, key));
        let sum = self.marks.wrapping_sub(before);
        self.marks = sum.wrapping_add(mark(version, key));
        self.keys.insert(key.to_owned(), version);
        if let Some(id) = erased_id_of(key) {
            self.erased.insert(id, key.to_owned());
        }
    }

    /// Notes that another key took the place of this one in the log. The mark is that of who opens
    /// the shard next and does not know the key.
    pub(crate) fn erase(&mut self, key: &str, stands_for: &str, version: u64) {
        if let Some(known) = self.keys.get(key)
            && self.unmarked.insert(key.to_owned())
        {
            self.marks = self.marks.wrapping_sub(mark(*known, key));
        }
        self.truncate(stands_for, version);
    }

    /// The first version of an aggregate that is still there, also where its key was erased; `store`
    /// is the one that the events began in.
    #[must_use]
    pub fn first_left(&self, store: u128, key: &str) -> u64 {
        let first = self.first_version(key);
        let erased = self.erased(store, key);
        erased.map_or(first, |stands_for| {
            first.max(self.first_version(stands_for))
        })
    }

    /// The key that took the place of an erased one, whose events began in this store.
    pub(crate) fn erased(&self, store: u128, key: &str) -> Option<&str> {
        if self.erased.is_empty() {
            return None;
        }
        self.erased.get(&erased_id(store, key)).map(String::as_str)
    }

    pub(crate) fn hide_before(&mut self, time: i64) {
        self.before = time.max(self.before);
    }

    /// Whether nothing was given up: then only the events that say so are hidden.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.before == i64::MIN
    }

    /// A mark of all that was given up, 0 for nothing. A state that events were folded into belongs
    /// to the mark of that time: what was given up later may be in it.
    #[must_use]
    pub fn mark(&self) -> u32 {
        match self.before {
            i64::MIN => self.marks,
            before => self.marks.wrapping_add(mark(before.cast_unsigned(), "")),
        }
    }

    /// The first version of an aggregate that is still there.
    #[must_use]
    pub fn first_version(&self, key: &str) -> u64 {
        self.keys.get(key).copied().unwrap_or(1)
    }

    /// What is hidden by time alone.
    #[must_use]
    pub fn by_time(&self) -> Self {
        Self {
            before: self.before,
            ..Self::default()
        }
    }

    /// The time before which all events are given up.
    #[must_use]
    pub fn before(&self) -> i64 {
        self.before
    }

    /// The aggregates whose beginning was given up, with their first version.
    pub fn truncated(&self) -> impl Iterator<Item = (&str, u64)> {
        self.keys
            .iter()
            .map(|(key, version)| (key.as_str(), *version))
    }

    /// Whether any event of a block may be hidden. Of the blocks that are new there is hardly one,
    /// and this is quick to say so.
    #[must_use]
    pub fn may_hide(&self, events: &Events<'_>) -> bool {
        let is_known = |index| self.keys.contains_key(events.key(index));
        let is_early = |row| events.commit_time(row).as_nanos() < self.before;
        events.lists_truncation()
            || (self.before != i64::MIN && (0..events.len()).any(is_early))
            || (!self.keys.is_empty() && (0..events.aggregates()).any(is_known))
    }

    /// Whether an event is given up, or only says that others are.
    #[must_use]
    pub fn hides(&self, events: &Events<'_>, row: usize) -> bool {
        let version = events.columns().versions[row];
        let key = || events.key(events.aggregate_index(row));
        events.event_type(row) == TRUNCATED_TYPE
            || events.commit_time(row).as_nanos() < self.before
            || (!self.keys.is_empty() && version < self.first_version(key()))
    }
}

/// The mark of one aggregate that was given up before a version, or of all before a time.
fn mark(number: u64, key: &str) -> u32 {
    Framed::checksum(&[&number.to_le_bytes(), key.as_bytes()].concat())
}
