//! One submission and what became of it.

use eventcask::{AppendResult, Error};

/// What became of one submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// No answer, or one that leaves it open.
    Doubt,
    /// Stored now.
    Stored,
    /// Stored before.
    Duplicate,
    /// Nothing of it was stored.
    AppendError,
}

impl Fate {
    pub(crate) fn of(outcome: &AppendResult) -> Self {
        match outcome {
            Ok(answer) if answer.is_duplicate() => Self::Duplicate,
            Ok(_) => Self::Stored,
            // A shard that stopped can not know what the disk has.
            Err(Error::Poisoned(_) | Error::Closed) => Self::Doubt,
            Err(_) => Self::AppendError,
        }
    }
}

/// One submission of an entry since the store was opened.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attempt {
    pub(crate) lane: u32,
    pub(crate) fate: Fate,
    /// Number among all notes, to tell before from after.
    pub(crate) submitted: usize,
    pub(crate) answered: Option<usize>,
    /// Whether it was pushed and some of the same flush was refused, nobody knows which.
    pub(crate) loose: bool,
}
