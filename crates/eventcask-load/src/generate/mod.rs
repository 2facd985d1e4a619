//! Events that are made up, for load: the same seed makes the same ones.
//!
//! What is costly is drawn before the clock starts: a ring of aggregates' keys ([`Aggregates`],
//! through [`Zipf`]) and a pool of payloads ([`Payloads`]). An event is then the next of each, and
//! the next of its [`Ids`]: a [`Generator`] gives it out.

mod random;
mod zipf;
mod aggregates;
mod payloads;
mod key;
mod ids;
mod generator;

pub use aggregates::{Aggregates, Skew};
pub use generator::{Generator, Made, Recipe};
pub use ids::Ids;
pub use key::Key;
pub use payloads::{PayloadKind, Payloads};
pub use random::{Checksum, Random};
pub use zipf::Zipf;
