//! A stream of bytes as one contiguous piece that slides forward.

use std::io::{self, ErrorKind, Read};

/// Bytes that are asked for at once; more brought nothing on flights (64 KiB cost 2 %).
const READ_BYTES: usize = 256 << 10;

/// The bytes of a stream that were read and not yet consumed.
pub(super) struct Window {
    source: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl Window {
    pub(super) fn new(source: Box<dyn Read + Send>) -> Self {
        Self {
            source,
            buffer: vec![0; READ_BYTES],
            start: 0,
            end: 0,
        }
    }

    /// What there is; the first byte is the one after those consumed.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Moves on by `count` bytes, of those that are there.
    pub(super) fn consume(&mut self, count: usize) {
        assert!(
            count <= self.end - self.start,
            "only what is there can be consumed"
        );
        self.start += count;
    }

    /// Reads more behind what is there and tells whether anything came: `false` is the end.
    ///
    /// What is there stays, so the caller bounds the memory by what it leaves unconsumed.
    pub(super) fn fill(&mut self) -> io::Result<bool> {
        self.make_room();
        loop {
            match self.source.read(&mut self.buffer[self.end..]) {
                Ok(count) => {
                    self.end += count;
                    return Ok(count > 0);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn make_room(&mut self) {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.end > self.buffer.len() / 2 {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
    }
}
