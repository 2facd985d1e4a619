//! Looking after a store: backups, repairs, checks, other shards, and giving events up.

pub(crate) mod truncate;
pub(crate) mod reclaim;
mod place;
pub(crate) mod backup;
pub(crate) mod resharding;
pub(crate) mod verify;
pub(crate) mod repair;

pub use backup::BackupReport;
pub use reclaim::Reclaimed;
pub use repair::RepairReport;
pub use resharding::options::ReshardOptions;
pub use resharding::report::ReshardReport;
pub use resharding::reshard;
pub use verify::VerifyReport;
