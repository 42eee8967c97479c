//! See `parlor_fuzz::widget_diff`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| parlor_fuzz::widget_diff(bytes));
