//! See `parlor_fuzz::model_stream`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| parlor_fuzz::model_stream(bytes));
