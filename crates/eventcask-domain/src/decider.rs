//! What decides by the state of an aggregate: commands in, events out.

use std::fmt::Debug;
use std::sync::Arc;

use crate::event_set::EventSet;
use crate::snapshots::Snapshots;

/// An aggregate of one category: the state that its rules need to know, how events change it, and
/// how a command is decided by it. `Self` is the state; that of an aggregate without events is the
/// default one.
///
/// Both functions are pure: they look at nothing but what they are given, so the same events and the
/// same command give the same decision. What else a decision needs, such as the time or a random
/// number, belongs into the command. By that a decision is made anew where somebody else was faster,
/// a repeated command is given its first answer, and rules are tested without a store (see
/// [`testing`](crate::testing)).
///
/// ```
/// use eventcask_domain::prelude::*;
///
/// #[event("account.deposited")]
/// struct Deposited { cents: u64 }
///
/// #[event("account.withdrawn")]
/// struct Withdrawn { cents: u64 }
///
/// #[derive(EventSet)]
/// enum AccountEvent { Deposited(Deposited), Withdrawn(Withdrawn) }
///
/// enum Command { Deposit(u64), Withdraw(u64) }
///
/// #[derive(Debug, PartialEq, thiserror::Error)]
/// #[error("only {0} cents are there")]
/// struct TooLittle(u64);
///
/// #[derive(Default, Clone)]
/// struct Account { cents: u64 }
///
/// impl Decider for Account {
///     const CATEGORY: &'static str = "account";
///     type Event = AccountEvent;
///     type Command = Command;
///     type Reply = u64;
///     type Error = TooLittle;
///
///     fn evolve(&mut self, event: AccountEventRef<'_>) {
///         match event {
///             AccountEventRef::Deposited(event) => self.cents += event.cents(),
///             AccountEventRef::Withdrawn(event) => self.cents -= event.cents(),
///         }
///     }
///
///     fn decide(cx: &mut Deciding<Self>, command: &Command) -> Result<u64, TooLittle> {
///         let there = cx.state().cents;
///         match *command {
///             Command::Deposit(cents) => cx.emit(Deposited { cents }),
///             Command::Withdraw(cents) if cents > there => return Err(TooLittle(there)),
///             Command::Withdraw(cents) => cx.emit(Withdrawn { cents }),
///         }
///         Ok(cx.state().cents) // what is emitted has been applied already
///     }
/// }
///
/// # let directory = tempfile::tempdir()?;
/// # let store = eventcask::open(directory.path())?;
/// let accounts = store.decider::<Account>();
/// assert_eq!(accounts.execute("42", &Command::Deposit(500)).wait()?.reply, 500);
///
/// let refused = accounts.execute("42", &Command::Withdraw(900)).wait();
/// assert_eq!(refused.unwrap_err().refused(), Some(&TooLittle(500)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Decider: Default + Clone + Send + Sync + 'static {
    /// What its aggregates are called: `42` of the category `account` has the key `account-42`. It
    /// has no `-`, which a build fails by: two categories would share keys.
    const CATEGORY: &'static str;

    /// The events that it knows.
    type Event: EventSet;

    /// What can be asked for.
    type Command;

    /// What a command is answered that was carried out.
    type Reply;

    /// Why the rules refuse a command; [`Infallible`](std::convert::Infallible) where they never do.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Whether events of the aggregate that are of other types are passed over: see
    /// [`Fold::PASSES_OTHERS`](crate::Fold::PASSES_OTHERS).
    const PASSES_OTHERS: bool = false;

    /// How the state is kept in snapshots, if it is: see [`Snapshots`].
    const SNAPSHOTS: Option<Snapshots<Self>> = None;

    /// Takes in an event. It happened, so there is nothing to refuse.
    fn evolve(&mut self, event: <Self::Event as EventSet>::Ref<'_>);

    /// Decides on a command: emits the events that carry it out, if any, and answers it.
    ///
    /// # Errors
    /// Why it is refused; nothing that was emitted is stored then.
    fn decide(cx: &mut Deciding<Self>, command: &Self::Command)
    -> Result<Self::Reply, Self::Error>;

    /// Bytes of memory that the state takes, about, by which the states that are kept are bounded.
    /// States that hold memory of their own, such as texts and tables, should count it.
    fn bytes(&self) -> usize {
        size_of_val(self)
    }
}

/// What [`Decider::decide`] decides by, and where it puts the events: a state to look at, in which
/// what was emitted has been applied already.
///
/// ```
/// # use eventcask_domain::prelude::*;
/// # #[event("counted")]
/// # struct Counted { by: u64 }
/// # #[derive(EventSet)]
/// # enum CountEvent { Counted(Counted) }
/// #[derive(Default, Clone)]
/// struct Count(u64);
///
/// impl Decider for Count {
/// #   const CATEGORY: &'static str = "count";
/// #   type Event = CountEvent;
/// #   type Command = u64;
/// #   type Reply = u64;
/// #   type Error = std::convert::Infallible;
/// #   fn evolve(&mut self, CountEventRef::Counted(event): CountEventRef<'_>) { self.0 += event.by(); }
///     // ...
///     fn decide(cx: &mut Deciding<Self>, to: &u64) -> Result<u64, Self::Error> {
///         while cx.state().0 < *to {
///             cx.emit(Counted { by: 1 });
///         }
///         Ok(cx.state().0)
///     }
/// }
///
/// # let directory = tempfile::tempdir()?;
/// # let store = eventcask::open(directory.path())?;
/// let counts = store.decider::<Count>();
/// assert_eq!(counts.execute("a", &3).wait()?.events.len(), 3);
/// assert_eq!(counts.execute("a", &2).wait()?.events.len(), 0); // it is 3 already
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Deciding<D: Decider> {
    /// Copied when the first event is applied, so that a command without events copies nothing.
    state: Arc<D>,
    events: Vec<D::Event>,
}

impl<D: Decider> Deciding<D> {
    pub(crate) fn by(state: Arc<D>) -> Self {
        Self {
            state,
            events: Vec::new(),
        }
    }

    /// The state, with all that was emitted so far.
    #[must_use]
    pub fn state(&self) -> &D {
        &self.state
    }

    /// Says that something happens: the event is applied to the state at once, and stored with the
    /// others of this decision, all or none.
    pub fn emit(&mut self, event: impl Into<D::Event>) {
        let event = event.into();
        Arc::make_mut(&mut self.state).evolve(event.view());
        self.events.push(event);
    }

    pub(crate) fn into_parts(self) -> (Arc<D>, Vec<D::Event>) {
        (self.state, self.events)
    }
}

impl<D: Decider> Debug for Deciding<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let events = self.events.iter().map(EventSet::view);
        f.debug_list().entries(events).finish()
    }
}
