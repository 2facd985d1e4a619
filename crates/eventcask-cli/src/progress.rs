//! A progress bar on standard error, where that is a terminal.

use std::io::{IsTerminal as _, stderr};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::output::{count, escaped};

/// How often the bar is drawn while nothing moves.
const TICK: Duration = Duration::from_millis(250);

/// Shows how far a file is read.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Begins to show a file of `bytes` bytes, or of an unknown length.
    #[must_use]
    pub(crate) fn new(name: &str, bytes: Option<u64>) -> Self {
        if !stderr().is_terminal() {
            return Self { bar: None };
        }
        let (bar, template) = match bytes {
            Some(bytes) => (
                ProgressBar::new(bytes),
                "{prefix} [{bar:30}] {bytes} of {total_bytes}, {msg}, {eta} left",
            ),
            None => (
                ProgressBar::new_spinner(),
                "{prefix} {spinner} {bytes}, {msg}, {elapsed}",
            ),
        };
        let style = ProgressStyle::with_template(template);
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_prefix(escaped(name).into_owned());
        bar.enable_steady_tick(TICK);
        Self { bar: Some(bar) }
    }

    /// Moves the bar.
    pub(crate) fn update(&self, bytes: u64, rows: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(bytes);
            bar.set_message(format!("{} rows", count(rows)));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
