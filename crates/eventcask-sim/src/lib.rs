//! Seeded trials of a whole store against a model; never shipped.
//!
//! A [`Trial`] runs several producers on a store whose disk is a [`SimDisk`], takes crash
//! states out of the disk's journal, opens each, and holds what it serves against what was
//! submitted and acknowledged until then. It uses the public face of `eventcask` and nothing
//! else, so whatever it finds a user could have met. [`Planted`] bugs show that it can fail.
//!
//! ```
//! let report = eventcask_sim::trial(1)?;
//! assert!(report.states > 10);
//! # Ok::<(), eventcask_sim::Failure>(())
//! ```
//!
//! The engine works with its real threads and its real clock, so a seed decides what is
//! submitted, what fails and where it crashes, but not how the threads take turns: a failing
//! seed may have to be tried some times.

mod planted;
mod model;
mod disk;
mod check;
mod clients;
mod run;

pub use disk::faults::Faults;
pub use disk::image::Image;
pub use disk::journal::Level;
pub use disk::sim_disk::SimDisk;
pub use planted::Planted;
pub use run::examine::After;
pub use run::report::{Failure, Report};
pub use run::trial::{Trial, trial};
