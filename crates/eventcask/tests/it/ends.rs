//! The end of a log that is missing is found: nothing behind it could tell.

use std::path::Path;
use std::sync::Arc;

use eventcask::projection::SnapshotPolicy;
use eventcask::storage::{FileStorage, Open, Storage};
use eventcask::subscribe::Retry;
use eventcask::{Codec, Error, ErrorKind, Options, Store, StoreReader, ViewSpec, repair, verify};

use crate::faulty::{Fault, FaultyDisk, Operation};
use crate::support::{Bank, Counts, all, put};

const EVENTS: usize = 40;
const ENOSPC: i32 = 28;

/// Segments of a few events, which nobody seals.
fn options() -> Options {
    let options = Store::options().shards(2).threads(1).pin(false);
    options.codec(Codec::None).segment_bytes(6000).seal(false)
}

fn fill(store: &Store) {
    for number in 0..EVENTS {
        let payload = format!(r#"{{"number":{number},"more":"{}"}}"#, "x".repeat(300));
        put(store, &format!("account-{}", number % 7), &payload);
    }
}

fn segments(storage: &dyn Storage, shard: u32) -> Vec<String> {
    let dir = format!("shards/{shard:04}");
    let mut names = storage.list(&dir).unwrap();
    names.retain(|name| name.ends_with(".segment"));
    names.sort();
    names.iter().map(|name| format!("{dir}/{name}")).collect()
}

/// What an interrupted copy does to the end of a log.
#[derive(Debug, Clone, Copy)]
enum Loss {
    Newest,
    NewestTwo,
    All,
    /// The newest one that holds events is an older copy.
    Older,
    /// As before, and the copy ends within a block.
    Torn,
}

const LOSSES: [Loss; 5] = [
    Loss::Newest,
    Loss::NewestTwo,
    Loss::All,
    Loss::Older,
    Loss::Torn,
];

impl Loss {
    fn strike(self, storage: &dyn Storage, shard: u32) {
        let names = segments(storage, shard);
        assert!(names.len() > 3, "{names:?}");
        let lost = match self {
            Self::Newest => 1,
            Self::NewestTwo => 2,
            Self::All => names.len(),
            // The newest of all may hold a single event.
            Self::Older | Self::Torn => 1,
        };
        for name in &names[names.len() - lost..] {
            storage.remove(name).unwrap();
        }
        let length = match self {
            Self::Older => 4096,
            Self::Torn => 4096 + 150,
            _ => return,
        };
        let last = &names[names.len() - 2];
        storage
            .open(last, Open::Write)
            .unwrap()
            .set_len(length)
            .unwrap();
    }
}

fn check_found(options: &Options, storage: &Arc<dyn Storage>, loss: Loss) {
    let report = verify(storage).unwrap();
    let [problem] = &report.problems[..] else {
        panic!("{loss:?}: {:?}", report.problems);
    };
    assert!(problem.file.contains("shards/0001/"), "{problem:?}");
    let parts = ["shard 1 has lost its end", "eventcask repair"];
    assert!(parts.iter().all(|part| problem.reason.contains(part)));

    let before = segments(&**storage, 1);
    let refused = options.open(Arc::clone(storage)).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Damaged, "{loss:?}");
    let sentence = refused.to_string();
    assert!(
        parts.iter().all(|part| sentence.contains(part)),
        "{sentence}"
    );
    assert_eq!(segments(&**storage, 1), before, "nothing is changed");
    assert!(options.open_read_only(Arc::clone(storage)).is_ok());
}

/// `verify` said that all is well, `export` was short, and the next append took the positions of
/// acknowledged events: nothing behind the newest segment tells that it was there. Where the logs
/// end is noted when a store is opened and closed.
#[test]
fn c7_a_log_that_has_lost_its_end_is_found_and_not_written_to() {
    for loss in LOSSES {
        let bank = Bank::new(2);
        let storage: Arc<dyn Storage> = Arc::new(bank.storage.copy());
        let store = options().open(Arc::clone(&storage)).unwrap();
        fill(&store);
        store.close().unwrap();
        assert!(verify(&storage).unwrap().is_ok());
        loss.strike(&*storage, 1);
        check_found(&options(), &storage, loss);
    }
}

/// A store that was not closed since is known to be as long as it was when it was opened.
#[test]
fn c7_what_was_there_at_the_opening_is_known_to_a_store_that_was_killed() {
    let memory = Bank::new(2).storage;
    let storage: Arc<dyn Storage> = Arc::new(memory.clone());
    let store = options().open(Arc::clone(&storage)).unwrap();
    fill(&store);
    let killed: Arc<dyn Storage> = Arc::new(memory.copy());
    drop(options().open(Arc::clone(&killed)).unwrap());
    Loss::Newest.strike(&*killed, 1);
    check_found(&options(), &killed, Loss::Newest);
}

/// A writer seals a segment only once the next one is begun.
#[test]
fn c7_a_sealed_segment_is_never_the_last_one_that_a_writer_left() {
    let memory = Bank::new(2).storage;
    let storage: Arc<dyn Storage> = Arc::new(memory.clone());
    let store = options().open(Arc::clone(&storage)).unwrap();
    fill(&store);
    store.seal().unwrap();
    let killed: Arc<dyn Storage> = Arc::new(memory.copy());
    assert!(verify(&killed).unwrap().is_ok());
    killed
        .remove(segments(&*killed, 1).last().unwrap())
        .unwrap();
    let report = verify(&killed).unwrap();
    assert_eq!(report.problems.len(), 1, "{:?}", report.problems);
    assert!(report.problems[0].reason.contains("is sealed"));
}

/// Who keeps what it has seen of the log, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keeper {
    View,
    Projection,
    Subscription,
    Group,
}

const KEEPERS: [Keeper; 4] = [
    Keeper::View,
    Keeper::Projection,
    Keeper::Subscription,
    Keeper::Group,
];

impl Keeper {
    /// Has all of a full store kept.
    fn keep(self, store: &Store) {
        match self {
            Self::View => {
                let spec = ViewSpec::new("number", &["count"], None, None).unwrap();
                store.create_view("v", spec).unwrap();
            }
            Self::Projection => {
                let counts = store.projection(Counts).sync();
                drop(counts.snapshots(SnapshotPolicy::default()).start().unwrap());
            }
            Self::Subscription => {
                let mut letters = store.events().named("letters").unwrap();
                while letters.try_next().unwrap().is_some() {}
                letters.checkpoint().unwrap();
            }
            Self::Group => {
                let mail = store.events().group("mail", Retry::new(1)).unwrap();
                while let Some(claim) = mail.try_claim().unwrap() {
                    claim.ack().unwrap();
                }
                mail.checkpoint().unwrap();
            }
        }
    }
}

/// A store that was opened while it was empty, filled and killed: only who keeps what it has seen
/// tells how long its log was.
fn killed(options: &Options, keeper: Keeper) -> Arc<dyn Storage> {
    let memory = Bank::new(2).storage;
    let storage: Arc<dyn Storage> = Arc::new(memory.clone());
    let store = options.open(storage).unwrap();
    fill(&store);
    keeper.keep(&store);
    let killed: Arc<dyn Storage> = Arc::new(memory.copy());
    assert!(verify(&killed).unwrap().is_ok());
    Loss::NewestTwo.strike(&*killed, 1);
    killed
}

/// A view, a projection and a subscription knew of events that were not there, and all was said to
/// be well: the next events took their positions.
#[test]
fn c7_what_was_kept_of_a_synced_log_tells_that_its_end_is_missing() {
    for keeper in KEEPERS {
        let killed = killed(&options(), keeper);
        check_found(&options(), &killed, Loss::NewestTwo);
    }
}

/// Below `sync` a loss of power may leave them ahead.
#[test]
fn what_was_kept_of_a_log_that_was_not_synced_tells_nothing() {
    for (keeper, level) in KEEPERS
        .into_iter()
        .flat_map(|keeper| ["os", "interval:60000"].map(|level| (keeper, level)))
    {
        let weak = options().durability(level.parse().unwrap());
        let killed = killed(&weak, keeper);
        assert!(verify(&killed).unwrap().is_ok(), "{keeper:?}");
        // Nor once it was opened by one that syncs: what was ahead is forgotten by then.
        let store = options().open(Arc::clone(&killed)).unwrap();
        put(&store, "account-1", "{}");
        drop(store);
        let report = verify(&killed).unwrap();
        assert!(report.is_ok(), "{keeper:?}: {:?}", report.problems);
    }
}

/// A subscription may begin where the log has not come to.
#[test]
fn a_subscription_that_begins_later_does_not_tell_of_a_longer_log() {
    let memory = Bank::new(2).storage;
    let storage: Arc<dyn Storage> = Arc::new(memory.clone());
    let store = options().open(storage).unwrap();
    fill(&store);
    let later = store.events().from_positions(&[1_000, 1_000]);
    later
        .clone()
        .named("letters")
        .unwrap()
        .checkpoint()
        .unwrap();
    later
        .group("mail", Retry::new(1))
        .unwrap()
        .checkpoint()
        .unwrap();
    later.shard(0).named("more").unwrap().checkpoint().unwrap();
    let killed: Arc<dyn Storage> = Arc::new(memory.copy());
    assert!(verify(&killed).unwrap().is_ok());
    assert!(options().open(killed).is_ok());
}

/// What is lost of a log without any of its events.
#[derive(Debug, Clone, Copy)]
enum Mark {
    /// The newest segment, in which the mark of the close is alone.
    Segment,
    /// Only the mark of that segment.
    Alone,
    /// The mark behind the last event of its segment, or a byte of it.
    Behind(u64),
}

/// Makes a closed store and takes from the log of the first account what is behind its last event.
fn without_mark(loss: Mark, path: &Path) -> Vec<(u32, u64)> {
    let store = options().segment_bytes(1 << 20).open(path).unwrap();
    fill(&store);
    if matches!(loss, Mark::Segment | Mark::Alone) {
        // Ends the segment, so that the next one begins with a mark.
        store.truncate_aggregate("account-1", 2).unwrap();
        store.reclaim().unwrap();
    }
    let left = numbers(&store);
    let shard = store.shard_of("account-1");
    store.close().unwrap();
    let storage = FileStorage::new(path);
    let newest = segments(&storage, shard).pop().unwrap();
    let file = storage.open(&newest, Open::Write).unwrap();
    let length = file.len().unwrap();
    match loss {
        Mark::Segment => storage.remove(&newest).unwrap(),
        Mark::Alone => file.set_len(4096).unwrap(),
        Mark::Behind(bytes) => file.set_len(length - bytes).unwrap(),
    }
    left
}

/// Where only the mark of the clean close was missing, and the file that it was in, positions did
/// not tell, and all was said to be well. The segment and the place of the end are noted as well.
#[test]
fn c7_a_lost_end_without_events_is_found() {
    for loss in [
        Mark::Segment,
        Mark::Alone,
        Mark::Behind(128),
        Mark::Behind(1),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let left = without_mark(loss, path);
        let storage: Arc<dyn Storage> = Arc::new(FileStorage::new(path));
        let report = verify(&storage).unwrap();
        let [problem] = &report.problems[..] else {
            panic!("{loss:?}: {:?}", report.problems);
        };
        let sentence = options().open(path).unwrap_err().to_string();
        for text in [&problem.reason, &sentence] {
            assert!(text.contains("has lost its end"), "{loss:?}: {text}");
            assert!(text.contains("without an event"), "{loss:?}: {text}");
            assert!(text.contains("eventcask repair"), "{loss:?}: {text}");
        }

        let report = repair(path).unwrap();
        assert!(report.verified.is_ok(), "{loss:?}: {:?}", report.verified);
        assert_eq!(report.lost(), 0, "{loss:?}");
        assert_eq!(repair(path).unwrap().segments.len(), 0, "{loss:?}");
        let store = options().open(path).unwrap();
        assert_eq!(numbers(&store), left, "{loss:?}");
        fill(&store);
        store.close().unwrap();
        assert!(verify(&storage).unwrap().is_ok(), "{loss:?}");
    }
}

/// The mark of a close begins no segment: nothing would be in it.
#[test]
fn a_close_makes_no_segment() {
    let bank = Bank::new(2);
    for _ in 0..12 {
        let store = options().open(Arc::new(bank.storage.clone())).unwrap();
        put(&store, "account-1", &"x".repeat(900));
        let shard = store.shard_of("account-1");
        let before = segments(&bank.storage, shard);
        store.close().unwrap();
        assert_eq!(segments(&bank.storage, shard), before);
    }
}

/// A copy has its own end: of the segment that was being written it holds a part.
#[test]
fn c7_a_backup_that_has_lost_its_end_is_found() {
    let bank = Bank::new(2);
    let store = options().open(Arc::new(bank.storage.clone())).unwrap();
    fill(&store);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("copy");
    store.backup(&path).unwrap();
    let storage: Arc<dyn Storage> = Arc::new(FileStorage::new(&path));
    assert!(verify(&storage).unwrap().is_ok());
    Loss::Newest.strike(&*storage, 1);
    check_found(&options(), &storage, Loss::Newest);
}

/// A store that was closed while its busy shard had room for the next segment kept up to a segment
/// of zeros, behind what looked like its newest file.
#[test]
fn a_close_gives_back_the_room_for_the_next_segment() {
    let bank = Bank::new(2);
    let store = bank.open();
    let spare = "shards/0001/spare";
    bank.storage.open(spare, Open::Create).unwrap();
    store.close().unwrap();
    let names = bank.storage.list("shards/0001").unwrap();
    assert!(!names.contains(&"spare".to_owned()), "{names:?}");
}

#[test]
fn a_note_of_the_ends_that_is_gone_or_damaged_keeps_nobody_out() {
    let bank = Bank::new(2);
    let storage: Arc<dyn Storage> = Arc::new(bank.storage.clone());
    fill(&bank.open());
    for damage in [false, true] {
        match damage {
            false => storage.remove("ENDS").unwrap(),
            true => {
                let file = storage.open("ENDS", Open::Write).unwrap();
                file.write_all_at(b"?", 130).unwrap();
            }
        }
        assert_eq!(verify(&storage).unwrap().is_ok(), !damage);
        assert_eq!(all(&bank.open()).len(), EVENTS);
        assert!(verify(&storage).unwrap().is_ok(), "it is noted anew");
    }
}

fn numbers(store: &StoreReader) -> Vec<(u32, u64)> {
    let events = store.events().iter();
    let place = |event: Result<eventcask::Event, Error>| {
        let event = event.unwrap();
        (event.get().shard, event.get().position)
    };
    let mut places: Vec<_> = events.map(place).collect();
    places.sort_unstable();
    places
}

/// Makes a store, has its end lost, and says which events are left.
fn lost_end(path: &Path, loss: Loss) -> Vec<(u32, u64)> {
    let store = options().open(path).unwrap();
    let spec = ViewSpec::new("number", &["count"], None, None).unwrap();
    store.create_view("v", spec).unwrap();
    fill(&store);
    store.close().unwrap();
    loss.strike(&FileStorage::new(path), 1);
    numbers(&options().open_read_only(path).unwrap())
}

#[test]
fn a_repair_goes_on_without_the_lost_end_and_gives_its_positions_to_nobody() {
    for loss in LOSSES {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let left = lost_end(path, loss);
        let report = repair(path).unwrap();
        assert!(report.verified.is_ok(), "{loss:?}: {:?}", report.verified);
        assert_eq!(report.lost(), (EVENTS - left.len()) as u64, "{loss:?}");
        let again = repair(path).unwrap();
        assert_eq!((again.lost(), again.segments.len()), (0, 0), "{loss:?}");

        let store = options().open(path).unwrap();
        assert_eq!(numbers(&store), left, "{loss:?}");
        // The view holds what the log does.
        let view = store.view("v").unwrap();
        let rows = view.rows().unwrap();
        assert_eq!(rows.len(), left.len(), "{loss:?}");
        let before = store.positions();
        assert_eq!(before.iter().sum::<u64>(), EVENTS as u64);
        fill(&store);
        store.close().unwrap();
        let storage: Arc<dyn Storage> = Arc::new(FileStorage::new(path));
        assert!(verify(&storage).unwrap().is_ok(), "{loss:?}");
    }
}

/// A store with a view that had no room for its snapshot could not be closed without an error,
/// though the snapshot follows from the log.
#[test]
fn f4_a_snapshot_without_room_is_no_reason_for_a_close_to_fail() {
    let bank = Bank::new(2);
    let disk = FaultyDisk::on(Arc::new(bank.storage.clone()));
    let store = bank.options.open(Arc::new(disk.clone())).unwrap();
    let spec = ViewSpec::new("number", &["count"], None, None).unwrap();
    store.create_view("v", spec).unwrap();
    fill(&store);
    disk.fails(Operation::Write, "views", Fault::Errno(ENOSPC));
    store.close().unwrap();
    let store = bank.open();
    assert_eq!(store.view("v").unwrap().rows().unwrap().len(), EVENTS);
}

#[test]
fn f4_a_full_disk_leaves_the_note_of_the_ends_as_it_was() {
    let bank = Bank::new(2);
    let disk = FaultyDisk::on(Arc::new(bank.storage.clone()));
    let store = bank.options.open(Arc::new(disk.clone())).unwrap();
    fill(&store);
    disk.fails(Operation::Write, "ENDS", Fault::Errno(ENOSPC));
    store.close().unwrap();
    assert_eq!(all(&bank.open()).len(), EVENTS);
}
