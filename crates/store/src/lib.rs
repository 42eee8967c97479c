//! Stores for ChatKit threads.
