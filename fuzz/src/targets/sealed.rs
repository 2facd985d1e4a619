//! A store whose first segment is sealed and a second one follows.

use std::sync::Arc;

use eventcask::Store;
use eventcask_event::EventId;
use eventcask_log::{
    Block, BlockReader, Caches, ClosedSegment, Codec, Error, Fate, IdQuery, MemoryStorage,
    Rewriting, SORT_BYTES, ShardDir,
};

use super::store::{self, read, said};
use super::{framed, stage};
use crate::bound::bounded;
use crate::bytes::{u32_at, u64_at};
use crate::corpus;
use crate::repair::STORE;

const SECOND_SEGMENT: &str = "shards/0000/0000000002.segment";
/// One block of the largest size before compression, twice while it is written anew, and buffers.
const BYTES_MAX: usize = (2 * 64 + 32) << 20;

/// Opens a store whose first segment has these bytes, reads all of it, verifies it, and writes
/// it anew.
pub fn sealed(bytes: &[u8]) -> bool {
    let (storage, dir) = store_of(bytes);
    framed::put_definition(&storage, &corpus::definition_file());
    let opened = Store::options().open_read_only(Arc::new(storage.copy()));
    let taken = match opened {
        Ok(store) => {
            // A block that can not be read stops the view.
            if let Err(error) = store.view("delays").and_then(|view| view.rows()) {
                said(&error);
            }
            read(&store)
        }
        Err(error) => said(&error),
    };
    bounded(BYTES_MAX, || {
        ask(&dir);
        problems(&dir);
    });
    // What writes files takes longer, so the bytes choose a part of themselves.
    match crc32c::crc32c(bytes) % 8 {
        0 | 1 => bounded(BYTES_MAX, || write_anew(bytes)),
        2 => store::verify(bytes),
        _ => (),
    }
    taken
}

/// The second segment follows whatever the first one says that it ends with.
fn store_of(bytes: &[u8]) -> (MemoryStorage, ShardDir) {
    let (storage, dir) = stage::store_of(bytes);
    // Behind the last position of all there is no room for events.
    let next = u64_at(bytes, 128).min(u64::MAX - (1 << 20));
    let second = corpus::segment_after(next, u32_at(bytes, 136));
    stage::put_file(&storage, SECOND_SEGMENT, &second);
    (storage, dir)
}

fn is_well<T>(result: Result<T, Error>) -> Option<T> {
    result.inspect_err(stage::check_refusal).ok()
}

/// Asks each table by itself: a damaged one makes all answers come from the blocks.
fn ask(dir: &ShardDir) {
    for question in 0..6 {
        let Some(segment) = is_well(dir.sealed_segment(1)) else {
            return;
        };
        let reader = BlockReader::new(dir.clone(), Caches::default());
        ask_one(&reader, &segment, question);
    }
}

fn ask_one(reader: &BlockReader, segment: &ClosedSegment, question: u32) {
    match question {
        0 => drop(is_well(reader.marks(segment))),
        1 => drop(is_well(reader.truncations(segment))),
        2 => {
            for position in [0, 1, 7, 18, u64::MAX - 1, u64::MAX] {
                let at = is_well(reader.place_from(segment, position)).flatten();
                assert!(
                    at.is_none_or(|at| at.next_position > position),
                    "it goes on"
                );
            }
        }
        3 => {
            for key in ["account-0", "account-1", "account-2", "nobody"] {
                is_well(reader.find_key(segment, key));
            }
        }
        4 => {
            for key in ["account-0", "account-1", "account-2", "nobody"] {
                for position in [0, 1, 2, 7, 18, u64::MAX] {
                    let cluster = is_well(reader.cluster_of(segment, key, position)).flatten();
                    let has_it = |block: Arc<Block>| block.events().row_at(position).is_some();
                    assert!(cluster.is_none_or(has_it), "it holds the event");
                }
            }
        }
        _ => {
            for id in (0..4).map(|at| 1 << 64 | at) {
                let query = IdQuery::new(STORE, EventId::from_u128(id));
                is_well(reader.find_id(segment, &query, u64::MAX));
            }
        }
    }
}

/// How many problems a check of every byte finds.
fn problems(dir: &ShardDir) -> usize {
    let mut problems = Vec::new();
    let verified = dir.verify(&|| false, &mut problems, &mut |_, _, _| Ok(()));
    match is_well(verified) {
        Some(_) => problems.len(),
        None => 1,
    }
}

/// Repairs the store and seals its first segment anew: both leave a store without a problem.
fn write_anew(bytes: &[u8]) {
    let (_, dir) = store_of(bytes);
    let how = Rewriting {
        codec: Codec::None,
        clustered: bytes.len() % 128 < 64,
        sort_bytes: SORT_BYTES,
        fate: &|_, _| Fate::Kept,
        go_on: &|| true,
    };
    is_well(dir.seal(1, &how));
    let (_, dir) = store_of(bytes);
    if is_well(dir.repair()).is_some() {
        assert_eq!(problems(&dir), 0, "what was repaired is whole");
        let again = is_well(dir.repair());
        assert_eq!(again.map(|done| done.len()), Some(0), "once is enough");
    }
}
