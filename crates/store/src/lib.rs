#![doc = include_str!("../README.md")]

pub mod contract;
mod files;
#[cfg(test)]
mod filling;
mod grants;
mod limits;
mod logins;
mod migrations;
mod operator;
#[cfg(feature = "postgres")]
mod postgres;
mod record;
mod sqlite;
mod usage;

pub use files::{FileStore, OpenFilesError, S3Config};
pub use grants::{
    AttemptId, ClientId, Grant, GrantAttempt, GrantServer, GrantStore, RefreshedGrant, Revision,
};
pub use limits::{
    Allowance, Charge, Charged, CounterId, LimitStore, OpenId, Opening, Refusal, Slots, Use, Window,
};
pub use logins::{Login, LoginId, LoginStore, RefreshedLogin};
pub use operator::{
    Aged, Ages, AuditEntry, AuditQuery, Erased, Expired, GivenFeedback, Holdings, MovedVisitor,
    OperatorStore, RecordedAct, UnfinishedMove,
};
#[cfg(feature = "postgres")]
pub use postgres::{PostgresError, PostgresSettings, PostgresStore, Rights, describe_metrics};
pub use sqlite::{OpenError, SqliteStore};
pub use usage::{UsageQuery, UsageRecord, UsageStore, UsageSum, Used};
