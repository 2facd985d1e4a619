//! The store that a trial ends with, written anew with other shards: it holds the same events, and
//! knows what comes again; one that is cut short is no store.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use eventcask::storage::Storage;
use eventcask::upkeep::{ReshardOptions, reshard};
use eventcask::{DedupWindow, Error, ErrorKind, Expected, Options, RouteBy, Store, StoreReader};
use fastrand::Rng;

use crate::check::repeats::Repeats;
use crate::disk::sim_disk::SimDisk;
use crate::model::content::{Content, Row};
use crate::planted::Planted;
use crate::run::course::Course;
use crate::run::examine::check_all;
use crate::run::resend::Resend;

/// Crash states of one.
const STATES: usize = 3;

/// The events of each account, in the order of their versions.
type Accounts = BTreeMap<String, Vec<Row>>;

/// Writes the store on a disk anew, and checks what comes of it.
///
/// # Errors
/// The first promise that was broken.
pub(crate) fn check(course: &mut Course, disk: &SimDisk, rng: &mut Rng) -> Result<(), String> {
    let before = content_of(&open_to_read(disk)?, course)?;
    let options = draw(rng);
    course.story += &format!(", resharded: {options:?}");
    let to = SimDisk::new();
    to.plant(match course.planted {
        Some(Planted::ReshardIsNotSynced) => Some(Planted::SyncDoesNothing),
        _ => None,
    });
    write(disk, &to, &options)?;
    to.plant(None);
    for state in 0..=STATES {
        // The last one is that of the end: all is there, whatever the power does.
        let steps = match state {
            STATES => to.steps(),
            _ => rng.usize(..=to.steps()),
        };
        let crashed = SimDisk::of(to.power_cut(steps, rng.u64(..)));
        let is_whole = state == STATES;
        check_crashed(course, disk, &crashed, &before, (&options, is_whole))?;
        course.report.states += 1;
    }
    if course.planted == Some(Planted::EventIsReshardedTwice) {
        add_one(&to, course)?;
    }
    check_same(&to, course, &before)?;
    check_sources(&open_to_read(&to)?, course, &before)?;
    check_all(&to)?;
    course.report.resharded += 1;
    resend(&to, course, &before, rng)
}

fn draw(rng: &mut Rng) -> ReshardOptions {
    let target = Store::options()
        .shards([1, 2, 4, 8][rng.usize(..4)])
        .route_by([RouteBy::Key, RouteBy::Category][rng.usize(..2)])
        .segment_bytes([5_000, 20_000, 1 << 20][rng.usize(..3)])
        .clustered(rng.u32(..4) == 0);
    let memory = [0, 1 << 20][rng.usize(..2)];
    ReshardOptions::new(target)
        .forget_subscriptions(true)
        .memory_bytes(memory)
}

fn write(from: &SimDisk, to: &SimDisk, options: &ReshardOptions) -> Result<(), String> {
    let from: Arc<dyn Storage> = Arc::new(from.clone());
    let to: Arc<dyn Storage> = Arc::new(to.clone());
    let written = reshard(&from, &to, options);
    written.map(drop).map_err(|error| format!("L14: {error}"))
}

fn try_to_read(disk: &SimDisk) -> Result<StoreReader, Error> {
    let disk: Arc<dyn Storage> = Arc::new(disk.clone());
    Store::options().open_read_only(&disk)
}

fn open_to_read(disk: &SimDisk) -> Result<StoreReader, String> {
    try_to_read(disk).map_err(|error| format!("L14: opening failed: {error}"))
}

fn content_of(store: &StoreReader, course: &Course) -> Result<Content, String> {
    Content::read(store, &course.ledger)
}

fn accounts(content: &Content, course: &Course) -> Accounts {
    let mut accounts = Accounts::new();
    for row in content.rows() {
        let entry = course.ledger.entry(row.entry);
        let key = entry.map(|entry| entry.events[row.index].key.clone());
        accounts
            .entry(key.unwrap_or_default())
            .or_default()
            .push(*row);
    }
    accounts
}

/// What the power left is no store, and the same call makes one of it; or it is the whole store.
fn check_crashed(
    course: &Course,
    from: &SimDisk,
    crashed: &SimDisk,
    before: &Content,
    (options, is_whole): (&ReshardOptions, bool),
) -> Result<(), String> {
    match try_to_read(crashed) {
        Ok(store) => drop(store),
        Err(error) if error.kind() == ErrorKind::NotAStore && !is_whole => {
            write(from, crashed, options)?;
        }
        Err(error) => return Err(format!("L14: a crash left what can not be opened: {error}")),
    }
    check_same(crashed, course, before)?;
    check_all(crashed)
}

/// Each account has the same events, and no shard steps back in time.
fn check_same(disk: &SimDisk, course: &Course, before: &Content) -> Result<(), String> {
    let after = content_of(&open_to_read(disk)?, course)?;
    let (old, new) = (accounts(before, course), accounts(&after, course));
    if old != new {
        let differs = |key: &&String| old.get(*key) != new.get(*key);
        let key = old.keys().chain(new.keys()).find(differs);
        return Err(format!(
            "L14: {key:?} is another one: {old:?} became {new:?}"
        ));
    }
    let steps_back = |rows: &Vec<Row>| rows.windows(2).any(|pair| pair[0].commit > pair[1].commit);
    match after.shards.iter().any(steps_back) {
        true => Err("L8: commit times step back in a store that was resharded".to_owned()),
        false => Ok(()),
    }
}

/// Of each source exactly the rows that are stored are known.
fn check_sources(store: &StoreReader, course: &Course, content: &Content) -> Result<(), String> {
    let stored: HashSet<_> = content.rows().map(|row| row.entry).collect();
    for source in &*course.sources {
        let consumed = store.consumed(&source.name_of_marks());
        for number in &source.rows {
            let entry = course.ledger.entry(*number).ok_or("an unknown entry")?;
            let (_, offset) = entry.row.ok_or("a row without a place")?;
            let (is_known, is_there) = (consumed.has(offset, &entry.key), stored.contains(number));
            if is_known != is_there {
                return Err(format!(
                    "L14: entry {number} at offset {offset}: known {is_known}, stored {is_there}"
                ));
            }
        }
    }
    Ok(())
}

fn open_to_write(disk: &SimDisk) -> Result<Store, String> {
    let options: Options = Store::options().create(false).threads(1).pin(false);
    let opened = options.open(Arc::new(disk.clone()));
    opened.map_err(|error| format!("L14: opening failed: {error}"))
}

/// All that is there is known where it comes again, and rows that are not are taken.
fn resend(disk: &SimDisk, course: &Course, before: &Content, rng: &mut Rng) -> Result<(), String> {
    let store = open_to_write(disk)?;
    let content = content_of(&store, course)?;
    let baseline: Vec<_> = content
        .shards
        .iter()
        .map(|rows| rows.len() as u64)
        .collect();
    // Accounts that shared a shard may be in several now, and an append over them is refused.
    let can_be_sent = |number: &usize| {
        let entry = course.ledger.entry(*number);
        let entry = entry.as_deref();
        let events = entry.into_iter().flat_map(|entry| &entry.events);
        let checked = entry.into_iter().flat_map(|entry| &entry.each);
        let keys = events
            .map(|event| &event.key)
            .chain(checked.map(|(key, _)| key));
        let shards: HashSet<_> = keys.map(|key| store.shard_of(key)).collect();
        shards.len() == 1
    };
    let numbers = before.rows().map(|row| row.entry);
    let submitted: BTreeSet<_> = numbers.filter(can_be_sent).collect();
    let resend = Resend {
        store: &store,
        ledger: &course.ledger,
        sources: &course.sources,
        repeats: Repeats {
            ledger: &course.ledger,
            window: DedupWindow::All,
            baseline: &baseline,
        },
        before,
    };
    resend.send(&submitted, false, rng)?;
    let closed = store.close();
    closed.map_err(|error| format!("L14: closing failed: {error}"))?;
    check_all(disk)
}

/// Stores an event that is there once more.
fn add_one(disk: &SimDisk, course: &Course) -> Result<(), String> {
    let store = open_to_write(disk)?;
    let Some(row) = content_of(&store, course)?.rows().next().copied() else {
        return Ok(());
    };
    let entry = course.ledger.entry(row.entry).ok_or("an unknown entry")?;
    let planned = &entry.events[row.index];
    let mut event = planned.as_new();
    event.id = None;
    let ticket = store.append(&planned.key, Expected::Any, &[event]);
    let appended = ticket.and_then(eventcask::Ticket::wait);
    appended.map_err(|error| error.to_string())?;
    store.close().map_err(|error| error.to_string())
}
