//! Reading on: what is stored, and then what is new, alone or in groups.

pub(crate) mod subscription;
pub(crate) mod durable;
pub(crate) mod retry;
pub(crate) mod dispatcher;
pub(crate) mod shared;
pub(crate) mod claim;
pub(crate) mod group;
#[cfg(feature = "stream")]
pub(crate) mod stream;
mod start;

pub use crate::follow::parked::Parked;
pub use claim::Claim;
pub use retry::Retry;
#[cfg(feature = "stream")]
pub use stream::EventStream;
