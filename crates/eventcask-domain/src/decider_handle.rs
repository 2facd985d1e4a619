//! The aggregates of a decider in a store.

use std::fmt::Debug;
use std::sync::Arc;

use eventcask::{AsOf, Store};

use crate::command_id::CommandId;
use crate::command_meta::CommandMeta;
use crate::decider::Decider;
use crate::error::Error;
use crate::execution::Execution;
use crate::loaded::{LoadPolicy, Loaded};
use crate::terms::Terms;

/// The aggregates of a [`Decider`] in a store: carries out commands, and loads states. From
/// [`TypedStore::decider`](crate::TypedStore::decider).
///
/// It is cheap to clone, and any thread may use it. Clones share the states that are kept in memory,
/// so one handle, or clones of it, should serve the whole process.
///
/// # How a command is carried out
///
/// 1. The state is loaded: the one that is kept in memory, or a snapshot and the events after it.
/// 2. The command is decided by it ([`Decider::decide`]).
/// 3. The events are appended, all or none, where the aggregate is still at the version that was
///    decided by.
/// 4. Where it is not, the events that were missed are applied to the state, and it goes on at 2, as
///    often as [`attempts`](Self::attempts) says. So no update is lost, and no rule is broken by
///    two at once.
///
/// A command that is refused, or that emits nothing, is answered by a state that holds every event
/// which was acknowledged before the command began, whatever the policy.
///
/// # Commands that come again
///
/// A command with an id ([`with_id`](Self::with_id)) is carried out once. The ids of its events
/// follow from it, so the store knows a repeat for as long as it knows ids of events: always, unless
/// [`Options::dedup`](eventcask::Options::dedup) sets a window, also after a crash. The repeat gets the
/// first answer. Nothing is stored for that: the state as it was before the command is loaded, and
/// the command is decided by it again, which gives the same reply since decisions are pure. The events
/// are held against those that are stored, in all that they hold: where they differ (the id was used
/// for another command, or the rules have changed since), it is [`Error::RepeatDiffers`], which says
/// where the events are.
///
/// The command itself is not stored. Where another command emits the very same events by the same
/// state, nothing tells it from the first one, and the reply is that of the command which is given
/// now; so it is where the rules have changed in nothing but the reply. A field that is encoded in
/// another order each time, such as a `HashSet`, makes a repeat differ: a `BTreeSet` does not. Of a
/// map, JSON is compared in any order.
///
/// A command that was refused, or that emitted nothing, has left nothing behind by which a repeat
/// could be known: it is decided on anew, and may be carried out then. Where the events of a command
/// were given up ([`Store::truncate_aggregate`]), a repeat is [`Error::AnswerGone`], and once
/// [`Store::reclaim`] has taken them out it is a new command. Where those before them were given up
/// since, the first answer is decided by what is left.
///
/// The key is part of a command's identity, as it is of an event's: the same id for another
/// aggregate is another command, which is decided on by itself.
pub struct DeciderHandle<D: Decider> {
    terms: Terms<D>,
}

impl<D: Decider> Clone for DeciderHandle<D> {
    fn clone(&self) -> Self {
        Self {
            terms: self.terms.clone(),
        }
    }
}

impl<D: Decider> Debug for DeciderHandle<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeciderHandle")
            .field("category", &D::CATEGORY)
            .finish_non_exhaustive()
    }
}

impl<D: Decider> DeciderHandle<D> {
    pub(crate) fn new(store: &Store) -> Self {
        Self {
            terms: Terms::new(store),
        }
    }

    /// The same, for a command that is known by an id: a repeat of it gets the first answer.
    ///
    /// ```
    /// # use eventcask_domain::prelude::*;
    /// # #[event("counted")]
    /// # struct Counted { by: u64 }
    /// # #[derive(EventSet)]
    /// # enum CountEvent { Counted(Counted) }
    /// # #[derive(Default, Clone)]
    /// # struct Count(u64);
    /// # impl Decider for Count {
    /// #   const CATEGORY: &'static str = "count";
    /// #   type Event = CountEvent;
    /// #   type Command = u64;
    /// #   type Reply = u64;
    /// #   type Error = std::convert::Infallible;
    /// #   fn evolve(&mut self, CountEventRef::Counted(event): CountEventRef<'_>) { self.0 += event.by(); }
    /// #   fn decide(cx: &mut Deciding<Self>, by: &u64) -> Result<u64, Self::Error> {
    /// #       cx.emit(Counted { by: *by });
    /// #       Ok(cx.state().0)
    /// #   }
    /// # }
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path())?;
    /// let counts = store.decider::<Count>();
    /// let id = CommandId::from_text("request 7");
    /// let first = counts.with_id(id).execute("a", &5).wait()?;
    /// counts.execute("a", &2).wait()?;
    ///
    /// let again = counts.with_id(id).execute("a", &5).wait()?;
    /// assert_eq!((again.reply, again.version), (first.reply, first.version));
    /// assert!(again.repeated && !first.repeated);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_id(&self, id: CommandId) -> Self {
        let mut same = self.clone();
        same.terms.id = Some(id);
        same
    }

    /// The same, whose events carry this: see [`CommandMeta`].
    #[must_use]
    pub fn with(&self, meta: CommandMeta) -> Self {
        let mut same = self.clone();
        same.terms.meta = Some(Arc::new(meta));
        same
    }

    /// The same, which loads by this policy. By default [`load`](Self::load) is
    /// [`Fresh`](LoadPolicy::Fresh), and [`execute`](Self::execute) begins with what is
    /// [`Cached`](LoadPolicy::Cached), since the append finds out whether that was the newest.
    #[must_use]
    pub fn load_policy(mut self, policy: LoadPolicy) -> Self {
        self.terms.policy = Some(policy);
        self
    }

    /// The same, which decides on a command at most so often, once at least: 500 times by default.
    /// Where others were faster each time, the last conflict is the error.
    #[must_use]
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.terms.attempts = attempts.max(1);
        self
    }

    /// The same, with so many bytes of memory for states: 64 MiB by default, by [`Decider::bytes`].
    /// Nothing is kept yet afterwards, and nothing is shared with those before.
    #[must_use]
    pub fn cache_bytes(self, bytes: u64) -> Self {
        let states = self.terms.states().clone().cache_bytes(bytes);
        Self {
            terms: self.terms.over(states),
        }
    }

    /// The same, with a snapshot of an aggregate after so many events, where
    /// [`Decider::SNAPSHOTS`] says how: 10,000 by default.
    #[must_use]
    pub fn snapshot_every(self, events: u64) -> Self {
        if D::SNAPSHOTS.is_none() {
            return self;
        }
        let states = self.terms.states().clone().snapshot_every(events);
        Self {
            terms: self.terms.over(states),
        }
    }

    /// Carries out a command on the aggregate of a key: loads, decides, and appends, and again where
    /// somebody else was faster. What it returns can be waited for or awaited, and holds the answer.
    ///
    /// The command is decided on, and its events are on their way, when this returns. If what it
    /// returns is dropped, they may be stored or not: it is tried no more.
    ///
    /// ```
    /// # use eventcask_domain::prelude::*;
    /// # #[event("counted")]
    /// # struct Counted { by: u64 }
    /// # #[derive(EventSet)]
    /// # enum CountEvent { Counted(Counted) }
    /// # #[derive(Default, Clone)]
    /// # struct Count(u64);
    /// # impl Decider for Count {
    /// #   const CATEGORY: &'static str = "count";
    /// #   type Event = CountEvent;
    /// #   type Command = u64;
    /// #   type Reply = u64;
    /// #   type Error = std::convert::Infallible;
    /// #   fn evolve(&mut self, CountEventRef::Counted(event): CountEventRef<'_>) { self.0 += event.by(); }
    /// #   fn decide(cx: &mut Deciding<Self>, by: &u64) -> Result<u64, Self::Error> {
    /// #       cx.emit(Counted { by: *by });
    /// #       Ok(cx.state().0)
    /// #   }
    /// # }
    /// async fn count(counts: &DeciderHandle<Count>, by: u64) -> Result<u64, DecideError<std::convert::Infallible>> {
    ///     Ok(counts.execute("a", &by).await?.reply)
    /// }
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path())?;
    /// let counts = store.decider::<Count>();
    /// let done = counts.execute("a", &5).wait()?;
    /// assert_eq!((done.reply, done.version), (5, 1));
    /// assert_eq!(store.aggregate("count-a").version()?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Panics
    /// Where [`Decider::decide`] or [`Decider::evolve`] does.
    pub fn execute<'c>(&self, key: &str, command: &'c D::Command) -> Execution<'c, D> {
        Execution::begin(self.terms.clone(), key_of::<D>(key), command)
    }

    /// The state of an aggregate; the default one where it does not exist.
    ///
    /// ```
    /// # use eventcask_domain::prelude::*;
    /// # #[event("counted")]
    /// # struct Counted { by: u64 }
    /// # #[derive(EventSet)]
    /// # enum CountEvent { Counted(Counted) }
    /// # #[derive(Default, Clone)]
    /// # struct Count(u64);
    /// # impl Decider for Count {
    /// #   const CATEGORY: &'static str = "count";
    /// #   type Event = CountEvent;
    /// #   type Command = u64;
    /// #   type Reply = u64;
    /// #   type Error = std::convert::Infallible;
    /// #   fn evolve(&mut self, CountEventRef::Counted(event): CountEventRef<'_>) { self.0 += event.by(); }
    /// #   fn decide(cx: &mut Deciding<Self>, by: &u64) -> Result<u64, Self::Error> {
    /// #       cx.emit(Counted { by: *by });
    /// #       Ok(cx.state().0)
    /// #   }
    /// # }
    /// # let directory = tempfile::tempdir()?;
    /// # let store = eventcask::open(directory.path())?;
    /// use eventcask::AsOf;
    ///
    /// let counts = store.decider::<Count>();
    /// counts.execute("a", &5).wait()?;
    /// counts.execute("a", &2).wait()?;
    /// assert_eq!(counts.load("a")?.state.0, 7);
    /// assert_eq!(counts.load("b")?.version, 0);
    /// assert_eq!(counts.load_as_of("a", AsOf::Version(1))?.state.0, 5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// An event that can not be read as one of the set, damage, or what the disk said.
    ///
    /// # Panics
    /// Where [`Decider::evolve`] does.
    pub fn load(&self, key: &str) -> Result<Loaded<D>, Error> {
        let key = key_of::<D>(key);
        let loaded = self
            .terms
            .load_by(&key, self.terms.policy.unwrap_or(LoadPolicy::Fresh))?;
        Ok(Loaded::of(&loaded, self.terms.store().shard_of(&key)))
    }

    /// The state of an aggregate as it was at a moment; the default one where it had no event then.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    ///
    /// # Panics
    /// Where [`Decider::evolve`] does.
    pub fn load_as_of(&self, key: &str, moment: AsOf) -> Result<Loaded<D>, Error> {
        let key = key_of::<D>(key);
        let loaded = self.terms.states().load_as_of(&key, moment)?;
        Ok(Loaded::of(&loaded, self.terms.store().shard_of(&key)))
    }

    /// The key of an aggregate in the store, as everything else of the store has it: `account-42`.
    #[must_use]
    pub fn key(key: &str) -> String {
        key_of::<D>(key)
    }
}

fn key_of<D: Decider>(key: &str) -> String {
    format!("{}-{key}", D::CATEGORY)
}
