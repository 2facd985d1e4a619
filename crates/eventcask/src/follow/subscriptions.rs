//! The named subscriptions of a store: a small file for each, beside the log.
//!
//! A file holds all that is kept of a subscription, and is replaced as a whole: progress and what
//! is held back are one unit. It is not derived from the log, so a file that is damaged is never
//! passed over: no subscription of an unknown name is begun then, because it may be that one.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, Weak};

use eventcask_log::{
    Error as LogError, ErrorKind as LogErrorKind, Framed, FramedKind, Storage, with_reserve,
};
use eventcask_shard::ShardReader;

use crate::Error;
use crate::follow::saved::{Blocked, Left, Saved, Saves};
use crate::name::{is_name, is_numbered};
use crate::named::Named;
use crate::sync::locked;

const DIR: &str = "subscriptions";

/// Says what is left of an aggregate that is held back.
pub(crate) type LeftOf<'l> = &'l dyn Fn(&str, &Blocked) -> Result<Left, Error>;

/// All named subscriptions.
pub(crate) struct Subscriptions {
    storage: Arc<dyn Storage>,
    store: u128,
    readers: Vec<Arc<ShardReader>>,
    known: Mutex<Known>,
    /// Held while a file is written or removed. Set once the store is closed: another process may
    /// have it by then.
    is_closed: Mutex<bool>,
}

#[derive(Debug, Default)]
struct Known {
    /// What is on disk, by the number of the file.
    saved: Vec<(u32, Saved)>,
    in_use: HashSet<String>,
    /// Groups that are in use.
    groups: Vec<Weak<dyn Saves>>,
    /// The number of each that was begun since the store was opened. Its file may be there also
    /// where the first write of it failed.
    begun: HashMap<String, u32>,
    /// The first file that could not be read, and the highest number there is.
    damage: Option<String>,
    highest: u32,
}

impl std::fmt::Debug for Subscriptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subscriptions")
            .field("known", &self.known)
            .finish_non_exhaustive()
    }
}

fn name_of(number: u32) -> String {
    format!("{number:04}")
}

fn framed(store: u128, saved: &Saved) -> Framed {
    Framed {
        store,
        kind: FramedKind::Subscription,
        shard: 0,
        progress: 0,
        definition: 0,
        body: saved.encode(),
    }
}

impl Subscriptions {
    /// Reads what is there. A writer also cuts progress that is ahead of the log, before that
    /// grows.
    pub(crate) fn open(
        storage: &Arc<dyn Storage>,
        store: u128,
        readers: &[Arc<ShardReader>],
        is_writer: bool,
    ) -> Result<Self, Error> {
        let subscriptions = Self {
            storage: Arc::clone(storage),
            store,
            readers: readers.to_vec(),
            known: Mutex::default(),
            is_closed: Mutex::new(!is_writer),
        };
        let ends = subscriptions.ends();
        let names = subscriptions.list()?;
        let mut known = locked(&subscriptions.known);
        for name in names.iter().filter(|name| is_numbered(name)) {
            let number = name.parse().unwrap_or(0);
            known.highest = known.highest.max(number);
            match subscriptions.read(number) {
                Ok(mut saved) => {
                    if saved.cut(&ends) && is_writer {
                        subscriptions.write(number, &saved)?;
                    }
                    known.saved.push((number, saved));
                }
                Err(error) if error.kind() == LogErrorKind::Damaged => {
                    known.damage.get_or_insert(error.to_string());
                }
                Err(error) => return Err(error.into()),
            }
        }
        drop(known);
        Ok(subscriptions)
    }

    /// Where the logs end.
    fn ends(&self) -> Vec<u64> {
        let readers = self.readers.iter();
        readers.map(|reader| reader.published().watermark).collect()
    }

    fn list(&self) -> Result<Vec<String>, LogError> {
        let names = self.storage.list(DIR);
        names.map_err(|error| LogError::io("list", &self.storage.describe(DIR), error))
    }

    fn read(&self, number: u32) -> Result<Saved, LogError> {
        let path = format!("{DIR}/{}", name_of(number));
        let framed = Framed::read(&*self.storage, &path)?;
        let is_ours = (framed.store, framed.kind) == (self.store, FramedKind::Subscription);
        let saved = Saved::decode(&framed.body).filter(|_| is_ours);
        saved.ok_or_else(|| {
            let shown = self.storage.describe(&path);
            LogError::damaged(
                &shown,
                Framed::HEADER_BYTES as u64,
                "it is no subscription of this store",
            )
        })
    }

    fn write(&self, number: u32, saved: &Saved) -> Result<(), LogError> {
        let framed = framed(self.store, saved);
        // It is small, and not derived: also on a full disk it is kept.
        with_reserve(&*self.storage, || {
            framed.write(&*self.storage, DIR, &name_of(number))
        })
    }

    /// Takes a name, and says what is kept of it, if it is known.
    pub(crate) fn take(&self, name: &str) -> Result<Option<Saved>, Error> {
        let owned = || name.to_owned();
        if !is_name(name) {
            let name = name.chars().take(80).collect();
            return Err(Error::BadName {
                what: Named::Subscription,
                name,
            });
        }
        let mut known = locked(&self.known);
        let saved = known.find(name).map(|(_, saved)| saved.clone());
        if saved.is_none() {
            known.check_damage(name)?;
        }
        if !known.in_use.insert(owned()) {
            return Err(in_use(owned()));
        }
        Ok(saved)
    }

    /// Has a group saved when the store is closed.
    pub(crate) fn add_group(&self, group: Weak<dyn Saves>) {
        locked(&self.known).groups.push(group);
    }

    /// Gives a name back.
    pub(crate) fn give_back(&self, name: &str) {
        let mut known = locked(&self.known);
        known.in_use.remove(name);
        known.groups.retain(|group| group.strong_count() > 0);
    }

    /// Keeps, durably, what a subscription is now. `make` is asked when nobody else writes, so that
    /// what is newer is never replaced by what is older.
    pub(crate) fn save(&self, make: impl FnOnce() -> Saved) -> Result<(), Error> {
        let is_closed = locked(&self.is_closed);
        if *is_closed {
            return Err(Error::Closed);
        }
        self.keep(make())
    }

    /// Replaces what is kept of a subscription, where it has changed.
    fn keep(&self, mut saved: Saved) -> Result<(), Error> {
        // One can begin where the log has not come to. What is ahead of a log means that it lost
        // its end.
        saved.cut(&self.ends());
        let found = locked(&self.known).find(&saved.name).cloned();
        let number = match found {
            Some((_, old)) if old == saved => return Ok(()),
            Some((number, _)) => number,
            None => self.number_of_new(&saved.name)?,
        };
        self.write(number, &saved)?;
        let mut known = locked(&self.known);
        known.saved.retain(|(other, _)| *other != number);
        known.saved.push((number, saved));
        Ok(())
    }

    /// The number of a new file, the same however often it is tried; makes the directory where it
    /// is the first.
    fn number_of_new(&self, name: &str) -> Result<u32, LogError> {
        let mut known = locked(&self.known);
        if let Some(number) = known.begun.get(name) {
            return Ok(*number);
        }
        if known.highest == 0 {
            let make = || {
                self.storage.create_dir(DIR)?;
                self.storage.sync_dir("")
            };
            make().map_err(|error| LogError::io("make", &self.storage.describe(DIR), error))?;
        }
        known.highest += 1;
        let number = known.highest;
        known.begun.insert(name.to_owned(), number);
        Ok(number)
    }

    /// What is kept of a subscription.
    ///
    /// # Errors
    /// [`Error::NotFound`], or damage that may be it.
    pub(crate) fn saved(&self, name: &str) -> Result<Saved, Error> {
        let known = locked(&self.known);
        Ok(known.get(name)?.1.clone())
    }

    /// Forgets a subscription.
    pub(crate) fn remove(&self, name: &str) -> Result<(), Error> {
        let is_closed = locked(&self.is_closed);
        if *is_closed {
            return Err(Error::Closed);
        }
        let mut known = locked(&self.known);
        let name = name.to_owned();
        if known.in_use.contains(&name) {
            return Err(in_use(name));
        }
        let number = known.get(&name)?.0;
        let remove = || {
            self.storage.remove(&format!("{DIR}/{}", name_of(number)))?;
            self.storage.sync_dir(DIR)
        };
        remove().map_err(|error| LogError::io("remove", &self.storage.describe(DIR), error))?;
        known.saved.retain(|(other, _)| *other != number);
        Ok(())
    }

    /// Saves what the groups have handled, and writes nothing from then on; the first error counts.
    ///
    /// # Errors
    /// What the disk said.
    pub(crate) fn end(&self) -> Result<(), Error> {
        // Held until the lock is free again: a group whose last handle goes meanwhile saves itself.
        let groups = locked(&self.known).groups.clone();
        let groups: Vec<_> = groups.iter().filter_map(Weak::upgrade).collect();
        let mut is_closed = locked(&self.is_closed);
        if std::mem::replace(&mut *is_closed, true) {
            return Ok(());
        }
        let kept = groups.iter().map(|group| self.keep(group.saved()));
        let kept = kept.fold(Ok(()), Result::and);
        drop(is_closed);
        kept
    }

    /// Forgets what is gone of the aggregates that are held back, and what writes that were cut
    /// short have left.
    ///
    /// # Errors
    /// What the disk said.
    pub(crate) fn forget_given_up(&self, left_of: LeftOf<'_>) -> Result<(), Error> {
        let known = locked(&self.known);
        let groups: Vec<_> = known.groups.iter().filter_map(Weak::upgrade).collect();
        let names: Vec<_> = known
            .saved
            .iter()
            .map(|(_, saved)| saved.name.clone())
            .collect();
        drop(known);
        groups
            .iter()
            .try_for_each(|group| group.forget_given_up())?;
        for name in names {
            // What is in use has done it, or holds nothing back.
            if let Ok(Some(saved)) = self.take(&name) {
                let kept = self.keep_what_is_left(left_of, saved);
                self.give_back(&name);
                kept?;
            }
        }
        let _is_closed = locked(&self.is_closed);
        for name in self.list()?.iter().filter(|name| name.ends_with(".new")) {
            let path = format!("{DIR}/{name}");
            let removed = self.storage.remove(&path);
            removed
                .map_err(|error| LogError::io("remove", &self.storage.describe(&path), error))?;
        }
        Ok(())
    }

    fn keep_what_is_left(&self, left_of: LeftOf<'_>, mut saved: Saved) -> Result<(), Error> {
        for (key, mut held) in std::mem::take(&mut saved.held) {
            if held.give_up(left_of(&key, &held)?) {
                saved.held.insert(key, held);
            }
        }
        self.save(|| saved)
    }

    /// Copies what is kept to another store: how many bytes. What is ahead of its log is cut when
    /// that is opened.
    pub(crate) fn copy(&self, to: &dyn Storage) -> Result<u64, Error> {
        let mut bytes = 0;
        let names = self.list()?;
        let mut ours = names.iter().filter(|name| is_numbered(name)).peekable();
        if ours.peek().is_some() {
            let make = || {
                to.create_dir(DIR)?;
                to.sync_dir("")
            };
            make().map_err(|error| LogError::io("make", &to.describe(DIR), error))?;
        }
        for name in ours {
            let framed = match Framed::read(&*self.storage, &format!("{DIR}/{name}")) {
                // Removed since it was listed.
                Err(error) if error.is_not_found() => continue,
                other => other?,
            };
            framed.write(to, DIR, name)?;
            bytes += framed.file_bytes();
        }
        Ok(bytes)
    }

    /// Writes subscriptions that have handled all before these positions to another store: how many
    /// bytes.
    pub(crate) fn write_handled(
        to: &dyn Storage,
        store: u128,
        names: &[String],
        positions: &[u64],
    ) -> Result<u64, LogError> {
        if names.is_empty() {
            return Ok(0);
        }
        let made = to.create_dir(DIR).and_then(|()| to.sync_dir(""));
        made.map_err(|error| LogError::io("make", &to.describe(DIR), error))?;
        let mut bytes = 0;
        for (number, name) in (1..).zip(names) {
            let saved = Saved {
                name: name.clone(),
                positions: positions.to_vec(),
                ..Saved::default()
            };
            let framed = framed(store, &saved);
            framed.write(to, DIR, &name_of(number))?;
            bytes += framed.file_bytes();
        }
        Ok(bytes)
    }

    /// What is wrong with a file of progress that can not be read, if there is one.
    pub(crate) fn damage(&self) -> Option<String> {
        locked(&self.known).damage.clone()
    }

    /// Figures of all of them, by name.
    pub(crate) fn stats(&self, readers: &[Arc<ShardReader>]) -> Vec<SubscriptionStats> {
        let known = locked(&self.known);
        let stats = |(_, saved): &(u32, Saved)| {
            let lags = readers.iter().zip(&saved.positions);
            let lags = lags.map(|(reader, at)| reader.published().watermark.saturating_sub(*at));
            let parked = saved.held.values().filter(|held| held.is_parked).count() as u64;
            SubscriptionStats {
                name: saved.name.clone(),
                positions: saved.positions.clone(),
                lag_events: lags.sum(),
                retrying: saved.held.len() as u64 - parked,
                parked,
                is_in_use: known.in_use.contains(&saved.name),
            }
        };
        let mut all: Vec<_> = known.saved.iter().map(stats).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }
}

fn in_use(name: String) -> Error {
    Error::InUse {
        what: Named::Subscription,
        name,
    }
}

impl Known {
    fn find(&self, name: &str) -> Option<&(u32, Saved)> {
        self.saved.iter().find(|(_, saved)| saved.name == name)
    }

    fn get(&self, name: &str) -> Result<&(u32, Saved), Error> {
        if let Some(found) = self.find(name) {
            return Ok(found);
        }
        self.check_damage(name)?;
        Err(Error::NotFound {
            what: Named::Subscription,
            name: name.to_owned(),
        })
    }

    /// A name that is not known may be that of a file that can not be read.
    fn check_damage(&self, name: &str) -> Result<(), Error> {
        let Some(damage) = &self.damage else {
            return Ok(());
        };
        let message = format!(
            "{damage}; it may be subscription {name:?}; `eventcask repair` sets the file aside, and that subscription begins anew"
        );
        Err(LogError::new(LogErrorKind::Damaged, message).into())
    }
}

/// Figures of one named subscription, as of when it was last saved.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubscriptionStats {
    /// Its name.
    pub name: String,
    /// Where it goes on, one position a shard.
    pub positions: Vec<u64>,
    /// Durable events from there on, whether they are wanted or not.
    pub lag_events: u64,
    /// Aggregates whose events wait for a retry.
    pub retrying: u64,
    /// Aggregates that are parked.
    pub parked: u64,
    /// Whether someone in this process holds it.
    pub is_in_use: bool,
}
