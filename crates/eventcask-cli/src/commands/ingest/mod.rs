//! `eventcask ingest`: rows of files become events, each row exactly once.
//!
//! 1. A row is read (`input`), and one that can not be taken goes to `rejects`.
//! 2. `feed` pushes it to the store, `target`: by its id, or by its place in the file, in which
//!    case it knows how far the store has the file (`marks`) and that it is still the same file.
//! 3. `flushes` asks for everything pushed to be made durable, again and again, and counts the
//!    answers; with `--acks` it says how many rows are safe.
//! 4. At the end, however it came, all that was pushed is flushed, and `summary` says what
//!    became of it.

mod target;
mod marks;
mod held;
mod feed;
mod answered;
mod flushes;
mod listing;
mod rejects;
mod summary;

use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use eventcask::NewEvent;

use self::answered::Answered;
use self::feed::Feed;
use self::flushes::Flushes;
use self::rejects::Rejects;
use self::summary::Summary;
use self::target::Target;
use crate::args::{Global, IngestArgs};
use crate::failure::Failure;
use crate::input::{Next, Rejected, Row, Rows, check_source};
use crate::progress::Progress;
use crate::signals;

/// Rows of a file between two looks at the clock; a few microseconds' work.
const ROWS_BETWEEN_LOOKS: u64 = 64;

pub(super) fn run(args: &IngestArgs, global: &Global) -> Result<(), Failure> {
    let answered = Arc::new(Answered::default());
    signals::listen_for_a_second({
        let (answered, json) = (Arc::clone(&answered), global.json);
        move || answered.last_words(json)
    })?;
    check_type(args)?;
    let Some((path, more)) = args.files.split_first() else {
        return Ok(());
    };
    // What can be wrong with names and files is said before anything is touched.
    let rows = Rows::open(path, args.row_spec())?;
    more.iter().try_for_each(|path| check_source(path))?;
    let rejects = Rejects::new(args, global)?;
    let target = Target::new(args, global)?;
    let mut ingest = Ingest {
        target: &target,
        rejects,
        flushes: Flushes::new(args.acks, answered),
        waiting: Vec::new(),
    };
    let started = Instant::now();
    let mut ended = ingest.file(path, rows);
    for path in more {
        ended = ended.and_then(|()| ingest.file(path, Rows::open(path, args.row_spec())?));
    }
    // Files without a row make a store as well.
    let ended = ended.and_then(|()| target.store().map(|_| ()));
    let ended = ended.and(ingest.flushes.drain());
    let (refused, first_refused) = ingest.flushes.refused();
    let ended = ended.and(ingest.rejects.refused(refused, first_refused));
    let listed = ingest.rejects.end(ended.is_ok());
    let ended = ended.and(listed);
    let seconds = started.elapsed().as_secs_f64();
    let Ingest {
        rejects,
        flushes,
        waiting,
        ..
    } = ingest;
    let (stats, closed) = target.close();
    let ended = ended.and(closed);
    let summary = Summary {
        args,
        global,
        stats,
        gained: target.gained(),
        flushes,
        rejects,
        waiting,
        seconds,
    };
    if signals::is_stopped() && !signals::tells_the_end() {
        // The process ends while this waits.
        loop {
            thread::park();
        }
    }
    let printed = summary.print(ended.as_ref().err());
    ended.and(printed)
}

/// Whether rows can be of the type that all of them are to have.
fn check_type(args: &IngestArgs) -> Result<(), Failure> {
    let name = args.type_is.as_deref().unwrap_or("Event");
    let checked = NewEvent::json(name, b"").check(usize::MAX);
    checked.map_err(|invalid| Failure::Input(format!("--type-is: {invalid}")))
}

/// Everything that goes on while files are read.
struct Ingest<'a> {
    target: &'a Target<'a>,
    rejects: Rejects,
    flushes: Flushes,
    /// File and line of last rows that have no end yet.
    waiting: Vec<String>,
}

impl Ingest<'_> {
    /// Takes all rows of a file; those before an error are handed over all the same.
    fn file(&mut self, path: &Path, mut rows: Rows) -> Result<(), Failure> {
        let mut feed = Feed::new(self.target, path);
        let ended = self.rows(&mut rows, &mut feed).and_then(|()| feed.end());
        let flushed = match feed.producer() {
            Some(producer) => self.flushes.flush(producer),
            None => Ok(()),
        };
        self.flushes.skipped(feed.take_skipped());
        ended.and(flushed)
    }

    fn rows(&mut self, rows: &mut Rows, feed: &mut Feed<'_>) -> Result<(), Failure> {
        let progress = Progress::new(rows.name(), rows.bytes_total());
        let name = rows.name().to_owned();
        let between_looks = if rows.bytes_total().is_some() {
            ROWS_BETWEEN_LOOKS
        } else {
            1
        };
        let mut until_look = between_looks;
        loop {
            match rows.next()? {
                None => return Ok(()),
                Some(Next::Waiting) => until_look = 1,
                Some(
                    Next::Row(Row {
                        ordinal,
                        line,
                        check,
                        is_whole: false,
                        ..
                    })
                    | Next::Rejected(Rejected {
                        ordinal,
                        line,
                        check,
                        is_whole: false,
                        ..
                    }),
                ) => {
                    if feed.leave(ordinal, check)? {
                        self.flushes.row();
                    } else {
                        self.waiting.push(format!("{name}:{line}"));
                    }
                }
                Some(Next::Row(row)) => {
                    feed.push(&row)?;
                    self.flushes.row();
                }
                Some(Next::Rejected(row)) => {
                    feed.pass(&row)?;
                    self.rejects.add(&name, &row)?;
                    self.flushes.row();
                }
            }
            until_look -= 1;
            if until_look == 0 {
                until_look = between_looks;
                progress.update(rows.bytes_done(), self.flushes.rows());
                self.look(feed)?;
            }
        }
    }

    /// Looks whether to stop, what is answered, and whether it is time to ask again.
    fn look(&mut self, feed: &mut Feed<'_>) -> Result<(), Failure> {
        if signals::is_stopped() {
            return Err(Failure::Interrupted);
        }
        match feed.producer() {
            Some(producer) => self.flushes.look(producer),
            None => Ok(()),
        }
    }
}
