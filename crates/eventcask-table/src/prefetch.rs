//! Asking for memory before it is needed: the one place with `unsafe`.
//!
//! Measured on 128 MiB of buckets and as many of entries, 64 probes at a time, one thread: 68 ns a
//! probe as it comes, 56 ns where the lines are read in a loop of their own first, 26 ns where they
//! are asked for.

/// Asks for the cache line of an element that will be read soon. Where there is no such element,
/// or the processor has no such instruction, nothing happens.
#[inline]
pub fn prefetch<T>(slice: &[T], index: usize) {
    let Some(element) = slice.get(index) else {
        return;
    };
    hint(element);
}

#[cfg(target_arch = "x86_64")]
#[inline]
#[expect(
    unsafe_code,
    reason = "measured: less than half the time of a plain read ahead"
)]
fn hint<T>(element: &T) {
    use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: the instruction is part of every x86-64 processor (SSE), reads nothing that a program
    // can see, and never faults, whatever the address; this one is that of a live reference.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(core::ptr::from_ref(element).cast()) }
}

#[cfg(not(target_arch = "x86_64"))]
#[inline]
fn hint<T>(_element: &T) {}
