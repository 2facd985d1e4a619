//! Makes blocks durable, in a thread of its own, so that the worker goes on with the next batch.
//!
//! 1. The thread waits for a job, then takes all that are ready, up to a limit: that is a group.
//! 2. The blocks of each shard that follow each other in a file are written at once.
//! 3. Where the policy asks for it, one sync for each shard of the group.
//! 4. Each job is reported, in order.
//!
//! A worker that would only wait for a small block does the job itself ([`Targets::do_alone`]):
//! waking two threads takes about as long as half a sync.
//!
//! A full disk refuses the block and all that was chained to it; any other error ends the
//! shard: after a failed sync nobody knows what the disk has, so it is never tried again.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};
use crossbeam_queue::SegQueue;
use eventcask_log::{Error, ErrorKind, LogEnd, NewSegment, PageBuffer, SegmentWriter, in_page};

use crate::stages::{StageCounters, StageTimer, count};
use crate::{ShardReader, WorkerBell};

/// Bytes that are written before a sync at most. Larger groups gain nothing and delay answers.
const GROUP_BYTES: usize = 4 << 20;

/// When a stored event counts as durable, and its append is answered.
///
/// ```
/// use std::time::Duration;
/// use eventcask_shard::Durability;
/// assert_eq!("interval:20".parse(), Ok(Durability::Interval(Duration::from_millis(20))));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Durability {
    /// When the disk has it: survives a loss of power. Appends that wait share one sync.
    #[default]
    Sync,
    /// When the operating system has it: survives the end of the process, however it ends.
    Os,
    /// As [`Durability::Os`], and the disk has it at most this much later.
    Interval(Duration),
}

impl FromStr for Durability {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let millis = text
            .strip_prefix("interval:")
            .and_then(|millis| millis.parse().ok());
        match (text, millis) {
            ("sync", _) => Ok(Self::Sync),
            ("os", _) => Ok(Self::Os),
            (_, Some(millis @ 1..=60_000)) => Ok(Self::Interval(Duration::from_millis(millis))),
            _ => Err(format!(
                "{text:?} is not a durability: sync, os or interval:MS (1 to 60000)"
            )),
        }
    }
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sync => f.write_str("sync"),
            Self::Os => f.write_str("os"),
            Self::Interval(interval) => write!(f, "interval:{}", interval.as_millis()),
        }
    }
}

/// Something to be done for one shard. Jobs of a generation that failed are dropped.
#[derive(Debug)]
pub(crate) struct Job {
    /// Index of the shard among those of the worker.
    pub(crate) shard: usize,
    pub(crate) generation: u64,
    pub(crate) sequence: u64,
    pub(crate) task: Task,
}

#[derive(Debug)]
pub(crate) enum Task {
    /// Write a block, in a new segment if one is named.
    Write {
        roll: Option<NewSegment>,
        segment: u64,
        place: u64,
        /// The block, which begins in its first page of memory where it will begin in that of the
        /// file; what comes before in the page is of no matter.
        bytes: PageBuffer,
    },
    /// Make everything before durable, whatever the policy.
    Sync,
}

/// Why a job failed.
#[derive(Debug, Clone)]
pub(crate) enum Failure {
    /// The disk is full; the file is as it was before the block.
    Full(Arc<str>),
    /// The shard must not be written to any more.
    Broken(Arc<str>),
}

/// A job that was done, or refused.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) generation: u64,
    pub(crate) sequence: u64,
    pub(crate) result: Result<(), Failure>,
    /// Segment and place up to which the disk has everything, where that is known.
    pub(crate) durable: Option<(u64, u64)>,
    /// The buffer of the job, to be used again.
    pub(crate) buffer: PageBuffer,
}

/// Where the write thread reports, one a shard.
pub(crate) type Reports = Arc<SegQueue<Done>>;

/// One shard as the write thread knows it.
#[derive(Debug)]
pub(crate) struct Target {
    /// Is told where the log ends once all is written.
    pub(crate) reader: Arc<ShardReader>,
    pub(crate) writer: SegmentWriter,
    pub(crate) reports: Reports,
    /// Jobs up to this generation are dropped.
    pub(crate) refused_generation: Option<u64>,
    pub(crate) broken: Option<Arc<str>>,
    pub(crate) written: Option<(u64, u64)>,
    /// Jobs that are done together.
    pub(crate) group: Vec<Job>,
    pub(crate) stages: Arc<StageCounters>,
}

/// The shards of a worker, as those know them who write. Only one does at a time: while a job of a
/// shard is with the write thread, the worker does none.
#[derive(Debug)]
pub(crate) struct Targets {
    pub(crate) each: Vec<Mutex<Target>>,
    pub(crate) durability: Durability,
}

impl Targets {
    fn of(&self, shard: usize) -> MutexGuard<'_, Target> {
        lock(&self.each[shard])
    }

    fn all(&self) -> impl Iterator<Item = MutexGuard<'_, Target>> {
        self.each.iter().map(lock)
    }

    /// Does a job and reports it, in the thread that calls. There must be no other one of its
    /// shard.
    pub(crate) fn do_alone(&self, job: Job) {
        let mut target = self.of(job.shard);
        target.group.push(job);
        target
            .writer
            .set_through_cache(self.durability == Durability::Os);
        let done = target.do_group();
        target.writer.set_through_cache(false);
        if self.durability == Durability::Sync {
            target.sync_unsynced();
        }
        target.report(done);
    }
}

/// A panic in a target ended its shard already.
fn lock(target: &Mutex<Target>) -> MutexGuard<'_, Target> {
    target.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes and syncs the blocks of some shards.
#[derive(Debug)]
pub struct WriteThread {
    pub(crate) jobs: Receiver<Job>,
    pub(crate) targets: Arc<Targets>,
    pub(crate) bell: Arc<WorkerBell>,
}

impl WriteThread {
    /// Works until the worker is gone and everything is written.
    ///
    /// # Errors
    /// Why a shard was stopped, as a sentence.
    pub fn run(mut self) -> Result<(), String> {
        let mut deadline = None;
        loop {
            match self.wait(deadline) {
                Ok(job) => self.do_group(job),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            // Looked at after each group: jobs that never cease must not put it off.
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                self.sync_unsynced();
                self.bell.ring();
                deadline = None;
            }
            deadline = deadline.or_else(|| self.next_deadline());
        }
        self.sync_unsynced();
        self.targets.all().for_each(|mut target| target.end());
        let mut targets = self.targets.all();
        match targets.find_map(|target| target.broken.clone()) {
            Some(reason) => Err(reason.to_string()),
            None => Ok(()),
        }
    }

    fn wait(&self, deadline: Option<Instant>) -> Result<Job, RecvTimeoutError> {
        match deadline {
            None => self.jobs.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(deadline) => self.jobs.recv_deadline(deadline),
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        let Durability::Interval(interval) = self.targets.durability else {
            return None;
        };
        let unsynced = self.targets.all().any(|one| one.writer.is_unsynced());
        // An interval beyond what the clock can tell never ends.
        let deadline = Instant::now().checked_add(interval);
        deadline.filter(|_| unsynced)
    }

    /// Takes the jobs that are ready, does them, and reports.
    fn do_group(&mut self, first: Job) {
        let mut bytes = 0;
        let mut next = Some(first);
        while let Some(job) = next {
            bytes += job.task.bytes();
            self.targets.of(job.shard).group.push(job);
            next = if bytes < GROUP_BYTES {
                self.jobs.try_recv().ok()
            } else {
                None
            };
        }
        let all = self.targets.all();
        let done: Vec<Vec<Done>> = all.map(|mut target| target.do_group()).collect();
        if self.targets.durability == Durability::Sync {
            self.sync_unsynced();
        }
        for (target, done) in self.targets.all().zip(done) {
            target.report(done);
        }
        self.bell.ring();
    }

    fn sync_unsynced(&self) {
        self.targets
            .all()
            .for_each(|mut target| target.sync_unsynced());
    }
}

impl Drop for WriteThread {
    /// Where the thread ends early, nobody may wait for it.
    fn drop(&mut self) {
        for mut target in self.targets.all() {
            target.stop("its write thread has ended");
        }
        self.bell.ring();
    }
}

impl Task {
    fn block(&self) -> Option<&[u8]> {
        match self {
            Self::Write { bytes, place, .. } => Some(&bytes[in_page(*place)..]),
            Self::Sync => None,
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.block().map_or(0, <[u8]>::len)
    }

    /// Segment, and where the block ends there.
    fn end(&self) -> Option<(u64, u64)> {
        match self {
            Self::Write {
                segment,
                place,
                bytes,
                ..
            } => Some((*segment, place + (bytes.len() - in_page(*place)) as u64)),
            Self::Sync => None,
        }
    }

    /// Whether its block follows right behind `end`.
    fn follows(&self, end: Option<(u64, u64)>) -> bool {
        match self {
            Self::Write {
                roll: None,
                segment,
                place,
                ..
            } => end == Some((*segment, *place)),
            _ => false,
        }
    }
}

/// How many of the first jobs can be done at once: blocks that follow each other in a file.
fn run_of(jobs: &[Job]) -> usize {
    let follows = |pair: &[Job]| {
        pair[0].generation == pair[1].generation && pair[1].task.follows(pair[0].task.end())
    };
    // What makes a segment is done by itself: tried once more it would make another.
    if matches!(jobs[0].task, Task::Write { roll: Some(_), .. }) {
        return 1;
    }
    1 + jobs.windows(2).take_while(|pair| follows(pair)).count()
}

impl Job {
    /// The report of a job that was done or refused.
    fn done(self, result: Result<(), Failure>) -> Done {
        Done {
            generation: self.generation,
            sequence: self.sequence,
            result,
            durable: None,
            buffer: match self.task {
                Task::Write { bytes, .. } => bytes,
                Task::Sync => PageBuffer::new(),
            },
        }
    }
}

impl Target {
    /// Takes leave of a log to which nothing more is written, and which is synced.
    fn end(&mut self) {
        if let (None, Some((segment, place))) = (&self.broken, self.written) {
            self.writer.trim(place);
            self.reader.set_end(LogEnd {
                position: self.reader.published().watermark,
                segment,
                place,
            });
        }
    }

    /// Does the jobs of the group but for their sync.
    fn do_group(&mut self) -> Vec<Done> {
        let mut jobs = std::mem::take(&mut self.group);
        let mut results = Vec::with_capacity(jobs.len());
        while results.len() < jobs.len() {
            let rest = &jobs[results.len()..];
            let run = &rest[..run_of(rest)];
            self.do_run(run, &mut results);
        }
        let done = jobs.drain(..).zip(results);
        let done = done.filter_map(|(job, result)| Some(job.done(result?)));
        let done = done.collect();
        self.group = jobs;
        done
    }

    /// Does jobs that can be done together; `None` is the result of one that is dropped.
    fn do_run(&mut self, run: &[Job], results: &mut Vec<Option<Result<(), Failure>>>) {
        if run.len() > 1 && self.is_open_to(&run[0]) {
            match self.write(run) {
                Ok(()) => return results.extend(run.iter().map(|_| Some(Ok(())))),
                // Then one by one, so that every block that has room is stored.
                Err(error) if error.kind() == ErrorKind::StorageFull => {}
                Err(error) => self.broken = Some(error.to_string().into()),
            }
        }
        results.extend(run.iter().map(|job| self.do_job(job)));
    }

    /// Whether a job is to be done, neither dropped nor refused.
    fn is_open_to(&self, job: &Job) -> bool {
        let refused = self.refused_generation;
        self.broken.is_none() && refused.is_none_or(|refused| job.generation > refused)
    }

    fn do_job(&mut self, job: &Job) -> Option<Result<(), Failure>> {
        if let Some(refused) = self.refused_generation
            && job.generation <= refused
        {
            return None;
        }
        Some(match (&self.broken, &job.task) {
            (Some(reason), _) => Err(Failure::Broken(Arc::clone(reason))),
            // At once and not with the group: what is written after it relies on it.
            (None, Task::Sync) => self.sync(),
            (None, Task::Write { .. }) => {
                let written = self.write(std::slice::from_ref(job));
                written.map_err(|error| self.fail(job.generation, &error))
            }
        })
    }

    /// Writes the blocks of some jobs, which follow each other.
    fn write(&mut self, run: &[Job]) -> Result<(), Error> {
        let Task::Write {
            roll,
            segment,
            place,
            ..
        } = &run[0].task
        else {
            return Ok(());
        };
        let mut lap = StageTimer::start();
        if let Some(new) = roll {
            self.writer.roll(new)?;
        }
        let blocks: Vec<&[u8]> = run.iter().filter_map(|job| job.task.block()).collect();
        self.writer.append(*segment, *place, &blocks)?;
        let bytes: u64 = blocks.iter().map(|block| block.len() as u64).sum();
        self.written = Some((*segment, place + bytes));
        count(&self.stages.written_bytes, bytes);
        count(&self.stages.groups, 1);
        lap.end(&self.stages.write_ns);
        Ok(())
    }

    /// Tells the worker what was done.
    fn report(&self, done: Vec<Done>) {
        for mut done in done {
            if let (Some(reason), Ok(())) = (&self.broken, &done.result) {
                done.result = Err(Failure::Broken(Arc::clone(reason)));
            }
            done.durable = self.durable();
            self.reports.push(done);
        }
    }

    fn fail(&mut self, generation: u64, error: &Error) -> Failure {
        let reason: Arc<str> = error.to_string().into();
        if error.kind() == ErrorKind::StorageFull {
            self.refused_generation = Some(generation);
            return Failure::Full(reason);
        }
        self.broken = Some(Arc::clone(&reason));
        Failure::Broken(reason)
    }

    fn sync_unsynced(&mut self) {
        if self.writer.is_unsynced() {
            // A failure is kept here, and the worker is told.
            let _ = self.sync();
        }
    }

    fn sync(&mut self) -> Result<(), Failure> {
        let mut lap = StageTimer::start();
        if self.broken.is_none()
            && let Err(error) = self.writer.sync()
        {
            self.stop(&error.to_string());
        }
        lap.end(&self.stages.sync_ns);
        match &self.broken {
            Some(reason) => Err(Failure::Broken(Arc::clone(reason))),
            None => Ok(()),
        }
    }

    /// Ends the shard and tells its worker, whatever it waits for.
    fn stop(&mut self, reason: &str) {
        let reason: Arc<str> = reason.into();
        self.broken = Some(Arc::clone(&reason));
        let result = Err(Failure::Broken(reason));
        self.reports.push(Done {
            generation: 0,
            sequence: 0,
            result,
            durable: None,
            buffer: PageBuffer::new(),
        });
    }

    fn durable(&self) -> Option<(u64, u64)> {
        if self.writer.is_unsynced() {
            None
        } else {
            self.written
        }
    }
}
