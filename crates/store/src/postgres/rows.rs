//! Rows to records and back, and what the database's errors mean.

use chrono::{DateTime, Utc};
use parlor_chatkit::{
    FeedbackRecord, Owner, StoreError, TenantId, UserId,
    protocol::{FeedbackKind, ItemId, ThreadId, ThreadItem, ThreadMetadata},
};
use serde::de::DeserializeOwned;
use sqlx::{
    Row as _,
    postgres::{PgDatabaseError, PgRow},
};

use crate::record::{kind_of, parse};

/// The columns that [`thread`] reads.
macro_rules! thread_columns {
    () => {
        "id, title, created_at, status, allowed_image_domains, metadata"
    };
}
pub(super) use thread_columns as THREAD_COLUMNS;

/// A thread; `None` for a row without one.
pub(super) fn thread(row: &PgRow) -> Result<Option<ThreadMetadata>, StoreError> {
    let Some(id) = text(row, "id")? else { return Ok(None) };
    let created_at: DateTime<Utc> = column(row, "created_at")?;
    Ok(Some(ThreadMetadata {
        id: ThreadId::new(id),
        title: text(row, "title")?.map(ToOwned::to_owned),
        created_at: created_at.into(),
        status: json(row, "status", "thread status")?,
        allowed_image_domains: text(row, "allowed_image_domains")?
            .map(|text| parse("image domains", text))
            .transpose()?,
        metadata: json(row, "metadata", "thread metadata")?,
    }))
}

/// An item; `None` for a row without one.
pub(super) fn item(row: &PgRow) -> Result<Option<ThreadItem>, StoreError> {
    text(row, "body")?.map(|body| parse("thread item", body)).transpose()
}

/// One judgement, with the item and the question before it.
pub(super) fn feedback(row: &PgRow) -> Result<FeedbackRecord, StoreError> {
    let question =
        match text(row, "question")?.map(|text| parse("thread item", text)).transpose()? {
            Some(ThreadItem::UserMessage(question)) => Some(question),
            _ => None,
        };
    let given_at: DateTime<Utc> = column(row, "given_at")?;
    Ok(FeedbackRecord {
        owner: Owner::authenticated(
            TenantId::new(required(row, "tenant")?),
            UserId::new(required(row, "usr")?),
        ),
        thread_id: ThreadId::new(required(row, "thread")?),
        item_id: ItemId::new(required(row, "item")?),
        kind: kind_of(required(row, "kind")?).unwrap_or(FeedbackKind::Negative),
        given_at: given_at.into(),
        item: json(row, "body", "thread item")?,
        question,
    })
}

/// A column's text, as the row lends it.
pub(super) fn text<'a>(row: &'a PgRow, name: &str) -> Result<Option<&'a str>, StoreError> {
    row.try_get(name).map_err(failed)
}

pub(super) fn required<'a>(row: &'a PgRow, name: &str) -> Result<&'a str, StoreError> {
    column(row, name)
}

pub(super) fn column<'a, T>(row: &'a PgRow, name: &str) -> Result<T, StoreError>
where
    T: sqlx::Decode<'a, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
{
    row.try_get(name).map_err(failed)
}

pub(super) fn json<T: DeserializeOwned>(
    row: &PgRow,
    name: &str,
    what: &'static str,
) -> Result<T, StoreError> {
    parse(what, required(row, name)?)
}

/// What an error says about the operation and its connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It lost against another operation, left nothing, and can be made again.
    Lost,
    /// The connection is of no use any more.
    Broken,
    /// The operation was refused; the connection is fine.
    Other,
}

pub(super) fn refusal(error: &sqlx::Error) -> Refusal {
    match error {
        sqlx::Error::Database(error) => match error.code().as_deref() {
            // Serialisation failure, deadlock, and our own: a key that was used in the meantime.
            Some("40001" | "40P01" | "PL002") => Refusal::Lost,
            // The server is going down, or has thrown us out.
            Some("57P01" | "57P02" | "57P03" | "57P05" | "25P03") => Refusal::Broken,
            Some(code) if code.starts_with("08") => Refusal::Broken,
            _ => Refusal::Other,
        },
        sqlx::Error::RowNotFound
        | sqlx::Error::ColumnNotFound(_)
        | sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::Decode(_) => Refusal::Other,
        _ => Refusal::Broken,
    }
}

/// Whether trying again later can help decides which error it is.
pub(super) fn failed(error: sqlx::Error) -> StoreError {
    let database = match &error {
        sqlx::Error::Database(error) => error.try_downcast_ref::<PgDatabaseError>(),
        sqlx::Error::RowNotFound
        | sqlx::Error::ColumnNotFound(_)
        | sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::Decode(_)
        | sqlx::Error::Encode(_) => return StoreError::Failed(Box::new(error)),
        // The connection, its TLS, its protocol.
        _ => return StoreError::Unavailable(Box::new(error)),
    };
    let Some(database) = database else { return StoreError::Failed(Box::new(error)) };
    if database.code() == "PL001" {
        return StoreError::DuplicateItem(ItemId::new(database.message()));
    }
    if is_passing(database.code()) {
        StoreError::Unavailable(Box::new(error))
    } else {
        StoreError::Failed(Box::new(error))
    }
}

/// SQLSTATE codes of what passes by itself, or when the operator has seen to it.
/// <https://www.postgresql.org/docs/current/errcodes-appendix.html>
pub(super) fn is_passing(code: &str) -> bool {
    // Connection, resources (full disk, too many connections), system; and logging in, which is
    // only asked of new connections.
    ["08", "53", "58", "28"].iter().any(|class| code.starts_with(class))
        || matches!(
            code,
            // The server starts, stops or was told to end the session.
            "57P01" | "57P02" | "57P03" | "57P05" | "25P03"
            // Statement or lock time-out.
            | "57014" | "55P03"
            // A standby, or a database that was made read-only.
            | "25006"
            // Lost against other operations, again and again.
            | "40001" | "40P01" | "PL002"
            // The database is gone for now.
            | "3D000"
        )
}
