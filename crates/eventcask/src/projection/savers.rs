//! Threads that work beside the shards for a while, and end with the store.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};

use crate::sync::locked;

/// The threads that save and open.
#[derive(Debug, Default)]
pub(crate) struct Savers {
    threads: Mutex<Vec<JoinHandle<()>>>,
    stops: AtomicBool,
}

impl Savers {
    /// Runs such work on a thread of its own; not at all where the system gives none.
    pub(crate) fn start(&self, work: impl FnOnce() + Send + 'static) {
        let thread = Builder::new().name("eventcask-views".to_owned());
        let mut threads = locked(&self.threads);
        threads.retain(|thread| !thread.is_finished());
        threads.extend(thread.spawn(work).ok());
    }

    /// Returns once no thread works any more. Those that read the log to save give up.
    pub(crate) fn stop(&self) {
        // Relaxed: it says nothing about anything else, and who reads it too late only works in vain.
        self.stops.store(true, Ordering::Relaxed);
        let threads = std::mem::take(&mut *locked(&self.threads));
        for thread in threads {
            // A snapshot that failed is made by the next opening.
            let _ = thread.join();
        }
    }

    pub(crate) fn stops(&self) -> bool {
        self.stops.load(Ordering::Relaxed)
    }
}
