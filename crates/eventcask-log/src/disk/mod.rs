//! Files: where they are kept, and memory that a disk can write from.

pub(crate) mod storage;
pub(crate) mod file_storage;
mod disk_file;
pub(crate) mod memory_storage;
pub(crate) mod buffer;
pub(crate) mod chunks;
pub(crate) mod room;
