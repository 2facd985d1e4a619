//! Rules about the source that no lint holds. They are kept by the tests of this crate.
//!
//! The source is parsed, never built: so the tests take seconds, and they run whether or not the
//! rest compiles. [`Workspace`] has the modules of each crate, and finds where a path leads.
//! Three rules stand on it: no `circles` between modules, no `sizes` beyond what fits a
//! reader's head, and no change of the [`public_api`] by accident.
//!
//! What does not keep a rule yet is listed in `ratchet.txt` beside this crate. The list may only
//! shrink: `cargo run -p eventcask-tidy -- ratchet` takes out what is no longer needed.

mod module;
mod workspace;
mod circles;
mod sizes;
mod ratchet;
mod api;

pub use api::public_api;
pub use circles::{Circle, file_circles, folder_circles};
pub use module::{Module, ModuleId, Name};
pub use ratchet::Ratchet;
pub use sizes::{
    LongFunction, MAX_FILE_LINES, MAX_FUNCTION_LINES, long_functions, unexplained_files,
};
pub use workspace::{Place, Workspace, root};
