//! Why a command ended before its work was done, and with which exit code.

use std::io;
use std::path::Path;

use eventcask::stats::Named;
use eventcask::{Error, ErrorKind};

/// The answer is no: damage was found, or there is nothing under that name.
pub const EXIT_NO: u8 = 1;
/// Bad usage or bad input.
pub const EXIT_INPUT: u8 = 2;
/// The engine or a disk failed.
pub const EXIT_ENGINE: u8 = 3;
/// Ended by Ctrl-C in the middle of its work.
pub const EXIT_INTERRUPTED: u8 = 130;

/// Why a command failed, as one sentence for the person at the terminal.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The command did its work, and the answer is no.
    #[error("{0}")]
    No(String),
    /// What was asked for, or what was to be read, is not right.
    #[error("{0}")]
    Input(String),
    /// The engine or a disk failed.
    #[error("{0}")]
    Engine(String),
    /// Whoever read the output has gone; there is nobody left to tell.
    #[error("the reader of the output has gone")]
    BrokenPipe,
    /// Ctrl-C; what was done is already said.
    #[error("interrupted; everything that was acknowledged is stored")]
    Interrupted,
}

impl Failure {
    /// How an error of the engine ends a command: what the person can set right is bad input.
    #[must_use]
    pub fn of(error: &Error) -> Self {
        let sentence = error.to_string();
        match error.kind() {
            _ if matches!(
                error,
                Error::NotFound {
                    what: Named::Aggregate,
                    ..
                }
            ) =>
            {
                Self::No(sentence)
            }
            ErrorKind::Invalid
            | ErrorKind::IdConflict
            | ErrorKind::InUse
            | ErrorKind::Locked
            | ErrorKind::NewerFormat
            | ErrorKind::NotAStore
            | ErrorKind::NotFound
            | ErrorKind::OlderFormat => Self::Input(sentence),
            _ => Self::Engine(sentence),
        }
    }

    /// What is wrong with a file: `FILE: what`.
    #[must_use]
    pub fn in_file(path: &Path, what: &str) -> Self {
        Self::Input(format!("{}: {what}", path.display()))
    }

    /// What is wrong in a line of a file: `FILE:LINE: what`.
    #[must_use]
    pub fn at_line(file: &str, line: u64, what: &str) -> Self {
        Self::Input(format!("{file}:{line}: {what}"))
    }

    /// Why a result could not be written; a reader that has gone is a case of its own.
    #[must_use]
    pub fn writing(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::BrokenPipe,
            _ => Self::Engine(format!(
                "the output can not be written: {}",
                io_reason(error)
            )),
        }
    }

    /// The exit code that tells a script what kind of failure this is.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::No(_) => EXIT_NO,
            Self::Input(_) => EXIT_INPUT,
            Self::Engine(_) => EXIT_ENGINE,
            Self::BrokenPipe => 0,
            Self::Interrupted => EXIT_INTERRUPTED,
        }
    }
}

/// What the system says about a failure, without its number where there are words for it.
#[must_use]
pub fn io_reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error") {
        Some((words, _)) => words.to_lowercase(),
        None => text,
    }
}
