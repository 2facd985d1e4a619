//! A client of a named subscription.

use eventcask::DurableSubscription;
use fastrand::Rng;

use crate::clients::opened::Opened;
use crate::disk::journal::Note;
use crate::disk::sim_disk::SimDisk;
use crate::model::content::{Content, Row};
use crate::model::outside::{Client, Deed, Given, Handling};
use crate::planted::Planted;

/// Reads on where it was, handles what it reads, and has that kept now and then.
pub(crate) struct Letters {
    subscription: DurableSubscription,
    disk: SimDisk,
    /// Where it began, and what it was given since, one a shard.
    begin: Vec<u64>,
    taken: Vec<Vec<Row>>,
    /// Handled but not noted yet, as a planted bug would have it.
    late: Vec<Given>,
    planted: Option<Planted>,
}

impl Letters {
    /// Goes on where the store says; that must be right by what was handled before.
    ///
    /// # Errors
    /// L11, where an event was passed over that is not handled.
    pub(crate) fn start(opened: &Opened<'_>, handling: &Handling) -> Result<Self, String> {
        let (content, disk) = (opened.content, opened.disk);
        let subscription = opened.store.events().named("letters");
        let subscription = subscription.map_err(|error| format!("L11: {error}"))?;
        let begin = subscription.positions();
        let handled = handling.handled();
        let settled = handling.settled();
        for (shard, rows) in content.shards.iter().enumerate() {
            let Some((before, after)) = rows.split_at_checked(begin[shard] as usize) else {
                return Err(format!("L11: letters are at {begin:?}, ahead of the log"));
            };
            let is_wrong = |row: &&Row| !handled.contains(row);
            if let Some(row) = before.iter().find(is_wrong) {
                return Err(format!("L11: letters are at {begin:?}, past {row:?}"));
            }
            if let Some(row) = after.iter().find(|row| settled.contains(row)) {
                return Err(format!(
                    "L11: letters are at {begin:?}, and {row:?} was kept as handled"
                ));
            }
        }
        disk.note(Note::Did(Client::Letters, Deed::Began));
        Ok(Self {
            subscription,
            disk: disk.clone(),
            taken: vec![Vec::new(); begin.len()],
            begin,
            late: Vec::new(),
            planted: opened.planted,
        })
    }

    fn note(&self, deed: Deed) {
        self.disk.note(Note::Did(Client::Letters, deed));
    }

    fn note_late(&mut self) {
        let late = std::mem::take(&mut self.late);
        late.into_iter()
            .for_each(|given| self.note(Deed::Handled(given)));
    }

    /// Some of its work.
    ///
    /// # Errors
    /// L11, where what it is given is not what comes next.
    pub(crate) fn work(&mut self, may_fail: bool, rng: &mut Rng) -> Result<(), String> {
        self.note_late();
        for _ in 0..rng.usize(1..12) {
            if !self.take(may_fail)? {
                break;
            }
        }
        match rng.bool() {
            true => self.save(may_fail),
            false => Ok(()),
        }
    }

    /// Handles the next event, if there is one.
    fn take(&mut self, may_fail: bool) -> Result<bool, String> {
        let event = match self.subscription.try_next() {
            Ok(Some(event)) => event,
            Ok(None) => return Ok(false),
            Err(_) if may_fail => return Ok(false),
            Err(error) => return Err(format!("L11: {error}")),
        };
        let shard = event.shard() as usize;
        let next = self.begin[shard] + self.taken[shard].len() as u64;
        let given = Given::of(&event.get());
        let row = given.row;
        if event.position() != next {
            return Err(format!(
                "L11: letters are given {row:?}, position {} of shard {shard}, where {next} is next",
                event.position()
            ));
        }
        self.taken[shard].push(row);
        match self.planted {
            Some(Planted::ProgressIsSavedFirst) => self.late.push(given),
            _ => self.note(Deed::Handled(given)),
        }
        Ok(true)
    }

    fn save(&mut self, may_fail: bool) -> Result<(), String> {
        self.note(Deed::Saving(self.subscription.positions()));
        match self.subscription.checkpoint() {
            Ok(()) => self.note(Deed::Saved),
            Err(_) if may_fail => {}
            Err(error) => return Err(format!("L11: saving: {error}")),
        }
        Ok(())
    }

    /// Reads to the end: all that is there has come, in order.
    ///
    /// # Errors
    /// L11, where it has not.
    pub(crate) fn finish(&mut self, content: &Content) -> Result<(), String> {
        self.note_late();
        while self.take(false)? {}
        self.note_late();
        for (shard, rows) in content.shards.iter().enumerate() {
            let wanted = &rows[self.begin[shard] as usize..];
            if self.taken[shard] != wanted {
                return Err(format!(
                    "L11: letters were given {} of {} events of shard {shard} from {}",
                    self.taken[shard].len(),
                    wanted.len(),
                    self.begin[shard]
                ));
            }
        }
        self.save(false)
    }
}
