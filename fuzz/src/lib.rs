//! Hostile bytes for every decoder of eventcask.
//!
//! This crate has one job: to show that no bytes make a decoder panic, take memory beyond its
//! bound, go on for ever, or contradict itself. Its main table is [`TARGETS`], one function a
//! format; [`Hunt`] mutates the files in `corpus/` and [`repair`] makes checksums right again,
//! so that mutations reach beyond them. The tests run it for seconds, `scripts/fuzz` for as long
//! as one likes. It knows the crates behind the facade, since that is where the decoders are;
//! nothing depends on it.
//!
//! ```
//! let manifest = eventcask_fuzz::target("manifest").expect("it is in the table");
//! assert!(!(manifest.run)(b"ECASKMAN and then nothing of use"));
//! ```

mod bytes;
mod bound;
pub mod corpus;
pub mod repair;
mod mutator;
mod hunt;
mod targets;

pub use hunt::{Counts, Finding, Hunt};
pub use mutator::mutate;
pub use repair::Repair;
pub use targets::{
    block, csv, framed, manifest, ndjson, packed, payloads, sealed, sections, segment, store,
    view_spec, view_state,
};

/// Longer inputs are cut: all that has a length is met far below, and small inputs are fast.
pub const MAX_INPUT_BYTES: usize = 64 << 10;

/// A decoder under attack.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, and that of its folder in the corpus.
    pub name: &'static str,
    /// Decodes bytes and asserts what must hold; says whether they were taken as good.
    pub run: fn(&[u8]) -> bool,
    /// Puts checksums right again.
    pub repair: fn(&mut Vec<u8>, Repair),
}

const fn entry(
    name: &'static str,
    run: fn(&[u8]) -> bool,
    repair: fn(&mut Vec<u8>, Repair),
) -> Target {
    Target { name, run, repair }
}

/// All targets.
pub const TARGETS: &[Target] = &[
    entry("block", block, repair::block),
    entry("segment", segment, repair::segment),
    entry("sealed", sealed, repair::sealed),
    entry("store", store, repair::segment),
    entry("manifest", manifest, repair::manifest),
    entry("framed", framed, repair::framed),
    entry("view_state", view_state, repair::view_state),
    entry("view_spec", view_spec, repair::text),
    entry("payloads", payloads, repair::text),
    entry("ndjson", ndjson, repair::text),
    entry("csv", csv, repair::text),
    entry("packed", packed, repair::nothing),
    entry("sections", sections, repair::nothing),
];

/// The target of this name.
#[must_use]
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

/// Runs a target on bytes as they are, and again repaired: for fuzzers that mutate by themselves.
///
/// # Panics
/// When there is no target of this name, and when the target finds something.
pub fn run_both(name: &str, bytes: &[u8]) {
    let target = target(name).expect("the target is in the table");
    let bytes = &bytes[..bytes.len().min(MAX_INPUT_BYTES)];
    (target.run)(bytes);
    for how in [Repair::Seal, Repair::Mend] {
        let mut repaired = bytes.to_vec();
        (target.repair)(&mut repaired, how);
        if repaired != bytes {
            (target.run)(&repaired);
        }
    }
}
