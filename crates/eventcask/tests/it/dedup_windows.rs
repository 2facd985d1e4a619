//! How far back ids are remembered, against a model, and what memory that takes.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use eventcask::stats::ShardStats;
use eventcask::storage::{Lock, Open, Storage, StoredFile};
use eventcask::{
    AppendResult, Appended, Codec, DedupWindow, Error, ErrorKind, EventId, Expected, NewEvent,
    Options, Place, Store, Ticket,
};

use crate::faulty::{Fault, FaultyDisk, Operation};
use crate::support::{Bank, deposit, id};

/// More than a slice of ids: memory is looked at when one is full.
const SLICE: usize = 62_000;
const ACCOUNTS: u128 = 50;
const ENOSPC: i32 = 28;

/// In which order ids come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ids {
    /// As version 7 UUIDs, which rise with time.
    Rising,
    /// As version 4 UUIDs.
    Random,
    Falling,
    /// They differ in their lower halves only, and rise.
    SameUpperHalf,
    /// They differ in their upper halves only, as multiples of a large odd number.
    SameLowerHalf,
}

impl Ids {
    const ALL: [Self; 5] = [
        Self::Rising,
        Self::Random,
        Self::Falling,
        Self::SameUpperHalf,
        Self::SameLowerHalf,
    ];

    /// The n-th id.
    fn id(self, n: usize) -> EventId {
        let n = n as u128 + 1;
        id(match self {
            Self::Rising => (n / 1000) << 80 | 7 << 76 | (n % 1000) << 64 | 0b10 << 62 | 77,
            Self::Random => {
                let mut random = fastrand::Rng::with_seed(n as u64);
                random.u128(..) & !(0xf << 76) | 4 << 76
            }
            Self::Falling => u128::MAX - n,
            Self::SameUpperHalf => 0x1234_5678_9abc_def0 << 64 | n,
            Self::SameLowerHalf => u128::from((n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)) << 64,
        })
    }

    fn ids(self, range: std::ops::Range<usize>) -> Vec<EventId> {
        range.map(|n| self.id(n)).collect()
    }
}

fn key_of(id: EventId) -> String {
    format!("account-{}", id.as_u128() % ACCOUNTS)
}

/// A store of one shard, and what it must know.
struct Model {
    bank: Bank,
    disk: CountingDisk,
    store: Option<Store>,
    /// Position and version of the newest event that came with each id.
    known: HashMap<EventId, (u64, u64)>,
    versions: HashMap<String, u64>,
    events: u64,
}

impl Model {
    fn new(window: DedupWindow) -> Self {
        Self::with(window, |options| options)
    }

    fn with(window: DedupWindow, set: impl FnOnce(Options) -> Options) -> Self {
        let mut bank = Bank::new(1);
        let options = bank.options.clone().codec(Codec::None).seal(false);
        bank.options = set(options.dedup(window).segment_bytes(256 << 10));
        let disk = CountingDisk {
            under: Arc::new(bank.storage.clone()),
            reads: Arc::default(),
        };
        let mut model = Self {
            bank,
            disk,
            store: None,
            known: HashMap::new(),
            versions: HashMap::new(),
            events: 0,
        };
        model.reopen();
        model
    }

    fn store(&self) -> &Store {
        self.store.as_ref().unwrap()
    }

    fn reopen(&mut self) {
        if let Some(store) = self.store.take() {
            store.close().unwrap();
        }
        let disk = Arc::new(self.disk.clone());
        self.store = Some(self.bank.options.open(disk).unwrap());
    }

    fn enter(&mut self, id: EventId) -> (u64, u64) {
        let version = self.versions.entry(key_of(id)).or_default();
        *version += 1;
        let place = (self.events, *version);
        self.known.insert(id, place);
        self.events += 1;
        place
    }

    /// Pushes events that are new, or forgotten.
    fn push(&mut self, ids: &[EventId]) {
        let mut producer = self.store().producer();
        for id in ids {
            producer.push(&key_of(*id), &deposit("1").id(*id)).unwrap();
        }
        let flushed = producer.flush().unwrap().wait().unwrap();
        assert_eq!(
            (flushed.stored, flushed.duplicates),
            (ids.len() as u64, 0),
            "they are new"
        );
        for id in ids {
            self.enter(*id);
        }
    }

    fn append(&self, ids: &[EventId]) -> Vec<AppendResult> {
        let mut producer = self.store().producer();
        let mut append = |id: &EventId| {
            let event = deposit("1").id(*id);
            producer.append(&key_of(*id), Expected::Any, &[event])
        };
        let tickets: Vec<_> = ids.iter().map(|id| append(id).unwrap()).collect();
        tickets.into_iter().map(Ticket::wait).collect()
    }

    /// Each of the ids is answered with the place of its event.
    fn check_known(&self, ids: &[EventId], what: &str) {
        for (id, outcome) in ids.iter().zip(self.append(ids)) {
            let (position, version) = self.known[id];
            let (place, version) = (Place::new(0, position), Some(version));
            let wanted = Ok(Appended::Duplicate { place, version });
            assert_eq!(outcome, wanted, "{what}, {id}");
        }
    }

    fn figures(&self) -> ShardStats {
        self.store().stats().shards[0].clone()
    }
}

/// Storage that counts what is read of it.
#[derive(Clone)]
struct CountingDisk {
    under: Arc<dyn Storage>,
    reads: Arc<AtomicU64>,
}

impl CountingDisk {
    fn reads(&self) -> u64 {
        self.reads.load(Ordering::SeqCst)
    }
}

impl Storage for CountingDisk {
    fn create_dir(&self, name: &str) -> io::Result<()> {
        self.under.create_dir(name)
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        self.under.list(dir)
    }

    fn open(&self, name: &str, how: Open) -> io::Result<Box<dyn StoredFile>> {
        Ok(Box::new(CountingFile {
            under: self.under.open(name, how)?,
            reads: Arc::clone(&self.reads),
        }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.under.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.under.remove(name)
    }

    fn remove_dir(&self, name: &str) -> io::Result<()> {
        self.under.remove_dir(name)
    }

    fn sync_dir(&self, name: &str) -> io::Result<()> {
        self.under.sync_dir(name)
    }

    fn lock(&self) -> io::Result<Option<Box<dyn Lock>>> {
        self.under.lock()
    }

    fn is_locked(&self) -> io::Result<bool> {
        self.under.is_locked()
    }

    fn describe(&self, name: &str) -> String {
        self.under.describe(name)
    }
}

struct CountingFile {
    under: Box<dyn StoredFile>,
    reads: Arc<AtomicU64>,
}

impl StoredFile for CountingFile {
    fn read_at(&self, buffer: &mut [u8], place: u64) -> io::Result<usize> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        self.under.read_at(buffer, place)
    }

    fn write_all_at(&self, bytes: &[u8], place: u64) -> io::Result<()> {
        self.under.write_all_at(bytes, place)
    }

    fn sync(&self) -> io::Result<()> {
        self.under.sync()
    }

    fn len(&self) -> io::Result<u64> {
        self.under.len()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.under.set_len(len)
    }
}

/// Every so many ids of a range of them, and the first.
fn sample(ids: &[EventId]) -> Vec<EventId> {
    ids.iter().step_by(37).copied().collect()
}

/// Stores so many ids and checks that the newest of them are known, also after it was opened again.
fn check_newest(window: DedupWindow, order: Ids, count: usize, newest: usize) {
    let mut model = Model::new(window);
    let ids = order.ids(0..count);
    let what = format!("{window} {order:?}");
    for (at, part) in ids.chunks(10_000).enumerate() {
        model.push(part);
        let so_far = (at + 1) * 10_000;
        let from = so_far.saturating_sub(newest);
        model.check_known(&sample(&ids[from..so_far]), &what);
    }
    model.reopen();
    let again = format!("{what}, opened again");
    model.check_known(&sample(&ids[count - newest..]), &again);
}

#[test]
fn l4_a_window_of_ids_keeps_at_least_so_many_of_the_newest() {
    for order in Ids::ALL {
        check_newest(DedupWindow::Ids(20_000), order, 150_000, 20_000);
    }
    check_newest(DedupWindow::Ids(80_000), Ids::Rising, 200_000, 80_000);
    check_newest(DedupWindow::Ids(80_000), Ids::Random, 200_000, 80_000);
}

/// Random ids all come to slices that are changed at once. What was looked at when memory ran out
/// was the slice whose newest id is the oldest: of random ids that is a new one, and nearly
/// all were forgotten.
#[test]
fn l4_a_window_of_bytes_keeps_what_fits() {
    let bytes = 4 << 20;
    // An id takes 45 bytes at most, and a slice may have grown to twice what it needs.
    let newest = 40_000;
    for order in Ids::ALL {
        check_newest(DedupWindow::Bytes(bytes), order, 300_000, newest);
    }
}

#[test]
fn l4_a_window_of_time_keeps_what_came_within_it() {
    let hour = DedupWindow::Time(Duration::from_secs(3600));
    check_newest(hour, Ids::Rising, 2 * SLICE / 10_000 * 10_000, 120_000);
    check_newest(hour, Ids::Random, 100_000, 100_000);
}

#[test]
fn ids_out_of_the_window_are_stored_again() {
    let windows = [
        DedupWindow::Ids(5_000),
        DedupWindow::Bytes(2 << 20),
        DedupWindow::Time(Duration::from_nanos(1)),
    ];
    for window in windows {
        for order in [Ids::Rising, Ids::Random] {
            let mut model = Model::new(window);
            model.push(&order.ids(0..4 * SLICE));
            let old = order.ids(0..100);
            for (id, outcome) in old.iter().zip(model.append(&old)) {
                let (position, version) = model.enter(*id);
                let place = Place::new(0, position);
                let wanted = Ok(Appended::Stored { place, version });
                assert_eq!(outcome, wanted, "{window} {order:?}");
            }
            // The new event is the one that is repeated from now on.
            model.check_known(&old, "stored again");
            let storage: Arc<dyn Storage> = Arc::new(model.bank.storage.clone());
            let report = eventcask::verify(&storage).unwrap();
            assert_eq!(report.problems, [], "{window} {order:?}");
            assert_eq!(report.repeated_ids, 100, "{window} {order:?}");
        }
    }
}

#[test]
fn s10_the_memory_of_a_window_does_not_grow_with_the_log() {
    for order in [Ids::Rising, Ids::Random, Ids::Falling] {
        let window = 30_000;
        let mut by_ids = Model::new(DedupWindow::Ids(window as u64));
        let bytes = 4 << 20;
        let mut by_bytes = Model::new(DedupWindow::Bytes(bytes));
        for part in order.ids(0..8 * SLICE).chunks(SLICE) {
            by_ids.push(part);
            by_bytes.push(part);
            let figures = by_ids.figures();
            // A slice that is being filled, one of which most is old, and what is in the window.
            let most = (window + 2 * SLICE) as u64;
            assert!(figures.ids <= most, "{order:?}: {} ids", figures.ids);
            assert!(figures.id_bytes <= most * 50, "{order:?}: {figures:?}");
            let figures = by_bytes.figures();
            let slice = (SLICE * 50) as u64;
            assert!(figures.id_bytes <= bytes + slice, "{order:?}: {figures:?}");
        }
        assert!(by_ids.figures().ids > 0 && by_bytes.figures().ids > 0);
    }
}

#[test]
fn l4_ids_of_sealed_segments_are_known_when_there_is_no_memory_for_them() {
    for order in Ids::ALL {
        // There is some for filters, without which this would take minutes.
        let set = |options: Options| options.dedup_memory_bytes(2 << 20);
        let mut model = Model::with(DedupWindow::All, set);
        let ids = order.ids(0..4 * SLICE);
        for part in ids.chunks(SLICE) {
            model.push(part);
            assert!(model.store().seal().unwrap() > 1);
        }
        let in_memory = model.figures().ids;
        assert!(in_memory < 3 * SLICE as u64, "{order:?}: {in_memory}");
        let some: Vec<_> = ids.iter().step_by(997).copied().collect();
        model.check_known(&some, &format!("{order:?}"));
        model.reopen();
        assert!(model.figures().ids < SLICE as u64, "{order:?}");
        model.check_known(&some, &format!("{order:?}, opened again"));
        // Other content under an id that rests on disk is refused, too.
        let other = deposit("2").id(ids[5]);
        let mut producer = model.store().producer();
        let refused = producer.append(&key_of(ids[5]), Expected::Any, &[other]);
        let wanted = Err(Error::IdConflict { id: ids[5] });
        assert_eq!(refused.unwrap().wait(), wanted, "{order:?}");
        drop(producer);
        model.push(&order.ids(4 * SLICE..5 * SLICE));
    }
}

#[test]
fn a_new_id_that_rises_with_time_costs_no_look_at_the_disk() {
    let set = |options: Options| options.dedup_memory_bytes(1);
    let mut model = Model::with(DedupWindow::All, set);
    let ids = Ids::Rising.ids(0..3 * SLICE);
    for part in ids.chunks(SLICE) {
        model.push(part);
        assert!(model.store().seal().unwrap() > 1);
    }
    let before = model.disk.reads();
    model.push(&Ids::Rising.ids(3 * SLICE..3 * SLICE + 20_000));
    assert_eq!(model.disk.reads(), before, "they are above all on disk");
    model.check_known(&ids[..10], "from the disk");
    assert!(model.disk.reads() > before, "those are there only");

    model.reopen();
    // Where each aggregate stands was read once.
    model.push(&Ids::Rising.ids(3 * SLICE + 20_000..3 * SLICE + 20_100));
    let before = model.disk.reads();
    model.push(&Ids::Rising.ids(3 * SLICE + 20_100..3 * SLICE + 30_000));
    assert_eq!(model.disk.reads(), before, "opened again");
}

/// A filter that had no room in the cache of tables was read and checked for each look-up, and on a
/// machine of many cores none had. Filters and pages are part of the memory for ids now.
#[test]
fn ids_on_disk_are_looked_up_in_what_was_read_before() {
    let set = |options: Options| options.table_cache_bytes(1);
    let mut model = Model::with(DedupWindow::All, set);
    let ids = Ids::Random.ids(0..4 * SLICE);
    model.push(&ids);
    assert!(model.store().seal().unwrap() > 10);
    model.reopen();
    let pages = (ids.len() * 36 / 1024) as u64;
    let before = model.disk.reads();
    model.push(&Ids::Random.ids(4 * SLICE..5 * SLICE));
    let reads = model.disk.reads() - before;
    assert!(reads < pages, "{reads} reads, {pages} pages");
}

/// Where there is no memory for filters, one page of each segment is read instead of its filter.
#[test]
fn ids_on_disk_are_known_without_filters() {
    let set = |options: Options| options.dedup_memory_bytes(1).table_cache_bytes(1);
    let mut model = Model::with(DedupWindow::All, set);
    let ids = Ids::Random.ids(0..SLICE);
    model.push(&ids);
    assert!(model.store().seal().unwrap() > 1);
    model.reopen();
    model.check_known(&sample(&ids), "without filters");
    model.push(&Ids::Random.ids(SLICE..SLICE + 1_000));
}

#[test]
fn l4_the_same_id_twice_in_a_batch_is_stored_once_wherever_a_slice_ends() {
    for order in Ids::ALL {
        let mut model = Model::new(DedupWindow::All);
        let ids = order.ids(0..2 * SLICE);
        let mut producer = model.store().producer();
        for id in &ids {
            for _ in 0..2 {
                producer.push(&key_of(*id), &deposit("1").id(*id)).unwrap();
            }
        }
        let flushed = producer.flush().unwrap().wait().unwrap();
        let stored = (flushed.stored, flushed.duplicates);
        assert_eq!(stored, (ids.len() as u64, ids.len() as u64), "{order:?}");
        drop(producer);
        for id in &ids {
            model.enter(*id);
        }
        model.check_known(&sample(&ids), &format!("{order:?}"));
    }
}

/// A store whose disk can be full.
fn on_a_disk_that_fills(window: DedupWindow) -> (Model, FaultyDisk) {
    let mut model = Model::new(window);
    let disk = FaultyDisk::on(Arc::new(model.bank.storage.clone()));
    model.disk.under = Arc::new(disk.clone());
    model.reopen();
    (model, disk)
}

/// Pushes to a full disk, which stores nothing.
fn push_in_vain(model: &Model, disk: &FaultyDisk, ids: &[EventId]) {
    disk.fails(Operation::Write, "shards", Fault::Errno(ENOSPC));
    let mut producer = model.store().producer();
    for id in ids {
        producer.push(&key_of(*id), &deposit("1").id(*id)).unwrap();
    }
    let refused = producer.flush().unwrap().wait().unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::StorageFull, "{refused}");
    disk.is_well();
}

#[test]
fn f3_ids_that_a_full_disk_refused_are_new() {
    for order in Ids::ALL {
        let (mut model, disk) = on_a_disk_that_fills(DedupWindow::All);
        model.push(&order.ids(0..100));
        let mut ids = order.ids(100..2 * SLICE);
        push_in_vain(&model, &disk, &ids);
        // In another order than they were refused in.
        fastrand::Rng::with_seed(1).shuffle(&mut ids);
        model.push(&ids);
        model.check_known(&sample(&ids), &format!("{order:?}"));
        model.check_known(&order.ids(0..100), &format!("{order:?}"));
    }
}

/// The window counted the ids of batches that a full disk had refused, and forgot as many that were
/// stored.
#[test]
fn l4_refused_batches_push_nothing_out_of_the_window() {
    for order in [Ids::Rising, Ids::Random] {
        let (mut model, disk) = on_a_disk_that_fills(DedupWindow::Ids(40_000));
        let ids = order.ids(0..40_000);
        model.push(&ids);
        for round in 1..4 {
            let others = order.ids(round * SLICE..(round + 1) * SLICE);
            push_in_vain(&model, &disk, &others);
        }
        model.check_known(&sample(&ids), &format!("{order:?}"));
    }
}

/// After a refusal positions do not rise along a slice any more: ids that were refused stand before
/// those that got their positions.
#[test]
fn l4_ids_that_were_refused_once_are_found_on_disk() {
    let (mut model, disk) = on_a_disk_that_fills(DedupWindow::All);
    let options = model.bank.options.clone().dedup_memory_bytes(1);
    model.bank.options = options.batch_bytes(4 << 10).segment_bytes(100_000);
    model.reopen();
    let mut random = fastrand::Rng::with_seed(7);
    for round in 0..8 {
        let mut ids = Ids::Rising.ids(round * 20_000..(round + 1) * 20_000);
        push_in_vain(&model, &disk, &ids);
        random.shuffle(&mut ids);
        model.push(&ids);
        model.store().seal().unwrap();
    }
    let mut all: Vec<EventId> = model.known.keys().copied().collect();
    all.sort_unstable();
    let some: Vec<_> = all.iter().step_by(11).copied().collect();
    model.check_known(&some, "after refusals");
}

/// What is done at random, against the model: what is in the window is a duplicate, anything else
/// is one or is new, and an answer always has the right place.
fn check_random(seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let order = Ids::ALL[random.usize(..5)];
    let (window, newest) = [
        (DedupWindow::All, usize::MAX),
        (DedupWindow::Ids(25_000), 25_000),
        (DedupWindow::Bytes(3 << 20), 30_000),
    ][random.usize(..3)];
    println!("seed {seed}: {window} {order:?}");
    let memory = [1, 1 << 20, 1 << 30][random.usize(..3)];
    let set = |options: Options| options.dedup_memory_bytes(memory);
    let mut model = Model::with(window, set);
    let mut sent: Vec<EventId> = Vec::new();
    for _ in 0..30 {
        match random.u32(..10) {
            0 => model.reopen(),
            1 | 2 => drop(model.store().seal().unwrap()),
            3..7 => {
                let count = random.usize(1..12_000);
                let mut ids = order.ids(sent.len()..sent.len() + count);
                if random.bool() {
                    random.shuffle(&mut ids);
                }
                model.push(&ids);
                sent.extend(ids);
            }
            _ if sent.is_empty() => {}
            _ => {
                let repeats: Vec<_> = (0..300).map(|_| random.usize(..sent.len())).collect();
                let ids: Vec<_> = repeats.iter().map(|at| sent[*at]).collect();
                for (id, outcome) in ids.iter().zip(model.append(&ids)) {
                    let (position, _) = model.known[id];
                    let is_inside = model.events - position <= newest as u64;
                    judge(&mut model, *id, outcome.unwrap(), is_inside);
                }
            }
        }
    }
}

fn judge(model: &mut Model, id: EventId, answer: Appended, must_be_known: bool) {
    let found = answer.position().zip(answer.version());
    if answer.is_duplicate() {
        assert_eq!(found, Some(model.known[&id]));
    } else {
        assert!(!must_be_known, "{id} is in the window and was stored again");
        assert_eq!(found, Some(model.enter(id)));
    }
}

#[test]
fn l4_repeats_at_random_are_known_within_the_window() {
    (1..=12).for_each(check_random);
}

#[test]
fn an_event_without_an_id_costs_the_window_nothing() {
    let mut model = Model::new(DedupWindow::Ids(1_000));
    let ids = Ids::Rising.ids(0..1_000);
    model.push(&ids);
    let mut producer = model.store().producer();
    for _ in 0..2 * SLICE {
        let event = NewEvent::json("Noted", b"1");
        producer.push("diary", &event).unwrap();
    }
    producer.flush().unwrap().wait().unwrap();
    drop(producer);
    model.events += 2 * SLICE as u64;
    model.check_known(&ids, "behind events without ids");
    assert!(model.figures().ids <= 1_000);
}

/// Of a batch in which any event had an id all events were counted as ids, and the window forgot as
/// many too early.
#[test]
fn l4_events_without_ids_among_others_push_nothing_out_of_the_window() {
    let mut model = Model::new(DedupWindow::Ids(1_000));
    let ids = Ids::Rising.ids(0..2_200);
    let mut producer = model.store().producer();
    for id in &ids {
        producer.push(&key_of(*id), &deposit("1").id(*id)).unwrap();
        for _ in 0..50 {
            producer.push("diary", &deposit("1")).unwrap();
        }
    }
    producer.flush().unwrap().wait().unwrap();
    drop(producer);
    for id in &ids {
        model.enter(*id);
        model.events += 50;
    }
    model.check_known(&ids[1_200..], "among events without ids");
}

/// An id that was forgotten and came again was known by its first event alone once the store was
/// opened again, and was forgotten with that.
#[test]
fn l4_an_id_that_was_stored_again_is_known_by_its_newest_event_after_opening() {
    let mut model = Model::new(DedupWindow::Ids(1_000));
    for first in (0..4_000).step_by(500) {
        model.push(&Ids::Rising.ids(first..first + 500));
    }
    let again = Ids::Rising.ids(0..10);
    model.push(&again);
    model.reopen();
    model.check_known(&again, "after opening");
    for first in (4_000..4_900).step_by(100) {
        model.push(&Ids::Rising.ids(first..first + 100));
    }
    model.check_known(&again, "within the window");
}

/// The table of its segment said where the first event of such an id is, and that one is out of the
/// window.
#[test]
fn l4_an_id_that_was_stored_again_is_known_by_its_newest_event_in_a_sealed_segment() {
    let set = |options: Options| options.dedup_memory_bytes(1).segment_bytes(2 << 20);
    let mut model = Model::with(DedupWindow::Ids(1_000), set);
    for first in (0..4_000).step_by(500) {
        model.push(&Ids::Rising.ids(first..first + 500));
    }
    let again = Ids::Rising.ids(0..10);
    model.push(&again);
    let mut producer = model.store().producer();
    while model.store().stats().segments < 2 {
        for _ in 0..1000 {
            producer.push("filler", &deposit("1")).unwrap();
        }
        producer.flush().unwrap().wait().unwrap();
    }
    drop(producer);
    assert_eq!(model.store().seal().unwrap(), 1);
    model.reopen();
    model.check_known(&again, "from the table");
}
