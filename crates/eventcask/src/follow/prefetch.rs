//! The next blocks of a shard, read on other threads while one is taken in.
//!
//! 1. Who has read some blocks one after the other is going to read on: from then on the blocks
//!    behind the one that was just handed out are read ahead, each as a task of the pool.
//! 2. Who comes to a block takes what its task read. A task that nobody has begun is done by who
//!    waits for it, so nothing ever waits for the pool. While another is at work on the block, who
//!    waits for it reads those behind it: to sleep and be woken takes as long as to read a block.
//! 3. What was read for a position counts only where the walk comes to just that position. An error
//!    counts when its turn comes.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use eventcask_log::{Block, BlockPlace, Error};
use eventcask_shard::ShardReader;

use crate::follow::filter::Filter;
use crate::parallel;
use crate::sync::locked;

/// Blocks that are read one after the other before any is read ahead: who looks at a few events
/// reads no more than those.
const BLOCKS_BEFORE: u32 = 2;

/// Bytes of the blocks that are read ahead, as they are in their files: with more, one more block is
/// not begun. Blocks of single large appends have up to 16 MiB.
const AHEAD_BYTES: u64 = 8 << 20;

/// Blocks that are read ahead for each thread: one that it is at work on, and one to go on with.
const AHEAD_BLOCKS: usize = 2;

pub(crate) type Read = Result<Option<(BlockPlace, Arc<Block>)>, Error>;

/// What is read ahead of a walk over one shard.
#[derive(Debug)]
pub(crate) struct Prefetch {
    filter: Arc<Filter>,
    /// How many blocks are read ahead at most.
    depth: usize,
    blocks_before: u32,
    tasks: VecDeque<Arc<Task>>,
    /// Position behind the last block that is read ahead.
    next: u64,
}

impl Prefetch {
    /// For a walk over one of so many shards that are read in turns.
    pub(crate) fn new(filter: &Filter, shards: usize) -> Self {
        Self {
            filter: Arc::new(filter.clone()),
            depth: (AHEAD_BLOCKS * parallel::width()).div_ceil(shards.max(1)),
            blocks_before: 0,
            tasks: VecDeque::new(),
            next: 0,
        }
    }

    /// The block at a position, and begins to read those behind it that come before `end`.
    pub(crate) fn read(&mut self, reader: &Arc<ShardReader>, position: u64, end: u64) -> Read {
        while self
            .tasks
            .front()
            .is_some_and(|task| task.position != position)
        {
            self.tasks.pop_front();
        }
        let read = match self.tasks.pop_front() {
            Some(task) => {
                self.help(&task);
                task.finish()
            }
            None => reader.read_open(position, self.filter.payloads()),
        };
        if let Ok(Some((at, _))) = &read {
            self.go_on(reader, at.next_position, end);
        }
        read
    }

    /// Reads what nobody has begun to read, for as long as somebody is at work on this one.
    fn help(&self, task: &Task) {
        for later in &self.tasks {
            if !task.is_being_read() {
                break;
            }
            later.begin();
        }
    }

    fn go_on(&mut self, reader: &Arc<ShardReader>, behind: u64, end: u64) {
        if self.blocks_before < BLOCKS_BEFORE {
            self.blocks_before += 1;
            return;
        }
        if self.tasks.is_empty() {
            self.next = behind;
        }
        let bytes = |tasks: &VecDeque<Arc<Task>>| tasks.iter().map(|task| task.bytes).sum::<u64>();
        while self.tasks.len() < self.depth && bytes(&self.tasks) < AHEAD_BYTES && self.next < end {
            // Whoever comes to a place that can not be found is told why.
            let Ok(Some(at)) = reader.place_from(self.next) else {
                break;
            };
            if self.filter.is_before(&at) || at.first_position >= end {
                break;
            }
            let task = Task::new(reader, &self.filter, self.next, &at);
            parallel::spawn({
                let task = Arc::clone(&task);
                move || task.begin()
            });
            self.tasks.push_back(task);
            self.next = at.next_position;
        }
    }
}

impl Drop for Prefetch {
    /// What nobody has begun is not begun any more.
    fn drop(&mut self) {
        for task in &self.tasks {
            task.give_up();
        }
    }
}

/// One block that is read ahead.
struct Task {
    reader: Arc<ShardReader>,
    filter: Arc<Filter>,
    position: u64,
    bytes: u64,
    state: Mutex<State>,
    is_done: Condvar,
}

enum State {
    /// Nobody has begun, or who did fell over.
    Waiting,
    /// Somebody reads it, or did.
    Claimed,
    Done(Read),
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task")
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

impl Task {
    fn new(
        reader: &Arc<ShardReader>,
        filter: &Arc<Filter>,
        position: u64,
        at: &BlockPlace,
    ) -> Arc<Self> {
        Arc::new(Self {
            reader: Arc::clone(reader),
            filter: Arc::clone(filter),
            position,
            bytes: u64::from(at.length),
            state: Mutex::new(State::Waiting),
            is_done: Condvar::new(),
        })
    }

    /// Nobody who comes later begins to read it.
    fn give_up(&self) {
        let mut state = locked(&self.state);
        if matches!(*state, State::Waiting) {
            *state = State::Claimed;
        }
    }

    fn is_being_read(&self) -> bool {
        matches!(*locked(&self.state), State::Claimed)
    }

    fn read(&self) -> Read {
        self.reader.read_open(self.position, self.filter.payloads())
    }

    /// Reads it for somebody else, if nobody has begun.
    fn begin(&self) {
        {
            let mut state = locked(&self.state);
            if !matches!(*state, State::Waiting) {
                return;
            }
            *state = State::Claimed;
        }
        let read = panic::catch_unwind(AssertUnwindSafe(|| self.read()));
        // A panic is that of who wants the block: it reads the block again and meets the panic on
        // its own thread. Out of a thread of the pool it would end the process.
        *locked(&self.state) = read.map_or(State::Waiting, State::Done);
        self.is_done.notify_one();
    }

    /// What was read; reads it where nobody has.
    fn finish(&self) -> Read {
        let mut state = locked(&self.state);
        loop {
            match std::mem::replace(&mut *state, State::Claimed) {
                State::Done(read) => return read,
                State::Waiting => {
                    drop(state);
                    return self.read();
                }
                State::Claimed => {
                    let woken = self.is_done.wait(state);
                    state = woken.unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }
}
