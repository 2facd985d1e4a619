//! The events of one aggregate.
//!
//! The directory or a segment's table knows where the newest one is, and each event where the
//! aggregate's event before it is: 1. walk back, from group of rows to group of rows, to where the
//! caller wants to begin; 2. hand the events out forwards, many at a time: rows of large blocks are
//! put together to a block of the aggregate's own, with nothing but their payloads read. Small
//! blocks, and the clusters of a segment with a clustered copy, are read whole instead. Where an
//! event on the way is gone, the tables of the segments before tell where to go on.

use std::sync::Arc;

use eventcask_event::{Events, Timestamp};
use eventcask_log::{Block, Error, ErrorKind, RowGatherer, RowPlace, RowsOfGroup};

use crate::held::Held;
use crate::{Retired, ShardReader};

/// Which events of an aggregate are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The first version, from 1.
    pub from_version: u64,
    /// The last version.
    pub to_version: u64,
    /// The last position.
    pub to_position: u64,
    /// Nothing that was committed later than this.
    pub until: Timestamp,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            from_version: 1,
            to_version: u64::MAX,
            to_position: u64::MAX,
            until: Timestamp::from_nanos(i64::MAX),
        }
    }
}

impl Bounds {
    /// Whether an event is neither too new nor too old.
    fn hold(&self, place: &RowPlace) -> bool {
        place.version >= self.from_version && !self.is_beyond(place)
    }

    fn is_beyond(&self, place: &RowPlace) -> bool {
        place.version > self.to_version
            || place.position > self.to_position
            || place.commit_time > self.until.as_nanos()
    }

    /// Whether nothing that comes after the event at `position` is wanted.
    fn end_before(&self, events: &Events<'_>, position: u64) -> bool {
        position > self.to_position
            || events.row_at(position).is_some_and(|row| {
                events.version(row) > self.to_version || events.commit_time(row) > self.until
            })
    }
}

/// A block, and rows in it.
pub type BlockRows = (Arc<Block>, Vec<u32>);

/// Bytes of blocks and groups that a load holds between its way back and its way forwards; what is
/// beyond that is asked for twice.
const HELD_BYTES: usize = 16 << 20;
/// After so many events, or bytes of payloads, that were put together they are handed out.
const GATHERED_ROWS: usize = 1024;
const GATHERED_BYTES: usize = 1 << 20;
/// Room is made for so many steps back at once, and not for more until they were made.
const EXPECTED_STEPS: u64 = 256;

/// An aggregate's newest position in one of its blocks or groups, and that itself where it is held.
#[derive(Debug)]
struct Found {
    position: u64,
    held: Option<Held>,
}

/// The events of one aggregate, forwards, as rows of blocks.
#[derive(Debug)]
pub struct AggregateCursor {
    reader: Arc<ShardReader>,
    key: String,
    retired: Arc<Retired>,
    bounds: Bounds,
    /// The blocks of the aggregate; the next one is last.
    found: Vec<Found>,
    /// The newest of all when it was looked up.
    newest_of_all: Option<u64>,
    /// Position after the last event that was handed out: blocks may become one meanwhile.
    next: u64,
    open: Option<(Arc<Block>, std::vec::IntoIter<u32>)>,
}

impl AggregateCursor {
    /// Finds the events of an aggregate; there are none where it does not exist.
    ///
    /// # Errors
    /// Damage, or what the disk said.
    pub fn load(reader: Arc<ShardReader>, key: &str, bounds: Bounds) -> Result<Self, Error> {
        let retired = Arc::clone(&reader.published().retired);
        let from_version = bounds.from_version.max(retired.first_version(key));
        let bounds = Bounds {
            from_version,
            ..bounds
        };
        let (mut found, mut held_bytes) = (Vec::new(), 0);
        let newest_of_all = reader.newest(key)?;
        let mut position = newest_of_all;
        while let Some(at) = position {
            position = match step_back(&reader, key, at, from_version, retired.before())? {
                Step::Back(held, before) => {
                    held_bytes += held.bytes();
                    if found.is_empty() {
                        found.reserve_exact(likely_steps(&held, from_version));
                    }
                    found.push(Found {
                        position: at,
                        held: (held_bytes <= HELD_BYTES).then_some(held),
                    });
                    before
                }
                Step::Gone => {
                    let before = reader.newest_before(key, at)?;
                    before
                        .map(|place| place.position)
                        .filter(|before| *before < at)
                }
            };
        }
        Ok(Self {
            reader,
            key: key.to_owned(),
            retired,
            bounds,
            found,
            newest_of_all,
            next: 0,
            open: None,
        })
    }

    /// Position of the aggregate's newest event when it was looked up, whatever the bounds; none
    /// where it does not exist.
    #[must_use]
    pub fn newest(&self) -> Option<u64> {
        self.newest_of_all
    }

    /// The next block that holds wanted events, and their rows: for those who want to look at a
    /// block once for all of them.
    ///
    /// # Errors
    /// Damage, or what the disk said.
    pub fn next_block(&mut self) -> Result<Option<BlockRows>, Error> {
        while let Some(Found { position, held }) = self.found.pop() {
            let block = match held {
                Some(Held::Block(block)) => block,
                Some(Held::Rows(rows)) => match self.gather(position, rows)? {
                    Some(gathered) => return Ok(Some(gathered)),
                    None => continue,
                },
                None => match self.again(position)? {
                    Some(block) => block,
                    None => continue,
                },
            };
            let events = block.events();
            let rows = self.rows_of(&events, position);
            self.next = position + 1;
            if self.bounds.end_before(&events, position) {
                self.found.clear();
            }
            if !rows.is_empty() {
                return Ok(Some((block, rows)));
            }
        }
        Ok(None)
    }

    /// Puts rows together with those that follow them; none where no row of these is wanted.
    fn gather(&mut self, position: u64, rows: RowsOfGroup) -> Result<Option<BlockRows>, Error> {
        let mut gatherer =
            RowGatherer::new(self.reader.blocks(), &self.key, self.likely_rows(&rows));
        let (mut position, mut rows) = (position, rows);
        loop {
            let (bounds, next) = (&self.bounds, self.next);
            let is_wanted = |place: &RowPlace| place.position >= next && bounds.hold(place);
            if let Err(error) = gatherer.add(&rows, is_wanted) {
                // Its segment was written anew meanwhile, or is damaged: then it says so again.
                if !matches!(error.kind(), ErrorKind::Replaced | ErrorKind::Damaged) {
                    return Err(error);
                }
                self.found.push(Found {
                    position,
                    held: None,
                });
                if let Some(newest) = gatherer.newest() {
                    self.next = newest + 1;
                }
                break;
            }
            self.next = position + 1;
            if self.bounds.is_beyond(&rows.newest()) {
                self.found.clear();
            }
            let is_full = gatherer.rows() >= GATHERED_ROWS || gatherer.bytes() >= GATHERED_BYTES;
            let is_next = |found: &mut Found| matches!(found.held, Some(Held::Rows(_)));
            match self.found.pop_if(|found| !is_full && is_next(found)) {
                Some(Found {
                    position: at,
                    held: Some(Held::Rows(more)),
                }) => (position, rows) = (at, more),
                _ => break,
            }
        }
        let block = Arc::new(gatherer.finish());
        let events = block.events();
        let shown = |row: &u32| !self.retired.hides(&events, *row as usize);
        let rows: Vec<u32> = (0..events.len() as u32).filter(shown).collect();
        Ok((!rows.is_empty()).then_some((block, rows)))
    }

    /// How many events are likely put together that begin with these.
    fn likely_rows(&self, rows: &RowsOfGroup) -> usize {
        let more = self
            .found
            .iter()
            .rev()
            .map_while(|found| match &found.held {
                Some(Held::Rows(rows)) => Some(rows.count()),
                _ => None,
            });
        let rows = rows.count() + more.take(GATHERED_ROWS).sum::<usize>();
        rows.min(GATHERED_ROWS)
    }

    fn goes_back_enough(&self, place: &RowPlace) -> bool {
        is_enough(place, self.bounds.from_version, self.retired.before())
    }

    /// The block at a position once more; none where another one comes before it.
    fn again(&mut self, position: u64) -> Result<Option<Arc<Block>>, Error> {
        let is_enough = |place: &RowPlace| self.goes_back_enough(place);
        let block = self.reader.block_back(&self.key, position, &is_enough)?;
        let block = block.ok_or_else(|| self.reader.lost(position))?;
        let Some(before) = self.left_out(&block.events(), position) else {
            return Ok(Some(block));
        };
        let not_held = |position| Found {
            position,
            held: None,
        };
        self.found.extend([position, before].map(not_held));
        Ok(None)
    }

    fn step(&mut self) -> Result<Option<(Arc<Block>, usize)>, Error> {
        loop {
            if let Some((block, rows)) = &mut self.open
                && let Some(row) = rows.next()
            {
                return Ok(Some((Arc::clone(block), row as usize)));
            }
            match self.next_block()? {
                None => return Ok(None),
                Some((block, rows)) => self.open = Some((block, rows.into_iter())),
            }
        }
    }
}

impl AggregateCursor {
    /// The aggregate's newest position before a block, if it was not handed out: the block that
    /// held both when we walked back was cut in two since, as its segment was written anew.
    fn left_out(&self, events: &Events<'_>, position: u64) -> Option<u64> {
        let from_commit = self.retired.before();
        let before = back_from(events, position, self.bounds.from_version, from_commit)?;
        before.filter(|before| *before >= self.next)
    }

    /// The rows that the aggregate of the event at `position` has in a block up to there,
    /// within bounds.
    fn rows_of(&self, events: &Events<'_>, position: u64) -> Vec<u32> {
        let Some(last) = events.row_at(position) else {
            return Vec::new();
        };
        let bounds = &self.bounds;
        let wanted = |row: &usize| {
            let position = events.position(*row);
            (bounds.from_version..=bounds.to_version).contains(&events.version(*row))
                && (self.next..=bounds.to_position).contains(&position)
                && events.commit_time(*row) <= bounds.until
                && !self.retired.hides(events, *row)
        };
        let rows = events.rows_of(events.aggregate_index(last));
        let rows = rows.take_while(|row| *row <= last).filter(wanted);
        rows.map(|row| row as u32).collect()
    }
}

impl Iterator for AggregateCursor {
    type Item = Result<(Arc<Block>, usize), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}

/// Where a walk back comes to.
enum Step {
    /// The event is in this; that is the aggregate's newest event before all that is in it, unless
    /// this goes back far enough.
    Back(Held, Option<u64>),
    /// The event is gone.
    Gone,
}

/// How many steps it takes back to the first wanted event, if each leads to one: the log may say
/// that a version is any number.
fn likely_steps(held: &Held, from_version: u64) -> usize {
    let Held::Rows(rows) = held else { return 1 };
    let steps = rows
        .newest()
        .version
        .saturating_sub(from_version)
        .saturating_add(1);
    steps.min(EXPECTED_STEPS) as usize
}

fn step_back(
    reader: &ShardReader,
    key: &str,
    position: u64,
    from_version: u64,
    from_commit: i64,
) -> Result<Step, Error> {
    let enough = |place: &RowPlace| is_enough(place, from_version, from_commit);
    Ok(match reader.held_of(key, position, &enough)? {
        None => Step::Gone,
        Some(Held::Rows(rows)) => {
            let before = rows.before();
            Step::Back(Held::Rows(rows), before)
        }
        Some(Held::Block(block)) => {
            let before = back_from(&block.events(), position, from_version, from_commit);
            before.map_or(Step::Gone, |before| Step::Back(Held::Block(block), before))
        }
    })
}

/// Whether nothing before an event is wanted.
fn is_enough(place: &RowPlace, from_version: u64, from_commit: i64) -> bool {
    place.version <= from_version || place.commit_time < from_commit
}

/// The aggregate's newest position before a block, unless this one goes back far enough; nothing at
/// all where the event at `position` is gone.
fn back_from(
    events: &Events<'_>,
    position: u64,
    from_version: u64,
    from_commit: i64,
) -> Option<Option<u64>> {
    let row = events.row_at(position)?;
    let aggregate = events.aggregate_index(row);
    let first = events.rows_of(aggregate).next().unwrap_or(row);
    let version = events.version(first);
    let goes_on = version > from_version && events.commit_time(first).as_nanos() >= from_commit;
    let previous = events.previous(aggregate);
    Some(previous.filter(|previous| goes_on && *previous < position))
}
