//! `eventcask backup`.

use std::path::PathBuf;

use clap::Args;

/// Copy a store into a directory of its own, also while another process writes to it
#[derive(Debug, Args)]
#[command(after_help = "\
The copy is a store like any other. It holds all that was acknowledged before the command began, \
and of what came later nothing without what was acknowledged before it.

Exit code 1: with --verify, the copy is not whole.

Example:
  eventcask backup /backups/flights-1 --store flights --verify")]
pub struct BackupArgs {
    /// The directory to copy to; it must be empty or not there yet
    #[arg(value_name = "TARGET")]
    pub target: PathBuf,
    /// Read all of the copy and check it
    #[arg(long)]
    pub verify: bool,
}
