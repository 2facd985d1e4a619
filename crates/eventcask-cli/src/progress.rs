//! A progress bar on standard error, where that is a terminal.

use std::io::{IsTerminal as _, stderr};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::output::{count, escaped};

/// How often the bar is drawn while nothing moves.
const TICK: Duration = Duration::from_millis(250);

/// Shows how far a file is read, or how many events are done.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Begins to show a file of `bytes` bytes, or of an unknown length.
    #[must_use]
    pub(crate) fn new(name: &str, bytes: Option<u64>) -> Self {
        let template = match bytes {
            Some(_) => "{prefix} [{bar:30}] {bytes} of {total_bytes}, {msg}, {eta} left",
            None => "{prefix} {spinner} {bytes}, {msg}, {elapsed}",
        };
        Self::of(name, bytes, template)
    }

    /// Begins to show how many of so many events are done.
    #[must_use]
    pub(crate) fn of_events(name: &str, events: u64) -> Self {
        let template = "{prefix} [{bar:30}] {human_pos} of {human_len} events, {eta} left";
        Self::of(name, Some(events), template)
    }

    fn of(name: &str, length: Option<u64>, template: &str) -> Self {
        if !stderr().is_terminal() {
            return Self { bar: None };
        }
        let bar = length.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
        let style = ProgressStyle::with_template(template);
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_prefix(escaped(name).into_owned());
        bar.enable_steady_tick(TICK);
        Self { bar: Some(bar) }
    }

    /// Moves a bar of events.
    pub(crate) fn update_events(&self, done: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(done);
        }
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
