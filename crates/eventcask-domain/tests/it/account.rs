//! The example that all tests share: an account, as it is written today.

use eventcask::Store;
use eventcask::storage::MemoryStorage;
use eventcask_domain::prelude::*;

/// An account was opened.
#[event("account.opened", version = 3, prev = OpenedV2, tags = [owner])]
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Opened {
    /// Who owns it.
    pub(crate) owner: String,
    pub(crate) email: Option<String>,
    pub(crate) limits: Vec<u64>,
}

#[event("account.opened", version = 2, prev = OpenedV1)]
pub(crate) struct OpenedV2 {
    pub(crate) owner: String,
    pub(crate) email: String,
}

#[event("account.opened")]
pub(crate) struct OpenedV1 {
    pub(crate) name: String,
}

impl From<OpenedV1> for OpenedV2 {
    fn from(old: OpenedV1) -> Self {
        Self {
            owner: old.name,
            email: String::new(),
        }
    }
}

impl From<OpenedV2> for Opened {
    fn from(old: OpenedV2) -> Self {
        Self {
            owner: old.owner,
            email: (!old.email.is_empty()).then_some(old.email),
            limits: vec![1_000],
        }
    }
}

#[event("account.deposited")]
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Deposited {
    pub(crate) cents: u64,
}

#[event("account.rated", tags = [by, stars])]
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rated {
    pub(crate) by: Option<String>,
    pub(crate) stars: u8,
    pub(crate) weight: f64,
    #[event(plain)]
    pub(crate) place: (i32, i32),
}

#[event("account.closed")]
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Closed;

#[derive(Debug, Clone, PartialEq, EventSet)]
pub(crate) enum AccountEvent {
    Opened(Opened),
    Deposited(Deposited),
    Rated(Rated),
    Closed(Closed),
}

pub(crate) fn opened(owner: &str) -> Opened {
    Opened {
        owner: owner.to_owned(),
        email: None,
        limits: vec![5, 6],
    }
}

pub(crate) fn store() -> Store {
    let options = Store::options().shards(2).seal(false);
    options.open(MemoryStorage::default()).unwrap()
}
