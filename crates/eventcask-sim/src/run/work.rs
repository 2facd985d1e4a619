//! A run: the store is opened, producers work on it, it is closed.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;

use eventcask::{ShardOwner, Store};
use fastrand::Rng;

use crate::check::facts::Facts;
use crate::check::judge::Judge;
use crate::check::order::check_order;
use crate::check::view;
use crate::clients::opened::Opened;
use crate::clients::reading::Reading;
use crate::disk::faults::Faults;
use crate::disk::journal::{Level, Note};
use crate::disk::sim_disk::SimDisk;
use crate::model::content::Content;
use crate::planted::Planted;
use crate::run::actor::Actor;
use crate::run::course::Course;
use crate::run::door::Door;
use crate::run::examine::open;
use crate::run::reader::Reader;
use crate::run::source;
use crate::run::stage::Stage;

/// Runs the workload of the plan and returns the step after which the store was open.
///
/// # Errors
/// The first promise that was broken.
pub(crate) fn run(course: &mut Course, disk: &SimDisk, rng: &mut Rng) -> Result<usize, String> {
    disk.set_pauses(course.plan.pauses);
    if course.plan.fails_early {
        disk.set_faults(course.plan.faults.clone());
        // An error is fine here; the next opening must not suffer from it.
        drop(open(&course.options(), disk));
        course.report.faults += disk.faults_given();
        disk.set_faults(Faults::none());
    }
    let facts = facts_of(course, disk);
    let (stage, owners) = enter(course, disk, &facts, rng)?;
    let opened = disk.steps();
    if !course.plan.fails_early {
        disk.set_faults(course.plan.faults.clone());
    }
    work(course, &stage, owners, &facts, rng)?;
    course.report.faults += disk.faults_given();
    disk.set_faults(Faults::none());
    leave(course, stage, rng)?;
    course.count_run();
    Ok(opened)
}

fn facts_of(course: &Course, disk: &SimDisk) -> Facts {
    Facts::of(&disk.state().journal, course.plan.shards, &course.ledger)
}

/// Opens the store and checks what it serves.
fn enter(
    course: &Course,
    disk: &SimDisk,
    facts: &Facts,
    rng: &mut Rng,
) -> Result<(Stage, Vec<ShardOwner>), String> {
    let (store, owners) = open_planned(course, disk)?;
    let reads = course.plan.reads;
    let reading = reads.map(|reads| Reading::start(&store, reads, course.planted));
    let overstated = course.planted == Some(Planted::LevelIsOverstated);
    let stage = Stage {
        store,
        disk: disk.clone(),
        ledger: Arc::clone(&course.ledger),
        level: if overstated {
            Level::Power
        } else {
            course.plan.level()
        },
        planted: course.planted,
        window: course.plan.window,
        noted: Arc::clone(&course.noted),
        flushes: AtomicU64::new(0),
        reading: reading.transpose()?,
        broken: OnceLock::new(),
        busy: AtomicUsize::new(course.plan.producers as usize + course.sources.len()),
    };
    let content = look(course, &stage, facts)?;
    if let Some(reading) = &stage.reading {
        reading.check(&content, &course.ledger)?;
        let opened = Opened {
            store: &stage.store,
            disk,
            content: &content,
            ledger: &course.ledger,
            planted: course.planted,
        };
        reading.start_clients(&opened, &facts.outside, rng)?;
    }
    let was_closed = facts.is_closed && !course.plan.fails_early;
    let recovered = stage.store.stats().recovered;
    if was_closed && !recovered.is_empty() {
        return Err(format!(
            "C3: after a clean close there was this to mend: {recovered:?}"
        ));
    }
    disk.note(Note::Opened(Arc::new(content), course.plan.window));
    Ok((stage, owners))
}

fn open_planned(course: &Course, disk: &SimDisk) -> Result<(Store, Vec<ShardOwner>), String> {
    if !course.plan.is_owned {
        return Ok((open(&course.options(), disk)?, Vec::new()));
    }
    let opened = course.options().open_owned(Arc::new(disk.clone()));
    opened.map_err(|error| format!("C2: opening failed: {error}"))
}

/// Reads everything and checks it against what is known.
fn look(course: &Course, stage: &Stage, facts: &Facts) -> Result<Content, String> {
    let (store, ledger) = (&stage.store, &*course.ledger);
    let content = Content::read(store, ledger)?;
    let level = Level::Process;
    Judge {
        ledger,
        facts,
        later: facts,
        level,
    }
    .check(&content)?;
    source::check(store, &content, ledger, &course.sources)?;
    Ok(content)
}

/// Several producers at once, each in its thread, and a reader beside them.
fn work(
    course: &Course,
    stage: &Stage,
    owners: Vec<ShardOwner>,
    facts: &Facts,
    rng: &mut Rng,
) -> Result<(), String> {
    let again: Vec<_> = facts.submitted.iter().copied().collect();
    let again: Vec<_> = again.into_iter().filter(|_| rng.u32(..4) == 0).collect();
    thread::scope(|scope| {
        let mut threads = Vec::new();
        for lane in 0..course.plan.producers {
            let (seed, again) = (rng.u64(..), sent_again(course, &again));
            let steps = course.plan.steps;
            threads.push(scope.spawn(move || {
                let _busy = Busy(stage);
                let door = Door::Producer(stage.store.producer());
                Actor::new(stage, door, lane, seed, again).act(steps)
            }));
        }
        for (lane, source) in (FIRST_SOURCE..).zip(course.sources.iter()) {
            let seed = rng.u64(..);
            threads.push(scope.spawn(move || {
                let _busy = Busy(stage);
                source::send(stage, source, lane, seed)
            }));
        }
        if let Some(reading) = &stage.reading {
            let (seed, steps) = (rng.u64(..), course.plan.steps * 2);
            let reader = Reader::new(stage, reading, seed, course.plan.faults.are_some());
            threads.push(scope.spawn(move || reader.act(steps)));
        }
        for owner in owners {
            let (seed, again) = (rng.u64(..), sent_again(course, &again));
            let (lane, steps) = (FIRST_OWNER + owner.shard(), course.plan.steps);
            let door = Door::Owner(Box::new(owner));
            let actor = Actor::new(stage, door, lane, seed, again);
            threads.push(scope.spawn(move || actor.act(steps)));
        }
        threads.into_iter().try_for_each(|thread| {
            thread
                .join()
                .unwrap_or_else(|_| Err("a producer or a reader panicked".to_owned()))
        })
    })
}

/// Lanes of sources and of owners, behind those of producers.
const FIRST_SOURCE: u32 = 100;
const FIRST_OWNER: u32 = 200;

/// A producer that is at work, which owners wait for.
struct Busy<'s>(&'s Stage);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        // Pairs with the look of an owner that waits for it.
        self.0.busy.fetch_sub(1, Ordering::Release);
    }
}

/// Rows of sources are sent by their sources alone, and ids are borrowed only while their
/// owner is stored.
fn sent_again(course: &Course, entries: &[usize]) -> Vec<usize> {
    let is_own = |entry: &&usize| {
        let entry = course.ledger.entry(**entry);
        entry.is_some_and(|entry| entry.row.is_none() && !entry.borrows_ids)
    };
    entries.iter().filter(is_own).copied().collect()
}

/// Checks what was served to the end, closes the store.
fn leave(course: &mut Course, stage: Stage, rng: &mut Rng) -> Result<(), String> {
    let facts = facts_of(course, &stage.disk);
    let content = look(course, &stage, &facts)?;
    check_order(&content, &facts)?;
    if let Some(broken) = stage.broken.get() {
        return Err(broken.clone());
    }
    if let Some(reading) = &stage.reading {
        let may_stop = course.plan.faults.hits_reads();
        reading.finish(&stage.store, &content, &course.ledger, may_stop, rng)?;
    }
    let views = stage.store.stats().views;
    match views.into_iter().find_map(|view| view.failure) {
        None => view::check(&stage.store, &content, &course.ledger, facts.view)?,
        // It could not read what it had to catch up with.
        Some(_) if course.plan.faults.hits_reads() => {}
        Some(reason) => return Err(format!("L6: a view stopped: {reason}")),
    }
    course.count_stored(&content, &facts);
    stage.disk.note(Note::Seen(Arc::new(content), stage.level));
    let (store, disk) = (stage.store, stage.disk);
    drop(stage.reading);
    if store.close().is_ok() {
        disk.note(Note::Closed);
    }
    Ok(())
}
