//! All views of a store, by name: projections that are defined by a value, and that live as long as
//! the store has them.

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use eventcask_log::Storage;
use eventcask_project::{LeftOut, ViewSpec, ViewState};
use eventcask_shard::ShardReader;

use super::definition::{Codec, Definition, parse_view, view_text};
use super::files::Files;
use super::folder::VIEWS;
use super::keep::Keep;
use super::live::LiveProjection;
use super::policy::SnapshotPolicy;
use super::projections::{Live, Projections};
use super::rebuild::Rebuild;
use crate::Error;
use crate::clock::now_nanos;
use crate::lag::lag;
use crate::name::is_name;
use crate::named::Named;
use crate::sync::locked;

/// The views of a store.
pub(crate) struct Views {
    storage: Arc<dyn Storage>,
    store: u128,
    readers: Vec<Arc<ShardReader>>,
    projections: Arc<Projections>,
    all: RwLock<Vec<Arc<LiveView>>>,
    /// Held while a view is made or removed: one at a time.
    changing: Mutex<()>,
    /// When the states are saved while the store is open.
    policy: SnapshotPolicy,
}

impl std::fmt::Debug for Views {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Views")
            .field("views", &self.list().len())
            .finish_non_exhaustive()
    }
}

/// One view: what it is, and the projection that it is.
pub(crate) struct LiveView {
    pub(crate) name: String,
    pub(crate) spec: Arc<ViewSpec>,
    pub(crate) live: Arc<LiveProjection<ViewState>>,
}

impl Views {
    /// Learns which views there are.
    ///
    /// # Errors
    /// Damage, or what the disk said.
    pub(crate) fn open(
        storage: &Arc<dyn Storage>,
        store: u128,
        readers: &[Arc<ShardReader>],
        projections: &Arc<Projections>,
        snapshot_events: u64,
        is_writer: bool,
    ) -> Result<Self, Error> {
        let views = Self {
            storage: Arc::clone(storage),
            store,
            readers: readers.to_vec(),
            projections: Arc::clone(projections),
            all: RwLock::default(),
            changing: Mutex::default(),
            policy: SnapshotPolicy::default().events(snapshot_events),
        };
        for number in VIEWS.numbers(&**storage)? {
            let Some(text) = VIEWS.definition(&**storage, store, number)? else {
                continue;
            };
            let known = parse_view(&text).filter(|(name, _)| is_name(name));
            let unknown = || VIEWS.damaged(&**storage, number, "it is no definition of a view");
            let (name, spec) = known.ok_or_else(unknown)?;
            let name = name.to_owned();
            let files = Files::of(storage, store, VIEWS, number, text, is_writer);
            views.add(views.live(&name, spec, files));
        }
        Ok(views)
    }

    fn live(&self, name: &str, spec: ViewSpec, files: Files) -> LiveView {
        let spec = Arc::new(spec);
        let keep = Keep::new(self.policy, Codec::of_view(&spec), files);
        let definition = Definition::of_view(name, &spec);
        LiveView {
            name: name.to_owned(),
            live: LiveProjection::new(definition, None, Some(keep), &self.readers),
            spec,
        }
    }

    /// Has a view follow the store.
    fn add(&self, view: LiveView) -> Arc<LiveView> {
        let view = Arc::new(view);
        let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
        all.push(Arc::clone(&view));
        all.sort_by(|one, other| one.name.cmp(&other.name));
        drop(all);
        let live: Arc<dyn Live> = Arc::<LiveProjection<ViewState>>::clone(&view.live);
        if !self.projections.add(live) {
            view.live.end();
        }
        view
    }

    /// All of them, by name.
    pub(crate) fn list(&self) -> Vec<Arc<LiveView>> {
        self.all
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// # Errors
    /// [`Error::NotFound`].
    pub(crate) fn find(&self, name: &str) -> Result<Arc<LiveView>, Error> {
        let all = self.all.read().unwrap_or_else(PoisonError::into_inner);
        let found = all.iter().find(|view| view.name == name).map(Arc::clone);
        found.ok_or_else(|| Error::NotFound {
            what: Named::View,
            name: name.to_owned(),
        })
    }

    /// Makes a view: its states first, the definition last, since that is what it exists by.
    ///
    /// # Errors
    /// That it can not have this name, why it stopped, or what the disk said.
    pub(crate) fn create(&self, name: &str, spec: ViewSpec) -> Result<Arc<LiveView>, Error> {
        if !is_name(name) {
            return Err(Error::BadName {
                what: Named::View,
                name: name.chars().take(80).collect(),
            });
        }
        let _changing = locked(&self.changing);
        if self.find(name).is_ok() {
            return Err(Error::InUse {
                what: Named::View,
                name: name.to_owned(),
            });
        }
        let text = view_text(name, &spec);
        let files = Files::make(&self.storage, self.store, VIEWS, text)?;
        let view = self.live(name, spec, files);
        view.fill()?;
        Ok(self.add(view))
    }

    /// Removes a view and what is kept of it.
    ///
    /// # Errors
    /// [`Error::NotFound`], or what the disk said.
    pub(crate) fn remove(&self, name: &str) -> Result<(), Error> {
        let _changing = locked(&self.changing);
        let view = self.find(name)?;
        let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
        all.retain(|one| one.name != name);
        drop(all);
        self.projections.remove(&*view.live);
        view.live.remove()
    }

    /// Fills those views anew whose states in memory may hold events that were given up since.
    ///
    /// # Errors
    /// Why one stopped, or what the disk said.
    pub(crate) fn renew(&self) -> Result<(), Error> {
        for view in self.list() {
            if view.live.holds_given_up() {
                match self.rebuild(&view.name) {
                    // It was removed meanwhile.
                    Err(Error::NotFound { .. }) => {}
                    other => other?,
                }
            }
        }
        Ok(())
    }

    /// Fills a view anew, and waits for it.
    ///
    /// # Errors
    /// [`Error::NotFound`], why it stopped, that the store was closed, or what the disk said.
    pub(crate) fn rebuild(&self, name: &str) -> Result<(), Error> {
        let rebuild = Rebuild::start(&self.find(name)?.live)?;
        if rebuild.wait()?.is_some() {
            return Ok(());
        }
        self.find(name)?;
        Err(Error::Closed)
    }
}

impl LiveView {
    /// Fills a new one with all events, keeps its states, and says then that it exists.
    fn fill(&self) -> Result<(), Error> {
        let states = self.live.states();
        (0..)
            .zip(&states)
            .try_for_each(|(shard, state)| state.check(shard))?;
        drop(states);
        self.live.save()?;
        match &self.live.keep {
            Some(keep) => Ok(keep.files.define()?),
            None => Ok(()),
        }
    }

    /// Figures of it. States that are shut are not opened for it.
    pub(crate) fn stats(&self) -> ViewStats {
        let now = now_nanos();
        let mut stats = ViewStats {
            name: self.name.clone(),
            positions: Vec::new(),
            lag_events: 0,
            lag_seconds: 0,
            left_out: LeftOut::default(),
            failure: None,
        };
        for (shard, reader) in (0..).zip(&self.live.readers) {
            let (progress, left_out, failure) = self.standing(shard, reader);
            let (events, seconds) = lag(reader, progress, now);
            stats.positions.push(progress);
            stats.lag_events += events;
            stats.lag_seconds = stats.lag_seconds.max(seconds);
            stats.left_out.add(&left_out);
            stats.failure = stats.failure.or(failure);
        }
        stats
    }

    /// How far it got in a shard, what it left out, and why it stopped: as it was saved, where the
    /// state is shut.
    fn standing(&self, shard: u32, reader: &ShardReader) -> (u64, LeftOut, Option<String>) {
        let state = locked(&self.live.shards[shard as usize]);
        if state.is_open {
            let left_out = state.follower.fold.state.left_out();
            return (state.progress(), left_out, state.follower.failure.clone());
        }
        drop(state);
        let keep = self.live.keep.as_ref();
        let saved = keep.and_then(|keep| {
            let beginning = ViewState::BEGINNING_BYTES;
            let kept = keep.files.read_beginning(reader, beginning)?;
            // One of an older layout is not taken up.
            Some((kept.progress, ViewState::left_out_in(&kept.body)?))
        });
        let (progress, left_out) = saved.unwrap_or_default();
        (progress, left_out, None)
    }
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
