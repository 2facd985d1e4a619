//! A store as its clients find it.

use std::sync::Arc;

use eventcask::Store;

use crate::disk::sim_disk::SimDisk;
use crate::model::content::Content;
use crate::model::ledger::Ledger;
use crate::planted::Planted;

/// A store that was just opened, and what it was found to have.
pub(crate) struct Opened<'o> {
    pub(crate) store: &'o Store,
    pub(crate) disk: &'o SimDisk,
    pub(crate) content: &'o Content,
    pub(crate) ledger: &'o Arc<Ledger>,
    pub(crate) planted: Option<Planted>,
}
