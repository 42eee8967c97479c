#![doc = include_str!("../README.md")]

pub mod contract;
mod files;
mod migrations;
#[cfg(feature = "postgres")]
mod postgres;
mod record;
mod sqlite;

pub use files::{FileStore, OpenFilesError, S3Config};
#[cfg(feature = "postgres")]
pub use postgres::{PostgresError, PostgresSettings, PostgresStore, Rights, describe_metrics};
pub use sqlite::{OpenError, SqliteStore};
