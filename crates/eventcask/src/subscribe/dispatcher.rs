//! Which event of a consumer group comes next.
//!
//! 1. An aggregate that is held back and due: its next event, found by its version. Once there is
//!    none left that was passed over, it is not held back any more; where the subscription comes to
//!    the event that failed only now, as after a restart, that is once it has.
//! 2. An event that waited for the one before it of the same aggregate, if that is done.
//! 3. The next event of the subscription. Those of aggregates that are held back are passed over:
//!    their versions are known. One whose aggregate is claimed waits.
//!
//! So of each aggregate one event is out at a time, and in order; whatever fails holds up nothing
//! else.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use event_listener::EventListener;

use crate::follow::arrivals::Watch;
use crate::follow::filter::Filter;
use crate::follow::saved::{Blocked, Left, Saved};
use crate::short_text::short;
use crate::store::inner::Inner;
use crate::subscribe::subscription::Look;
use crate::{Aggregate, Error, Event, Subscription};

/// Events that wait for one before them at most: each may hold a block of its own.
const WAITING: usize = 256;
/// Bytes of the blocks that those hold at most, but for the last one: as much as a feed holds.
const WAITING_BYTES: usize = 64 << 20;
/// Aggregates that are held back at most: what is kept of them is written as a whole, about a
/// megabyte with keys and reasons of usual length.
const HELD: usize = 10_000;
/// Events of an aggregate that are read ahead when it is held back no longer, and for how many
/// aggregates at once: a load costs as much for one as for some.
const AHEAD: usize = 64;
const AHEAD_AGGREGATES: usize = 16;
/// Bytes of the blocks that the events hold that are read ahead of one aggregate at most, but for
/// the last one: of all together as much as of those that wait.
const AHEAD_BYTES: usize = WAITING_BYTES / AHEAD_AGGREGATES;

/// The turns of a group's events.
#[derive(Debug)]
pub(crate) struct Dispatcher {
    inner: Arc<Inner>,
    /// Name of the group.
    name: String,
    filter: Filter,
    subscription: Subscription,
    waiting: VecDeque<Event>,
    /// What is out, by aggregate.
    claimed: HashMap<String, Turn>,
    held: BTreeMap<String, Blocked>,
    /// When the aggregates that are held back, neither parked nor claimed, are due.
    due: BTreeSet<(Instant, String)>,
    ahead: HashMap<String, VecDeque<Event>>,
    /// The aggregates that go on as soon as the subscription comes to the event that failed.
    coming: HashSet<String>,
    /// Events that were handled since progress was last saved.
    pub(crate) unsaved: u64,
}

/// One event that is out.
#[derive(Debug, Clone, Copy)]
struct Turn {
    shard: u32,
    position: u64,
    version: u64,
    tries: u32,
}

impl Dispatcher {
    pub(crate) fn new(
        inner: &Arc<Inner>,
        name: &str,
        filter: Filter,
        subscription: Subscription,
    ) -> Self {
        Self {
            inner: Arc::clone(inner),
            name: name.to_owned(),
            filter,
            subscription,
            waiting: VecDeque::new(),
            claimed: HashMap::new(),
            held: BTreeMap::new(),
            due: BTreeSet::new(),
            ahead: HashMap::new(),
            coming: HashSet::new(),
            unsaved: 0,
        }
    }

    /// Takes up the aggregates that were held back before.
    pub(crate) fn hold(&mut self, held: BTreeMap<String, Blocked>, now: Instant) {
        let due = held.iter().filter(|(_, held)| !held.is_parked);
        self.due = due.map(|(key, _)| (now, key.clone())).collect();
        self.held = held;
    }

    /// The next event, claimed, and how often it has failed.
    pub(crate) fn next(&mut self, now: Instant) -> Result<Option<(Event, u32)>, Error> {
        let next = match self.next_due(now)? {
            Some(event) => Some(event),
            None => match self.next_waiting() {
                Some(event) => Some(event),
                None => self.next_new()?,
            },
        };
        Ok(next.map(|event| self.claim(event)))
    }

    fn next_due(&mut self, now: Instant) -> Result<Option<Event>, Error> {
        while let Some((at, key)) = self.due.first().cloned()
            && at <= now
        {
            let event = self.next_held(&key)?;
            // Only now: after an error it is still due.
            self.due.remove(&(at, key.clone()));
            if event.is_some() {
                return Ok(event);
            }
            if self.is_coming(&key) {
                self.coming.insert(key);
            } else {
                self.held.remove(&key);
                self.unsaved += 1;
            }
        }
        Ok(None)
    }

    /// How many aggregates wait for an answer, a time or a redrive, and not for the subscription.
    fn held_back(&self) -> usize {
        self.held.len() - self.coming.len()
    }

    /// Whether the subscription has not come to the event yet that failed.
    fn is_coming(&self, key: &str) -> bool {
        let held = self.held.get(key);
        held.is_some_and(|held| self.subscription.position(held.shard) <= held.position)
    }

    /// Whether an event that the subscription comes to is passed over, since its aggregate is held
    /// back.
    fn is_passed_over(&mut self, event: &Event) -> bool {
        let stored = event.get();
        let Some(held) = self.held.get(stored.key) else {
            return false;
        };
        if !self.coming.contains(stored.key) || stored.version.saturating_add(1) < held.version {
            return true;
        }
        let next = held.version;
        self.coming.remove(stored.key);
        // The one that failed is still tried with what is known of it.
        if stored.version != next {
            self.held.remove(stored.key);
            self.unsaved += 1;
        }
        stored.version < next
    }

    /// The next event of an aggregate that is held back, of those that were passed over.
    fn next_held(&mut self, key: &str) -> Result<Option<Event>, Error> {
        if let Some(ahead) = self.ahead.get_mut(key)
            && let Some(event) = ahead.pop_front()
        {
            return Ok(Some(event));
        }
        self.ahead.remove(key);
        let Some(held) = self.held.get(key) else {
            return Ok(None);
        };
        let end = self.subscription.position(held.shard);
        let events = Aggregate::new(Arc::clone(&self.inner), key);
        let mut found = VecDeque::new();
        for event in events.from_version(held.version).events()? {
            let event = event?;
            let is_full = found.len() == AHEAD || block_bytes(&found) >= AHEAD_BYTES;
            if event.position() >= end || is_full {
                break;
            }
            if self.filter.admits_event(&event.get()) {
                found.push_back(event);
            }
        }
        let event = found.pop_front();
        if !found.is_empty() && self.ahead.len() < AHEAD_AGGREGATES {
            self.ahead.insert(key.to_owned(), found);
        }
        Ok(event)
    }

    /// Whether one more event may wait.
    fn has_room(&self) -> bool {
        self.waiting.len() < WAITING && block_bytes(&self.waiting) < WAITING_BYTES
    }

    fn next_waiting(&mut self) -> Option<Event> {
        let is_free = |event: &Event| !self.claimed.contains_key(event.key());
        let index = self.waiting.iter().position(is_free)?;
        self.waiting.remove(index)
    }

    fn next_new(&mut self) -> Result<Option<Event>, Error> {
        let held_back = self.held_back();
        if held_back >= HELD {
            let parked = self.held.values().filter(|held| held.is_parked).count();
            let name = self.name.clone();
            return match parked == held_back {
                true => Err(Error::TooManyParked { name, parked }),
                // There will be room when one of the others is done.
                false => Ok(None),
            };
        }
        while self.has_room()
            && let Some(event) = self.subscription.try_next()?
        {
            if self.is_passed_over(&event) {
                continue;
            }
            if !self.claimed.contains_key(event.key()) {
                return Ok(Some(event));
            }
            self.waiting.push_back(event);
        }
        Ok(None)
    }

    /// What wakes who waits for the next event; `None` where there may be one by now, or never will
    /// be.
    pub(crate) fn listen(&mut self, now: Instant) -> Result<Option<EventListener>, Error> {
        let is_due = self.first_due().is_some_and(|due| due <= now);
        let is_free = |event: &Event| !self.claimed.contains_key(event.key());
        if is_due || self.waiting.iter().any(is_free) {
            return Ok(None);
        }
        if self.held_back() >= HELD || !self.has_room() {
            // Only an answer makes room.
            return Ok(Some(self.subscription.watch().listen()));
        }
        match self.subscription.poll_or_listen()? {
            Look::Wait(listener) => Ok(Some(listener)),
            Look::Over => Ok(None),
            Look::Event(event) => {
                if !self.is_passed_over(&event) {
                    self.waiting.push_back(event);
                }
                Ok(None)
            }
        }
    }

    /// What its consumers wait by.
    pub(crate) fn watch(&self) -> &Arc<Watch> {
        self.subscription.watch()
    }

    fn claim(&mut self, event: Event) -> (Event, u32) {
        let stored = event.get();
        // The event that comes next of an aggregate that is held back is the one that failed.
        let held = self.held.get(stored.key);
        let failed = held.filter(|held| held.version == stored.version);
        let turn = Turn {
            shard: stored.shard,
            position: stored.position,
            version: stored.version,
            tries: failed.map_or(0, |held| held.tries),
        };
        self.claimed.insert(stored.key.to_owned(), turn);
        (event, turn.tries)
    }

    /// The event that is out of an aggregate is handled.
    pub(crate) fn done(&mut self, key: &str, now: Instant) {
        let Some(turn) = self.claimed.remove(key) else {
            return;
        };
        self.unsaved += 1;
        if let Some(held) = self.held.get_mut(key) {
            held.pass(turn.version);
            self.due.insert((now, key.to_owned()));
        }
    }

    /// The event that is out of an aggregate has failed; `wait` says when it is tried again after
    /// so many failures. Says where it is, if it is parked now.
    pub(crate) fn failed(
        &mut self,
        key: &str,
        reason: &str,
        now: Instant,
        wait: impl FnOnce(u32) -> Option<Duration>,
    ) -> Option<(u32, u64)> {
        let turn = self.claimed.remove(key)?;
        let tries = turn.tries.saturating_add(1);
        let wait = wait(tries);
        let held = Blocked {
            version: turn.version,
            position: turn.position,
            shard: turn.shard,
            tries,
            is_parked: wait.is_none(),
            reason: short(reason).to_owned(),
        };
        self.held.insert(key.to_owned(), held);
        // From now on they are known by their versions.
        self.waiting.retain(|event| event.key() != key);
        self.ahead.remove(key);
        // A wait beyond the end of time does not end.
        let due = wait.and_then(|wait| now.checked_add(wait));
        self.due.extend(due.map(|due| (due, key.to_owned())));
        wait.is_none().then_some((turn.shard, turn.position))
    }

    /// Goes on with an aggregate that is parked; past the event that failed, if `skips`.
    pub(crate) fn redrive(&mut self, key: &str, skips: bool, now: Instant) -> bool {
        let Some(held) = self.held.get_mut(key).filter(|held| held.is_parked) else {
            return false;
        };
        held.is_parked = false;
        held.tries = 0;
        if skips {
            held.pass(held.version);
        }
        self.due.insert((now, key.to_owned()));
        true
    }

    /// The aggregates that are held back.
    pub(crate) fn held(&self) -> &BTreeMap<String, Blocked> {
        &self.held
    }

    /// When the next aggregate that is held back is due.
    pub(crate) fn first_due(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Whether something waits for a claim to be answered.
    pub(crate) fn has_more(&self) -> bool {
        !self.waiting.is_empty() || !self.due.is_empty()
    }

    /// Forgets what is gone of an aggregate that is held back, unless it went on meanwhile.
    pub(crate) fn give_up(&mut self, key: &str, held: &Blocked, left: Left) {
        if self.held.get(key) != Some(held) || self.claimed.contains_key(key) {
            return;
        }
        if left == Left::All {
            return;
        }
        let is_left = self
            .held
            .get_mut(key)
            .is_some_and(|held| held.give_up(left));
        if !is_left {
            self.held.remove(key);
            self.due.retain(|(_, due)| due != key);
            self.coming.remove(key);
        }
        self.ahead.remove(key);
        self.unsaved += 1;
    }

    /// What is to be kept. Behind an event that is not handled others may be: so its aggregate
    /// counts as held back from that event on, and nothing that is handled comes again.
    pub(crate) fn snapshot(&self) -> Saved {
        let mut held = self.held.clone();
        let claimed = self.claimed.iter();
        for (key, turn) in claimed.filter(|(key, _)| !self.held.contains_key(*key)) {
            let open = Blocked::open(turn.shard, turn.position, turn.version, turn.tries);
            held.insert(key.clone(), open);
        }
        for event in &self.waiting {
            // The first one that waits counts, or the one before it that is out.
            held.entry(event.key().to_owned()).or_insert_with(|| {
                Blocked::open(event.shard(), event.position(), event.version(), 0)
            });
        }
        Saved {
            name: self.name.clone(),
            positions: self.subscription.positions(),
            held,
        }
    }

    /// Before these positions everything is handled, but for what is held back.
    pub(crate) fn positions(&self) -> Vec<u64> {
        let mut positions = self.subscription.positions();
        let mut open = |shard: u32, position: u64| {
            let first = &mut positions[shard as usize];
            *first = position.min(*first);
        };
        for event in &self.waiting {
            let event = event.get();
            open(event.shard, event.position);
        }
        for (key, turn) in &self.claimed {
            if !self.held.contains_key(key) {
                open(turn.shard, turn.position);
            }
        }
        positions
    }
}

/// What is left of an aggregate that is held back.
pub(crate) fn left_of(inner: &Arc<Inner>, key: &str, held: &Blocked) -> Result<Left, Error> {
    let events = Aggregate::new(Arc::clone(inner), key);
    let next = events.from_version(held.version).events()?.next();
    let version = next.transpose()?.map(|event| event.version());
    Ok(match version {
        None => Left::Nothing,
        Some(version) if version == held.version => Left::All,
        Some(version) => Left::From(version),
    })
}

/// Bytes of the blocks that these events hold; one counts once where its events stand side by side.
fn block_bytes(events: &VecDeque<Event>) -> usize {
    let mut last = None;
    let blocks = events.iter().map(Event::block);
    let blocks = blocks.filter(|block| {
        let before = last.replace(*block);
        before.is_none_or(|before| !Arc::ptr_eq(before, block))
    });
    blocks.map(|block| block.raw_bytes()).sum()
}
