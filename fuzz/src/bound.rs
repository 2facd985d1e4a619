//! Memory that a decoder may take.

/// Runs `decode` and holds it to a number of bytes at any one time, on this thread.
///
/// What the zstd library takes for itself is not counted: its window is capped where it is used.
pub(crate) fn bounded<T>(bytes_max: usize, decode: impl FnOnce() -> T) -> T {
    let mut outcome = None;
    let used = allocation_counter::measure(|| outcome = Some(decode()));
    assert!(
        used.bytes_max <= bytes_max as u64,
        "{} bytes were taken at once, and {bytes_max} is the bound",
        used.bytes_max
    );
    outcome.expect("the closure ran")
}
