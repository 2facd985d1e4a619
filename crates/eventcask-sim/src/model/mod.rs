//! What a trial believes: what was sent, what became of it, and what readers must hold.

pub(crate) mod ledger;
pub(crate) mod content;
pub(crate) mod handler;
pub(crate) mod projection;
pub(crate) mod parking;
pub(crate) mod attempt;
pub(crate) mod kept;
pub(crate) mod outside;
