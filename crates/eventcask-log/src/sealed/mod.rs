//! Segments to which nothing is added any more: their tables, and how they are written.

pub(crate) mod filter;
pub(crate) mod pages;
pub(crate) mod digest;
pub(crate) mod keys;
pub(crate) mod index;
pub(crate) mod cluster;
pub(crate) mod clustering;
pub(crate) mod budget;
pub(crate) mod closed;
pub(crate) mod gather;
pub(crate) mod rewrite;
pub(crate) mod copy;
mod seal;
