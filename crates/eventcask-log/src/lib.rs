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
mod disk;
mod format;
mod segment;
mod sealed;
mod recovery;
mod read;
mod check;

pub use check::inspect::{Inspection, SegmentInspection, inspect};
pub use check::repair::RepairedSegment;
pub use check::verify::{Check, Verified, VerifiedSegment};
pub use disk::buffer::{Buffer, PAGE_BYTES, PageBuffer, in_page};
pub use disk::file_storage::FileStorage;
pub use disk::memory_storage::MemoryStorage;
pub use disk::storage::{Lock, Open, Storage, StoredFile};
pub use error::{Error, ErrorKind, Problem};
pub use format::block::{Block, BlockParts};
pub use format::checksum::{checksum, head_checksum};
pub use format::codec::{Codec, Compressor};
pub use format::framed::{Framed, FramedKind};
pub use format::head::{
    BlockHead, MAX_BLOCK_BYTES, MAX_BLOCK_ROWS, MAX_BLOCK_TYPES, MAX_SECTION_BYTES, Section,
    SourceMark,
};
pub use format::log_end::LogEnd;
pub use format::manifest::{MAX_SHARDS, Manifest};
pub use format::payloads::Payloads;
pub use format::place::{BlockPlace, FIRST_BLOCK, NewSegment, Tail};
pub use format::sealed_header::{Sealed, Table, TableKind};
pub use read::block_cache::{BLOCK_CACHE_BYTES, BlockCache};
pub use read::caches::{Caches, FILTER_BYTES, PAGE_CACHE_BYTES};
pub use read::kept_group::RowPlace;
pub use read::reader::BlockReader;
pub use read::rows::{RowGatherer, RowsOfGroup};
pub use read::table_cache::{TABLE_CACHE_BYTES, TableCache};
pub use recovery::ends::Ends;
pub use recovery::reserve::{keep_reserve, with_reserve};
pub use recovery::{Recovery, Visit};
pub use sealed::budget::Budget;
pub use sealed::closed::ClosedSegment;
pub use sealed::clustering::SORT_BYTES;
pub use sealed::copy::{CopyTools, LinkBy, LogCopy};
pub use sealed::digest::Digest;
pub use sealed::index::{IdPlace, IdQuery};
pub use sealed::keys::KeyPlace;
pub use sealed::rewrite::{Fate, Rewriting};
pub use segment::dir::{SEGMENT_BYTES, ShardDir};
pub use segment::writer::SegmentWriter;
