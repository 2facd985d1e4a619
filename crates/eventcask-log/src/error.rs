//! What can go wrong between the engine and the disk.

use std::fmt;
use std::io;

/// What a caller can branch on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The directory holds no store.
    NotAStore,
    /// The store was written by a newer version that uses something this one does not know.
    NewerFormat,
    /// The store was written by an older version, in a format that this one does not read.
    OlderFormat,
    /// Another process, or another handle, has the store open for writing.
    Locked,
    /// Stored bytes are not what was written.
    Damaged,
    /// The segment was written anew since it was looked up: what is asked for stands elsewhere
    /// in it now.
    Replaced,
    /// The disk or the quota is full.
    StorageFull,
    /// A setting that can not be: the sentence says which.
    Setting,
    /// Any other error of the disk or the operating system.
    Io,
}

/// Something that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub file: String,
    /// The byte of the file where the damaged part begins.
    pub place: u64,
    /// What is wrong.
    pub reason: String,
}

/// An error of the log: a sentence that says what, where and what to do, and a
/// [kind](Self::kind) to branch on.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    source: Option<io::Error>,
    problem: Option<Box<Problem>>,
}

impl Error {
    /// An error of this kind with this sentence.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            source: None,
            problem: None,
        }
    }

    /// Damage in `file` at `place`.
    #[must_use]
    pub fn damaged(file: &str, place: u64, reason: &str) -> Self {
        let message = format!(
            "{file} is damaged at byte {place}: {reason}; `eventcask verify` lists all damage, a backup has what is lost"
        );
        let problem = Problem {
            file: file.to_owned(),
            place,
            reason: reason.to_owned(),
        };
        Self {
            problem: Some(Box::new(problem)),
            ..Self::new(ErrorKind::Damaged, message)
        }
    }

    /// A problem of which the reason says what to do.
    pub(crate) fn of(problem: Problem) -> Self {
        let message = format!("{}: {}", problem.file, problem.reason);
        Self {
            problem: Some(Box::new(problem)),
            ..Self::new(ErrorKind::Damaged, message)
        }
    }

    /// The damage that this error is about.
    ///
    /// # Errors
    /// The error itself, where it is about something else.
    pub fn into_problem(self) -> Result<Problem, Self> {
        match self.problem {
            Some(problem) => Ok(*problem),
            None => Err(self),
        }
    }

    /// A failed attempt to do something with `file`, such as "read" or "sync".
    #[must_use]
    pub fn io(doing: &str, file: &str, source: io::Error) -> Self {
        let kind = match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::StorageFull,
            _ => ErrorKind::Io,
        };
        let advice = match kind {
            ErrorKind::StorageFull => {
                "; free some space and try again, what was acknowledged is kept"
            }
            _ => "",
        };
        let message = format!("could not {doing} {file}: {source}{advice}");
        Self {
            kind,
            message,
            source: Some(source),
            problem: None,
        }
    }

    /// A failed sync of `file`: whatever the disk said, it is no full disk that one can wait for.
    pub(crate) fn failed_sync(file: &str, source: io::Error) -> Self {
        Self {
            kind: ErrorKind::Io,
            message: format!("could not sync {file}: {source}"),
            source: Some(source),
            problem: None,
        }
    }

    /// Whether there is no such file.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        let source = self.source.as_ref();
        source.is_some_and(|source| source.kind() == io::ErrorKind::NotFound)
    }

    /// A segment that was written anew meanwhile.
    pub(crate) fn replaced(file: &str) -> Self {
        let message = format!("{file} was written anew while it was read; read it again");
        Self::new(ErrorKind::Replaced, message)
    }

    /// What a caller can branch on.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

/// Two errors are the same if they say the same.
impl PartialEq for Error {
    fn eq(&self, other: &Self) -> bool {
        (self.kind, &self.message) == (other.kind, &other.message)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| source as _)
    }
}
