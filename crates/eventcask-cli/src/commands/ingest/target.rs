//! The store that rows go to. It is made with the first of them.

use std::cell::OnceCell;

use eventcask::stats::Stats;
use eventcask::{ErrorKind, Options, Store};

use super::super::store::failure;
use crate::args::{Global, IngestArgs};
use crate::failure::Failure;

/// A store that may not be there yet: an ingest that fails before its first row makes none.
pub(super) struct Target<'a> {
    pub(super) args: &'a IngestArgs,
    global: &'a Global,
    opened: OnceCell<Opened>,
}

struct Opened {
    store: Store,
    ends_before: u64,
}

impl From<Store> for Opened {
    fn from(store: Store) -> Self {
        let ends_before = ends(&store);
        Self { store, ends_before }
    }
}

/// The ends of all shards. Nobody else writes to the store, so what they gain are the rows that
/// were stored; the number of events can fall beside, as events that were given up are reclaimed.
fn ends(store: &Store) -> u64 {
    store.positions().iter().sum()
}

impl<'a> Target<'a> {
    /// Opens the store, if it is there.
    pub(super) fn new(args: &'a IngestArgs, global: &'a Global) -> Result<Self, Failure> {
        let opened = OnceCell::new();
        match options(args).create(false).open(&global.store) {
            Ok(store) => _ = opened.set(store.into()),
            // Whatever stands in the way of making one is said when it is made.
            Err(error) if error.kind() == ErrorKind::NotAStore => {}
            Err(error) => return Err(failure(&error)),
        }
        Ok(Self {
            args,
            global,
            opened,
        })
    }

    /// The store, if it is there.
    pub(super) fn there(&self) -> Option<&Store> {
        self.opened.get().map(|opened| &opened.store)
    }

    /// The store, which is made if it is not there.
    pub(super) fn store(&self) -> Result<&Store, Failure> {
        if let Some(store) = self.there() {
            return Ok(store);
        }
        let made = options(self.args).open(&self.global.store);
        let made = made.map_err(|error| failure(&error))?;
        Ok(&self.opened.get_or_init(|| made.into()).store)
    }

    /// Events that the store has gained.
    pub(super) fn gained(&self) -> u64 {
        let gained = |opened: &Opened| ends(&opened.store) - opened.ends_before;
        self.opened.get().map_or(0, gained)
    }

    /// Closes the store, and gives its figures.
    pub(super) fn close(&self) -> (Option<Stats>, Result<(), Failure>) {
        let Some(store) = self.there() else {
            return (None, Ok(()));
        };
        let closed = store.clone().close().map_err(|error| failure(&error));
        (Some(store.stats()), closed)
    }
}

fn options(args: &IngestArgs) -> Options {
    let mut options = Store::options()
        .durability(args.durability)
        .codec(args.codec)
        .seal_codec(args.seal_codec);
    if let Some(shards) = args.shards {
        options = options.shards(shards);
    }
    if let Some(by) = args.route_by {
        options = options.route_by(by);
    }
    if let Some(threads) = args.threads {
        options = options.threads(threads);
    }
    if let Some(bytes) = args.segment_bytes {
        options = options.segment_bytes(bytes);
    }
    options
}
