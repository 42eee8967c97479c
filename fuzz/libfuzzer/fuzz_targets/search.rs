//! See `parlor_fuzz::search`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| parlor_fuzz::search(bytes));
