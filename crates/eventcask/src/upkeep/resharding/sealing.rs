//! Seals the complete segments of the new store while the next ones are written.

use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex};

use eventcask_log::{Codec, Error, ErrorKind, Fate, Rewriting, SORT_BYTES};
use eventcask_shard::ShardReader;

use crate::sync::locked;

/// Segments that wait to be sealed; whoever writes the next ones waits beyond that.
const WAITING: usize = 2;

/// A piece of work.
pub(super) enum Job {
    /// A segment of a shard.
    Seal(usize, u64),
    /// Nothing: to be told once all before is done.
    Tell(Sender<()>),
}

/// Where complete segments are handed to.
pub(super) struct Sealing<'s> {
    jobs: SyncSender<Job>,
    failure: &'s Mutex<Option<Error>>,
}

impl<'s> Sealing<'s> {
    /// A way to hand segments over, and where they arrive. What goes wrong is noted.
    pub(super) fn new(failure: &'s Mutex<Option<Error>>) -> (Self, Receiver<Job>) {
        let (jobs, received) = sync_channel(WAITING);
        (Self { jobs, failure }, received)
    }

    /// Hands a complete segment over.
    ///
    /// # Errors
    /// What went wrong with one before.
    pub(super) fn seal(&self, shard: usize, segment: u64) -> Result<(), Error> {
        match self.jobs.send(Job::Seal(shard, segment)) {
            Ok(()) => Ok(()),
            Err(_) => Err(self.failed()),
        }
    }

    /// Waits for all segments that were handed over. What went wrong is told by the next one.
    pub(super) fn wait(&self) {
        let (tell, told) = channel();
        if self.jobs.send(Job::Tell(tell)).is_ok() {
            let _ = told.recv();
        }
    }

    fn failed(&self) -> Error {
        let stopped = || Error::new(ErrorKind::Io, "the thread that seals segments failed");
        locked(self.failure).take().unwrap_or_else(stopped)
    }
}

/// Seals what arrives, until that ends or something goes wrong.
pub(super) fn run(
    jobs: Receiver<Job>,
    readers: &[Arc<ShardReader>],
    (codec, clustered): (Codec, bool),
    failure: &Mutex<Option<Error>>,
) {
    let how = Rewriting {
        codec,
        clustered,
        sort_bytes: SORT_BYTES,
        fate: &|_, _| Fate::Kept,
        go_on: &|| true,
    };
    for job in jobs {
        let (shard, segment) = match job {
            Job::Seal(shard, segment) => (shard, segment),
            Job::Tell(tell) => {
                let _ = tell.send(());
                continue;
            }
        };
        match readers[shard].dir().seal(segment, &how) {
            Ok(sealed) => sealed
                .into_iter()
                .for_each(|one| readers[shard].replace(one)),
            Err(error) => {
                *locked(failure) = Some(error);
                return;
            }
        }
    }
}
