#![doc = include_str!("../README.md")]

pub mod contract;
mod files;
#[cfg(test)]
mod filling;
mod logins;
mod migrations;
#[cfg(feature = "postgres")]
mod postgres;
mod record;
mod sqlite;

pub use files::{FileStore, OpenFilesError, S3Config};
pub use logins::{Login, LoginId, LoginStore, RefreshedLogin};
#[cfg(feature = "postgres")]
pub use postgres::{PostgresError, PostgresSettings, PostgresStore, Rights, describe_metrics};
pub use sqlite::{OpenError, SqliteStore};
