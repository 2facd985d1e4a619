//! One writer for one slice of all aggregates.
//!
//! This crate has one job: to take batches of events from a queue, to decide which of them
//! are stored, to have the log store them, and to answer. Its main type is [`Shard`], the
//! state of one slice; [`Worker`] is the loop of the thread that owns some of them. Its
//! neighbours are `eventcask-log`, which it writes to, and the facade, which owns the threads
//! and fills the queues. It never looks into a payload and knows nothing of projections: what
//! follows a stored block is behind [`Apply`].
//!
//! The modules stand in the order in which a batch walks through them.

mod answer;
mod gate;
mod ticket;
mod delivery;
mod health;
mod inbox;
mod clock;
mod stages;
mod worker;
mod dedup;
mod directory;
mod admit;
mod build;
mod commit;
mod retired;
mod blocks;
mod published;
mod recent;
mod held;
mod index;
mod publish;
mod in_flight;
mod shard;
mod load;
mod find;

pub use answer::{AppendError, AppendResult, Appended, Conflict};
pub use clock::CommitClock;
pub use commit::{Durability, WriteThread};
pub use dedup::{
    CarriedMark, CarriedMarks, CarriedSource, Dedup, DedupSettings, DedupWindow, IdProbe, leads,
};
pub use delivery::{Append, Delivery, Expectation, ExpectedOf, FlushCounter, FlushShare, Flushed};
pub use directory::{Admitted, AggregateSlot, Directory, KeyHasher};
pub use inbox::{Inbox, Message, OpenBatch, SendError, WorkerBell};
pub use index::ShardReader;
pub use load::{AggregateCursor, BlockRows, Bounds};
pub use publish::Apply;
pub use published::{Figures, Published, SegmentSpan};
pub use retired::Retired;
pub use shard::{Opened, Shard, ShardSettings};
pub use stages::Stages;
pub use ticket::{Completion, Ticket, TicketFuture};
pub use worker::Worker;

pub use eventcask_log::SourceMark;
