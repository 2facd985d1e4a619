//! The thread that makes blocks durable, so that the worker goes on with the next batch.
//!
//! 1. It waits for a job, then takes all that are ready, up to a limit: that is a group.
//! 2. The blocks are written, each at its place.
//! 3. Where the policy asks for it, one sync for each shard of the group.
//! 4. Each job is reported, in order.
//!
//! A full disk refuses the block and all that was chained to it; any other error ends the
//! shard: after a failed sync nobody knows what the disk has, so it is never tried again.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};
use crossbeam_queue::SegQueue;
use eventcask_log::{Error, ErrorKind, NewSegment, SegmentWriter};

use crate::Bell;

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
        bytes: Vec<u8>,
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
    pub(crate) buffer: Vec<u8>,
}

/// Where the write thread reports, one a shard.
pub(crate) type Reports = Arc<SegQueue<Done>>;

/// One shard as the write thread knows it.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) writer: SegmentWriter,
    pub(crate) reports: Reports,
    /// Jobs up to this generation are dropped.
    pub(crate) refused_generation: Option<u64>,
    pub(crate) broken: Option<Arc<str>>,
    pub(crate) written: Option<(u64, u64)>,
}

/// Writes and syncs the blocks of some shards.
#[derive(Debug)]
pub struct WriteThread {
    pub(crate) jobs: Receiver<Job>,
    pub(crate) targets: Vec<Target>,
    pub(crate) durability: Durability,
    pub(crate) bell: Arc<Bell>,
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
        for target in &mut self.targets {
            if let (None, Some((_, place))) = (&target.broken, target.written) {
                target.writer.trim(place);
            }
        }
        match self
            .targets
            .iter()
            .find_map(|target| target.broken.as_ref())
        {
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
        let Durability::Interval(interval) = self.durability else {
            return None;
        };
        let unsynced = self
            .targets
            .iter()
            .any(|target| target.writer.is_unsynced());
        // An interval beyond what the clock can tell never ends.
        let deadline = Instant::now().checked_add(interval);
        deadline.filter(|_| unsynced)
    }

    fn do_group(&mut self, first: Job) {
        let mut reports: Vec<(usize, Done)> = Vec::new();
        let mut bytes = 0;
        let mut next = Some(first);
        while let Some(job) = next {
            bytes += job.task.bytes();
            let shard = job.shard;
            reports.extend(self.targets[shard].write(job).map(|done| (shard, done)));
            next = if bytes < GROUP_BYTES {
                self.jobs.try_recv().ok()
            } else {
                None
            };
        }
        if self.durability == Durability::Sync {
            self.sync_unsynced();
        }
        for (shard, mut done) in reports {
            let target = &self.targets[shard];
            if let (Some(reason), Ok(())) = (&target.broken, &done.result) {
                done.result = Err(Failure::Broken(Arc::clone(reason)));
            }
            done.durable = target.durable();
            target.reports.push(done);
        }
        self.bell.ring();
    }

    fn sync_unsynced(&mut self) {
        for target in &mut self.targets {
            if target.writer.is_unsynced() {
                // A failure is kept in the target, and its worker is told.
                let _ = target.sync();
            }
        }
    }
}

impl Drop for WriteThread {
    /// Where the thread ends early, nobody may wait for it.
    fn drop(&mut self) {
        for target in &mut self.targets {
            target.stop("its write thread has ended");
        }
        self.bell.ring();
    }
}

impl Task {
    fn bytes(&self) -> usize {
        match self {
            Self::Write { bytes, .. } => bytes.len(),
            Self::Sync => 0,
        }
    }
}

impl Target {
    /// Does a job but for its sync; `None` where it is dropped.
    fn write(&mut self, job: Job) -> Option<Done> {
        let Job {
            generation,
            sequence,
            task,
            ..
        } = job;
        if self
            .refused_generation
            .is_some_and(|refused| generation <= refused)
        {
            return None;
        }
        let (result, buffer) = match (&self.broken, task) {
            (Some(reason), _) => (Err(Failure::Broken(Arc::clone(reason))), Vec::new()),
            // At once and not with the group: what is written after it relies on it.
            (None, Task::Sync) => (self.sync(), Vec::new()),
            (
                None,
                Task::Write {
                    roll,
                    segment,
                    place,
                    bytes,
                },
            ) => {
                let written = self.write_block(roll, segment, place, &bytes);
                (
                    written.map_err(|error| self.fail(generation, &error)),
                    bytes,
                )
            }
        };
        Some(Done {
            generation,
            sequence,
            result,
            durable: None,
            buffer,
        })
    }

    fn write_block(
        &mut self,
        roll: Option<NewSegment>,
        segment: u64,
        place: u64,
        bytes: &[u8],
    ) -> Result<(), Error> {
        if let Some(new) = roll {
            self.writer.roll(&new)?;
        }
        self.writer.append(segment, place, bytes)?;
        self.written = Some((segment, place + bytes.len() as u64));
        Ok(())
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

    fn sync(&mut self) -> Result<(), Failure> {
        if self.broken.is_none()
            && let Err(error) = self.writer.sync()
        {
            self.stop(&error.to_string());
        }
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
            buffer: Vec::new(),
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
