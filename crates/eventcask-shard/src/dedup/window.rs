//! How far back a shard remembers ids.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Ids between two marks of the window, at most: how finely it is kept.
const MARK_EVERY: u64 = 4096;
/// Marks of a slice of ids, at least.
const MARKS_OF_SLICE: u64 = 8;
/// Bytes that an id takes at most.
const ID_BYTES: u64 = 45;
/// Slices that there is memory for, at least, so that what is dropped is a part of it.
const SLICES: u64 = 4;

/// How far back each shard remembers the ids of events, at least.
///
/// An id that is older may be stored once more. Source marks and sessions are not bounded by it.
///
/// ```
/// use std::time::Duration;
/// use eventcask_shard::DedupWindow;
/// assert_eq!("ids:1000000".parse(), Ok(DedupWindow::Ids(1_000_000)));
/// assert_eq!("time:3600".parse(), Ok(DedupWindow::Time(Duration::from_secs(3600))));
/// assert_eq!(DedupWindow::All.to_string(), "all");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum DedupWindow {
    /// All ids of the log. Those of sealed segments rest on disk.
    #[default]
    All,
    /// So many of the newest ids of the shard.
    Ids(u64),
    /// As many of the newest ids as fit into so many bytes of memory.
    Bytes(u64),
    /// The ids of events that were committed within this time.
    Time(Duration),
}

impl DedupWindow {
    /// How many ids are to be dropped at once: not more than the window or the memory can do
    /// without.
    pub(super) fn slice_ids(self, memory_bytes: u64) -> u64 {
        match self {
            Self::Ids(ids) => ids,
            Self::Bytes(bytes) => bytes / ID_BYTES / SLICES,
            Self::All | Self::Time(_) => memory_bytes / ID_BYTES / SLICES,
        }
    }
}

impl FromStr for DedupWindow {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, number) = text.split_once(':').unwrap_or((text, ""));
        match (kind, number.parse()) {
            ("all", _) if number.is_empty() => Ok(Self::All),
            ("ids", Ok(ids @ 1..)) => Ok(Self::Ids(ids)),
            ("bytes", Ok(bytes @ 1..)) => Ok(Self::Bytes(bytes)),
            ("time", Ok(seconds @ 1..)) => Ok(Self::Time(Duration::from_secs(seconds))),
            _ => Err(format!(
                "{text:?} is not a dedup window: all, ids:N, bytes:N or time:SECONDS"
            )),
        }
    }
}

impl fmt::Display for DedupWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Ids(ids) => write!(f, "ids:{ids}"),
            Self::Bytes(bytes) => write!(f, "bytes:{bytes}"),
            Self::Time(time) => write!(f, "time:{}", time.as_secs()),
        }
    }
}

/// Where ids stood now and then, to tell which are out of the window.
#[derive(Debug, Default)]
pub(super) struct Marks {
    marks: VecDeque<Mark>,
    /// Ids between two marks.
    every: u64,
    ids: u64,
}

/// What was known before the event at `position`.
#[derive(Debug, Clone, Copy)]
struct Mark {
    position: u64,
    ids: u64,
    commit: i64,
}

impl Marks {
    /// Marks for ids of which so many are dropped at once.
    pub(super) fn of(slice_ids: u64) -> Self {
        Self {
            every: (slice_ids / MARKS_OF_SLICE).clamp(1, MARK_EVERY),
            ..Self::default()
        }
    }

    /// Counts ids of a block that begins at `position`, committed at `commit`.
    pub(super) fn note(&mut self, ids: u64, position: u64, commit: i64) {
        let is_due = |last: &Mark| self.ids >= last.ids + self.every;
        if self.marks.back().is_none_or(is_due) {
            let ids = self.ids;
            self.marks.push_back(Mark {
                position,
                ids,
                commit,
            });
        }
        self.ids += ids;
    }

    /// The position from which on ids are in the window, as far as is known; marks before it go.
    pub(super) fn start(&mut self, window: DedupWindow, now: i64) -> u64 {
        let total = self.ids;
        let is_out = |mark: &Mark| match window {
            DedupWindow::All | DedupWindow::Bytes(_) => false,
            DedupWindow::Ids(ids) => total - mark.ids >= ids,
            DedupWindow::Time(time) => {
                let time = i64::try_from(time.as_nanos()).unwrap_or(i64::MAX);
                mark.commit < now.saturating_sub(time)
            }
        };
        let mut start = 0;
        while let Some(mark) = self.marks.front().filter(|mark| is_out(mark)) {
            start = mark.position;
            self.marks.pop_front();
        }
        start
    }
}
