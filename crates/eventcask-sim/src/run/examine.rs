//! Opens what a crash left, and opens it again, and crashes while it opens.

use std::sync::Arc;

use eventcask::storage::Storage;
use eventcask::{DedupWindow, Options, Store, StoreReader};
use fastrand::Rng;

use crate::check::judge::Judge;
use crate::check::repeats::Repeats;
use crate::check::view;
use crate::clients::Clients;
use crate::clients::opened::Opened;
use crate::clients::reading::{Reading, Reads};
use crate::disk::damage;
use crate::disk::faults::Faults;
use crate::disk::journal::Level;
use crate::disk::sim_disk::SimDisk;
use crate::model::content::Content;
use crate::model::ledger::Ledger;
use crate::planted::Planted;
use crate::run::resend::Resend;
use crate::run::source::{self, Source};

/// What is done with a crash state after it was opened and checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// It is opened again, for writing or reading.
    OpenedAgain,
    /// The power goes while it is opened, or soon after.
    CrashedAgain,
    /// Everything that was ever submitted is sent again.
    SentAgain,
}

impl After {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        match rng.u32(..8) {
            0 => Self::CrashedAgain,
            1 => Self::SentAgain,
            _ => Self::OpenedAgain,
        }
    }
}

/// What an examination needs besides the disk.
pub(crate) struct Examiner<'e> {
    pub(crate) options: &'e Options,
    pub(crate) ledger: &'e Arc<Ledger>,
    pub(crate) sources: &'e Arc<Vec<Source>>,
    pub(crate) judge: Judge<'e>,
    pub(crate) after: After,
    pub(crate) planted: Option<Planted>,
    /// How far back ids are to be known once it is opened.
    pub(crate) window: DedupWindow,
}

/// Opens the store on a disk.
pub(crate) fn open(options: &Options, disk: &SimDisk) -> Result<Store, String> {
    let opened = options.open(Arc::new(disk.clone()));
    opened.map_err(|error| format!("C2: opening failed: {error}"))
}

impl Examiner<'_> {
    /// Opens the store of a crash state and checks all that it serves.
    ///
    /// # Errors
    /// The first promise that was broken.
    pub(crate) fn examine(&self, disk: &SimDisk, rng: &mut Rng) -> Result<Content, String> {
        let begin = disk.steps();
        let content = self.first_opening(disk, rng)?;
        let opened = disk.steps();
        match self.after {
            After::CrashedAgain => self.crash_again(disk, begin..=opened, &content, rng)?,
            After::SentAgain => self.resend(disk, &content, rng)?,
            After::OpenedAgain => self.open_again(disk, &content, rng.u32(..4) == 0)?,
        }
        Ok(content)
    }

    /// Opens it; now and then the disk fails meanwhile, and it is opened once more.
    fn first_opening(&self, disk: &SimDisk, rng: &mut Rng) -> Result<Content, String> {
        if rng.u32(..6) == 0 {
            disk.set_faults(opening_fault(rng));
            if let Ok(store) = open(self.options, disk) {
                drop(store);
            }
            disk.set_faults(Faults::none());
        }
        let is_read = rng.u32(..3) == 0;
        if is_read && rng.bool() {
            damage::strike(disk, true, rng).map_err(|error| error.to_string())?;
        }
        let store = open(self.options, disk)?;
        let content = self.read(&store)?;
        self.judge.check(&content)?;
        if is_read {
            // Whatever the crash left of their states, readers come to the same.
            let reading = Reading::start(&store, Reads::draw(rng), self.planted)?;
            reading.check(&content, self.ledger)?;
            drop(reading);
            self.read_on(&store, disk, &content, rng)?;
        }
        Ok(content)
    }

    /// Clients get every event, and none again that the store keeps as handled.
    fn read_on(
        &self,
        store: &Store,
        disk: &SimDisk,
        content: &Content,
        rng: &mut Rng,
    ) -> Result<(), String> {
        let opened = Opened {
            store,
            disk,
            content,
            ledger: self.ledger,
            planted: self.planted,
        };
        let outside = self.judge.facts.outside.crashed(content, self.ledger, rng);
        let mut clients = Clients::start(&opened, &outside, outside.kept(), rng)?;
        clients.finish(store, content, false)
    }

    fn read(&self, store: &StoreReader) -> Result<Content, String> {
        let content = Content::read(store, self.ledger)?;
        source::check(store, &content, self.ledger, self.sources)?;
        view::check(store, &content, self.ledger, self.judge.facts.view)?;
        Ok(content)
    }

    /// A second opening finds the same, with nothing to mend.
    fn open_again(&self, disk: &SimDisk, before: &Content, writes: bool) -> Result<(), String> {
        let store = if writes {
            open(self.options, disk)?.reader()
        } else {
            let opened = self.options.open_read_only(Arc::new(disk.clone()));
            opened.map_err(|error| format!("C2: opening for reading failed: {error}"))?
        };
        let content = self.read(&store)?;
        let recovered = store.stats().recovered;
        if content != *before || !recovered.is_empty() {
            return Err(format!(
                "D5: a second opening mended {recovered:?}, or changed events"
            ));
        }
        drop(store);
        check_all(disk)
    }

    /// The power goes while the store is opened, or soon after: nothing that was there gets lost.
    fn crash_again(
        &self,
        disk: &SimDisk,
        steps: std::ops::RangeInclusive<usize>,
        before: &Content,
        rng: &mut Rng,
    ) -> Result<(), String> {
        let (begin, end) = steps.into_inner();
        let cut = rng.usize(begin..=end);
        let image = disk.power_cut(cut, rng.u64(..));
        let store = open(self.options, &SimDisk::of(image))?;
        let content = self.read(&store)?;
        self.judge.check(&content).or_else(|broken| {
            // A process that was killed left more than what is durable, until it is confirmed.
            let was_weaker = self.judge.level == Level::Process && cut < end;
            if was_weaker { Ok(()) } else { Err(broken) }
        })?;
        if self.judge.level == Level::Power && content != *before {
            return Err("D5: a crash while opening changed what is there".to_owned());
        }
        Ok(())
    }

    fn resend(&self, disk: &SimDisk, before: &Content, rng: &mut Rng) -> Result<(), String> {
        let store = open(self.options, disk)?;
        let baseline: Vec<_> = before.shards.iter().map(|rows| rows.len() as u64).collect();
        let resend = Resend {
            store: &store,
            ledger: self.ledger,
            sources: self.sources,
            repeats: Repeats {
                ledger: self.ledger,
                window: self.window,
                baseline: &baseline,
            },
            before,
        };
        let forgets_ids = self.planted == Some(Planted::IdIsForgotten);
        resend.send(&self.judge.facts.submitted, forgets_ids, rng)?;
        let after = Content::read(&store, self.ledger)?;
        source::check(&store, &after, self.ledger, self.sources)?;
        view::check(&store, &after, self.ledger, self.judge.facts.view)
    }
}

/// After an opening, whatever the crash left, a check of every byte finds nothing wrong.
pub(crate) fn check_all(disk: &SimDisk) -> Result<(), String> {
    let storage: Arc<dyn Storage> = Arc::new(disk.clone());
    let report = eventcask::verify(&storage);
    let report = report.map_err(|error| format!("C6: the check failed: {error}"))?;
    match (report.problems.first(), report.unfinished.first()) {
        (None, None) => Ok(()),
        (problem, unfinished) => Err(format!("C6: a false alarm: {:?}", problem.or(unfinished))),
    }
}

fn opening_fault(rng: &mut Rng) -> Faults {
    let faults = Faults::none();
    let n = rng.u32(1..8);
    match rng.u32(..4) {
        0 => faults.sync_fails(n),
        1 => faults.write_fails(n, rng.u32(..1000)),
        2 => faults.read_fails(n),
        _ => faults.room(rng.u64(..4000)),
    }
}
