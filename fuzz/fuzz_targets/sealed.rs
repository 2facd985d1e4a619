//! The target `sealed` for libFuzzer.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| eventcask_fuzz::run_both("sealed", bytes));
