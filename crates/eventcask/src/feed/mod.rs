//! Read models in databases of their own, and how they are fed.

pub(crate) mod progress;
pub(crate) mod read_model;
pub(crate) mod batches;
pub(crate) mod cursor;
pub(crate) mod feeder;
pub(crate) mod runner;
