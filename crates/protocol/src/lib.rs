//! The ChatKit wire protocol as Rust types: no I/O, no runtime.
