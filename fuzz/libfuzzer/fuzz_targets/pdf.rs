//! See `parlor_fuzz::pdf`.
#![no_main]

use std::sync::Once;

static QUIET: Once = Once::new();

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    // The parser panics where it should give an error, and that is caught. The fuzzer's own hook would end the process
    // there already; a property that does not hold still does, when its panic gets out.
    QUIET.call_once(|| std::panic::set_hook(Box::new(|_| {})));
    parlor_fuzz::pdf(bytes);
});
