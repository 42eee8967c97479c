//! The Parlor server: library and binary.
