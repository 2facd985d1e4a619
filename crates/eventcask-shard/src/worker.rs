//! The loop of the thread that owns some shards.
//!
//! 1. Each shard has its turn: blocks that came back from the disk are published, then the next
//!    batch is taken in.
//! 2. The block made of it goes to the write thread. A small block is written right here where
//!    there is nothing else to do.
//! 3. Without work in any shard the thread looks a little longer, then sleeps until the bell
//!    rings or a lingering batch is due: an idle store uses no CPU.
//! 4. Once the inboxes are closed and empty, each log gets its mark of a clean close.
//!
//! A thread that makes events can own a shard itself. It hands its batches over by
//! [`Worker::take`], and everything runs right there, without a queue and without another core.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use crossbeam_channel::{Sender, bounded};
use eventcask_log::Error;

use crate::commit::{Job, Targets};
use crate::inbox::Idle;
use crate::shard::SendTask;
use crate::{CommitClock, Delivery, Durability, Shard, WorkerBell, WriteThread};

/// Jobs on their way to the write thread at most, for each shard.
const JOBS: usize = 64;
/// Larger blocks are left to the write thread, which syncs while more are made.
const ALONE_BYTES: usize = 64 << 10;
/// The same where no sync follows: a copy of a usual block into the system's cache takes no longer
/// than waking the write thread and being woken by it.
const ALONE_CACHED_BYTES: usize = 512 << 10;
/// Looks at the queues before going to sleep: about as long as waking up would take.
const LOOKS: usize = 64;

/// Owns some shards and works off their batches.
#[derive(Debug)]
pub struct Worker {
    shards: Vec<Shard>,
    /// Jobs of the last turn that the write thread does not have yet.
    held: Vec<Job>,
    jobs: Sender<Job>,
    targets: Arc<Targets>,
    bell: Arc<WorkerBell>,
    clock: Arc<CommitClock>,
}

impl Worker {
    /// A worker for some shards, whose inboxes ring `bell`, and its write thread.
    ///
    /// # Errors
    /// What the disk said.
    pub fn new(
        mut shards: Vec<Shard>,
        durability: Durability,
        bell: Arc<WorkerBell>,
        clock: Arc<CommitClock>,
    ) -> Result<(Self, WriteThread), Error> {
        let is_shared = shards.len() > 1;
        shards
            .iter_mut()
            .for_each(|shard| shard.shares_worker = is_shared);
        let each = shards.iter().map(|shard| shard.target().map(Mutex::new));
        let each: Result<Vec<_>, Error> = each.collect();
        let targets = Arc::new(Targets {
            each: each?,
            durability,
        });
        let (sender, jobs) = bounded(JOBS * shards.len().max(1));
        let writes = WriteThread {
            jobs,
            targets: Arc::clone(&targets),
            bell: Arc::clone(&bell),
        };
        Ok((
            Self {
                shards,
                held: Vec::new(),
                jobs: sender,
                targets,
                bell,
                clock,
            },
            writes,
        ))
    }

    /// Works until all inboxes are closed and everything in them is durable.
    pub fn run(mut self) {
        loop {
            if self.turn_or_write() {
                continue;
            }
            if self.shards.iter().all(Shard::is_finished) {
                break;
            }
            self.rest();
        }
        self.close();
    }

    /// Takes a batch for the first shard at once, past its queue. Waits where too much is on its
    /// way to the disk.
    pub fn take(&mut self, delivery: Box<Delivery>) {
        self.take_to_wait(delivery);
        self.send_held();
    }

    /// As [`take`](Self::take), for a caller that waits for the answers next, by
    /// [`turn_or_write`](Self::turn_or_write). The block is held until then.
    pub fn take_to_wait(&mut self, delivery: Box<Delivery>) {
        self.send_held();
        while self.shards.first().is_some_and(Shard::is_busy) {
            if !self.turn() {
                self.rest();
            }
        }
        let mut delivery = Some(delivery);
        self.each(|index, shard, now, send| {
            if index > 0 {
                return false;
            }
            shard.take_reports();
            if let Some(delivery) = delivery.take() {
                shard.receive(delivery, now, send);
            }
            true
        });
    }

    /// Gives each shard its turn and says whether any had something to do.
    pub fn turn(&mut self) -> bool {
        self.send_held();
        let worked = self.take_turns();
        self.send_held();
        worked
    }

    /// As [`turn`](Self::turn), for a caller that would only wait: a small block that is alone is
    /// written here.
    pub fn turn_or_write(&mut self) -> bool {
        if !self.held.is_empty() && self.may_write() {
            self.write_held();
            return true;
        }
        self.send_held();
        self.take_turns()
    }

    fn take_turns(&mut self) -> bool {
        self.each(|_, shard, now, send| shard.turn(now, send))
    }

    /// Whether the held jobs are one small job, the write thread has nothing before it, and there
    /// is nothing else to do. A worker with several shards does not: one slow disk would hold up
    /// all.
    fn may_write(&self) -> bool {
        let ([shard], [job]) = (&self.shards[..], &self.held[..]) else {
            return false;
        };
        let limit = match self.targets.durability {
            Durability::Sync => ALONE_BYTES,
            Durability::Os => ALONE_CACHED_BYTES,
            Durability::Interval(_) => return false,
        };
        job.task.bytes() < limit && shard.has_one_in_flight() && shard.look() != Idle::Not
    }

    fn write_held(&mut self) {
        let Some(job) = self.held.pop() else {
            return;
        };
        let (shard, targets) = (job.shard, &self.targets);
        let done = catch_unwind(AssertUnwindSafe(|| targets.do_alone(job)));
        if let Err(panic) = done {
            self.shards[shard].poison(&format!("its writer failed: {}", panic_text(&*panic)));
        }
    }

    fn send_held(&mut self) {
        for job in self.held.drain(..) {
            let shard = job.shard;
            if self.jobs.send(job).is_err() {
                self.shards[shard].poison("its write thread has ended");
            }
        }
    }

    /// Sleeps until there is something to do; does not, and says so, where nothing is on its way to
    /// the disk and nothing waits.
    pub fn rest_if_more_comes(&self) -> bool {
        let more_comes = self.shards.iter().any(Shard::has_more);
        if more_comes {
            self.rest();
        }
        more_comes
    }

    /// Does something with each shard and says whether it did.
    fn each(
        &mut self,
        mut with: impl FnMut(usize, &mut Shard, &dyn Fn() -> i64, SendTask<'_>) -> bool,
    ) -> bool {
        let mut worked = false;
        let now = || self.clock.next();
        for (index, shard) in self.shards.iter_mut().enumerate() {
            let held = &mut self.held;
            // A panic stops its shard alone, and everyone who waits is told.
            let done = catch_unwind(AssertUnwindSafe(|| {
                with(index, shard, &now, &mut |generation, sequence, task| {
                    held.push(Job {
                        shard: index,
                        generation,
                        sequence,
                        task,
                    });
                })
            }));
            worked |= done.unwrap_or_else(|panic| {
                shard.poison(&format!("its worker failed: {}", panic_text(&*panic)));
                true
            });
        }
        worked
    }

    fn rest(&self) {
        for _ in 0..LOOKS {
            if self.look() == Idle::Not {
                return;
            }
            std::hint::spin_loop();
        }
        self.bell.sleep(|| {
            if self.shards.iter().all(Shard::is_finished) {
                return Idle::Not;
            }
            self.look()
        });
    }

    /// Whether any shard has something to do, or when the first of them will.
    fn look(&self) -> Idle {
        let mut first = None;
        for shard in &self.shards {
            match shard.look() {
                Idle::Not => return Idle::Not,
                Idle::Until(due) => first = first.into_iter().chain(due).min(),
            }
        }
        Idle::Until(first)
    }

    fn close(mut self) {
        for (index, shard) in self.shards.iter_mut().enumerate() {
            let jobs = &self.jobs;
            let now = self.clock.next();
            shard.close(now, &mut |generation, sequence, task| {
                // A write thread that ended early leaves the log without its mark.
                let _ = jobs.send(Job {
                    shard: index,
                    generation,
                    sequence,
                    task,
                });
            });
        }
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("panic")
}
