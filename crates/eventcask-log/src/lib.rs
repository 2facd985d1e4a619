//! The bytes of one shard on disk, and back.
//!
//! This crate has one job: to keep blocks of events so that what was acknowledged is there
//! again, and to say where it is not. Its main types are [`Block`], the unit of commit,
//! [`SegmentWriter`], which appends blocks, and [`ShardDir`], which finds them again. Its
//! neighbours are `eventcask-event`, whose columns it stores, and `eventcask-shard`, which
//! decides what is stored. It never looks at what an event means, starts no thread and asks
//! no clock. `docs/FORMAT.md` describes the bytes.
//!
//! ```
//! use eventcask_log::{Manifest, MemoryStorage, Storage};
//!
//! let storage = MemoryStorage::default();
//! let manifest = Manifest::new(7, 4, 0)?;
//! manifest.create(&storage)?;
//! assert_eq!(Manifest::read(&storage)?.shards, 4);
//! # Ok::<(), eventcask_log::Error>(())
//! ```

mod error;
mod storage;
mod file_storage;
mod disk_file;
mod memory_storage;
mod wire;
mod manifest;
mod framed;
mod ends;
mod head;
mod buffer;
mod codec;
mod block;
mod sealed;
mod segment;
mod spare;
mod writer;
mod scan;
mod recovery;
mod reserve;
mod block_cache;
mod caches;
mod reader;
mod filter;
mod pages;
mod index;
mod ended;
mod cluster;
mod clustered;
mod clustering;
mod rewrite;
mod seal;
mod cluster_check;
mod verify;
mod repair;
mod inspect;

pub use block::{Block, BlockParts, Payloads};
pub use block_cache::{BLOCK_CACHE_BYTES, BlockCache};
pub use buffer::{Buffer, PAGE_BYTES, PageBuffer, in_page};
pub use caches::Caches;
pub use clustering::SORT_BYTES;
pub use codec::{Codec, Compressor};
pub use ended::{EndedSegment, TABLE_CACHE_BYTES, TableCache};
pub use ends::Ends;
pub use error::{Error, ErrorKind};
pub use file_storage::FileStorage;
pub use framed::{Framed, FramedKind};
pub use head::{
    BlockHead, MAX_BLOCK_BYTES, MAX_BLOCK_ROWS, MAX_SECTION_BYTES, Section, SourceMark,
};
pub use index::KeyPlace;
pub use inspect::{Inspection, SegmentInspection, inspect};
pub use manifest::{MAX_SHARDS, Manifest};
pub use memory_storage::MemoryStorage;
pub use reader::BlockReader;
pub use recovery::{Recovery, Tail, Visit};
pub use repair::RepairedSegment;
pub use reserve::{keep_reserve, with_reserve};
pub use rewrite::{Fate, Rewriting};
pub use scan::{BlockPlace, Problem};
pub use sealed::{Sealed, Table, TableKind};
pub use segment::{FIRST_BLOCK, SEGMENT_BYTES, ShardDir};
pub use storage::{Lock, Open, Storage, StoredFile};
pub use verify::{Check, Verified, VerifiedSegment};
pub use writer::{NewSegment, SegmentWriter};
