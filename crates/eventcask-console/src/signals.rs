//! Ctrl-C, and the request to end that a service manager sends.

use std::process;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::failure::{EXIT_INTERRUPTED, Failure};

/// Carries no data with it: whoever sees it stops at the next convenient place.
static STOPPED: AtomicBool = AtomicBool::new(false);

/// From now on a signal is heard by [`is_stopped`]; a second one ends the process at once.
///
/// # Errors
/// When the system does not let the process listen.
pub fn listen() -> Result<(), Failure> {
    ctrlc::set_handler(|| {
        if STOPPED.swap(true, Ordering::Relaxed) {
            process::exit(i32::from(EXIT_INTERRUPTED));
        }
    })
    .map_err(|error| Failure::Engine(format!("signals can not be listened to: {error}")))
}

/// Whether a signal asked the command to end.
#[must_use]
pub fn is_stopped() -> bool {
    STOPPED.load(Ordering::Relaxed)
}
