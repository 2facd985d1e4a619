//! What is found, held against what must be there.

pub(crate) mod facts;
pub(crate) mod repeats;
pub(crate) mod judge;
pub(crate) mod order;
pub(crate) mod view;
