//! What a set declares.

use eventcask_domain::EventSchema;
use eventcask_domain::prelude::*;

use crate::account::{AccountEvent, Opened};

#[test]
fn a_set_lists_its_event_types_once_each() {
    let types = [
        "account.opened",
        "account.deposited",
        "account.rated",
        "account.closed",
    ];
    assert_eq!(AccountEvent::TYPES, types);
}

#[test]
fn a_chain_is_listed_from_the_newest_on() {
    let versions: Vec<u32> = Opened::SCHEMA
        .prev
        .into_iter()
        .flat_map(EventSchema::chain)
        .map(|schema| schema.version)
        .collect();
    assert_eq!((Opened::SCHEMA.version, versions), (3, vec![2, 1]));
    assert_eq!(Opened::SCHEMA.chain_len(), 3);
}

#[event("account.moved", version = 2, prev = Relocated)]
struct Moved {
    to: String,
}

#[event("account.relocated")]
struct Relocated {
    to: String,
}

impl From<Relocated> for Moved {
    fn from(old: Relocated) -> Self {
        Self { to: old.to }
    }
}

#[derive(EventSet)]
enum Moves {
    Moved(Moved),
}

#[test]
fn a_type_that_was_renamed_is_listed_under_both_names() {
    assert_eq!(Moves::TYPES, ["account.moved", "account.relocated"]);
}

/// Names of a program that are those of the standard library's derives mean what the program says.
mod names_of_its_own {
    use eventcask_domain::{EventSet, EventSet as Debug, EventSet as Clone, EventSet as Copy};

    #[derive(EventSet)]
    pub(super) enum Own {
        Relocated(super::Relocated),
    }

    pub(super) fn types<S: Debug + Clone + Copy>() -> &'static [&'static str] {
        S::TYPES
    }
}

#[test]
fn a_set_does_not_depend_on_what_names_mean_around_it() {
    use names_of_its_own::{Own, types};
    assert_eq!(types::<Own>(), ["account.relocated"]);
}
