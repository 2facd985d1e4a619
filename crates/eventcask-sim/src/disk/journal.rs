//! What happened on a disk and around it, in one order.

use std::collections::BTreeSet;
use std::sync::Arc;

use eventcask::{AppendResult, DedupWindow};

use crate::model::attempt::Fate;
use crate::model::content::Content;
use crate::model::kept::Kept;
use crate::model::outside::{Client, Deed, Outside};

/// Number of a file's bytes, whatever the file is called.
pub(crate) type FileNumber = usize;

/// How a sync ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Synced {
    /// All that was written before is durable.
    Well,
    /// It failed: what was written before may be on the disk or not, and no later sync of the
    /// file brings it there.
    Failed,
    /// It said well, but the newest write was left out (a planted bug).
    ButTheLast,
}

/// One step, of the engine on the disk or of the trial around it.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    MakeDir(String),
    Make {
        name: String,
        file: FileNumber,
    },
    Write {
        file: FileNumber,
        place: u64,
        bytes: Arc<[u8]>,
    },
    SetLen {
        file: FileNumber,
        len: u64,
    },
    Sync {
        file: FileNumber,
        how: Synced,
    },
    Rename {
        from: String,
        to: String,
        /// Whether the new name gets onto the disk at all; without is a planted bug.
        lasts: bool,
    },
    Remove(String),
    RemoveDir(String),
    SyncDir {
        name: String,
        well: bool,
    },
    Note(Note),
}

/// What a crash of the machine or of the process leaves of something that was acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// It survives the end of the process.
    Process,
    /// It survives a loss of power.
    Power,
}

/// Something that the trial knows and the disk does not.
#[derive(Debug, Clone)]
pub(crate) enum Note {
    /// An entry of the ledger is about to be submitted by a producer.
    Submitted { entry: usize, lane: u32 },
    /// The answer to a producer came.
    Answered {
        entry: usize,
        lane: u32,
        outcome: Box<AppendResult>,
        level: Level,
    },
    /// Pushed entries were flushed; all of them are stored, or some were refused.
    Flushed {
        entries: Vec<usize>,
        lane: u32,
        refused: bool,
        level: Level,
    },
    /// What would have become of the newest submission of an entry, had there been no crash.
    Hindsight {
        entry: usize,
        fate: Fate,
        loose: bool,
    },
    /// The whole store is about to be made durable.
    FlushBegan(u64),
    /// It is durable.
    FlushEnded(u64),
    /// The store was opened and served this; ids are known as far back as this from now on.
    Opened(Arc<Content>, DedupWindow),
    /// The store served this.
    Seen(Arc<Content>, Level),
    /// The view exists.
    ViewMade,
    /// The store was closed without an error.
    Closed,
    /// Where a new disk begins that is what a loss of power left.
    Carried {
        submitted: Arc<BTreeSet<usize>>,
        content: Arc<Content>,
        view: bool,
        outside: Arc<Outside>,
    },
    /// A client of the store did something.
    Did(Client, Deed),
    /// The database of a read model committed a transaction, which may be durable by itself.
    Committed(Arc<Kept>, bool),
}

impl Step {
    /// The step in a line, for a person who looks for the cause of a failure.
    pub(crate) fn line(&self) -> String {
        match self {
            Self::Write { file, place, bytes } => {
                format!("write file {file} at {place}, {} bytes", bytes.len())
            }
            Self::Note(Note::Opened(content, _)) => {
                format!("opened: {:?} events", content.lengths())
            }
            Self::Note(Note::Seen(content, _)) => format!("seen: {:?} events", content.lengths()),
            Self::Note(Note::Carried { content, .. }) => {
                format!("carried: {:?} events", content.lengths())
            }
            Self::Note(Note::Committed(_, true)) => "committed, durably".to_owned(),
            Self::Note(Note::Committed(..)) => "committed".to_owned(),
            other => format!("{other:?}"),
        }
    }
}
