//! Ctrl-C, and the request to end that a service manager sends.

use std::process;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::failure::{EXIT_INTERRUPTED, Failure};

/// Carries no data with it: whoever sees it stops at the next convenient place.
static STOPPED: AtomicBool = AtomicBool::new(false);
/// Whether somebody has begun to say how the command ended.
static TOLD: AtomicBool = AtomicBool::new(false);
/// How long a command may take to end by itself, and to say its last words: both within a second.
const GRACE: Duration = Duration::from_millis(700);
const WORDS: Duration = Duration::from_millis(100);

/// From now on a signal is heard by [`is_stopped`]; a second one ends the process at once.
///
/// # Errors
/// When the system does not let the process listen.
pub fn listen() -> Result<(), Failure> {
    hear(|| ())
}

/// As [`listen`], but the process ends within a second of the first signal, whatever the command
/// waits for. If the command did not come to its end by itself, `last_words` are said instead.
///
/// # Errors
/// As [`listen`].
pub fn listen_for_a_second(last_words: impl FnOnce() + Send + 'static) -> Result<(), Failure> {
    let last_words = Mutex::new(Some(last_words));
    hear(move || {
        let words = last_words.lock().ok().and_then(|mut words| words.take());
        thread::spawn(move || end_soon(words));
    })
}

fn hear(mut first: impl FnMut() + Send + 'static) -> Result<(), Failure> {
    ctrlc::set_handler(move || {
        if STOPPED.swap(true, Ordering::Relaxed) {
            end();
        }
        first();
    })
    .map_err(|error| Failure::Engine(format!("signals can not be listened to: {error}")))
}

fn end_soon(last_words: Option<impl FnOnce() + Send + 'static>) {
    thread::sleep(GRACE);
    let (said, is_said) = mpsc::channel();
    if let Some(words) = last_words.filter(|_| tells_the_end()) {
        // The output may be what the command waits for.
        thread::spawn(move || {
            words();
            // Nobody listens any more where it took too long.
            let _ = said.send(());
        });
    }
    let _ = is_said.recv_timeout(WORDS);
    end();
}

fn end() -> ! {
    process::exit(i32::from(EXIT_INTERRUPTED))
}

/// Whether the one who asks is the first to tell how the command ended; the others say nothing.
#[must_use]
pub fn tells_the_end() -> bool {
    !TOLD.swap(true, Ordering::Relaxed)
}

/// Whether a signal asked the command to end.
#[must_use]
pub fn is_stopped() -> bool {
    STOPPED.load(Ordering::Relaxed)
}
