//! Looking after a store: backups, repairs, checks, and giving events up.

pub(crate) mod truncate;
pub(crate) mod reclaim;
pub(crate) mod backup;
pub(crate) mod verify;
pub(crate) mod repair;

pub use backup::BackupReport;
pub use reclaim::Reclaimed;
pub use repair::RepairReport;
pub use verify::VerifyReport;
