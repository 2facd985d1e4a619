//! What the tests share.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use eventcask::storage::{MemoryStorage, Open, Storage};
use eventcask::{
    Appended, ApplyError, Batch, Codec, EventId, Expected, NewEvent, Options, PerAggregate,
    Projection, Store, StoreReader,
};

/// A store in memory that is closed and opened again without touching a disk.
pub(crate) struct Bank {
    pub(crate) storage: MemoryStorage,
    pub(crate) options: Options,
}

impl Bank {
    pub(crate) fn new(shards: u32) -> Self {
        let options = Store::options()
            .shards(shards)
            .threads(1)
            .pin(false)
            .codec(Codec::Zstd(1));
        Self {
            storage: MemoryStorage::default(),
            options,
        }
    }

    pub(crate) fn open(&self) -> Store {
        self.options
            .open(self.storage.clone())
            .expect("the store opens")
    }

    pub(crate) fn open_read_only(&self) -> StoreReader {
        self.options
            .open_read_only(self.storage.clone())
            .expect("the store opens")
    }
}

/// The names of all files.
pub(crate) fn files(storage: &dyn Storage) -> Vec<String> {
    let mut dirs = vec![String::new()];
    let mut files = Vec::new();
    while let Some(dir) = dirs.pop() {
        for name in storage.list(&dir).expect("a directory can be listed") {
            let path = match dir.as_str() {
                "" => name,
                dir => format!("{dir}/{name}"),
            };
            match storage.open(&path, Open::Read) {
                Ok(_) => files.push(path),
                Err(_) => dirs.push(path),
            }
        }
    }
    files
}

/// The bytes of a file.
pub(crate) fn bytes_of(storage: &dyn Storage, path: &str) -> Vec<u8> {
    let file = storage.open(path, Open::Read).expect("the file is there");
    let mut bytes = vec![0; file.len().expect("it has a length") as usize];
    let read = file.read_at(&mut bytes, 0).expect("it is read");
    bytes.truncate(read);
    bytes
}

/// What is on a disk right now.
pub(crate) fn copy_of(storage: &MemoryStorage) -> MemoryStorage {
    let copy = MemoryStorage::default();
    for path in files(storage) {
        let mut dir = String::new();
        for part in path
            .split('/')
            .rev()
            .skip(1)
            .collect::<Vec<_>>()
            .iter()
            .rev()
        {
            dir = format!("{dir}/{part}").trim_start_matches('/').to_owned();
            copy.create_dir(&dir).expect("a directory is made");
        }
        let file = copy.open(&path, Open::Create).expect("a file is made");
        let bytes = bytes_of(storage, &path);
        file.write_all_at(&bytes, 0).expect("it is written");
    }
    copy
}

pub(crate) fn deposit(payload: &str) -> NewEvent<'_> {
    NewEvent::json("Deposited", payload.as_bytes())
}

pub(crate) fn id(number: u128) -> EventId {
    EventId::from_u128(number)
}

/// Appends one deposit with any version.
pub(crate) fn put(store: &Store, key: &str, payload: &str) -> Appended {
    let ticket = store
        .producer()
        .append(key, Expected::Any, &[deposit(payload)]);
    ticket
        .and_then(eventcask::Ticket::wait)
        .expect("the deposit is stored")
}

/// The payloads of an aggregate, oldest first.
pub(crate) fn payloads(store: &StoreReader, key: &str) -> Vec<String> {
    let events = store.aggregate(key).events().expect("the aggregate loads");
    let text = |event: Result<eventcask::Event, eventcask::Error>| {
        let event = event.expect("the event is read");
        String::from_utf8(event.payload().to_vec()).expect("it is text")
    };
    events.map(text).collect()
}

/// `aggregate@version` of all events, in commit order.
pub(crate) fn all(store: &StoreReader) -> Vec<String> {
    let name = |event: Result<eventcask::Event, eventcask::Error>| {
        let event = event.expect("the event is read");
        format!("{}@{}", event.key(), event.version())
    };
    store.events().iter().map(name).collect()
}

/// Long enough for any machine; what takes longer hangs.
const FOR_EVER: Duration = Duration::from_secs(60);

/// Does something on a thread of its own, so that a test that would hang fails instead.
pub(crate) fn in_time<T: Send + 'static>(
    what: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    let (done, result) = mpsc::channel();
    let thread = thread::spawn(move || {
        let _ = done.send(work());
    });
    match result.recv_timeout(FOR_EVER) {
        Ok(result) => result,
        Err(RecvTimeoutError::Timeout) => panic!("{what} hangs"),
        Err(RecvTimeoutError::Disconnected) => match thread.join() {
            Ok(()) => panic!("{what} ended without a word"),
            Err(panic) => std::panic::resume_unwind(panic),
        },
    }
}

/// How many events each account has.
pub(crate) struct Counts;

impl Projection for Counts {
    const NAME: &'static str = "counts";
    const VERSION: u32 = 1;
    type State = PerAggregate<u64>;

    fn apply(&self, state: &mut Self::State, batch: &Batch<'_>) -> Result<(), ApplyError> {
        let mut counts = state.of(batch);
        for row in batch.rows() {
            counts[batch.aggregate_index(row)] += 1;
        }
        Ok(())
    }
}
