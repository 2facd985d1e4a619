//! Projections that are shown the event types that they declare, and no others.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use eventcask::event::EventRef;
use eventcask::projection::SnapshotPolicy;
use eventcask::storage::{Open, Storage};
use eventcask::{
    ApplyError, AsOf, Batch, Codec, ErrorKind, Expected, NewEvent, Place, Projection,
    ProjectionHandle, Store, Timeout,
};

use crate::support::Bank;

const LONG: Timeout = Timeout::Error(Duration::from_secs(60));
const ALL: [&str; 3] = ["Deposited", "Noted", "Withdrawn"];

const fn types_of(set: u8) -> Option<&'static [&'static str]> {
    match set {
        0 => None,
        1 => Some(&["Withdrawn"]),
        2 => Some(&["Deposited", "Withdrawn"]),
        3 => Some(&["Withdrawn", "Deposited", "Withdrawn"]),
        _ => Some(&[]),
    }
}

/// All that is shown of the types of a set, in order.
struct Shown<const SET: u8>;

impl<const SET: u8> Projection for Shown<SET> {
    const NAME: &'static str = "shown";
    const VERSION: u32 = 1;
    const TYPES: Option<&'static [&'static str]> = types_of(SET);
    type State = Vec<String>;

    fn apply(&self, state: &mut Self::State, batch: &Batch<'_>) -> Result<(), ApplyError> {
        assert_eq!(batch.len(), batch.rows().count());
        state.extend(batch.iter().map(line));
        Ok(())
    }
}

/// How many events were shown, and outside of the state how many of them since it was started.
#[derive(Clone, Default)]
struct Counted<const SET: u8>(Arc<AtomicU64>);

impl<const SET: u8> Projection for Counted<SET> {
    const NAME: &'static str = "counted";
    const VERSION: u32 = 1;
    const TYPES: Option<&'static [&'static str]> = types_of(SET);
    type State = u64;

    fn apply(&self, events: &mut u64, batch: &Batch<'_>) -> Result<(), ApplyError> {
        *events += batch.len() as u64;
        self.0.fetch_add(batch.len() as u64, Ordering::Relaxed);
        Ok(())
    }
}

fn line(event: EventRef<'_>) -> String {
    let payload = str::from_utf8(event.payload).unwrap();
    format!("{} {} {payload}", event.position, event.event_type)
}

/// Some events of each type, whose payloads name them.
fn push(store: &Store, random: &mut fastrand::Rng, count: usize) {
    let mut producer = store.producer();
    for _ in 0..count {
        let name = ALL[random.usize(0..ALL.len())];
        let payload = format!("{name}-{}", random.u32(..));
        let key = format!("account-{}", random.u32(0..20));
        let event = NewEvent::bytes(name, payload.as_bytes()).schema(random.u32(1..3));
        producer.push(&key, &event).unwrap();
    }
    producer.flush().unwrap().wait().unwrap();
}

/// The lines of a shard that a scan of the same types gives.
fn scanned(store: &Store, shard: u32, set: u8, to: u64) -> Vec<String> {
    let types = types_of(set).unwrap_or(&ALL);
    let events = store.events().shard(shard).types(types).iter();
    let lines = events.map(|event| event.unwrap());
    let lines = lines.filter(|event| event.position() < to);
    lines.map(|event| line(event.get())).collect()
}

/// Waits until all is passed that is durable now.
fn wait_for_all<P: Projection>(store: &Store, projected: &ProjectionHandle<P>) {
    for (shard, end) in (0..).zip(store.positions()) {
        if let Some(last) = end.checked_sub(1) {
            projected.wait_for(Place::new(shard, last), LONG).unwrap();
        }
    }
}

fn check<const SET: u8>(store: &Store, projected: &ProjectionHandle<Shown<SET>>, what: &str) {
    wait_for_all(store, projected);
    for shard in 0..store.shards() {
        let shown = projected.read(shard, Clone::clone).unwrap();
        assert_eq!(shown, scanned(store, shard, SET, u64::MAX), "{SET}, {what}");
        assert_eq!(projected.progress(shard), store.positions()[shard as usize]);
    }
}

fn types_are_shown<const SET: u8>() {
    let mut random = fastrand::Rng::with_seed(u64::from(SET) + 1);
    let mut bank = Bank::new(2);
    bank.options = bank.options.segment_bytes(6_000).seal(false);
    let store = bank.open();
    push(&store, &mut random, 100);
    let behind = store.projection(Shown::<SET>).start().unwrap();
    push(&store, &mut random, 40);
    check(&store, &behind, "behind");
    drop(behind);
    let sync = store.projection(Shown::<SET>).sync().start().unwrap();
    for _ in 0..10 {
        push(&store, &mut random, 40);
        check(&store, &sync, "sync");
    }
    drop(sync);
    for is_sealed in [false, true] {
        if is_sealed {
            assert!(store.seal().unwrap() > 0);
        }
        let sync = store.projection(Shown::<SET>).sync().start().unwrap();
        check(&store, &sync, "late");
        sync.rebuild().unwrap().wait().unwrap().unwrap();
        check(&store, &sync, "rebuilt");
        for position in [0, 1, 50, 120, 10_000] {
            let past = sync.as_of(AsOf::Position(position)).unwrap();
            for shard in 0..2 {
                let wanted = scanned(&store, shard, SET, position + 1);
                assert_eq!(*past.state(shard), wanted, "{SET}, as of {position}");
            }
        }
    }
}

#[test]
fn only_declared_types_are_shown_live_late_rebuilt_and_as_of() {
    types_are_shown::<0>();
    types_are_shown::<1>();
    types_are_shown::<2>();
    types_are_shown::<3>();
    types_are_shown::<4>();
}

/// All that is shown of some aggregates, and of one type.
struct OfSome;

impl Projection for OfSome {
    const NAME: &'static str = "of-some";
    const VERSION: u32 = 1;
    const TYPES: Option<&'static [&'static str]> = types_of(2);
    const KEY_PREFIX: Option<&'static str> = Some("account-1");
    type State = Vec<String>;

    fn apply(&self, state: &mut Self::State, batch: &Batch<'_>) -> Result<(), ApplyError> {
        state.extend(batch.iter().map(line));
        Ok(())
    }
}

/// The same of other keys, and what it was shown since it was started.
#[derive(Clone, Default)]
struct OfOthers(Arc<AtomicU64>);

impl Projection for OfOthers {
    const NAME: &'static str = "of-some";
    const VERSION: u32 = 1;
    const TYPES: Option<&'static [&'static str]> = types_of(2);
    const KEY_PREFIX: Option<&'static str> = Some("account-7");
    type State = Vec<String>;

    fn apply(&self, state: &mut Self::State, batch: &Batch<'_>) -> Result<(), ApplyError> {
        self.0.fetch_add(batch.len() as u64, Ordering::Relaxed);
        state.extend(batch.iter().map(line));
        Ok(())
    }
}

/// What a query with the same filter gives.
fn queried(store: &Store, prefix: &str) -> Vec<String> {
    let query = store.events().types(&["Deposited", "Withdrawn"]);
    let events = query.key_prefix(prefix).iter();
    events.map(|event| line(event.unwrap().get())).collect()
}

#[test]
fn only_declared_keys_are_shown_live_late_and_rebuilt() {
    let store = Bank::new(1).open();
    let mut random = fastrand::Rng::with_seed(11);
    let behind = store.projection(OfSome).start().unwrap();
    for _ in 0..10 {
        push(&store, &mut random, 40);
    }
    let wanted = queried(&store, "account-1");
    assert!(wanted.len() > 20);
    wait_for_all(&store, &behind);
    assert_eq!(behind.read(0, Clone::clone).unwrap(), wanted, "live");
    behind.rebuild().unwrap().wait().unwrap();
    assert_eq!(behind.read(0, Clone::clone).unwrap(), wanted, "rebuilt");
    drop(behind);
    let late = store.projection(OfSome).sync().start().unwrap();
    assert_eq!(late.read(0, Clone::clone).unwrap(), wanted, "late");
}

#[test]
fn l7_a_snapshot_of_other_keys_is_not_taken_up() {
    let bank = Bank::new(1);
    let store = bank.open();
    push(&store, &mut fastrand::Rng::with_seed(12), 200);
    let kept = |store: &Store| {
        let options = store.projection(OfSome).sync();
        options
            .snapshots(SnapshotPolicy::default())
            .start()
            .unwrap()
    };
    drop(kept(&store));
    store.close().unwrap();
    let store = bank.open();
    let others = OfOthers::default();
    let options = store.projection(others.clone()).sync();
    let projected = options
        .snapshots(SnapshotPolicy::default())
        .start()
        .unwrap();
    let wanted = queried(&store, "account-7");
    assert_eq!(projected.read(0, Clone::clone).unwrap(), wanted);
    assert_eq!(others.0.load(Ordering::Relaxed), wanted.len() as u64);
}

#[test]
fn hidden_events_of_declared_types_are_not_shown() {
    let store = Bank::new(1).open();
    let mut producer = store.producer();
    for name in ["Withdrawn", "Noted", "Withdrawn", "Noted", "Withdrawn"] {
        let event = [NewEvent::bytes(name, b"x")];
        let ticket = producer.append("a", Expected::Any, &event).unwrap();
        ticket.wait().unwrap();
    }
    store.truncate_aggregate("a", 3).unwrap();
    let projected = store.projection(Shown::<1>).sync().start().unwrap();
    let shown = projected.read(0, Clone::clone).unwrap();
    assert_eq!(shown, ["2 Withdrawn x", "4 Withdrawn x"]);
}

#[test]
fn payloads_of_other_types_stay_shut() {
    let mut bank = Bank::new(1);
    bank.options = bank.options.codec(Codec::None).seal(false);
    let store = bank.open();
    push(&store, &mut fastrand::Rng::with_seed(1), 50);
    flip_a_payload(&bank, b"Noted-");
    let typed = store.projection(Shown::<2>).sync().start().unwrap();
    check(&store, &typed, "beside damage");
    assert!(typed.rebuild().unwrap().wait().is_ok());
    assert!(typed.as_of(AsOf::Position(60)).is_ok());
    drop(typed);
    let all = store.projection(Shown::<0>).sync().start().unwrap_err();
    assert_eq!(all.kind(), ErrorKind::Stopped);
    flip_a_payload(&bank, b"Deposited-");
    let damaged = store.projection(Shown::<2>).sync().start().unwrap_err();
    assert_eq!(damaged.kind(), ErrorKind::Stopped);
}

/// Changes a byte behind the first place of this text in the first segment.
fn flip_a_payload(bank: &Bank, text: &[u8]) {
    let dir = "shards/0000";
    let names = bank.storage.list(dir).unwrap();
    let segment = names
        .iter()
        .find(|name| name.ends_with(".segment"))
        .unwrap();
    let file = bank
        .storage
        .open(&format!("{dir}/{segment}"), Open::Write)
        .unwrap();
    let mut bytes = vec![0; file.len().unwrap() as usize];
    file.read_at(&mut bytes, 0).unwrap();
    let at = bytes.windows(text.len()).position(|window| window == text);
    let at = at.unwrap() + text.len();
    file.write_all_at(&[bytes[at] ^ 1], at as u64).unwrap();
}

/// Starts one on a bank that is opened anew: what it holds, and how many events it was shown for
/// it.
fn restarted<const SET: u8>(bank: &Bank) -> (u64, u64) {
    let store = bank.open();
    let counted = Counted::<SET>::default();
    let options = store.projection(counted.clone()).sync();
    let projected = options
        .snapshots(SnapshotPolicy::default())
        .start()
        .unwrap();
    let mut events = 0;
    projected.each_shard(|_, state| events += state).unwrap();
    (events, counted.0.load(Ordering::Relaxed))
}

#[test]
fn l7_a_snapshot_of_other_types_is_not_taken_up() {
    let bank = Bank::new(2);
    let store = bank.open();
    push(&store, &mut fastrand::Rng::with_seed(5), 200);
    let [all, withdrawn, both] = [0, 1, 2].map(|set| {
        let in_shard = |shard| scanned(&store, shard, set, u64::MAX).len() as u64;
        (0..2).map(in_shard).sum::<u64>()
    });
    store.close().unwrap();
    assert_eq!(restarted::<0>(&bank), (all, all));
    assert_eq!(restarted::<0>(&bank), (all, 0));
    assert_eq!(restarted::<1>(&bank), (withdrawn, withdrawn), "fewer");
    assert_eq!(restarted::<1>(&bank), (withdrawn, 0));
    assert_eq!(restarted::<2>(&bank), (both, both), "more");
    assert_eq!(
        restarted::<3>(&bank),
        (both, 0),
        "the same in another order"
    );
    assert_eq!(restarted::<4>(&bank), (0, 0), "none");
    assert_eq!(restarted::<0>(&bank), (all, all), "all again");
}
