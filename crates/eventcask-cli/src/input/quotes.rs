//! Follows the quotes of a CSV record, to tell what its parser does not say.

/// Whether a record ends inside of quotes, and whether they stand where they can.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Quotes {
    state: State,
    /// Ends of lines so far.
    lines: u64,
    /// Ends of lines before the quote that was opened last.
    opened_after: u64,
    /// Whether there is an end of a line behind that quote, also one of a CR alone.
    is_in_later_line: bool,
    /// Ends of lines before a quote that is closed in another line, in the middle of a field.
    torn_after: Option<u64>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    /// Before the first byte of a field.
    #[default]
    Begin,
    Plain,
    Quoted,
    /// After a quote within quotes: it closes them, unless another one follows.
    Closing,
}

impl Quotes {
    /// The quotes of a whole record.
    pub(super) fn of(record: &[u8]) -> Self {
        let mut quotes = Self::default();
        quotes.read(record);
        quotes
    }

    /// Reads on; a record may come in pieces.
    pub(super) fn read(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.state = match (self.state, byte) {
                (State::Begin, b'"') => {
                    (self.opened_after, self.is_in_later_line) = (self.lines, false);
                    State::Quoted
                }
                (State::Quoted, b'"') => State::Closing,
                (State::Quoted, _) | (State::Closing, b'"') => State::Quoted,
                (_, b',' | b'\r' | b'\n') => State::Begin,
                (State::Closing, _) => {
                    if self.is_in_later_line {
                        self.torn_after.get_or_insert(self.opened_after);
                    }
                    State::Plain
                }
                _ => State::Plain,
            };
            self.is_in_later_line |= matches!(byte, b'\r' | b'\n');
            self.lines += u64::from(*byte == b'\n');
        }
    }

    /// Ends of lines before the quote that is still open.
    pub(super) fn open_after(&self) -> Option<u64> {
        (self.state == State::Quoted).then_some(self.opened_after)
    }

    /// Ends of lines before a quote that was opened there and closed in a later line, in the middle
    /// of a field, as where the quote that should close it is missing.
    pub(super) fn torn_after(&self) -> Option<u64> {
        self.torn_after
    }
}
