//! Trials: how they are drawn, run, ended by a crash and examined.

pub(crate) mod report;
pub(crate) mod plan;
pub(crate) mod course;
pub(crate) mod door;
pub(crate) mod source;
pub(crate) mod stage;
pub(crate) mod actor;
pub(crate) mod reader;
pub(crate) mod resend;
pub(crate) mod examine;
pub(crate) mod work;
pub(crate) mod crashes;
pub(crate) mod resharded;
pub(crate) mod trial;
