//! What the consumers of a group share: whose turn it is, who waits, and what is saved.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use event_listener::{EventListener, Listener};

use crate::follow::arrivals::Watch;
use crate::follow::saved::{Saved, Saves};
use crate::notices;
use crate::subscribe::Retry;
use crate::subscribe::dispatcher::{Dispatcher, left_of};
use crate::subscribe::durable::HeldName;
use crate::sync::locked;
use crate::{Error, ErrorKind, Event};

/// Events that are handled before progress is saved, where consumers never come to rest: what comes
/// again after a crash, and a small part of what handling them takes.
const SAVE_EVERY: u64 = 1_000;

/// What the consumers of a group share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) name: HeldName,
    pub(crate) retry: Retry,
    pub(crate) watch: Arc<Watch>,
    pub(crate) dispatcher: Mutex<Dispatcher>,
    /// Consumers that wait for an event.
    pub(crate) waiting: AtomicUsize,
}

impl Shared {
    pub(crate) fn try_claim(&self) -> Result<Option<(Event, u32)>, Error> {
        if self.name.inner.arrivals.is_over() {
            return Ok(None);
        }
        let next = locked(&self.dispatcher).next(Instant::now())?;
        if next.is_some() && self.has_waiting() {
            // Whoever looks waits for all of them; this one has something to do now.
            self.watch.tell_one();
        }
        Ok(next)
    }

    pub(crate) fn wait_until(
        &self,
        deadline: Option<Instant>,
    ) -> Result<Option<(Event, u32)>, Error> {
        let _waits = Waits::begin(&self.waiting);
        loop {
            if let Some(claim) = self.try_claim()? {
                return Ok(Some(claim));
            }
            if self.name.inner.arrivals.is_over() {
                return Ok(None);
            }
            // What changes from now on wakes the listener. Where it is there already there is none.
            let Some(listener) = locked(&self.dispatcher).listen(Instant::now())? else {
                continue;
            };
            match self.save_if(1) {
                // It is being closed right now.
                Err(error) if error.kind() == ErrorKind::Closed => return Ok(None),
                saved => saved?,
            }
            if !self.sleep(listener, deadline) {
                return Ok(None);
            }
        }
    }

    /// Sleeps until there may be something new; says whether there is time left.
    pub(crate) fn sleep(&self, listener: EventListener, deadline: Option<Instant>) -> bool {
        if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            return false;
        }
        let due = locked(&self.dispatcher).first_due();
        match deadline.into_iter().chain(due).min() {
            Some(until) => drop(listener.wait_deadline(until)),
            None => listener.wait(),
        }
        true
    }

    pub(crate) fn done(&self, key: &str) -> Result<(), Error> {
        let mut dispatcher = locked(&self.dispatcher);
        dispatcher.done(key, Instant::now());
        let has_more = dispatcher.has_more();
        drop(dispatcher);
        if has_more {
            self.wake();
        }
        self.save_if(SAVE_EVERY)
    }

    /// An event that may not be tried again is parked.
    pub(crate) fn failed(&self, key: &str, reason: &str, may_retry: bool) -> Result<(), Error> {
        let wait = |failures| self.retry.wait_after(failures).filter(|_| may_retry);
        let parked = locked(&self.dispatcher).failed(key, reason, Instant::now(), wait);
        if let Some((shard, position)) = parked {
            notices::parked("subscription", &self.name.name, shard, position, reason);
        }
        self.wake();
        self.save()
    }

    pub(crate) fn redrive(&self, key: &str, skips: bool) -> Result<bool, Error> {
        let is_redriven = locked(&self.dispatcher).redrive(key, skips, Instant::now());
        if is_redriven {
            self.wake();
            self.save()?;
        }
        Ok(is_redriven)
    }

    pub(crate) fn has_waiting(&self) -> bool {
        // Relaxed: who began to wait before the dispatcher were changed is seen by their lock, and
        // who began after sees the change.
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// Wakes consumers that wait: something is free, or due at another time.
    pub(crate) fn wake(&self) {
        if self.has_waiting() {
            self.watch.tell();
        }
    }

    pub(crate) fn save(&self) -> Result<(), Error> {
        let saved = self.name.inner.subscriptions.save(|| Saves::saved(self));
        if saved.is_err() {
            // Whoever comes to rest tries again, and who closes it.
            locked(&self.dispatcher).unsaved += 1;
        }
        saved
    }

    pub(crate) fn save_if(&self, unsaved: u64) -> Result<(), Error> {
        let is_due = locked(&self.dispatcher).unsaved >= unsaved;
        if is_due { self.save() } else { Ok(()) }
    }
}

impl Saves for Shared {
    fn saved(&self) -> Saved {
        let mut dispatcher = locked(&self.dispatcher);
        dispatcher.unsaved = 0;
        dispatcher.snapshot()
    }

    fn forget_given_up(&self) -> Result<(), Error> {
        let held = locked(&self.dispatcher).held().clone();
        for (key, held) in &held {
            let left = left_of(&self.name.inner, key, held)?;
            locked(&self.dispatcher).give_up(key, held, left);
        }
        self.save_if(1)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // Nobody is left to be told; what is not saved comes again.
        let _ = self.save_if(1);
    }
}

/// Counts a consumer as waiting for as long as it is there.
struct Waits<'g>(&'g AtomicUsize);

impl<'g> Waits<'g> {
    fn begin(waiting: &'g AtomicUsize) -> Self {
        waiting.fetch_add(1, Ordering::Relaxed);
        Self(waiting)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
