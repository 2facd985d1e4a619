//! Opens stores, and tells how their errors end a command.

use eventcask::{Error, ErrorKind, Store};

use crate::args::Global;
use crate::failure::Failure;
use crate::output::escaped;

/// The directory of the store, fit for a terminal.
pub(super) fn shown(global: &Global) -> String {
    escaped(&global.store.display().to_string()).into_owned()
}

/// The store, for reading only: a writer may be at work.
pub(super) fn open_to_read(global: &Global) -> Result<Store, Failure> {
    Store::options()
        .open_read_only(&global.store)
        .map_err(|error| failure(&error))
}

/// The store, for writing; it has to be there.
pub(super) fn open_to_write(global: &Global) -> Result<Store, Failure> {
    Store::options()
        .create(false)
        .open(&global.store)
        .map_err(|error| failure(&error))
}

/// How an error of the engine ends a command: what the person can set right is bad input.
pub(super) fn failure(error: &Error) -> Failure {
    let sentence = error.to_string();
    match error.kind() {
        ErrorKind::Invalid
        | ErrorKind::IdConflict
        | ErrorKind::Locked
        | ErrorKind::NewerFormat
        | ErrorKind::NotAStore
        | ErrorKind::UnknownSubscription
        | ErrorKind::UnknownView => Failure::Input(sentence),
        ErrorKind::UnknownAggregate => Failure::No(sentence),
        _ => Failure::Engine(sentence),
    }
}
