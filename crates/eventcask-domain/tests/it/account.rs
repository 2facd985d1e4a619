//! The example that all tests share: an account, as it is written today.

use eventcask::Store;
use eventcask::storage::MemoryStorage;
use eventcask_domain::prelude::*;

/// An account was opened.
#[event("account.opened", version = 3, prev = OpenedV2, tags = [owner])]
#[derive(Debug, Clone, PartialEq)]
pub struct Opened {
    /// Who owns it.
    pub owner: String,
    pub email: Option<String>,
    pub limits: Vec<u64>,
}

#[event("account.opened", version = 2, prev = OpenedV1)]
pub struct OpenedV2 {
    pub owner: String,
    pub email: String,
}

#[event("account.opened")]
pub struct OpenedV1 {
    pub name: String,
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
pub struct Deposited {
    pub cents: u64,
}

#[event("account.rated", tags = [by, stars])]
#[derive(Debug, Clone, PartialEq)]
pub struct Rated {
    pub by: Option<String>,
    pub stars: u8,
    pub weight: f64,
    #[event(plain)]
    pub place: (i32, i32),
}

#[event("account.closed")]
#[derive(Debug, Clone, PartialEq)]
pub struct Closed;

#[derive(Debug, Clone, PartialEq, EventSet)]
pub enum AccountEvent {
    Opened(Opened),
    Deposited(Deposited),
    Rated(Rated),
    Closed(Closed),
}

pub fn opened(owner: &str) -> Opened {
    Opened {
        owner: owner.to_owned(),
        email: None,
        limits: vec![5, 6],
    }
}

pub fn store() -> Store {
    let options = Store::options().shards(2).seal(false);
    options.open(MemoryStorage::default()).unwrap()
}
