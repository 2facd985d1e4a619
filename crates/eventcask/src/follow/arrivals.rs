//! Wakes those who wait for what is new.
//!
//! Nothing is queued for a subscriber: it reads the log at its own pace, and one that does not wait
//! costs the writer nothing. One that waits costs a look at each block's list of types: where
//! none of them is wanted, the subscriber is moved on behind the block and sleeps on.
//!
//! Those who wait for a place of the log are woken here as well, once it is visible.
//!
//! A subscriber that finds nothing: 1. listens; 2. [begins](Watch::begin) to wait, and is woken by
//! anything from now on; 3. looks once more; 4. [settles](Watch::settle) for what it has not seen.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::task::Waker;

use event_listener::{Event, EventListener};
use eventcask_event::{Events, Place};
use eventcask_log::Block;

use crate::follow::filter::Filter;
use crate::follow::waiters::{Waiters, Woken};
use crate::sync::locked;

/// A block of no more aggregates is searched for a key that is wanted; more would hold up the
/// writer.
const SEARCHED_KEYS: usize = 64;

/// The subscribers of a store.
#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    watches: RwLock<Vec<Arc<Watch>>>,
    /// Those who wait for a place, one a shard.
    waiters: Mutex<Vec<Waiters>>,
    is_over: AtomicBool,
}

/// What one subscriber waits for.
#[derive(Debug)]
pub(crate) struct Watch {
    shard: Option<u32>,
    filter: Filter,
    told: Event,
    /// Whether it waits; looked at before the lock is taken.
    is_waiting: AtomicBool,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    /// Whether it is to be told when something is settled.
    is_wanted: bool,
    /// Whether something came that it may want, since it began to wait.
    has_news: bool,
    /// One a shard: where the next block begins that it has not seen, if that is known.
    unseen: Vec<Option<u64>>,
}

impl Arrivals {
    /// A watch for events of all shards or of one.
    pub(crate) fn watch(&self, shard: Option<u32>, filter: &Filter) -> Arc<Watch> {
        let watch = Arc::new(Watch {
            shard,
            filter: filter.clone(),
            told: Event::new(),
            is_waiting: AtomicBool::new(false),
            waiting: Mutex::default(),
        });
        let mut watches = self.watches.write().unwrap_or_else(PoisonError::into_inner);
        watches.push(Arc::clone(&watch));
        watch
    }

    /// Nobody waits by this watch any more.
    pub(crate) fn forget(&self, watch: &Arc<Watch>) {
        let mut watches = self.watches.write().unwrap_or_else(PoisonError::into_inner);
        watches.retain(|one| !Arc::ptr_eq(one, watch));
    }

    fn each_waiting(&self, mut with: impl FnMut(&Arc<Watch>)) {
        let watches = self.watches.read().unwrap_or_else(PoisonError::into_inner);
        let waiting = |watch: &&Arc<Watch>| watch.is_waiting.load(Ordering::Acquire);
        watches.iter().filter(waiting).for_each(&mut with);
    }

    /// Shows a block that has just become durable, and visible, to those who wait.
    pub(crate) fn show(&self, block: &Block) {
        self.each_waiting(|watch| watch.see(block));
        let (shard, next) = (
            block.events().shard() as usize,
            block.head().next_position(),
        );
        let mut waiters = locked(&self.waiters);
        let reached = waiters.get_mut(shard).map(|shard| shard.reached(next));
        drop(waiters);
        reached.unwrap_or_default().wake();
    }

    /// Has somebody be woken once a place is visible. Whether it is by now must be looked at after
    /// this.
    pub(crate) fn add_waiter(&self, place: Place, number: &mut Option<u64>, waker: &Waker) {
        let mut waiters = locked(&self.waiters);
        let shards = waiters.len().max(place.shard as usize + 1);
        waiters.resize_with(shards, Waiters::default);
        waiters[place.shard as usize].add(number, place.position, waker);
    }

    /// Nobody waits under this number any more.
    pub(crate) fn remove_waiter(&self, shard: u32, number: u64) {
        if let Some(waiters) = locked(&self.waiters).get_mut(shard as usize) {
            waiters.remove(number);
        }
    }

    /// Wakes those who wait for something that may be visible now.
    pub(crate) fn settled(&self) {
        let mut told = Vec::new();
        self.each_waiting(|watch| {
            if locked(&watch.waiting).is_wanted {
                told.push(Arc::clone(watch));
            }
        });
        // Without a lock: what a waker does is up to its runtime.
        told.iter().for_each(|watch| watch.tell());
    }

    /// Wakes all.
    pub(crate) fn tell(&self) {
        let watches = self.watches.read().unwrap_or_else(PoisonError::into_inner);
        let told = watches.clone();
        drop(watches);
        told.iter().for_each(|watch| watch.tell());
        let mut woken = Woken::default();
        for waiters in &mut *locked(&self.waiters) {
            woken.and(waiters.all());
        }
        woken.wake();
    }

    /// Says that nothing more will come.
    pub(crate) fn end(&self) {
        // Pairs with the load in `is_over`: all events are visible to who sees this.
        self.is_over.store(true, Ordering::Release);
        self.tell();
    }

    /// Whether all that will ever come is visible.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }
}

impl Watch {
    /// Wakes all who listen.
    pub(crate) fn tell(&self) {
        self.told.notify(usize::MAX);
    }

    /// Wakes one of those who listen.
    pub(crate) fn tell_one(&self) {
        self.told.notify(1);
    }

    /// Is woken by what comes from now on.
    pub(crate) fn listen(&self) -> EventListener {
        self.told.listen()
    }

    /// Begins to wait, for anything.
    pub(crate) fn begin(&self, shards: usize) {
        let mut waiting = locked(&self.waiting);
        (waiting.is_wanted, waiting.has_news) = (true, false);
        waiting.unseen.clear();
        waiting.unseen.resize(shards, None);
        // With the lock held: who sees it waits until all of it is there.
        self.is_waiting.store(true, Ordering::Release);
    }

    /// Waits for events that are wanted, having seen all before these positions; where one is
    /// `None` it waits for something that is not settled. Blocks that came since it began to wait
    /// have told it already, or begin behind these positions.
    pub(crate) fn settle(&self, unseen: impl Iterator<Item = (u32, Option<u64>)>) {
        let mut waiting = locked(&self.waiting);
        waiting.is_wanted = waiting.has_news;
        for (shard, position) in unseen {
            waiting.is_wanted |= position.is_none();
            waiting.unseen[shard as usize] = position;
        }
    }

    /// Ends the wait, and says where the next block begins, one a shard, that was not seen, where
    /// that is known.
    pub(crate) fn end(&self) -> Vec<Option<u64>> {
        let mut waiting = locked(&self.waiting);
        self.is_waiting.store(false, Ordering::Release);
        std::mem::take(&mut waiting.unseen)
    }

    /// Whether it waits.
    pub(crate) fn is_waiting(&self) -> bool {
        self.is_waiting.load(Ordering::Relaxed)
    }

    fn see(&self, block: &Block) {
        let (events, head) = (block.events(), block.head());
        let shard = events.shard();
        if self.shard.is_some_and(|wanted| wanted != shard) {
            return;
        }
        let may_want = self.may_want(&events);
        let mut waiting = locked(&self.waiting);
        match waiting.unseen.get_mut(shard as usize) {
            Some(unseen) if *unseen == Some(head.first_position) && !may_want => {
                *unseen = Some(head.next_position());
            }
            _ => (waiting.is_wanted, waiting.has_news) = (true, true),
        }
    }

    fn may_want(&self, events: &Events<'_>) -> bool {
        let has_type = |types: &Vec<String>| {
            (0..events.types())
                .any(|index| types.iter().any(|name| name == events.type_name(index)))
        };
        let has_key = |prefix: &String| {
            let begins = |index| events.key_bytes(index).starts_with(prefix.as_bytes());
            events.aggregates() > SEARCHED_KEYS || (0..events.aggregates()).any(begins)
        };
        let (types, prefix) = (&self.filter.types, &self.filter.key_prefix);
        let metadata = &events.columns().metadata;
        types.as_ref().is_none_or(has_type)
            && prefix.as_ref().is_none_or(has_key)
            && self.filter.carrying.may_be_in(metadata)
    }
}
