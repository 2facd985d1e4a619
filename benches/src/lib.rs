//! What the benchmarks share: one workload with a fixed seed, and the allocator of the binaries.
//!
//! Each benchmark prints what it worked on and a hash of what came out, which is the same in every
//! run on every machine. Under `cargo bench` it has its real size; as a test (`cargo test
//! --benches`) it runs once and small.

mod figures;
mod ids;
mod outcome;
mod sums;
mod workload;

pub use figures::{argument, cpu_seconds, print_runs, print_times, thread_cpu_seconds};
pub use ids::{IdOrder, Ids};
pub use outcome::Outcome;
pub use sums::Sums;
pub use workload::{Load, batch, workload};

use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// The seed of all benchmarks.
pub const SEED: u64 = 0x00ca_5c00;

/// `real` under `cargo bench`, `small` where a benchmark runs as a test.
#[must_use]
pub fn size<T>(small: T, real: T) -> T {
    if std::env::args().any(|argument| argument == "--bench") {
        real
    } else {
        small
    }
}
