//! Work that is done on all cores: opening, checking and sealing many shards or segments.

use std::sync::OnceLock;

use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::options::cores;

/// The threads that all stores of the process share for this; none where the system gave none.
static POOL: OnceLock<Option<ThreadPool>> = OnceLock::new();

fn pool() -> Option<&'static ThreadPool> {
    let make = || {
        let name = |index| format!("eventcask-pool-{index}");
        let pool = ThreadPoolBuilder::new().num_threads(cores());
        pool.thread_name(name).build().ok()
    };
    POOL.get_or_init(make).as_ref()
}

/// How many pieces of work are done at once.
pub(crate) fn width() -> usize {
    pool().map_or(1, ThreadPool::current_num_threads)
}

/// Does `work` for each number below `count`, several at a time; the results are in order.
pub(crate) fn map<T: Send>(count: usize, work: impl Fn(usize) -> T + Send + Sync) -> Vec<T> {
    match pool() {
        Some(pool) if count > 1 => pool.install(|| (0..count).into_par_iter().map(work).collect()),
        // One thread does it as well, only slower.
        _ => (0..count).map(work).collect(),
    }
}
