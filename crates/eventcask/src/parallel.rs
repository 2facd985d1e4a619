//! Work that is done on all cores: opening, checking and sealing many shards or segments.
//! What others wait for shares its threads; what takes long has some of its own.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, Builder};

use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

/// Cores that this process may use.
pub(crate) fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// The threads that all stores of the process share for this; none where the system gave none.
static POOL: OnceLock<Option<ThreadPool>> = OnceLock::new();

fn pool() -> Option<&'static ThreadPool> {
    POOL.get_or_init(|| make_pool("pool", cores())).as_ref()
}

fn make_pool(name: &'static str, threads: usize) -> Option<ThreadPool> {
    let name = move |index| format!("eventcask-{name}-{index}");
    let pool = ThreadPoolBuilder::new().num_threads(threads);
    pool.thread_name(name).build().ok()
}

/// How many pieces of work are done at once.
pub(crate) fn width() -> usize {
    pool().map_or(1, ThreadPool::current_num_threads)
}

/// Does `work` for each number below `count`, several at a time; the results are in order.
pub(crate) fn map<T: Send>(count: usize, work: impl Fn(usize) -> T + Send + Sync) -> Vec<T> {
    map_on(pool(), count, work)
}

/// As [`map`], on threads that are made for it: of work so long that nobody else may wait for it.
pub(crate) fn map_apart<T: Send>(count: usize, work: impl Fn(usize) -> T + Send + Sync) -> Vec<T> {
    let pool = (count > 1).then(|| make_pool("apart", cores().min(count)));
    map_on(pool.flatten().as_ref(), count, work)
}

fn map_on<T: Send>(
    pool: Option<&ThreadPool>,
    count: usize,
    work: impl Fn(usize) -> T + Send + Sync,
) -> Vec<T> {
    match pool {
        Some(pool) if count > 1 => pool.install(|| (0..count).into_par_iter().map(work).collect()),
        // One thread does it as well, only slower.
        _ => (0..count).map(work).collect(),
    }
}

/// Does `work` for each number below `count`, several at a time, on threads that are no part of a
/// pool: for work that holds a lock while it waits for the pool. A thread of the pool that waits
/// begins other work, which may want that lock.
pub(crate) fn each_on_threads(count: usize, work: impl Fn(usize) + Sync) {
    let next = AtomicUsize::new(0);
    let lane = || {
        loop {
            // Relaxed: each number is had once, and says nothing about anything else.
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= count {
                break;
            }
            work(index);
        }
    };
    thread::scope(|scope| {
        for _ in 1..cores().min(count) {
            let thread = Builder::new().name("eventcask-open".to_owned());
            // Where the system gives no thread, others do its part.
            let _ = thread.spawn_scoped(scope, lane);
        }
        lane();
    });
}

/// As [`map`], but of the work no more is begun at once than there are threads. It is for work that
/// is long, holds memory and does its own parts in parallel: a thread that waits for such a part
/// would begin all the others meanwhile.
pub(crate) fn map_few<T: Send>(count: usize, work: impl Fn(usize) -> T + Send + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let lane = |_| {
        let _busy = Busy::begin();
        // Relaxed: each number is had once, and says nothing about anything else.
        let numbers = std::iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed));
        let numbers = numbers.take_while(|number| *number < count);
        numbers.map(|number| (number, work(number))).collect()
    };
    let lanes: Vec<Vec<(usize, T)>> = map(width().min(count), lane);
    let mut done: Vec<_> = lanes.into_iter().flatten().collect();
    done.sort_unstable_by_key(|(number, _)| *number);
    done.into_iter().map(|(_, one)| one).collect()
}

/// How many threads have nothing of [`map_few`] to do, about.
pub(crate) fn idle() -> usize {
    // Relaxed: whoever asks gets along with one more or less.
    width().saturating_sub(BUSY.load(Ordering::Relaxed))
}

/// Threads that have work of [`map_few`].
static BUSY: AtomicUsize = AtomicUsize::new(0);

/// One of them, until it is dropped.
struct Busy;

impl Busy {
    fn begin() -> Self {
        BUSY.fetch_add(1, Ordering::Relaxed);
        Self
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        BUSY.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Does it some time, where there is a pool to do it; nobody may wait for it.
pub(crate) fn spawn(work: impl FnOnce() + Send + 'static) {
    if let Some(pool) = pool() {
        pool.spawn(work);
    }
}

/// Does both, at once where a thread is free.
pub(crate) fn join<A: Send, B: Send>(
    one: impl FnOnce() -> A + Send,
    other: impl FnOnce() -> B + Send,
) -> (A, B) {
    match pool() {
        Some(pool) => pool.join(one, other),
        None => (one(), other()),
    }
}
