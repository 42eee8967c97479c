//! See `parlor_fuzz::agent_run`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| parlor_fuzz::agent_run(bytes));
