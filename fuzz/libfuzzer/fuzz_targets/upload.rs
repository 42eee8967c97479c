//! See `parlor_fuzz::upload`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| parlor_fuzz::upload(bytes));
