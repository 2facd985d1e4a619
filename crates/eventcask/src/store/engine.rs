//! The writing half of an open store: its threads.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use eventcask_log::{
    Block, Caches, Error as LogError, ErrorKind as LogErrorKind, Lock, Manifest, ShardDir, Storage,
};
use eventcask_shard::{
    Apply, CarriedMarks, CommitClock, DedupSettings, Inbox, KeyHasher, Opened, Shard, ShardReader,
    ShardSettings, Worker, WorkerBell,
};

use crate::clock::now_nanos;
use crate::follow::arrivals::Arrivals;
use crate::follow::feeds::Feeds;
use crate::named::Named;
use crate::notices::{self, Who};
use crate::parallel::cores;
use crate::state::projections::Projections;
use crate::store::sealer::{Sealer, SealerBell};
use crate::store::seen::known_ends;
use crate::sync::locked;
use crate::{Error, Options, parallel};

/// The core that the next worker of this process is bound to, so that several stores share
/// them out.
static NEXT_CORE: AtomicUsize = AtomicUsize::new(0);

/// Worker and write threads, and the inboxes of their shards.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) inboxes: Vec<Arc<Inbox>>,
    pub(crate) max_payload_bytes: usize,
    pub(crate) batch_bytes: usize,
    pub(crate) threads: usize,
    /// Cores that workers were bound to.
    pub(crate) pinned: Vec<usize>,
    pub(crate) clock: Arc<CommitClock>,
    /// What recovery took off the ends of logs.
    pub(crate) recovered: Vec<String>,
    /// Sources that have or had a producer: whether there is one now.
    pub(crate) sources: Mutex<HashMap<String, bool>>,
    /// Shards whose owner is still there.
    owned: Arc<AtomicUsize>,
    running: Mutex<Option<Running>>,
}

/// Who runs the workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Workers {
    /// Threads of the store.
    Threads,
    /// Those who own the shards: one worker a shard.
    Owners,
}

/// A worker that is handed out, and the core that its thread should have.
#[derive(Debug)]
pub(crate) struct OwnedWorker {
    pub(crate) worker: Worker,
    pub(crate) core: Option<core_affinity::CoreId>,
}

struct Running {
    workers: Vec<JoinHandle<()>>,
    writers: Vec<JoinHandle<Result<(), String>>>,
    _lock: Box<dyn Lock>,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running")
            .field("workers", &self.workers.len())
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// Recovers all shards, several at a time.
    pub(crate) fn recover(
        storage: &Arc<dyn Storage>,
        manifest: &Manifest,
        hasher: &KeyHasher,
        caches: &Caches,
        dedup: DedupSettings,
        carried: &Arc<CarriedMarks>,
    ) -> Result<Vec<Opened>, LogError> {
        let known = known_ends(&**storage, manifest)?;
        let recover = |shard| {
            let dir = ShardDir::new(Arc::clone(storage), manifest, shard as u32);
            let dir = dir.known_to(known.of(shard as u32));
            let mut opened = Opened::recover(dir, hasher.clone(), caches.clone(), dedup)?;
            opened.carry(Arc::clone(carried));
            Ok(opened)
        };
        let opened = parallel::map(manifest.shards as usize, recover);
        opened.into_iter().collect()
    }

    /// Starts the threads. Shards are dealt out to the workers in turn. The clock goes on after
    /// `clock_after`.
    pub(crate) fn start(
        options: &Options,
        by: Workers,
        opened: Vec<Opened>,
        clock_after: i64,
        followers: &Followers,
        lock: Box<dyn Lock>,
    ) -> Result<(Self, Sealer, Vec<OwnedWorker>), Error> {
        let threads = match by {
            Workers::Threads => options.workers(opened.len() as u32),
            Workers::Owners => opened.len(),
        };
        let bells: Vec<_> = (0..threads)
            .map(|_| Arc::new(WorkerBell::default()))
            .collect();
        let inbox = |index: usize| {
            let bell = Arc::clone(&bells[index % threads]);
            Inbox::new(bell, options.linger, options.batch_bytes)
        };
        let inboxes: Vec<_> = (0..opened.len())
            .map(|index| Arc::new(inbox(index)))
            .collect();
        let readers = opened.iter().map(|shard| Arc::clone(&shard.reader));
        let sealer = Sealer::new(options, inboxes.clone(), &readers.collect::<Vec<_>>());
        let cuts = opened.iter().filter_map(|shard| shard.cut.as_ref());
        let recovered = cuts
            .map(|cut| format!("{}: {}", cut.file, cut.reason))
            .collect();
        let crews = crews(options, opened, &inboxes, followers, &sealer, threads);
        let mut engine = Self {
            inboxes,
            max_payload_bytes: options.max_payload_bytes,
            batch_bytes: options.batch_bytes,
            threads,
            pinned: Vec::new(),
            clock: Arc::new(CommitClock::new(clock_after, Box::new(now_nanos))),
            recovered,
            sources: Mutex::default(),
            owned: Arc::default(),
            running: Mutex::default(),
        };
        let mut running = Running {
            workers: Vec::new(),
            writers: Vec::new(),
            _lock: lock,
        };
        let mut spawned = engine.spawn(options, by, crews, &bells, &mut running);
        *locked(&engine.running) = Some(running);
        if options.seal {
            spawned = spawned.and_then(|owned| sealer.start().map(|()| owned).map_err(Error::from));
        }
        if spawned.is_err() {
            // Threads that did start end before anyone else may have the lock: they write to the
            // logs.
            let _ = engine.stop(|_| Ok(()));
        }
        spawned.map(|owned| (engine, sealer, owned))
    }

    fn spawn(
        &mut self,
        options: &Options,
        by: Workers,
        crews: Vec<Vec<Shard>>,
        bells: &[Arc<WorkerBell>],
        running: &mut Running,
    ) -> Result<Vec<OwnedWorker>, Error> {
        let mut owned = Vec::new();
        let cores = cores_for(options, crews.len());
        for (index, crew) in crews.into_iter().enumerate() {
            let bell = Arc::clone(&bells[index]);
            let clock = Arc::clone(&self.clock);
            let (worker, writes) = Worker::new(crew, options.durability, bell, clock)?;
            let core = cores.get(index).copied();
            let named =
                |name: &str| std::thread::Builder::new().name(format!("eventcask-{name}-{index}"));
            let failed = |error| LogError::io("start", "a thread of the store", error);
            let writer = named("write").spawn(move || writes.run()).map_err(failed)?;
            running.writers.push(writer);
            if by == Workers::Owners {
                self.owned.fetch_add(1, Ordering::Relaxed);
                owned.push(OwnedWorker { worker, core });
                continue;
            }
            self.pinned.extend(core.map(|core| core.id));
            let worker = named("shard").spawn(move || {
                if let Some(core) = core {
                    core_affinity::set_for_current(core);
                }
                worker.run();
            });
            running.workers.push(worker.map_err(failed)?);
        }
        Ok(owned)
    }

    /// The number of shards whose owner is still there.
    pub(crate) fn owned(&self) -> &Arc<AtomicUsize> {
        &self.owned
    }

    /// Whether the store is open.
    pub(crate) fn is_running(&self) -> bool {
        locked(&self.running).is_some()
    }

    /// Closes the inboxes, waits for the threads and runs `save` on the log at its end, which is
    /// told whether all of that is durable. Later calls do nothing.
    pub(crate) fn stop(&self, save: impl FnOnce(bool) -> Result<(), Error>) -> Result<(), Error> {
        // Held to the end: who closes the store as well returns when it is closed.
        let mut state = locked(&self.running);
        let Some(running) = state.take() else {
            return Ok(());
        };
        self.inboxes.iter().for_each(|inbox| inbox.close());
        let mut result = Ok(());
        for worker in running.workers {
            if worker.join().is_err() {
                result = Err(thread_failed("a worker of the store failed"));
            }
        }
        self.inboxes.iter().for_each(|inbox| inbox.abandon());
        for writer in running.writers {
            match writer.join() {
                Ok(Ok(())) => {}
                Ok(Err(reason)) => result = Err(thread_failed(&reason)),
                Err(_) => result = Err(thread_failed("a write thread of the store failed")),
            }
        }
        let saved = save(result.is_ok());
        result.and(saved)
    }
}

fn thread_failed(reason: &str) -> Error {
    LogError::new(LogErrorKind::Io, reason).into()
}

/// The shards by the worker that they are dealt out to.
fn crews(
    options: &Options,
    opened: Vec<Opened>,
    inboxes: &[Arc<Inbox>],
    followers: &Followers,
    sealer: &Sealer,
    threads: usize,
) -> Vec<Vec<Shard>> {
    let settings = ShardSettings {
        codec: options.codec,
        segment_bytes: options.segment_bytes,
    };
    let mut crews: Vec<Vec<Shard>> = (0..threads).map(|_| Vec::new()).collect();
    for (index, shard) in opened.into_iter().enumerate() {
        let inbox = Arc::clone(&inboxes[index]);
        let apply = Box::new(BlockListeners {
            followers: followers.clone(),
            reader: Arc::clone(&shard.reader),
            sealer: sealer.bell(index),
        });
        crews[index % threads].push(shard.start(inbox, settings, apply));
    }
    crews
}

/// A core for each worker, where that is wanted and there are enough.
fn cores_for(options: &Options, workers: usize) -> Vec<core_affinity::CoreId> {
    if !options.pin || workers > cores() {
        return Vec::new();
    }
    let ids = core_affinity::get_core_ids().unwrap_or_default();
    if ids.len() < workers {
        return Vec::new();
    }
    let first = NEXT_CORE.fetch_add(workers, Ordering::Relaxed);
    (first..first + workers)
        .map(|index| ids[index % ids.len()])
        .collect()
}

/// All that follow what becomes durable.
#[derive(Clone)]
pub(crate) struct Followers {
    pub(crate) projections: Arc<Projections>,
    pub(crate) arrivals: Arc<Arrivals>,
    pub(crate) feeds: Arc<Feeds>,
}

/// Hands the durable blocks of a shard to those who follow it, and tells the sealer of new
/// segments.
struct BlockListeners {
    followers: Followers,
    reader: Arc<ShardReader>,
    sealer: SealerBell,
}

impl Apply for BlockListeners {
    fn apply(&mut self, block: &Block) {
        let to = &self.followers;
        to.projections.apply(&self.reader, block);
        to.feeds.ring();
        to.arrivals.show(block);
        let head = block.head();
        self.sealer.at(head.segment, head.place);
    }

    fn settled(&mut self) {
        self.followers.arrivals.settled();
    }

    fn stopped(&mut self, reason: &str) {
        let who = Who {
            kind: Named::Shard,
            name: self.reader.shard().to_string(),
            shard: Some(self.reader.shard()),
            behind: None,
        };
        let position = self.reader.published().watermark;
        notices::stopped(&who, Some(position), reason);
    }
}
