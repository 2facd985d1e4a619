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

mod trial;
mod crashes;
mod plan;
mod run;
mod stage;
mod actor;
mod door;
mod source;
mod view;
mod reading;
mod reader;
mod followed;
mod clients;
mod outside;
mod model;
mod letters;
mod mailer;
mod projection;
mod handler;
mod damage;
mod ledger;
mod disk;
mod storage;
mod file;
mod faults;
mod planted;
mod journal;
mod live;
mod image;
mod crash;
mod torn;
mod examine;
mod resend;
mod content;
mod attempt;
mod facts;
mod check;
mod order;
mod repeats;
mod report;

pub use disk::SimDisk;
pub use examine::After;
pub use faults::Faults;
pub use image::Image;
pub use journal::Level;
pub use planted::Planted;
pub use report::{Failure, Report};
pub use trial::{Trial, trial};
