//! `eventcask reshard`.

use std::path::PathBuf;

use clap::Args;
use eventcask::{Codec, RouteBy};

/// Write a store anew into a directory of its own, with other shards
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("change").required(true).multiple(true).args(["shards", "route_by"]))]
#[command(after_help = "\
The store itself stays as it is; nobody may write to it meanwhile. Events keep their ids, versions, \
times and payloads, and get new positions. What was given up is not copied, and versions go on. \
Rows that were ingested are known in the new store as well: run the same ingest against it, and it \
goes on where it was. Views come along by their definitions, and named subscriptions that have \
handled everything. A read model in another database belongs to the old store and is to be filled \
anew.

The new directory is a store once it is whole. Cut short, it says so, and the same command begins \
it again.

Exit code 1: with --verify, the new store is not whole.

Example:
  eventcask reshard flights-16 --store flights --shards 16 --verify
  eventcask reshard by-tenant --store orders --route-by category")]
pub struct ReshardArgs {
    /// The directory to write to; it must be empty or not there yet
    #[arg(value_name = "TARGET")]
    pub target: PathBuf,
    /// How many shards it gets, a power of two up to 4096 [default: as many as there are]
    #[arg(long, value_name = "N")]
    pub shards: Option<u32>,
    /// By what it finds the shard of an aggregate: key (its whole key), or category (the key up to
    /// its first -, so that a type or tenant has one shard) [default: as it is]
    #[arg(long, value_name = "WHAT")]
    pub route_by: Option<RouteBy>,
    /// How blocks are compressed: none, lz4, zstd:LEVEL or auto
    #[arg(long, value_name = "CODEC", default_value = "auto")]
    pub codec: Codec,
    /// Let named subscriptions begin anew that have not handled all events; without it they end the
    /// command before anything is written
    #[arg(long)]
    pub forget_subscriptions: bool,
    /// At how many bytes a new segment is begun
    #[arg(long, value_name = "N", hide = true)]
    pub segment_bytes: Option<u64>,
    /// Read all of the new store and check it
    #[arg(long)]
    pub verify: bool,
}
