//! Seals complete segments in the background, and whenever it is asked to.
//!
//! One thread waits until a shard begins a new segment, or has filled half of one. Then it seals
//! what is complete, the segments of a shard one after the other, several shards at once, and takes
//! room for the next ones. What was given up by then is left out on the way. Between blocks it
//! gives way to the workers, as long as it does not fall far behind.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use eventcask_event::Events;
use eventcask_log::{Codec, Error as LogError, Fate, Rewriting, SORT_BYTES};
use eventcask_shard::{Inbox, SegmentSpan, ShardReader};
use rayon::ThreadPool;
use rayon::prelude::*;

use crate::bell::Bell;
use crate::parallel::cores;
use crate::store::given_up::GivenUp;
use crate::store::options::Options;
use crate::sync::locked;
use crate::{Error, parallel};

/// How long a block waits at most for workers that are busy.
const PATIENCE: Duration = Duration::from_millis(20);
const PAUSE: Duration = Duration::from_millis(1);
/// How far the threads that seal step back: they get about a tenth of a core that a worker wants
/// too.
const NICENESS: i32 = 10;
/// Segments of a shard that wait to be sealed before the sealer stops giving way: each makes
/// the next opening slower.
const BACKLOG: usize = 4;
/// What a close seals of what the background has not come to, over all shards: bytes and segments,
/// each of which takes two syncs: about a tenth of a second of one core. So a small store is the
/// same each time it was closed.
const AT_CLOSE: (u64, usize) = (8 << 20, 32);

/// Rewrites segments, one of each shard at a time.
#[derive(Debug, Default)]
pub(crate) struct Sealer {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
pub(crate) struct Shared {
    bell: Bell,
    stops: AtomicBool,
    codec: Codec,
    clustered: bool,
    segment_bytes: u64,
    /// Whether it seals without being asked.
    in_background: bool,
    /// Whether all that readers see is durable.
    is_all_durable: bool,
    /// One a shard: whether room for its next segment is to be taken.
    wants_spare: Vec<AtomicBool>,
    inboxes: Vec<Arc<Inbox>>,
    readers: Vec<Arc<ShardReader>>,
    /// One a shard, held while a segment of it is written anew.
    rewriting: Vec<Mutex<()>>,
    failure: Mutex<Option<String>>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("codec", &self.codec)
            .finish_non_exhaustive()
    }
}

/// Tells the sealer of a shard when there is something to do.
#[derive(Debug)]
pub(crate) struct SealerBell {
    shared: Arc<Shared>,
    shard: usize,
    segment: u64,
    is_half_full: bool,
}

impl SealerBell {
    /// Says where the shard writes now.
    pub(crate) fn at(&mut self, segment: u64, place: u64) {
        if segment > self.segment {
            self.segment = segment;
            self.is_half_full = false;
            self.shared.bell.ring();
        }
        if !self.is_half_full && place > self.shared.segment_bytes / 2 {
            self.is_half_full = true;
            self.shared.wants_spare[self.shard].store(true, Ordering::Relaxed);
            self.shared.bell.ring();
        }
    }
}

impl Sealer {
    pub(crate) fn new(
        options: &Options,
        inboxes: Vec<Arc<Inbox>>,
        readers: &[Arc<ShardReader>],
    ) -> Self {
        let shared = Shared {
            codec: options.codec_of_sealed(),
            clustered: options.clustered,
            segment_bytes: options.segment_bytes,
            in_background: options.seal,
            is_all_durable: options.is_sync(),
            wants_spare: readers.iter().map(|_| AtomicBool::new(false)).collect(),
            inboxes,
            readers: readers.to_vec(),
            rewriting: readers.iter().map(|_| Mutex::default()).collect(),
            ..Shared::default()
        };
        Self {
            shared: Arc::new(shared),
            thread: Mutex::default(),
        }
    }

    pub(crate) fn bell(&self, shard: usize) -> SealerBell {
        SealerBell {
            shared: Arc::clone(&self.shared),
            shard,
            segment: 0,
            is_half_full: false,
        }
    }

    /// Starts to seal in the background.
    pub(crate) fn start(&self) -> Result<(), LogError> {
        let shared = Arc::clone(&self.shared);
        let failed = |error| LogError::io("start", "a thread of the store", error);
        let name = "eventcask-seal".to_owned();
        let thread = std::thread::Builder::new().name(name);
        let thread = thread.spawn(move || shared.run()).map_err(failed)?;
        *locked(&self.thread) = Some(thread);
        // What was left when the store was closed.
        self.shared.bell.ring();
        Ok(())
    }

    /// Stops as soon as the block at hand is written; a segment that is not done stays as it is.
    pub(crate) fn stop(&self) {
        self.shared.stops.store(true, Ordering::Relaxed);
        self.shared.bell.ring();
        if let Some(thread) = locked(&self.thread).take() {
            // What it failed at was noted; the segment is as it was.
            let _ = thread.join();
        }
    }

    /// Seals the complete segments that are left when the store is closed, as far as they are few
    /// and small: whether the background came to them is chance. The log must be durable to its
    /// end.
    pub(crate) fn finish(&self) {
        if self.shared.in_background {
            self.shared.seal_small();
        }
    }

    /// Whether all that readers see is durable.
    pub(crate) fn is_all_durable(&self) -> bool {
        self.shared.is_all_durable
    }

    /// Why a segment could not be sealed when it was last tried.
    pub(crate) fn failure(&self) -> Option<String> {
        locked(&self.shared.failure).clone()
    }

    /// Seals all that is complete and returns when it is done: how many segments.
    pub(crate) fn seal_all(&self) -> Result<u64, Error> {
        let seal = |shard| self.shared.seal_shard(shard, false);
        // It may take long, and whoever opens a store meanwhile must not wait for it.
        let sealed = parallel::map_apart(self.shared.readers.len(), seal);
        let sealed: Result<Vec<u64>, LogError> = sealed.into_iter().collect();
        Ok(sealed?.iter().sum())
    }

    /// Writes a segment anew with another fate for its events than to be kept.
    pub(crate) fn rewrite(
        &self,
        shard: usize,
        segment: u64,
        fate: &dyn Fn(&Events<'_>, usize) -> Fate,
    ) -> Result<(), LogError> {
        let _one = locked(&self.shared.rewriting[shard]);
        let how = Rewriting {
            codec: self.shared.codec,
            clustered: self.shared.clustered,
            sort_bytes: SORT_BYTES,
            fate,
            go_on: &|| true,
        };
        let reader = &self.shared.readers[shard];
        if let Some(segment) = reader.dir().seal(segment, &how)? {
            reader.replace(segment);
        }
        Ok(())
    }

    /// Runs `work` while no segment is written anew.
    pub(crate) fn holding<T>(&self, work: impl FnOnce() -> T) -> T {
        let _all: Vec<_> = self.shared.rewriting.iter().map(locked).collect();
        work()
    }
}

/// The complete segments of a shard that wait to be sealed, oldest first.
fn to_seal(reader: &ShardReader) -> Vec<SegmentSpan> {
    let published = reader.published();
    let waiting = published.to_seal(false);
    let mut spans = published.spans();
    spans.retain(|span| waiting.contains(&span.number));
    spans
}

/// Leaves the core to other threads that want it, such as the workers. Where the system does not
/// allow that, it goes on as it is.
fn step_back() {
    // On Linux this is the calling thread alone; elsewhere it may be the whole process.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::setpriority_process(None, NICENESS);
}

impl Shared {
    /// Waits for the bell; says whether to go on.
    fn wait(&self) -> bool {
        self.bell.wait(None) && !self.stops()
    }

    fn stops(&self) -> bool {
        self.stops.load(Ordering::Relaxed)
    }

    fn run(&self) {
        // Each core may be idle; where it is not, they step back.
        let threads = cores();
        let name = |index| format!("eventcask-seal-{index}");
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        let pool = pool.start_handler(|_| step_back());
        let pool = pool.thread_name(name).build();
        while self.wait() {
            let seal = || self.seal_in(pool.as_ref().ok());
            // Whatever fails here, the segments are as they were.
            let failure = match catch_unwind(AssertUnwindSafe(seal)) {
                Ok(result) => result.err().map(|error| error.to_string()),
                Err(_) => Some("the thread that seals segments failed".to_owned()),
            };
            *locked(&self.failure) = failure;
        }
    }

    /// Seals on these threads; without, it does one shard after the other.
    fn seal_in(&self, pool: Option<&ThreadPool>) -> Result<(), LogError> {
        let shards = 0..self.readers.len();
        let sealed: Vec<_> = match pool {
            Some(pool) => pool.install(|| {
                let shards = shards.into_par_iter();
                shards.map(|shard| self.note(shard)).collect()
            }),
            None => shards.map(|shard| self.note(shard)).collect(),
        };
        sealed.into_iter().collect()
    }

    fn note(&self, shard: usize) -> Result<(), LogError> {
        // The room first: the shard may need it before its old segments are sealed.
        let room = self.take_room(shard);
        self.seal_shard(shard, true)?;
        room
    }

    /// Takes room for the next segment of a shard that has filled half of one.
    fn take_room(&self, shard: usize) -> Result<(), LogError> {
        let dir = self.readers[shard].dir();
        if self.wants_spare[shard].swap(false, Ordering::Relaxed) && !dir.has_spare()? {
            dir.make_spare(self.segment_bytes, &|| self.give_way(PATIENCE))?;
        }
        Ok(())
    }

    /// Seals the complete segments of a shard, oldest first. One that can not be sealed keeps none
    /// behind it waiting: the first error is told at the end.
    fn seal_shard(&self, shard: usize, gives_way: bool) -> Result<u64, LogError> {
        let (mut tried, mut sealed, mut failure) = (0, 0, None);
        loop {
            let _one = locked(&self.rewriting[shard]);
            // What was sealed without clusters gets them only where that is asked for: it may be
            // much.
            let wants_clusters = self.clustered && !gives_way;
            let waiting = self.readers[shard].published().to_seal(wants_clusters);
            let Some(number) = waiting.iter().copied().find(|number| *number > tried) else {
                break;
            };
            let patience = if gives_way && waiting.len() <= BACKLOG {
                PATIENCE
            } else {
                Duration::ZERO
            };
            let given_up = match self.is_all_durable {
                true => GivenUp::now(&self.readers[shard]),
                false => GivenUp::durably(&self.readers[shard]),
            };
            let go_on = || self.give_way(patience);
            match self.seal_segment(shard, number, &given_up, &go_on) {
                Ok(true) => sealed += 1,
                Ok(false) => break,
                Err(error) => {
                    failure.get_or_insert(error);
                }
            }
            tried = number;
        }
        failure.map_or(Ok(sealed), Err)
    }

    /// Seals complete segments, shard by shard and oldest first, up to the limits of a close.
    fn seal_small(&self) {
        let (mut bytes, mut segments) = AT_CLOSE;
        for (shard, reader) in self.readers.iter().enumerate() {
            for span in to_seal(reader) {
                let Some(left) = bytes.checked_sub(span.disk_bytes).filter(|_| segments > 0) else {
                    return;
                };
                (bytes, segments) = (left, segments - 1);
                let _one = locked(&self.rewriting[shard]);
                let given_up = GivenUp::now(reader);
                // What fails is as it was, and the next opening tries again.
                let _ = self.seal_segment(shard, span.number, &given_up, &|| true);
            }
        }
    }

    /// Seals a segment; says whether to go on.
    fn seal_segment(
        &self,
        shard: usize,
        number: u64,
        given_up: &GivenUp,
        go_on: &dyn Fn() -> bool,
    ) -> Result<bool, LogError> {
        let reader = &self.readers[shard];
        let how = Rewriting {
            codec: self.codec,
            clustered: self.clustered,
            sort_bytes: SORT_BYTES,
            fate: &|events, row| given_up.fate_with_key(events, row),
            go_on,
        };
        let segment = reader.dir().seal(number, &how)?;
        let goes_on = segment.is_some();
        segment
            .into_iter()
            .for_each(|segment| reader.replace(segment));
        Ok(goes_on)
    }

    /// Waits a little while workers have batches waiting; says whether to go on.
    fn give_way(&self, patience: Duration) -> bool {
        let started = Instant::now();
        let is_busy = || self.inboxes.iter().any(|inbox| inbox.has_waiting());
        while !self.stops() && started.elapsed() < patience && is_busy() {
            std::thread::sleep(PAUSE);
        }
        !self.stops()
    }
}
