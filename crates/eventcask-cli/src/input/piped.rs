//! A pipe that can be asked without waiting for ever.
//!
//! Rows that came through a pipe want their acknowledgement while the next ones are not
//! written yet, and Ctrl-C wants to be heard. So a thread of its own waits for the pipe.

use std::io::{self, ErrorKind, Read};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use crate::failure::{Failure, io_reason};
use crate::signals;

/// How long a read waits; an acknowledgement that comes meanwhile is seen that much later.
const WAIT: Duration = Duration::from_millis(10);
/// Bytes of one piece, and pieces that wait to be taken: 1 MiB together.
const PIECE_BYTES: usize = 128 << 10;
const PIECES: usize = 8;

/// The reading end of a pipe; a read that would wait long is [`ErrorKind::WouldBlock`].
pub(super) struct Piped {
    pieces: Receiver<io::Result<Vec<u8>>>,
    piece: Vec<u8>,
    used: usize,
}

impl Piped {
    /// Begins to read; the thread ends with the pipe or with the process.
    pub(super) fn new(pipe: impl Read + Send + 'static) -> Self {
        let (sender, pieces) = sync_channel(PIECES);
        thread::spawn(move || pump(pipe, &sender));
        Self {
            pieces,
            piece: Vec::new(),
            used: 0,
        }
    }
}

fn pump(mut pipe: impl Read, pieces: &SyncSender<io::Result<Vec<u8>>>) {
    loop {
        let mut piece = vec![0; PIECE_BYTES];
        let read = match pipe.read(&mut piece) {
            Ok(0) => return,
            Ok(count) => {
                piece.truncate(count);
                Ok(piece)
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
        };
        let is_last = read.is_err();
        if pieces.send(read).is_err() || is_last {
            return;
        }
    }
}

impl Read for Piped {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.used == self.piece.len() {
            self.piece = match self.pieces.recv_timeout(WAIT) {
                Ok(piece) => piece?,
                Err(RecvTimeoutError::Timeout) => return Err(ErrorKind::WouldBlock.into()),
                Err(RecvTimeoutError::Disconnected) => Vec::new(),
            };
            self.used = 0;
        }
        let count = buffer.len().min(self.piece.len() - self.used);
        buffer[..count].copy_from_slice(&self.piece[self.used..][..count]);
        self.used += count;
        Ok(count)
    }
}

/// Asks again for as long as there is nothing yet, until Ctrl-C.
pub(super) fn patiently<T>(mut read: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match read() {
            Err(error) if error.kind() == ErrorKind::WouldBlock && !signals::is_stopped() => {}
            answer => return answer,
        }
    }
}

/// Why the beginning of a file could not be read: Ctrl-C ends the patience.
pub(super) fn not_opened(error: &io::Error, file: &str, line: u64) -> Failure {
    match error.kind() {
        ErrorKind::WouldBlock => Failure::Interrupted,
        _ => Failure::at_line(file, line, &io_reason(error)),
    }
}
