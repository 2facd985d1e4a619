//! All views of a store: kept beside the log, one directory each.
//!
//! A view's state in a shard and how far it got are one unit, in memory and on disk; see
//! [`follower`](crate::follow::follower). It is opened when somebody needs it: when the view is asked, or when
//! the first event is stored that it must take in. Whoever only reads the log opens none.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use eventcask_log::{Block, Error as LogError, Framed, FramedKind, Payloads, Storage};
use eventcask_project::{ApplyError, LeftOut, MergedStates, ViewSpec, ViewState};
use eventcask_shard::{Retired, ShardReader};

use crate::clock::now_nanos;
use crate::follow::follower::{Follow, Follower};
use crate::lag::lag;
use crate::name::is_name;
use crate::notices::{Kind, Who};
use crate::projection::savers::Savers;
use crate::sync::locked;
use crate::{Error, parallel};

const DIR: &str = "views";
const DEFINITION: &str = "definition";

/// The views of a store.
pub(crate) struct Views {
    storage: Arc<dyn Storage>,
    store: u128,
    readers: Vec<Arc<ShardReader>>,
    live: RwLock<Vec<Arc<LiveView>>>,
    /// Held while a view is made, rebuilt, removed or saved beside its use: one at a time.
    pub(crate) changing: Mutex<()>,
    /// Held while a snapshot is written: a rebuild and the end of the store may save the same one.
    saving: Mutex<()>,
    /// Events between two snapshots of a state while the store is open: what a restart after a
    /// crash has to apply again at most.
    snapshot_events: u64,
    pub(crate) savers: Savers,
}

impl std::fmt::Debug for Views {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Views")
            .field("views", &self.list().len())
            .finish_non_exhaustive()
    }
}

/// One view: what it is and its state in each shard.
#[derive(Debug)]
pub(crate) struct LiveView {
    pub(crate) number: u32,
    pub(crate) name: String,
    pub(crate) spec: Arc<ViewSpec>,
    pub(crate) definition: u32,
    types: Option<[String; 1]>,
    shards: Vec<Slot>,
}

/// Where the state of a view in one shard is, once it was opened.
#[derive(Debug, Default)]
struct Slot {
    state: Mutex<Option<ShardState>>,
    /// Held while the state is opened: so that one thread does it, and `state` is free meanwhile.
    opening: Mutex<()>,
    /// Whether a thread was told to open it, since there are events that it must take in.
    is_asked_for: AtomicBool,
}

/// The states of a view in all shards, which nobody changes as long as this is held.
pub(crate) struct OpenStates<'a> {
    shards: Vec<MutexGuard<'a, Option<ShardState>>>,
}

impl OpenStates<'_> {
    /// All of them as one.
    pub(crate) fn merged(&self) -> MergedStates<'_> {
        let states = self.shards.iter().filter_map(|shard| shard.as_ref());
        MergedStates::new(states.map(ShardState::state))
    }

    /// Whether the view follows all shards.
    ///
    /// # Errors
    /// Why it stopped.
    pub(crate) fn check(&self, view: &LiveView) -> Result<(), Error> {
        let mut states = self.shards.iter().filter_map(|shard| shard.as_ref());
        let Some(reason) = states.find_map(ShardState::failure) else {
            return Ok(());
        };
        Err(Error::ViewStopped {
            name: view.name.clone(),
            reason: reason.to_owned(),
        })
    }
}

/// How far a view got in a shard.
#[derive(Debug, Default)]
struct Standing {
    progress: u64,
    left_out: LeftOut,
    failure: Option<String>,
}

/// The state of a view in one shard.
#[derive(Debug)]
pub(crate) struct ShardState {
    pub(crate) follower: Follower<ViewState>,
    /// The mark of what had been given up when it began to be filled. What is given up later may be in
    /// it: its snapshot is not taken up then.
    given_up: u32,
    /// The progress that the snapshot on disk has.
    pub(crate) saved: Option<u64>,
    /// The progress at which a snapshot was last asked for.
    asked: u64,
}

fn dir_of(number: u32) -> String {
    format!("{DIR}/{number:04}")
}

impl Views {
    /// Learns which views there are; a writer also forgets snapshots that are ahead of their log.
    pub(crate) fn open(
        storage: Arc<dyn Storage>,
        store: u128,
        readers: &[Arc<ShardReader>],
        snapshot_events: u64,
        is_writer: bool,
    ) -> Result<Self, Error> {
        let views = Self {
            storage,
            store,
            readers: readers.to_vec(),
            live: RwLock::default(),
            changing: Mutex::default(),
            saving: Mutex::default(),
            snapshot_events,
            savers: Savers::default(),
        };
        for number in views.numbers()? {
            if let Some((name, spec, definition)) = views.read_definition(number)? {
                if is_writer {
                    views.forget_what_is_ahead(number)?;
                }
                views.add(LiveView::new(
                    number,
                    name,
                    &spec,
                    definition,
                    readers.len(),
                ));
            }
        }
        Ok(views)
    }

    fn numbers(&self) -> Result<Vec<u32>, LogError> {
        let names = self
            .storage
            .list(DIR)
            .map_err(|e| LogError::io("list", &self.storage.describe(DIR), e))?;
        let ours = |name: &String| {
            let number: u32 = name.parse().ok()?;
            (dir_of(number) == format!("{DIR}/{name}")).then_some(number)
        };
        let mut numbers: Vec<u32> = names.iter().filter_map(ours).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Name, definition and its checksum; `None` where the making or removing of a view was
    /// cut short.
    fn read_definition(&self, number: u32) -> Result<Option<(String, Arc<ViewSpec>, u32)>, Error> {
        let dir = dir_of(number);
        let names = self.storage.list(&dir);
        let names = names.map_err(|e| LogError::io("list", &self.storage.describe(&dir), e))?;
        if !names.iter().any(|name| name == DEFINITION) {
            return Ok(None);
        }
        let path = format!("{dir}/{DEFINITION}");
        let framed = Framed::read(&*self.storage, &path)?;
        let shown = self.storage.describe(&path);
        let damaged = |reason: &str| LogError::damaged(&shown, 128, reason);
        if (framed.store, framed.kind) != (self.store, FramedKind::Definition) {
            return Err(damaged("it belongs to another store or place").into());
        }
        let body = str::from_utf8(&framed.body).map_err(|_| damaged("it is not text"))?;
        let (name, spec) =
            parse_definition(body).ok_or_else(|| damaged("it is no definition of a view"))?;
        Ok(Some((name, Arc::new(spec), Framed::checksum(&framed.body))))
    }

    /// Removes snapshots that hold more than the log does, before the log grows: where a level
    /// weaker than `sync` lost the end of a log, other events will take those positions.
    fn forget_what_is_ahead(&self, number: u32) -> Result<(), Error> {
        let dir = dir_of(number);
        let failed = |e| LogError::io("clear", &self.storage.describe(&dir), e);
        let names = self.storage.list(&dir).map_err(failed)?;
        for reader in &self.readers {
            let shard = reader.shard();
            if names.contains(&snapshot_name(shard)) && self.may_be_ahead(number, reader) {
                let removed = self.storage.remove(&snapshot_path(number, shard));
                removed.map_err(failed)?;
            }
        }
        // One that is gone already may have been removed by an opening that ended before this.
        self.storage.sync_dir(&dir).map_err(failed)?;
        Ok(())
    }

    fn may_be_ahead(&self, number: u32, reader: &ShardReader) -> bool {
        let path = snapshot_path(number, reader.shard());
        match Framed::read_head(&*self.storage, &path) {
            Ok(framed) => framed.progress > reader.published().watermark,
            // What is damaged is never taken up; what can not be read now may be whole.
            Err(error) => error.kind() == eventcask_log::ErrorKind::Io,
        }
    }

    /// The state from the snapshot, if there is one that fits; else one from the beginning.
    pub(crate) fn load(&self, view: &LiveView, reader: &ShardReader) -> ShardState {
        let path = snapshot_path(view.number, reader.shard());
        let empty = ShardState::empty(view, reader);
        // A snapshot that can not be read is made again: the log is the truth.
        let framed = Framed::read(&*self.storage, &path).ok();
        let framed = framed.filter(|framed| self.fits(framed, view, reader, empty.given_up));
        let spec = || Arc::clone(&view.spec);
        let state = framed.and_then(|framed| ViewState::decode(spec(), &framed.body).ok());
        let watermark = reader.published().watermark;
        match state.filter(|state| state.progress() <= watermark) {
            Some(state) => empty.with(state),
            None => empty,
        }
    }

    fn fits(&self, framed: &Framed, view: &LiveView, reader: &ShardReader, given_up: u32) -> bool {
        let definition = view.definition.wrapping_add(given_up);
        (framed.store, framed.kind, framed.shard, framed.definition)
            == (self.store, FramedKind::State, reader.shard(), definition)
    }

    /// What is saved of a view in a shard; an empty state where nothing is.
    pub(crate) fn saved(&self, view: &LiveView, reader: &ShardReader) -> ViewState {
        self.load(view, reader).follower.fold
    }

    /// Figures of a view, whose states are not opened for it.
    pub(crate) fn stats(&self, view: &LiveView) -> ViewStats {
        let now = now_nanos();
        let mut stats = ViewStats {
            name: view.name.clone(),
            positions: Vec::new(),
            lag_events: 0,
            lag_seconds: 0,
            left_out: LeftOut::default(),
            failure: None,
        };
        for reader in &self.readers {
            let standing = self.standing(view, reader);
            let (events, seconds) = lag(reader, standing.progress, now);
            stats.positions.push(standing.progress);
            stats.lag_events += events;
            stats.lag_seconds = stats.lag_seconds.max(seconds);
            stats.left_out.add(&standing.left_out);
            stats.failure = stats.failure.or(standing.failure);
        }
        stats
    }

    /// How far a view got in a shard: as far as it was saved, where its state is not open.
    fn standing(&self, view: &LiveView, reader: &ShardReader) -> Standing {
        if let Some(state) = &*locked(&view.shards[reader.shard() as usize].state) {
            return Standing {
                progress: state.state().progress(),
                left_out: state.state().left_out(),
                failure: state.failure().map(str::to_owned),
            };
        }
        let path = snapshot_path(view.number, reader.shard());
        let published = reader.published();
        let fits = |head: &Framed| {
            self.fits(head, view, reader, published.hidden.mark())
                && head.progress <= published.watermark
        };
        let head = Framed::read_beginning(&*self.storage, &path, ViewState::BEGINNING_BYTES);
        let head = head.ok().filter(fits);
        let left_out = |head: &Framed| ViewState::left_out_in(&head.body);
        // One of an older layout is not taken up.
        head.and_then(|head| Some((head.progress, left_out(&head)?)))
            .map_or_else(Standing::default, |(progress, left_out)| Standing {
                progress,
                left_out,
                failure: None,
            })
    }

    /// The states of a view in all shards, up to date.
    pub(crate) fn states<'a>(&self, view: &'a LiveView) -> OpenStates<'a> {
        let is_shut = |reader: &&Arc<ShardReader>| {
            let slot = &view.shards[reader.shard() as usize];
            locked(&slot.state).is_none()
        };
        let shut: Vec<_> = self.readers.iter().filter(is_shut).collect();
        parallel::each_on_threads(shut.len(), |index| self.open_shard(view, shut[index]));
        parallel::map_few(self.readers.len(), |shard| {
            if let Some(state) = &mut *locked(&view.shards[shard].state) {
                state
                    .follower
                    .catch_up_all(&self.readers[shard], view.wanted());
            }
        });
        let states = view.shards.iter().map(|slot| locked(&slot.state));
        OpenStates {
            shards: states.collect(),
        }
    }

    /// Opens the state of a view in a shard, unless it is open. Not on a thread of the pool: one that
    /// waits for the pool may begin other work, which might want the state as well.
    fn open_shard(&self, view: &LiveView, reader: &ShardReader) {
        let slot = &view.shards[reader.shard() as usize];
        let _opening = locked(&slot.opening);
        if locked(&slot.state).is_some() {
            return;
        }
        let mut state = self.load(view, reader);
        state.follower.fill(reader, view.wanted(), |_| true);
        *locked(&slot.state) = Some(state);
    }

    /// Has a thread open the state of a view, since there are events that it must take in: the shard
    /// does not wait for it.
    fn ask_for(self: &Arc<Self>, view: &Arc<LiveView>, reader: &Arc<ShardReader>) {
        let slot = &view.shards[reader.shard() as usize];
        // Relaxed: it says nothing about anything else. Where the system gives no thread, whoever asks the
        // view opens it.
        if !slot.is_asked_for.swap(true, Ordering::Relaxed) {
            let (views, view, reader) = (Arc::clone(self), Arc::clone(view), Arc::clone(reader));
            self.savers.start(move || views.open_shard(&view, &reader));
        }
    }

    fn add(&self, live: LiveView) -> Arc<LiveView> {
        let live = Arc::new(live);
        let mut views = self.live.write().unwrap_or_else(PoisonError::into_inner);
        views.retain(|view| view.name != live.name);
        views.push(Arc::clone(&live));
        views.sort_by(|a, b| a.name.cmp(&b.name));
        live
    }

    /// All views by name.
    pub(crate) fn list(&self) -> Vec<Arc<LiveView>> {
        self.live
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn find(&self, name: &str) -> Result<Arc<LiveView>, Error> {
        let found = self.list().into_iter().find(|view| view.name == name);
        found.ok_or_else(|| Error::UnknownView {
            name: name.to_owned(),
        })
    }

    /// Makes a view: its states first, the definition last, since that is what it exists by.
    pub(crate) fn create(&self, name: &str, spec: ViewSpec) -> Result<Arc<LiveView>, Error> {
        check_name(name)?;
        let _changing = locked(&self.changing);
        if self.find(name).is_ok() {
            return Err(Error::ViewExists {
                name: name.to_owned(),
            });
        }
        let spec = Arc::new(spec);
        let body = definition_text(name, &spec);
        let definition = Framed::checksum(body.as_bytes());
        let number = self.numbers()?.last().map_or(1, |last| last + 1);
        self.make_dir(number)?;
        let live = self.filled(number, name, &spec, definition)?;
        let framed = Framed {
            store: self.store,
            kind: FramedKind::Definition,
            shard: 0,
            progress: 0,
            definition: 0,
            body: body.into_bytes(),
        };
        framed.write(&*self.storage, &dir_of(number), DEFINITION)?;
        Ok(self.add(live))
    }

    /// A view that holds all events and is saved, beside the one in use.
    fn filled(
        &self,
        number: u32,
        name: &str,
        spec: &Arc<ViewSpec>,
        definition: u32,
    ) -> Result<LiveView, Error> {
        let shards = self.readers.len();
        let live = LiveView::new(number, name.to_owned(), spec, definition, shards);
        parallel::each_on_threads(shards, |shard| {
            let reader = &self.readers[shard];
            let mut state = ShardState::empty(&live, reader);
            state.follower.fill(reader, live.wanted(), |_| true);
            *locked(&live.shards[shard].state) = Some(state);
        });
        self.states(&live).check(&live)?;
        self.save(&live)?;
        Ok(live)
    }

    fn make_dir(&self, number: u32) -> Result<(), LogError> {
        let dir = dir_of(number);
        let make = || {
            self.storage.create_dir(DIR)?;
            self.storage.create_dir(&dir)?;
            self.storage.sync_dir(DIR)?;
            self.storage.sync_dir("")
        };
        make().map_err(|error| LogError::io("make", &self.storage.describe(&dir), error))
    }

    /// Fills a view from the beginning, beside the one in use, then swaps.
    pub(crate) fn rebuild(&self, name: &str) -> Result<(), Error> {
        let _changing = locked(&self.changing);
        let old = self.find(name)?;
        let new = self.filled(old.number, name, &old.spec, old.definition)?;
        self.add(new);
        Ok(())
    }

    /// Fills those views anew whose states in memory may hold events that were given up since.
    pub(crate) fn renew(&self) -> Result<(), Error> {
        for view in self.list() {
            let is_stale = view.shards.iter().zip(&self.readers).any(|(slot, reader)| {
                let given_up = reader.published().hidden.mark();
                let state = locked(&slot.state);
                state
                    .as_ref()
                    .is_some_and(|state| state.given_up != given_up)
            });
            if is_stale {
                match self.rebuild(&view.name) {
                    // It was removed meanwhile.
                    Err(Error::UnknownView { .. }) => {}
                    other => other?,
                }
            }
        }
        Ok(())
    }

    /// Removes a view: the definition first, since that is what it exists by.
    pub(crate) fn remove(&self, name: &str) -> Result<(), Error> {
        let _changing = locked(&self.changing);
        let old = self.find(name)?;
        // Out of use first, so that no worker saves it meanwhile.
        let mut views = self.live.write().unwrap_or_else(PoisonError::into_inner);
        views.retain(|view| view.name != name);
        drop(views);
        let _saving = locked(&self.saving);
        let dir = dir_of(old.number);
        let remove = || {
            self.storage.remove(&format!("{dir}/{DEFINITION}"))?;
            self.storage.sync_dir(&dir)?;
            self.storage.remove_dir(&dir)?;
            self.storage.sync_dir(DIR)
        };
        let removed = remove();
        Ok(removed.map_err(|error| LogError::io("remove", &self.storage.describe(&dir), error))?)
    }

    /// Whether a view is the one of its name.
    pub(crate) fn is_in_use(&self, view: &Arc<LiveView>) -> bool {
        self.list().iter().any(|one| Arc::ptr_eq(one, view))
    }

    /// Applies a block that has just become durable to all views.
    pub(crate) fn apply(self: &Arc<Self>, reader: &Arc<ShardReader>, block: &Block) {
        let live = self.live.read().unwrap_or_else(PoisonError::into_inner);
        for view in live.iter() {
            let mut slot = locked(&view.shards[reader.shard() as usize].state);
            let Some(shard) = &mut *slot else {
                drop(slot);
                self.ask_for(view, reader);
                continue;
            };
            if !shard.follower.follow(reader, block, view.wanted()) {
                continue;
            }
            let progress = shard.state().progress();
            if progress >= shard.asked.saturating_add(self.snapshot_events) {
                shard.asked = progress;
                self.save_beside(view, reader, shard);
            }
        }
    }

    /// Saves the states of all views that have moved on, once nobody opens them or saves them beside
    /// their use any more; the first error counts.
    pub(crate) fn save_all(&self) -> Result<(), Error> {
        self.savers.stop();
        let saved = self.list().into_iter().map(|view| self.save(&view));
        saved.fold(Ok(()), Result::and)
    }

    fn save(&self, view: &LiveView) -> Result<(), Error> {
        let mut result = Ok(());
        for (slot, reader) in view.shards.iter().zip(&self.readers) {
            let mut state = locked(&slot.state);
            let Some(state) = &mut *state else {
                continue;
            };
            // While it was opened, blocks may have come that it was not told of.
            state.follower.catch_up_all(reader, view.wanted());
            if state.failure().is_none() && state.saved != Some(state.state().progress()) {
                result = result.and(self.save_shard(view, reader.shard(), state));
            }
        }
        result
    }

    pub(crate) fn save_shard(
        &self,
        view: &LiveView,
        shard: u32,
        state: &mut ShardState,
    ) -> Result<(), Error> {
        let framed = Framed {
            store: self.store,
            kind: FramedKind::State,
            shard,
            progress: state.state().progress(),
            definition: view.definition.wrapping_add(state.given_up),
            body: state.state().encode(),
        };
        let _saving = locked(&self.saving);
        framed.write(&*self.storage, &dir_of(view.number), &snapshot_name(shard))?;
        state.saved = Some(framed.progress);
        Ok(())
    }
}

impl Follow for ViewState {
    fn progress(&self) -> u64 {
        self.progress()
    }

    fn take(&mut self, block: &Block, hidden: &Retired) -> Result<(), ApplyError> {
        let events = block.events();
        // An event by which others are given up has no JSON and counts for no group.
        if !hidden.may_hide(&events) {
            self.apply(&events);
        } else {
            self.apply_unless(&events, |row| hidden.hides(&events, row));
        }
        Ok(())
    }

    fn pass(&mut self, _shard: u32, position: u64) {
        self.pass(position);
    }
}

impl ShardState {
    fn empty(view: &LiveView, reader: &ShardReader) -> Self {
        let mut follower = Follower::new(ViewState::new(Arc::clone(&view.spec)));
        follower.who = Some(Who {
            kind: Kind::View,
            name: view.name.clone(),
            shard: Some(reader.shard()),
            behind: None,
        });
        Self {
            given_up: reader.published().hidden.mark(),
            follower,
            saved: None,
            asked: 0,
        }
    }

    /// The same with a state that was saved.
    fn with(mut self, state: ViewState) -> Self {
        self.saved = Some(state.progress());
        self.asked = state.progress();
        self.follower.fold = state;
        self
    }

    /// One that nobody follows the store with.
    pub(crate) fn copy(&self) -> Self {
        Self {
            follower: Follower::new(self.state().clone()),
            ..*self
        }
    }

    pub(crate) fn state(&self) -> &ViewState {
        &self.follower.fold
    }

    /// Why the view stopped in this shard, if it did.
    pub(crate) fn failure(&self) -> Option<&str> {
        self.follower.failure.as_deref()
    }
}

impl LiveView {
    fn new(
        number: u32,
        name: String,
        spec: &Arc<ViewSpec>,
        definition: u32,
        shards: usize,
    ) -> Self {
        let types = spec.event_type().map(|name| [name.to_owned()]);
        Self {
            number,
            name,
            spec: Arc::clone(spec),
            definition,
            types,
            shards: (0..shards).map(|_| Slot::default()).collect(),
        }
    }

    /// The payloads that the view looks at.
    pub(crate) fn wanted(&self) -> Payloads<'_> {
        self.types
            .as_ref()
            .map_or(Payloads::All, |types| Payloads::Types(types))
    }

    /// Notes that the state of a shard is saved as of a position.
    pub(crate) fn note_saved(&self, shard: u32, progress: u64) {
        if let Some(state) = &mut *locked(&self.shards[shard as usize].state) {
            state.saved = Some(progress);
        }
    }
}

fn snapshot_name(shard: u32) -> String {
    format!("{shard:04}.snapshot")
}

fn snapshot_path(number: u32, shard: u32) -> String {
    format!("{}/{}", dir_of(number), snapshot_name(shard))
}

fn check_name(name: &str) -> Result<(), Error> {
    if is_name(name) {
        return Ok(());
    }
    Err(Error::BadName {
        what: "view",
        name: name.chars().take(80).collect(),
    })
}

/// The names that views can have need no escape in JSON.
fn definition_text(name: &str, spec: &ViewSpec) -> String {
    format!(r#"{{"name":"{name}","spec":{}}}"#, spec.to_json())
}

fn parse_definition(body: &str) -> Option<(String, ViewSpec)> {
    let rest = body.strip_prefix(r#"{"name":""#)?.strip_suffix('}')?;
    let (name, spec) = rest.split_once(r#"","spec":"#)?;
    check_name(name).ok()?;
    Some((name.to_owned(), ViewSpec::from_json(spec).ok()?))
}

/// Figures of one view.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ViewStats {
    /// Its name.
    pub name: String,
    /// The position after the last event it holds, one a shard: as of when it was last saved, where
    /// nobody has asked for the view or stored an event since the store was opened.
    pub positions: Vec<u64>,
    /// Durable events that it does not hold yet.
    pub lag_events: u64,
    /// Age of the oldest event that it does not hold yet, in seconds.
    pub lag_seconds: u64,
    /// The events of its type that it left out of all rows, by why, among those that it holds.
    pub left_out: LeftOut,
    /// Why it stopped, if it did.
    pub failure: Option<String>,
}
