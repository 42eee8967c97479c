//! See `parlor_fuzz::http_response`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| parlor_fuzz::http_response(bytes));
