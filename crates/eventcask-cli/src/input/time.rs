//! The event's own time, from text or a number.

use eventcask::Timestamp;
use eventcask::event::Invalid;

/// Reads times and remembers the last one, since rows near each other often share it.
#[derive(Debug, Default)]
pub(super) struct TimeReader {
    text: String,
    time: Option<Timestamp>,
}

impl TimeReader {
    pub(super) fn read(&mut self, text: &str) -> Result<Timestamp, Invalid> {
        match self.time {
            Some(time) if self.text == text => Ok(time),
            _ => {
                let time = text.parse()?;
                self.time = Some(time);
                self.text.clear();
                self.text.push_str(text);
                Ok(time)
            }
        }
    }
}
