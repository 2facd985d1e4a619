//! A disk in memory, and what a crash would have left of it at any moment.

pub(crate) mod image;
pub(crate) mod journal;
pub(crate) mod live;
pub(crate) mod faults;
pub(crate) mod sim_disk;
pub(crate) mod storage;
pub(crate) mod file;
pub(crate) mod torn;
pub(crate) mod crash;
pub(crate) mod damage;
