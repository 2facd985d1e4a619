//! Opens stores, and tells how their errors end a command.

use eventcask::{Error, Store, StoreReader};

use crate::args::Global;
use crate::failure::Failure;
use crate::output::escaped;

/// The directory of the store, fit for a terminal.
pub(super) fn shown(global: &Global) -> String {
    escaped(&global.store.display().to_string()).into_owned()
}

/// The store, for reading only: a writer may be at work.
pub(super) fn open_to_read(global: &Global) -> Result<StoreReader, Failure> {
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

/// How an error of the engine ends a command.
pub(super) fn failure(error: &Error) -> Failure {
    Failure::of(error)
}
