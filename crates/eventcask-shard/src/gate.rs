//! What threads and tasks wait at until something is settled: all threads that sleep here are woken
//! by one call of the system.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

/// Where some wait until a state is reached that is never left again.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    waiting: Mutex<Waiting>,
    opened: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    threads: usize,
    tasks: Vec<Waker>,
}

impl Gate {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sleeps until the state is reached, as `is_open` says.
    pub(crate) fn wait(&self, is_open: impl Fn() -> bool) {
        let mut waiting = self.waiting();
        while !is_open() {
            waiting.threads += 1;
            let woken = self.opened.wait(waiting);
            waiting = woken.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Has a task woken once the state is reached, and says where it is among those that wait, for
    /// when it comes again. The task looks once more afterwards.
    pub(crate) fn enlist(
        &self,
        before: Option<usize>,
        waker: &Waker,
        is_open: impl Fn() -> bool,
    ) -> Option<usize> {
        let mut waiting = self.waiting();
        if is_open() {
            return None;
        }
        if let Some(task) = before {
            waiting.tasks[task].clone_from(waker);
            return before;
        }
        waiting.tasks.push(waker.clone());
        Some(waiting.tasks.len() - 1)
    }

    /// Wakes all. The state is reached before: who looked at it earlier, under the lock, is among
    /// those that wait.
    pub(crate) fn open(&self) {
        let waiting = std::mem::take(&mut *self.waiting());
        if waiting.threads > 0 {
            self.opened.notify_all();
        }
        waiting.tasks.into_iter().for_each(Waker::wake);
    }
}
