#![doc = include_str!("../README.md")]

pub mod contract;
mod files;
mod sqlite;

pub use files::{FileStore, OpenFilesError, S3Config};
pub use sqlite::{OpenError, SqliteStore};
