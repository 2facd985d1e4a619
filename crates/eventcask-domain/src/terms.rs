//! Where commands are carried out, and on which terms.

use std::sync::Arc;
use std::time::Duration;

use eventcask::{Place, Repository, Store, Timeout, Versioned};

use crate::command_id::CommandId;
use crate::command_meta::CommandMeta;
use crate::decider::Decider;
use crate::decider_fold::{DeciderFold, Kept};
use crate::loaded::LoadPolicy;
use crate::moment::Moment;

/// How often a command is decided on, unless set, before a conflict is an error. Each conflict means
/// that another command on the aggregate got through, so this is to be passed by a hundred of them.
const ATTEMPTS: u32 = 100;

/// What a handle knows: a store and the states of its aggregates, and how a command is carried out.
pub(crate) struct Terms<D: Decider> {
    shared: Arc<Shared<D>>,
    pub(crate) id: Option<CommandId>,
    pub(crate) meta: Option<Arc<CommandMeta>>,
    pub(crate) policy: Option<LoadPolicy>,
    pub(crate) attempts: u32,
}

struct Shared<D: Decider> {
    store: Store,
    states: Repository<DeciderFold<D>>,
}

impl<D: Decider> Clone for Terms<D> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            id: self.id,
            meta: self.meta.clone(),
            policy: self.policy,
            attempts: self.attempts,
        }
    }
}

impl<D: Decider> Terms<D> {
    pub(crate) fn new(store: &Store) -> Self {
        let states = store.fold(DeciderFold::NEW);
        let states = match D::SNAPSHOTS {
            Some(_) => states,
            None => states.snapshot_every(u64::MAX),
        };
        Self {
            shared: Arc::new(Shared {
                store: store.clone(),
                states,
            }),
            id: None,
            meta: None,
            policy: None,
            attempts: ATTEMPTS,
        }
    }

    /// The same, with states that are kept otherwise.
    pub(crate) fn over(self, states: Repository<DeciderFold<D>>) -> Self {
        let store = self.shared.store.clone();
        Self {
            shared: Arc::new(Shared { store, states }),
            ..self
        }
    }

    pub(crate) fn store(&self) -> &Store {
        &self.shared.store
    }

    pub(crate) fn states(&self) -> &Repository<DeciderFold<D>> {
        &self.shared.states
    }

    /// What a command is decided by first.
    pub(crate) fn first_policy(&self) -> LoadPolicy {
        self.policy.unwrap_or(LoadPolicy::Cached)
    }

    /// The state of an aggregate of the store.
    pub(crate) fn load_by(
        &self,
        key: &str,
        policy: LoadPolicy,
    ) -> Result<Versioned<Kept<D>>, eventcask::Error> {
        match policy {
            LoadPolicy::Fresh => self.load_newest(key),
            LoadPolicy::Cached => self.load_kept(key),
            LoadPolicy::AllowStale(age) => {
                let kept = self.load_kept(key)?;
                match kept.confirmed.is_within(age) {
                    true => Ok(kept),
                    false => self.load_newest(key),
                }
            }
        }
    }

    fn load_newest(&self, key: &str) -> Result<Versioned<Kept<D>>, eventcask::Error> {
        let begun = Moment::now();
        let newest = self.shared.states.load(key)?;
        newest.confirmed.again(begun);
        Ok(newest)
    }

    /// The state that is kept, or the newest: each that is kept holds the first event of its shard,
    /// or was there after it.
    fn load_kept(&self, key: &str) -> Result<Versioned<Kept<D>>, eventcask::Error> {
        let first = Place::new(self.shared.store.shard_of(key), 0);
        let at_once = Timeout::Stale(Duration::ZERO);
        self.shared.states.load_at_least(key, first, at_once)
    }
}
