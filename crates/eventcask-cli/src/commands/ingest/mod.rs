//! `eventcask ingest`: rows of files become events, each row exactly once.
//!
//! 1. A row is read (`input`), and one that can not be taken goes to `rejects`.
//! 2. `feed` pushes it to the store: by its id, or by its place in the file, in which case it
//!    knows how far the store has the file and that it is still the same file.
//! 3. `flushes` asks for everything pushed to be made durable, again and again, and counts the
//!    answers; with `--acks` it says how many rows are safe.
//! 4. At the end, however it came, all that was pushed is flushed, and `summary` says what
//!    became of it.

mod marks;
mod feed;
mod answered;
mod flushes;
mod rejects;
mod summary;

use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use eventcask::Store;

use self::answered::Answered;
use self::feed::Feed;
use self::flushes::Flushes;
use self::rejects::Rejects;
use self::summary::Summary;
use super::store::failure;
use crate::args::{Global, IngestArgs};
use crate::failure::Failure;
use crate::input::{Next, Rows};
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
    let rejects = Rejects::new(&args.on_error)?;
    let Some((path, more)) = args.files.split_first() else {
        return Ok(());
    };
    // A store is made only once there is something to put into it.
    let rows = Rows::open(path, args.row_spec())?;
    let store = open(args, global)?;
    let events_before = store.stats().events;
    let mut ingest = Ingest {
        args,
        store: &store,
        rejects,
        flushes: Flushes::new(args.acks, answered),
    };
    let started = Instant::now();
    let mut ended = ingest.file(path, rows);
    for path in more {
        ended = ended.and_then(|()| ingest.file(path, Rows::open(path, args.row_spec())?));
    }
    let ended = ended.and(ingest.flushes.drain());
    let (refused, first_refused) = ingest.flushes.refused();
    let ended = ended.and(ingest.rejects.refused(refused, first_refused));
    let ended = ended.and(ingest.rejects.end());
    let seconds = started.elapsed().as_secs_f64();
    let Ingest {
        rejects, flushes, ..
    } = ingest;
    let closed = store.clone().close().map_err(|error| failure(&error));
    let ended = ended.and(closed);
    let summary = Summary {
        args,
        global,
        stats: store.stats(),
        events_before,
        flushes,
        rejects,
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

fn open(args: &IngestArgs, global: &Global) -> Result<Store, Failure> {
    let mut options = Store::options()
        .durability(args.durability)
        .codec(args.codec)
        .seal_codec(args.seal_codec);
    if let Some(shards) = args.shards {
        options = options.shards(shards);
    }
    if let Some(threads) = args.threads {
        options = options.threads(threads);
    }
    if let Some(bytes) = args.segment_bytes {
        options = options.segment_bytes(bytes);
    }
    options.open(&global.store).map_err(|error| failure(&error))
}

/// Everything that goes on while files are read.
struct Ingest<'a> {
    args: &'a IngestArgs,
    store: &'a Store,
    rejects: Rejects,
    flushes: Flushes,
}

impl Ingest<'_> {
    /// Takes all rows of a file; those before an error are handed over all the same.
    fn file(&mut self, path: &Path, mut rows: Rows) -> Result<(), Failure> {
        let mut feed = Feed::new(self.store, self.args, path);
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
