//! See `parlor_fuzz::documents`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| parlor_fuzz::documents(bytes));
