//! Tests of the log through the public face of the crate.
#![expect(clippy::unwrap_used, reason = "a test that can not go on is to fail")]

mod support;
mod carried;
mod forge;
mod disk;
mod manifest;
mod framed;
mod blocks;
mod codecs;
mod groups;
mod in_place;
mod shapes;
mod metadata;
mod segments;
mod recovery;
mod crashes;
mod follow;
mod verify;
mod flips;
mod rules;
mod hostile;
mod files;
mod direct;
mod inspect;
mod sealed;
mod sealed_tables;
mod sealed_crashes;
mod sealed_flips;
mod sealed_hostile;
mod clustered;
mod block_cache;
mod repair;
mod worked_example;
