//! Those who wait until something has come to a position: on a thread, or in a future.

use std::sync::Arc;
use std::task::{Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

/// Those who wait for one shard.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    waiting: Vec<Waiting>,
    next: u64,
}

#[derive(Debug)]
struct Waiting {
    number: u64,
    position: u64,
    waker: Waker,
}

/// Those who are to be woken once no lock is held: what a waker does is up to its runtime.
#[derive(Debug, Default)]
#[must_use = "nobody is woken before `wake`"]
pub(crate) struct Woken(Vec<Waker>);

impl Waiters {
    /// Takes out those who wait for what is before `progress`.
    #[inline]
    pub(crate) fn reached(&mut self, progress: u64) -> Woken {
        if self.waiting.is_empty() {
            return Woken::default();
        }
        let is_reached = |one: &mut Waiting| one.position < progress;
        let reached = self.waiting.extract_if(.., is_reached);
        Woken(reached.map(|one| one.waker).collect())
    }

    /// Takes out all, to look again.
    pub(crate) fn all(&mut self) -> Woken {
        Woken(self.waiting.drain(..).map(|one| one.waker).collect())
    }

    /// Has somebody wait, under a number of its own.
    pub(crate) fn add(&mut self, number: &mut Option<u64>, position: u64, waker: &Waker) {
        let number = *number.get_or_insert_with(|| {
            self.next += 1;
            self.next
        });
        self.remove(number);
        self.waiting.push(Waiting {
            number,
            position,
            waker: waker.clone(),
        });
    }

    pub(crate) fn remove(&mut self, number: u64) {
        self.waiting.retain(|one| one.number != number);
    }
}

impl Woken {
    /// Adds others.
    #[inline]
    pub(crate) fn and(&mut self, mut others: Self) {
        self.0.append(&mut others.0);
    }

    /// Wakes them.
    #[inline]
    pub(crate) fn wake(self) {
        self.0.into_iter().for_each(Waker::wake);
    }
}

/// Sleeps on this thread until a look has an answer; none where the time is over.
pub(crate) fn wait<T>(time: Duration, mut look: impl FnMut(&Waker) -> Poll<T>) -> Option<T> {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    // A time that no clock can show does not end.
    let until = Instant::now().checked_add(time);
    loop {
        if let Poll::Ready(answer) = look(&waker) {
            return Some(answer);
        }
        match until.map(|until| until.saturating_duration_since(Instant::now())) {
            None => std::thread::park(),
            Some(Duration::ZERO) => return None,
            Some(left) => std::thread::park_timeout(left),
        }
    }
}

/// Wakes a thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
