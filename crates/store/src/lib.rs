#![doc = include_str!("../README.md")]

pub mod contract;
mod sqlite;

pub use sqlite::{OpenError, SqliteStore};
