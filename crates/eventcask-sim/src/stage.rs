//! An open store with the trial around it: whatever is done is noted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use eventcask::{Error, Expected, Outcome, Producer, Refused, Store, Ticket, ViewSpec};

use crate::disk::SimDisk;
use crate::journal::{Level, Note};
use crate::ledger::{Ledger, Planned};
use crate::planted::Planted;
use crate::view::VIEW;

/// What the producers of a trial share.
pub(crate) struct Stage {
    pub(crate) store: Store,
    pub(crate) disk: SimDisk,
    pub(crate) ledger: Arc<Ledger>,
    /// What an answer of this store survives.
    pub(crate) level: Level,
    pub(crate) planted: Option<Planted>,
    pub(crate) sources: Arc<Vec<Vec<usize>>>,
    pub(crate) flushes: AtomicU64,
}

/// One entry in this many is hit by a planted bug of the workload.
const PLANTED_EVERY: usize = 7;

impl Stage {
    pub(crate) fn has(&self, planted: Planted, entry: usize) -> bool {
        self.planted == Some(planted) && entry.is_multiple_of(PLANTED_EVERY)
    }

    /// Submits an entry; an answer that comes at once is noted at once.
    pub(crate) fn submit(
        &self,
        producer: &mut Producer,
        lane: u32,
        number: usize,
    ) -> Option<Ticket> {
        let entry = self.ledger.entry(number)?;
        let mut events: Vec<_> = entry.events.iter().map(Planned::as_new).collect();
        let changed = entry.events[0].payload.replace("cents", "pence");
        if self.has(Planted::PayloadIsChanged, number) {
            events[0].payload = changed.as_bytes();
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
                drop(producer.append(&entry.key, Expected::Any, &[*event]));
            }
            events = vec![*last];
        }
        match producer.append(&entry.key, expected, &events) {
            Ok(ticket) => Some(ticket),
            Err(error) => {
                self.answered(number, Err(refusal(error)));
                None
            }
        }
    }

    /// Waits for an answer and notes it.
    pub(crate) fn settle(&self, number: usize, ticket: Ticket) -> Outcome {
        let mut outcome = ticket.wait();
        if let Ok(eventcask::Answer::Stored { version, .. }) = &mut outcome {
            *version += u64::from(self.has(Planted::VersionIsOffByOne, number));
        }
        if self.has(Planted::AnswerIsInvented, number) && outcome.is_err() {
            let entries = vec![number];
            let (refused, level) = (false, self.level);
            self.disk.note(Note::Flushed {
                entries,
                refused,
                level,
            });
        } else {
            self.answered(number, outcome.clone());
        }
        outcome
    }

    fn answered(&self, entry: usize, outcome: Outcome) {
        let (outcome, level) = (Box::new(outcome), self.level);
        self.disk.note(Note::Answered {
            entry,
            outcome,
            level,
        });
    }

    /// Pushes entries, flushes, waits and notes what came of it. Says whether all are stored.
    pub(crate) fn push(
        &self,
        producer: &mut Producer,
        lane: u32,
        entries: &[usize],
    ) -> Result<bool, String> {
        let mut sent = Vec::new();
        let mut refused = false;
        for number in entries {
            let entry = self.ledger.entry(*number).ok_or("an unknown entry")?;
            self.disk.note(Note::Submitted {
                entry: *number,
                lane,
            });
            sent.push(*number);
            let event = entry.events[0].as_new();
            let pushed = match entry.row {
                None => producer.push(&entry.key, &event),
                Some((_, offset)) => {
                    let skips = self.planted == Some(Planted::SourceSkipsRow) && offset >= 6;
                    let offset = offset + u64::from(skips);
                    producer.push_at(offset, offset, &entry.key, &event)
                }
            };
            if pushed.is_err() {
                refused = true;
                break;
            }
        }
        let flushed = producer.flush().and_then(eventcask::FlushTicket::wait);
        match flushed {
            Ok(counted) if !refused && counted.stored + counted.duplicates != sent.len() as u64 => {
                return Err(format!("L10: {counted:?} of {} pushed events", sent.len()));
            }
            Ok(_) => {}
            Err(_) => refused = true,
        }
        let (entries, level) = (sent, self.level);
        self.disk.note(Note::Flushed {
            entries,
            refused,
            level,
        });
        Ok(!refused)
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

fn refusal(error: Error) -> Refused {
    match error {
        Error::Refused(refused) => refused,
        other => Refused::Unreadable(other.to_string().into()),
    }
}
