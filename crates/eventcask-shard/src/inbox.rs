//! The way into a shard: whole batches through one bounded lock-free queue.
//!
//! 1. A producer fills an [`OpenBatch`] of its own and hands it over when it is full.
//! 2. Where the queue is full the producer is told, or waits.
//! 3. A worker that has run dry takes the open batches as they are, so that a single event
//!    does not wait for others; or, where batches are to linger, once they are old enough. One
//!    that never runs dry takes those in which somebody waits for an answer, each time a group
//!    of blocks is done: a stream of events holds up nobody beside it. Small batches that are taken
//!    together become one.
//! 4. Those who were just answered have a moment to come back before the next small block is made,
//!    so that callers who wait for each answer share one block and one sync, and do not fall into
//!    two groups by turns.
//! 5. The order of one producer's batches holds: it hands over under its batch's lock, and the
//!    worker takes an open batch only where the queue is empty under that same lock.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::Thread;
use std::time::{Duration, Instant};

use crossbeam_queue::{ArrayQueue, SegQueue};
use event_listener::{Event, Listener};

use crate::delivery::refuse_all;
use crate::health::Health;
use crate::{AppendError, Delivery, FlushShare};

/// Batches that wait at most. More hides a slow disk for longer and delays each answer; fewer
/// than four let the worker run dry between two wake-ups of the producer.
const QUEUE_BATCHES: usize = 8;
/// Emptied batches kept for the next ones: as many as wait and are in flight.
const SPARE_BATCHES: usize = 48;
/// For as long as nobody comes back, a worker waits for those who were just answered: some times as
/// long as a caller needs from its answer to its next append.
const RETURN_PAUSE: Duration = Duration::from_micros(20);
/// How long it waits for them in all. A thousand threads need about two of these on two cores.
const RETURN_TIME: Duration = Duration::from_millis(1);

/// Wakes the worker of some shards, at no cost while it is awake.
#[derive(Debug, Default)]
pub struct WorkerBell {
    asleep: AtomicBool,
    /// The one that sleeps: a shard that is owned may be handed to another thread.
    thread: Mutex<Option<Thread>>,
}

impl WorkerBell {
    /// Wakes the worker if it sleeps; what was done before is seen by it.
    pub fn ring(&self) {
        // Pairs with the fence in `sleep`: either the worker sees what was put into its queues
        // before this fence, or this load sees that it went to sleep.
        fence(Ordering::SeqCst);
        if self.asleep.load(Ordering::Relaxed)
            && let Some(thread) = &*locked(&self.thread)
        {
            thread.unpark();
        }
    }

    /// Sleeps until the bell rings, or as `look` says after falling asleep.
    pub(crate) fn sleep(&self, look: impl FnOnce() -> Idle) {
        *locked(&self.thread) = Some(std::thread::current());
        self.asleep.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        match look() {
            Idle::Not => {}
            Idle::Until(Some(due)) => {
                std::thread::park_timeout(due.saturating_duration_since(Instant::now()));
            }
            Idle::Until(None) => std::thread::park(),
        }
        self.asleep.store(false, Ordering::Relaxed);
    }
}

/// How long a worker can sleep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Idle {
    /// There is work.
    Not,
    /// Until this moment, or until the bell rings.
    Until(Option<Instant>),
}

/// Why a batch could not be handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendError {
    /// The queue is full.
    Full,
    /// The store is being closed.
    Closed,
}

/// When an open batch is taken as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Always,
    At(Instant),
    Never,
}

/// What comes into an inbox.
#[derive(Debug)]
pub enum Message {
    /// Events.
    Delivery(Box<Delivery>),
    /// Make everything before durable, then settle.
    Flush(FlushShare),
    /// End the open segment, so that it can be written anew, then settle.
    EndSegment(FlushShare),
}

/// The queue of one shard and the open batches of its producers.
#[derive(Debug)]
pub struct Inbox {
    queue: ArrayQueue<Message>,
    spare: ArrayQueue<Box<Delivery>>,
    /// Open batches that got their first row since the list of them was looked at last.
    begun: SegQueue<Arc<OpenBatch>>,
    /// Those before; some of them may have been handed over since.
    open: Mutex<Vec<Arc<OpenBatch>>>,
    /// How many wait for an answer in open batches and in the queue.
    waiters: AtomicUsize,
    space: Event,
    closed: AtomicBool,
    /// Set once the worker is gone: a producer that finds it set empties the queue.
    abandoned: AtomicBool,
    bell: Arc<WorkerBell>,
    health: Health,
    /// How old an open batch becomes at least before it is taken as it is.
    linger: Duration,
    /// The size that no batch passes, also where small ones become one.
    batch_bytes: usize,
}

/// The batch that one producer is filling for one shard.
#[derive(Debug, Default)]
pub struct OpenBatch {
    delivery: Mutex<Box<Delivery>>,
    /// Whether it is in the list of open batches, as one with a row always is. Only looked at under
    /// the lock.
    is_listed: AtomicBool,
}

/// Answers all in an open batch that the store is closed.
fn refuse(open: &mut Delivery) {
    refuse_all(open, &AppendError::Closed);
    open.clear();
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl OpenBatch {
    /// The batch, for its producer.
    pub fn lock(&self) -> MutexGuard<'_, Box<Delivery>> {
        locked(&self.delivery)
    }

    /// The batch, unless its producer is at it.
    fn try_lock(&self) -> Option<MutexGuard<'_, Box<Delivery>>> {
        match self.delivery.try_lock() {
            Ok(delivery) => Some(delivery),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

impl Inbox {
    /// The inbox of a shard whose worker listens to `bell`. Open batches are taken as they are once
    /// they are as old as `linger`; small ones become one of up to `batch_bytes`.
    #[must_use]
    pub fn new(bell: Arc<WorkerBell>, linger: Duration, batch_bytes: usize) -> Self {
        Self {
            queue: ArrayQueue::new(QUEUE_BATCHES),
            spare: ArrayQueue::new(SPARE_BATCHES),
            begun: SegQueue::new(),
            open: Mutex::default(),
            waiters: AtomicUsize::new(0),
            space: Event::new(),
            closed: AtomicBool::new(false),
            abandoned: AtomicBool::new(false),
            bell,
            health: Health::default(),
            linger,
            batch_bytes,
        }
    }

    /// Why the shard stopped, if it did.
    #[must_use]
    pub fn poisoned(&self) -> Option<Arc<str>> {
        self.health.poisoned()
    }

    pub(crate) fn health(&self) -> &Health {
        &self.health
    }

    /// Why the shard takes nothing, if so. A producer asks under the lock of its open batch: a
    /// worker that ends looks into it after the inbox was closed.
    #[must_use]
    pub fn refusal(&self) -> Option<AppendError> {
        match self.poisoned() {
            Some(reason) => Some(AppendError::Poisoned(reason)),
            None => self.is_closed().then_some(AppendError::Closed),
        }
    }

    /// Notes that an open batch has its first row. The caller holds its lock, and
    /// [tells the worker](Self::ring) when it does no more.
    pub fn begin(&self, batch: &Arc<OpenBatch>, open: &mut Delivery) {
        if !self.linger.is_zero() {
            open.opened = Some(Instant::now());
        }
        if !batch.is_listed.swap(true, Ordering::Relaxed) {
            self.begun.push(Arc::clone(batch));
        }
        // Pairs with the fence in `abandon`: either the batch is in its list there, or the flag is
        // seen here.
        fence(Ordering::SeqCst);
        if self.abandoned.load(Ordering::Relaxed) {
            refuse(open);
        }
    }

    /// Notes that somebody waits for an answer in an open batch. The caller holds its lock.
    pub fn note_waiter(&self) {
        self.waiters.fetch_add(1, Ordering::Relaxed);
    }

    /// Has the worker look at the open batches.
    pub fn ring(&self) {
        self.bell.ring();
    }

    /// The open batches that got a row; some of them may have been handed over since.
    fn opened(&self) -> MutexGuard<'_, Vec<Arc<OpenBatch>>> {
        let mut open = locked(&self.open);
        open.extend(std::iter::from_fn(|| self.begun.pop()));
        open
    }

    /// Hands over what is in the open batch, which is empty then. The caller holds its lock.
    ///
    /// # Errors
    /// [`SendError::Full`] or [`SendError::Closed`]; the batch is as it was.
    pub fn try_send(&self, open: &mut Box<Delivery>) -> Result<(), SendError> {
        if open.is_empty() {
            return Ok(());
        }
        let delivery = std::mem::replace(open, self.empty_batch());
        self.try_message(Message::Delivery(delivery))
            .map_err(|(error, message)| {
                if let Message::Delivery(delivery) = message {
                    self.recycle(std::mem::replace(open, delivery));
                }
                error
            })
    }

    /// As [`try_send`](Self::try_send), but waits while the queue is full.
    ///
    /// # Errors
    /// [`SendError::Closed`]; the batch is as it was.
    pub fn send(&self, open: &mut Box<Delivery>) -> Result<(), SendError> {
        loop {
            match self.try_send(open) {
                Err(SendError::Full) => {}
                other => return other,
            }
            let listener = self.space.listen();
            match self.try_send(open) {
                Err(SendError::Full) => listener.wait(),
                other => return other,
            }
        }
    }

    /// Waits until the queue may have room, or nothing more is taken. Whoever has waited and is
    /// done [wakes the next](Self::wake_next).
    pub fn wait_for_room(&self) {
        let listener = self.space.listen();
        if self.queue.is_full() && !self.is_closed() {
            listener.wait();
        }
    }

    /// Wakes the next who waits for room. One who was woken may have found the batch handed over by
    /// another already; the room is for the next one then, who would hear of no other message.
    pub fn wake_next(&self) {
        self.space.notify(1);
    }

    /// Asks that everything before be made durable.
    pub fn flush(&self, share: FlushShare) {
        self.send_asked();
        self.wait_to_send(Message::Flush(share));
    }

    /// Asks that the segment that is being written to be ended.
    pub fn end_segment(&self, share: FlushShare) {
        self.send_asked();
        self.wait_to_send(Message::EndSegment(share));
    }

    /// Hands over the open batches for which somebody waits, so that what comes behind comes after
    /// them.
    fn send_asked(&self) {
        let open = self.opened().clone();
        for batch in open {
            let mut open = batch.lock();
            if open.is_asked {
                // One that was closed is emptied by its worker.
                let _ = self.send(&mut open);
            }
        }
    }

    fn wait_to_send(&self, mut message: Message) {
        loop {
            let listener = self.space.listen();
            match self.try_message(message) {
                Err((SendError::Full, back)) => message = back,
                // A closed inbox drops the share, which then counts as refused.
                _ => return,
            }
            listener.wait();
        }
    }

    fn try_message(&self, message: Message) -> Result<(), (SendError, Message)> {
        if self.is_closed() {
            return Err((SendError::Closed, message));
        }
        self.queue
            .push(message)
            .map_err(|message| (SendError::Full, message))?;
        self.bell.ring();
        // Pairs with the fence in `abandon`, by the one in `ring`: either what was just pushed is
        // seen there, or the flag is seen here.
        if self.abandoned.load(Ordering::Relaxed) {
            self.refuse_rest();
        }
        Ok(())
    }

    /// Says that the worker is gone; what comes late is refused from now on. So is what is in the
    /// open batches: a producer may have asked for the [refusal](Self::refusal) before there was one,
    /// and have added to its batch when the worker no longer looked.
    pub fn abandon(&self) {
        self.abandoned.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        self.refuse_rest();
        let open = std::mem::take(&mut *self.opened());
        for batch in open {
            refuse(&mut batch.lock());
        }
    }

    /// Drops what is in the queue, which answers that the store is closed.
    fn refuse_rest(&self) {
        while self.take().is_some() {}
    }

    /// Whether nothing more is taken.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        // Pairs with the release in `close`.
        self.closed.load(Ordering::Acquire)
    }

    /// Takes nothing more; what is in the queue is still worked off.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.space.notify(usize::MAX);
        self.bell.ring();
    }

    /// The next message, in order.
    pub fn take(&self) -> Option<Message> {
        let message = self.queue.pop()?;
        if let Message::Delivery(delivery) = &message {
            self.take_waiters(delivery);
        }
        self.space.notify(1);
        Some(message)
    }

    /// Whether batches are waiting.
    #[must_use]
    pub fn has_waiting(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Takes all open batches that are old enough as they are, for as long as the queue is empty.
    pub(crate) fn take_open(&self, taken: &mut VecDeque<Message>) {
        self.take_open_if(taken, |_| true);
    }

    /// Takes the whole queue, and behind it the open batches in which somebody waits for an answer;
    /// does nothing where there are none.
    pub(crate) fn take_asked(&self, taken: &mut VecDeque<Message>) {
        if !self.has_waiters() {
            return;
        }
        taken.extend(std::iter::from_fn(|| self.take()));
        self.take_open_if(taken, Delivery::has_waiters);
    }

    fn take_open_if(&self, taken: &mut VecDeque<Message>, is_wanted: impl Fn(&Delivery) -> bool) {
        let old_enough = self.old_enough();
        self.opened().retain(|batch| {
            // A producer that holds the lock is adding to the batch, and rings afterwards.
            let Some(mut delivery) = batch.try_lock() else {
                return true;
            };
            if self.has_waiting() {
                return true;
            }
            if !delivery.is_empty() {
                if !is_wanted(&delivery) || self.due(&delivery) > old_enough {
                    return true;
                }
                self.take_waiters(&delivery);
                self.take_one(&mut delivery, taken);
            }
            batch.is_listed.store(false, Ordering::Relaxed);
            false
        });
    }

    /// Takes what is in an open batch, behind what was taken before if it is small.
    fn take_one(&self, open: &mut Box<Delivery>, taken: &mut VecDeque<Message>) {
        if let Some(Message::Delivery(last)) = taken.back_mut()
            && last.absorb(open, self.batch_bytes)
        {
            return;
        }
        let full = std::mem::replace(open, self.empty_batch());
        taken.push_back(Message::Delivery(full));
    }

    fn take_waiters(&self, delivery: &Delivery) {
        self.waiters
            .fetch_sub(delivery.waiters(), Ordering::Relaxed);
    }

    /// Waits a moment for those who were just answered, so many of them, where some of them are
    /// back already: a caller that waits for each answer sends the next event at once. Whoever comes
    /// too late becomes the next block.
    pub(crate) fn let_return(&self, answered: usize) {
        let mut waiters = self.waiters.load(Ordering::Relaxed);
        // What lingers is not taken yet, and what is in the queue waits for nobody.
        if waiters == 0 || !self.linger.is_zero() {
            return;
        }
        let began = Instant::now();
        let (mut now, mut grown) = (began, began);
        let may_wait = |waiters| waiters < answered && !self.has_waiting();
        while may_wait(waiters) && now - grown < RETURN_PAUSE && now - began < RETURN_TIME {
            // They may need this core.
            std::thread::yield_now();
            now = Instant::now();
            let back = self.waiters.load(Ordering::Relaxed);
            if back > waiters {
                (waiters, grown) = (back, now);
            }
        }
    }

    /// Whether somebody waits for an answer in an open batch that is old enough.
    pub(crate) fn has_waiters(&self) -> bool {
        if self.waiters.load(Ordering::Relaxed) == 0 {
            return false;
        }
        let old_enough = self.old_enough();
        self.opened().iter().any(|batch| {
            // A producer that holds the lock is adding to the batch, and rings afterwards.
            let delivery = batch.try_lock();
            delivery.is_some_and(|one| one.has_waiters() && self.due(&one) <= old_enough)
        })
    }

    /// Up to when a batch has to be due to be taken now.
    fn old_enough(&self) -> Due {
        if self.is_closed() {
            Due::Never
        } else if self.linger.is_zero() {
            Due::Always
        } else {
            Due::At(Instant::now())
        }
    }

    /// When an open batch is to be taken as it is.
    fn due(&self, open: &Delivery) -> Due {
        match open.opened {
            _ if open.is_asked => Due::Always,
            None => Due::Always,
            Some(opened) => opened.checked_add(self.linger).map_or(Due::Never, Due::At),
        }
    }

    /// Whether there is anything to take, or when there will be.
    pub(crate) fn look(&self) -> Idle {
        if self.has_waiting() {
            return Idle::Not;
        }
        let old_enough = self.old_enough();
        let mut first = Due::Never;
        for batch in self.opened().iter() {
            // A batch that is locked is being added to, or its producer waits for room in the
            // queue: to wait for it here could be to wait for one who waits for this thread.
            let Some(delivery) = batch.try_lock() else {
                return Idle::Not;
            };
            if !delivery.is_empty() {
                let due = self.due(&delivery);
                if due <= old_enough {
                    return Idle::Not;
                }
                first = first.min(due);
            }
        }
        Idle::Until(match first {
            Due::At(moment) => Some(moment),
            Due::Always | Due::Never => None,
        })
    }

    /// An empty batch, with the memory of one that was worked off if there is one.
    #[must_use]
    pub fn empty_batch(&self) -> Box<Delivery> {
        self.spare.pop().unwrap_or_default()
    }

    /// Keeps the memory of a batch that was worked off.
    pub fn recycle(&self, mut delivery: Box<Delivery>) {
        delivery.clear();
        let _ = self.spare.push(delivery);
    }
}
