//! Writes a store anew with other shards.
//!
//! 1. The source is taken, so that nobody writes to it, and opened for reading only.
//! 2. Its events are read in the order of their commits, then of shard and position, and each goes
//!    to the shard that its aggregate has now. So an aggregate keeps the order of its events, and
//!    the same source gives the same shards.
//! 3. What the log does not tell comes along: how far sources were consumed, the time before which
//!    all is given up, definitions of views, subscriptions that have handled everything.
//! 4. The manifest gets its name last, once all else is durable. Until then it says that this is an
//!    unfinished copy, so that it can be begun again.

pub(crate) mod options;
pub(crate) mod report;
mod source;
mod sealing;
mod target;
mod carry;

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use eventcask_event::{TRUNCATED_TYPE, erased_id_of};
use eventcask_log::{Error as LogError, Fate, Lock, Manifest, Storage};

use self::carry::Carry;
use self::options::ReshardOptions;
use self::report::ReshardReport;
use self::sealing::Sealing;
use self::source::{Run, Source};
use self::target::{ShardEnd, Target, make_shards};
use crate::clock::now_nanos;
use crate::store::create::{locked_by_another, random_id};
use crate::store::given_up::GivenUp;
use crate::store::location::Location;
use crate::store::seen::known_ends;
use crate::sync::locked;
use crate::upkeep::place;
use crate::{Error, Options, StoreReader};

/// Events between two times that somebody is told how far it is.
const EVENTS_BETWEEN_TELLS: u64 = 50_000;

/// Writes all events of a store anew, into a place that is empty or does not exist, with another
/// number of shards or another routing. The source stays as it is, and nobody may write to it
/// meanwhile.
///
/// Events keep everything but their positions: key, version, type, payload, times, and their ids,
/// also those that the engine made. What was given up is not copied, and the versions of its
/// aggregates go on. Rows of sources and sessions that are stored are known in the new store as
/// well. The new store has an id of its own. Definitions of views come along, and named
/// subscriptions that have handled everything. Snapshots, projections and folds are made again;
/// read models outside belong to the other store, and are to be filled anew.
///
/// It takes memory for a block of each shard of the source, for 41 bytes and the key of each
/// aggregate up to [a limit](ReshardOptions::memory_bytes), and for the tables of the segment that
/// is being sealed. One that was cut short is begun again by the same call.
///
/// ```
/// use eventcask::upkeep::{ReshardOptions, reshard};
/// use eventcask::{Expected, NewEvent, Store};
///
/// # let directory = tempfile::tempdir()?;
/// # let (bank, wider) = (directory.path().join("bank"), directory.path().join("wider"));
/// let store = Store::options().shards(1).open(&bank)?;
/// let deposit = NewEvent::json("Deposited", br#"{"cents":500}"#);
/// store.append("account-42", Expected::NoStream, &[deposit])?.wait()?;
/// store.close()?;
///
/// reshard(&bank, &wider, &ReshardOptions::new(Store::options().shards(4)))?;
/// let store = eventcask::open(&wider)?;
/// assert_eq!((store.shards(), store.aggregate("account-42").version()?), (4, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`crate::ErrorKind::Locked`] while the source is open for writing,
/// [`crate::ErrorKind::Damaged`] where it is damaged, [`crate::ErrorKind::Invalid`] for a place
/// that is not empty, a number of shards that can not be, or named subscriptions that have not
/// handled all events and may [not be forgotten](ReshardOptions::forget_subscriptions); or what a
/// disk said. What was written until then is removed where it can be, and is no store.
pub fn reshard(
    from: impl Into<Location>,
    to: impl Into<Location>,
    options: &ReshardOptions,
) -> Result<ReshardReport, Error> {
    let started = Instant::now();
    let (from, to) = (from.into().into_storage(), to.into().into_storage());
    let before = Manifest::read(&*from)?;
    let manifest = options.manifest(&before, new_id(&before), now_nanos())?;
    place::refuse_within(&*to, &*from)?;
    let _source = take(&*from)?;
    let source = open(&from, &before)?;
    let carry = Carry::of(&source, options)?;
    let is_ours = |unfinished: &Manifest| unfinished.origin == before.first_store();
    let target = place::prepare(&*to, &manifest, &is_ours)?;
    let written = write(&source, &to, &manifest, options, carry);
    let mut report = written.inspect_err(|_| abandon(&*to))?;
    drop(target);
    report.seconds = started.elapsed().as_secs_f64();
    Ok(report)
}

/// An id whose engine-made event ids are never those of stores before.
fn new_id(before: &Manifest) -> u128 {
    let differs = |id: u128, other: u128| (id ^ other) & 0x3fff != 0;
    loop {
        let id = random_id();
        if differs(id, before.store) && differs(id, before.first_store()) {
            return id;
        }
    }
}

/// Takes the source, so that nobody writes to it.
fn take(from: &dyn Storage) -> Result<Box<dyn Lock>, LogError> {
    let lock = from.lock();
    let lock = lock.map_err(|error| LogError::io("lock", &from.describe(""), error))?;
    lock.ok_or_else(|| locked_by_another(from))
}

/// Opens the source. One that has lost the end of a log is damaged.
fn open(from: &Arc<dyn Storage>, manifest: &Manifest) -> Result<StoreReader, Error> {
    let ends = known_ends(&**from, manifest)?;
    let source = Options::default().open_read_only(Arc::clone(from))?;
    let tails = locked(&source.inner.tails).clone();
    for (reader, tail) in source.inner.readers.iter().zip(&tails) {
        let dir = reader.dir().clone();
        dir.known_to(ends.of(reader.shard())).check_end(tail)?;
    }
    Ok(source)
}

/// Takes away what was written. What can not be taken away is known by its manifest.
fn abandon(to: &dyn Storage) {
    if place::remove_all(to).is_ok() {
        let _ = Manifest::abandon(to);
    }
}

fn write(
    source: &StoreReader,
    to: &Arc<dyn Storage>,
    manifest: &Manifest,
    options: &ReshardOptions,
    carry: Carry,
) -> Result<ReshardReport, Error> {
    let (ends, copied) = copy_events(source, to, manifest, options)?;
    let is_thin = copied.is_thin(source);
    let report = carry.write(source, &**to, manifest, &ends, is_thin)?;
    Manifest::finish(&**to)?;
    Ok(ReshardReport {
        events: copied.events,
        given_up: copied.given_up,
        ..report
    })
}

/// What was copied.
#[derive(Debug, Default)]
struct Copied {
    /// Rows that are in the new store as they were.
    events: u64,
    /// Rows that are not, or without their content.
    given_up: u64,
}

impl Copied {
    /// Whether events are missing that were there once.
    fn is_thin(&self, source: &StoreReader) -> bool {
        let positions: u64 = source.positions().iter().sum();
        self.events < positions
    }
}

/// Copies all events, while complete segments are sealed on a thread of their own.
fn copy_events(
    source: &StoreReader,
    to: &Arc<dyn Storage>,
    manifest: &Manifest,
    options: &ReshardOptions,
) -> Result<(Vec<ShardEnd>, Copied), LogError> {
    let readers = make_shards(to, manifest, options.target())?;
    let failure = Mutex::new(None);
    let codec = options.target().codec_of_sealed();
    let how = (codec, options.target().clustered);
    let copied = thread::scope(|scope| {
        let (sealing, jobs) = Sealing::new(&failure);
        let (readers, failure) = (&readers, &failure);
        let name = "eventcask-reshard".to_owned();
        let sealer = thread::Builder::new().name(name);
        sealer
            .spawn_scoped(scope, move || sealing::run(jobs, readers, how, failure))
            .map_err(|error| LogError::io("start", "a thread that seals segments", error))?;
        let from = source.inner.manifest.routing();
        let target = Target::begin(manifest, from, readers, options, sealing)?;
        copy_all(source, target, options)
    });
    let failure = locked(&failure).take();
    match failure {
        Some(failure) => Err(failure),
        None => copied,
    }
}

fn copy_all(
    source: &StoreReader,
    mut target: Target<'_>,
    options: &ReshardOptions,
) -> Result<(Vec<ShardEnd>, Copied), LogError> {
    let readers = &source.inner.readers;
    let given_up: Vec<GivenUp> = readers.iter().map(GivenUp::now).collect();
    let figures = readers.iter().map(|reader| reader.published().figures());
    let all = figures.map(|figures| figures.events).sum();
    let (mut copied, mut told, mut newest) = (Copied::default(), 0, i64::MIN);
    let mut rows = Source::open(readers)?;
    while let Some(run) = rows.next()? {
        copy_run(&run, &given_up[run.shard], &mut target, &mut copied)?;
        target.make_room()?;
        newest = newest.max(run.last_commit());
        let done = copied.events + copied.given_up;
        if done - told >= EVENTS_BETWEEN_TELLS {
            told = done;
            options.tell(done, all);
        }
    }
    let done = copied.events + copied.given_up;
    if done != all {
        let reason = format!("{done} events were found where {all} should be");
        let shown = source.inner.storage.describe("");
        return Err(LogError::damaged(&shown, 0, &reason));
    }
    options.tell(done, all);
    Ok((target.finish(now_nanos().max(newest))?, copied))
}

/// Copies rows of one block.
fn copy_run(
    run: &Run,
    given_up: &GivenUp,
    target: &mut Target<'_>,
    copied: &mut Copied,
) -> Result<(), LogError> {
    let events = run.block.events();
    for row in run.rows.clone() {
        let stands_for = match events.event_type(row) {
            TRUNCATED_TYPE => erased_id_of(events.key(events.aggregate_index(row))),
            _ => None,
        };
        if let Some(id) = stands_for {
            target.add_stand_in(&events, row, id)?;
            copied.given_up += 1;
            continue;
        }
        let fate = given_up.fate(&events, row);
        target.add(&events, row, &fate)?;
        match fate {
            Fate::Kept => copied.events += 1,
            _ => copied.given_up += 1,
        }
    }
    Ok(())
}
