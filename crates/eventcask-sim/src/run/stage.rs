//! An open store with the trial around it: whatever is done is noted.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use eventcask::{AppendResult, DedupWindow, Expected, Store, Ticket, ViewSpec};

use crate::check::view::VIEW;
use crate::clients::reading::Reading;
use crate::disk::journal::{Level, Note};
use crate::disk::sim_disk::SimDisk;
use crate::model::ledger::{Ledger, Planned};
use crate::planted::Planted;
use crate::run::door::Door;

/// What the producers of a trial share.
pub(crate) struct Stage {
    pub(crate) store: Store,
    pub(crate) disk: SimDisk,
    pub(crate) ledger: Arc<Ledger>,
    /// What an answer of this store survives.
    pub(crate) level: Level,
    pub(crate) planted: Option<Planted>,
    /// How far back ids are to be known.
    pub(crate) window: DedupWindow,
    /// Rows of each source that its client believes to be behind it.
    pub(crate) noted: Arc<Vec<AtomicUsize>>,
    pub(crate) flushes: AtomicU64,
    pub(crate) reading: Option<Reading>,
    /// The first promise that an answer broke.
    pub(crate) broken: OnceLock<String>,
    /// Producers that still write, whose events the owners have to take up.
    pub(crate) busy: AtomicUsize,
}

/// What was handed over and is not answered yet.
#[derive(Default)]
struct Sent {
    pushed: Vec<usize>,
    tickets: Vec<(usize, Ticket)>,
    /// Whether something was not taken.
    refused: bool,
}

/// One entry in this many is hit by a planted bug of the workload.
const PLANTED_EVERY: usize = 7;

/// What is flushed has its answer, also what was appended.
fn all_answered(tickets: &[(usize, Ticket)]) -> Result<(), String> {
    match tickets.iter().find(|(_, ticket)| ticket.poll().is_none()) {
        None => Ok(()),
        Some((entry, _)) => Err(format!(
            "D1: a flush was done before entry {entry} was answered"
        )),
    }
}

impl Stage {
    pub(crate) fn has(&self, planted: Planted, entry: usize) -> bool {
        self.planted == Some(planted) && entry.is_multiple_of(PLANTED_EVERY)
    }

    /// Submits an entry; an answer that comes at once is noted at once.
    pub(crate) fn submit(&self, door: &mut Door, lane: u32, number: usize) -> Option<Ticket> {
        let entry = self.ledger.entry(number)?;
        let mut events: Vec<_> = entry.events.iter().map(Planned::as_new).collect();
        let changed = entry.events[0].payload.replace("cents", "pence");
        if self.has(Planted::PayloadIsChanged, number) {
            events[0].payload = changed.as_bytes();
        }
        if self.has(Planted::ShapeIsLost, number) {
            events[0].shape = None;
        }
        if self.has(Planted::MetadataIsOfANeighbour, number) {
            let neighbour = self.ledger.entry(number.saturating_sub(1))?;
            events[0].metadata = neighbour.events[0].metadata;
        }
        if self.has(Planted::MetadataIsLost, number) {
            events[0].metadata = None;
        }
        self.disk.note(Note::Submitted {
            entry: number,
            lane,
        });
        let expected = match self.has(Planted::ExpectationIsDropped, number) {
            true => Expected::Any,
            false => entry.expected,
        };
        if self.planted == Some(Planted::AppendIsSplit) {
            let (last, first) = events.split_last()?;
            for event in first {
                drop(door.append(&entry.key, Expected::Any, &[*event]));
            }
            events = vec![*last];
        }
        let sent = match entry.is_set() {
            true => {
                // The rest of it never comes.
                let whole = self.planted != Some(Planted::SetIsHalved);
                let events = if whole {
                    &events
                } else {
                    &events[..events.len() / 2]
                };
                let each = match self.planted {
                    Some(Planted::SetIsNotChecked) => &[],
                    _ => &entry.each[..],
                };
                door.append_all(&entry.as_set(events, each))
            }
            false => door.append(&entry.key, expected, &events),
        };
        match sent {
            Ok(ticket) => {
                self.answer_early(door, lane, &[number]);
                Some(ticket)
            }
            Err(error) => {
                self.answered(number, lane, Err(error));
                None
            }
        }
    }

    /// Waits for an answer and notes it.
    pub(crate) fn settle(
        &self,
        door: &mut Door,
        lane: u32,
        number: usize,
        ticket: Ticket,
    ) -> AppendResult {
        let mut outcome = door.answer(ticket);
        if let Ok(answer) = &outcome {
            self.check_projected(number, answer.position());
        }
        if let Ok(eventcask::Appended::Stored { version, .. }) = &mut outcome {
            *version += u64::from(self.has(Planted::VersionIsOffByOne, number));
        }
        if self.has(Planted::AnswerIsInvented, number) && outcome.is_err() {
            self.flushed(vec![number], lane, false);
        } else {
            self.answered(number, lane, outcome.clone());
        }
        outcome
    }

    fn answered(&self, entry: usize, lane: u32, outcome: AppendResult) {
        let (outcome, level) = (Box::new(outcome), self.level);
        self.disk.note(Note::Answered {
            entry,
            lane,
            outcome,
            level,
        });
    }

    /// Pushes entries, flushes, waits and notes what came of it. Says whether all are stored.
    pub(crate) fn push(
        &self,
        door: &mut Door,
        lane: u32,
        entries: &[usize],
    ) -> Result<bool, String> {
        let mut sent = Sent::default();
        for number in entries {
            if !self.push_one(door, lane, *number, &mut sent)? {
                sent.refused = true;
                break;
            }
        }
        let Sent {
            pushed,
            tickets,
            mut refused,
        } = sent;
        self.answer_early(door, lane, &pushed);
        if self.planted == Some(Planted::FlushAnswersEarly) && !door.is_owner() {
            self.flushed(pushed.clone(), lane, false);
        }
        match door.flush() {
            Ok(counted)
                if !refused && counted.stored + counted.duplicates != pushed.len() as u64 =>
            {
                return Err(format!(
                    "L10: {counted:?} of {} pushed events",
                    pushed.len()
                ));
            }
            Ok(_) => all_answered(&tickets)?,
            Err(_) => refused = true,
        }
        for number in pushed.iter().filter(|_| !refused) {
            self.check_projected(*number, None);
        }
        self.flushed(pushed, lane, refused);
        for (number, ticket) in tickets {
            refused |= self.settle(door, lane, number, ticket).is_err();
        }
        Ok(!refused)
    }

    /// Pushes an entry of one event, appends one of several. Says whether it was taken.
    fn push_one(
        &self,
        door: &mut Door,
        lane: u32,
        number: usize,
        sent: &mut Sent,
    ) -> Result<bool, String> {
        let entry = self.ledger.entry(number).ok_or("an unknown entry")?;
        if entry.events.len() > 1 || entry.is_set() {
            let ticket = self.submit(door, lane, number);
            sent.tickets.extend(ticket.map(|ticket| (number, ticket)));
            return Ok(sent.tickets.last().is_some_and(|(last, _)| *last == number));
        }
        self.disk.note(Note::Submitted {
            entry: number,
            lane,
        });
        sent.pushed.push(number);
        let skips = self.planted == Some(Planted::SourceSkipsRow);
        let offset = entry.row.map(|(_, offset)| match offset {
            6.. if skips => offset + 1,
            _ => offset,
        });
        Ok(door
            .push(&entry.key, offset, &entry.events[0].as_new())
            .is_ok())
    }

    fn flushed(&self, entries: Vec<usize>, lane: u32, refused: bool) {
        let level = self.level;
        self.disk.note(Note::Flushed {
            entries,
            lane,
            refused,
            level,
        });
    }

    /// As a planted bug would have it.
    fn answer_early(&self, door: &Door, lane: u32, entries: &[usize]) {
        if self.planted == Some(Planted::OwnerAnswersEarly) && door.is_owner() {
            self.flushed(entries.to_vec(), lane, false);
        }
    }

    /// What is answered was seen by those before who see it before the answer.
    fn check_projected(&self, number: usize, position: Option<u64>) {
        let (Some(reading), Some(entry)) = (&self.reading, self.ledger.entry(number)) else {
            return;
        };
        let shard = self.store.shard_of(&entry.key);
        if let Err(broken) = reading.check_answered(shard, number, position) {
            self.broken.get_or_init(|| broken);
        }
    }

    /// Where the client of a source believes to be.
    pub(crate) fn noted(&self, source: usize) -> usize {
        self.noted[source].load(Ordering::Relaxed)
    }

    pub(crate) fn note_place(&self, source: usize, row: usize) {
        self.noted[source].store(row, Ordering::Relaxed);
    }

    /// Flushes the whole store.
    pub(crate) fn flush(&self) {
        let number = self.flushes.fetch_add(1, Ordering::Relaxed);
        self.disk.note(Note::FlushBegan(number));
        if self.store.flush().is_ok() {
            self.disk.note(Note::FlushEnded(number));
        }
    }

    /// Makes the view, if it is not there.
    pub(crate) fn make_view(&self) -> Result<(), String> {
        let spec = ViewSpec::new("account", &["count", "sum:cents"], None, None);
        let spec = spec.map_err(|error| error.to_string())?;
        if self.store.create_view(VIEW, spec).is_ok() {
            self.disk.note(Note::ViewMade);
        }
        Ok(())
    }
}
