//! The handle of an open store, how it is opened, and the threads behind it.

pub(crate) mod options;
pub(crate) mod inner;
pub(crate) mod reader;
pub(crate) mod handle;
pub(crate) mod location;
pub(crate) mod create;
pub(crate) mod side_files;
pub(crate) mod seen;
pub(crate) mod retention;
pub(crate) mod origin;
pub(crate) mod given_up;
pub(crate) mod folds;
pub(crate) mod router;
pub(crate) mod engine;
pub(crate) mod sealer;
pub(crate) mod stats;
pub(crate) mod refresh;
pub(crate) mod open;
