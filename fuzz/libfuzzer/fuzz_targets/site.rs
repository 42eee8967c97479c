//! See `parlor_fuzz::site`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| parlor_fuzz::site(bytes));
