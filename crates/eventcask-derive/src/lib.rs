//! The macros of `eventcask-domain`: events as structs, and sets of them as enums.
//!
//! This crate has one job: to write the implementations of the traits `Event` and `EventSet`. Its
//! only neighbour is `eventcask-domain`, which has the traits, exports the macros, and has their
//! examples; programs name that one. It never reads anything but the item it stands on.

mod arguments;
mod fields;
mod payload;
mod event;
mod event_set;
#[cfg(test)]
mod tests;

use proc_macro::TokenStream;

/// Makes a struct with named fields an event type at one schema version.
///
/// ```text
/// #[event("account.opened", version = 2, prev = OpenedV1, encoding = json, tags = [owner])]
/// struct Opened { owner: String, email: String }
/// ```
///
/// | argument | what it says |
/// | --- | --- |
/// | `"account.opened"` | the name of the event type |
/// | `version = 2` | the version of the schema; 1 unless set |
/// | `prev = OpenedV1` | the event before it, of which `From` makes this one |
/// | `encoding = archive` | how it is stored: as `json`, the default, or `archive`, seen in place |
/// | `tags = [owner]` | fields by which the event is found |
///
/// A tag is called as its field is: who renames the field renames the tag, and finds what is stored
/// by the old name only. A field with `#[event(plain)]` can be of any type that serde knows, and is
/// seen as a reference. An event that has one is read again as soon as it is written, and refused
/// where it can not be.
///
/// For a struct `Opened` the views are of the type `OpenedRef`, whose methods are as visible as the
/// struct, whatever its fields are. A struct without fields is stored as `{}` in JSON.
#[proc_macro_attribute]
pub fn event(arguments: TokenStream, item: TokenStream) -> TokenStream {
    event::expand(arguments.into(), item.into()).into()
}

/// Makes an enum, whose variants hold one event each, a set of events.
///
/// `From` makes the enum of each of its events. For an enum `AccountEvent` the views are an enum
/// `AccountEventRef` with the same variants.
#[proc_macro_derive(EventSet, attributes(event_set))]
pub fn event_set(item: TokenStream) -> TokenStream {
    event_set::expand(item.into()).into()
}
