//! The decider that the tests of decisions share: a bank account with a few more things to ask for.

use eventcask::Store;
use eventcask::projection::Snapshot;
use eventcask::storage::MemoryStorage;
use eventcask_domain::prelude::*;

#[event("account.opened")]
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Opened {
    pub(crate) owner: String,
}

#[event("account.deposited")]
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Deposited {
    pub(crate) cents: u64,
}

#[event("account.withdrawn")]
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Withdrawn {
    pub(crate) cents: u64,
}

#[derive(Debug, Clone, PartialEq, EventSet)]
pub(crate) enum AccountEvent {
    Opened(Opened),
    Deposited(Deposited),
    Withdrawn(Withdrawn),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Command {
    Open,
    /// Opens it unless it is open: nothing happens then.
    Ensure,
    Deposit(u64),
    Withdraw(u64),
    /// So many deposits of one cent.
    Coins(u64),
    Nothing,
}

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("the account is not open")]
    NotOpen,
    #[error("only {0} cents are there")]
    TooLittle(u64),
}

#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct Account {
    pub(crate) open: bool,
    pub(crate) cents: u64,
    pub(crate) movements: u64,
}

impl Snapshot for Account {
    fn encode(&self, bytes: &mut Vec<u8>) {
        (self.open, self.cents, self.movements).encode(bytes);
    }

    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        let (open, cents, movements) = Snapshot::decode(bytes)?;
        Some(Self {
            open,
            cents,
            movements,
        })
    }
}

impl Decider for Account {
    const CATEGORY: &'static str = "account";
    const SNAPSHOTS: Option<Snapshots<Self>> = Some(Snapshots::named("balance", 1));
    type Event = AccountEvent;
    type Command = Command;
    type Reply = u64;
    type Error = Refused;

    fn evolve(&mut self, event: AccountEventRef<'_>) {
        self.movements += 1;
        match event {
            AccountEventRef::Opened(_) => self.open = true,
            AccountEventRef::Deposited(event) => self.cents += event.cents(),
            AccountEventRef::Withdrawn(event) => self.cents -= event.cents(),
        }
    }

    fn decide(cx: &mut Deciding<Self>, command: &Command) -> Result<u64, Refused> {
        let there = cx.state().cents;
        match *command {
            Command::Nothing => {}
            Command::Open => cx.emit(opened()),
            Command::Ensure if cx.state().open => {}
            Command::Ensure => cx.emit(opened()),
            _ if !cx.state().open => return Err(Refused::NotOpen),
            Command::Deposit(cents) => cx.emit(Deposited { cents }),
            Command::Withdraw(cents) if cents > there => return Err(Refused::TooLittle(there)),
            Command::Withdraw(cents) => cx.emit(Withdrawn { cents }),
            Command::Coins(coins) => (0..coins).for_each(|_| cx.emit(Deposited { cents: 1 })),
        }
        Ok(cx.state().cents)
    }
}

/// Another category with the same events, and another kind of state.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct Savings(pub(crate) u64);

impl Snapshot for Savings {
    fn encode(&self, bytes: &mut Vec<u8>) {
        self.0.encode(bytes);
    }

    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        Some(Self(u64::decode(bytes)?))
    }
}

impl Decider for Savings {
    const CATEGORY: &'static str = "savings";
    const SNAPSHOTS: Option<Snapshots<Self>> = Some(Snapshots::named("balance", 1));
    type Event = AccountEvent;
    type Command = u64;
    type Reply = u64;
    type Error = std::convert::Infallible;

    fn evolve(&mut self, event: AccountEventRef<'_>) {
        if let AccountEventRef::Deposited(event) = event {
            self.0 += event.cents();
        }
    }

    fn decide(cx: &mut Deciding<Self>, cents: &u64) -> Result<u64, Self::Error> {
        cx.emit(Deposited { cents: *cents });
        Ok(cx.state().0)
    }
}

/// How many events each account has.
pub(crate) struct Movements;

impl PerAggregate for Movements {
    const NAME: &'static str = "movements";
    const VERSION: u32 = 1;
    type Event = AccountEvent;
    type Value = u64;

    fn apply(&self, count: &mut u64, _: AccountEventRef<'_>) {
        *count += 1;
    }
}

pub(crate) fn opened() -> Opened {
    Opened {
        owner: "Ada".to_owned(),
    }
}

/// What a crash leaves of a store is a copy of its files.
pub(crate) fn open(storage: &MemoryStorage) -> Store {
    let options = Store::options().shards(2).seal(false);
    options.open(storage.clone()).unwrap()
}

/// A store with an account that is open.
pub(crate) fn bank() -> (MemoryStorage, Store, DeciderHandle<Account>) {
    let storage = MemoryStorage::default();
    let store = open(&storage);
    let accounts = store.decider::<Account>();
    accounts.execute("42", &Command::Open).wait().unwrap();
    (storage, store, accounts)
}

pub(crate) fn id(number: u128) -> CommandId {
    CommandId::from_u128(number)
}
