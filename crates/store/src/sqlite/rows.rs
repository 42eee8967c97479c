//! Rows to records and back.

use parlor_chatkit::{
    StoreError,
    protocol::{Page, ThreadId, ThreadItem, ThreadMetadata, Timestamp},
};
use serde::{Serialize, de::DeserializeOwned};
use sqlx::{Row as _, sqlite::SqliteRow};

/// The columns that [`thread`] reads, in its order.
macro_rules! thread_columns {
    () => {
        "id, title, created_at, status, allowed_image_domains, metadata"
    };
}
pub(super) use thread_columns as THREAD_COLUMNS;

pub(super) fn thread(row: &SqliteRow) -> Result<ThreadMetadata, StoreError> {
    let domains: Option<&str> = row.get(4);
    Ok(ThreadMetadata {
        id: ThreadId::new(row.get::<&str, _>(0)),
        title: row.get(1),
        created_at: Timestamp::from_micros(row.get(2))
            .unwrap_or_else(|| chrono::DateTime::UNIX_EPOCH.into()),
        status: parse("thread status", row.get(3))?,
        allowed_image_domains: domains.map(|text| parse("image domains", text)).transpose()?,
        metadata: parse("thread metadata", row.get(5))?,
    })
}

pub(super) fn item(row: &SqliteRow) -> Result<ThreadItem, StoreError> {
    parse("thread item", row.get(0))
}

/// A page from one row more than it holds.
pub(super) fn items_page(rows: &[SqliteRow], limit: usize) -> Result<Page<ThreadItem>, StoreError> {
    let has_more = rows.len() > limit;
    let data = rows.iter().take(limit).map(item).collect::<Result<Vec<_>, _>>()?;
    let after =
        has_more.then(|| data.last().and_then(ThreadItem::id).map(|id| id.to_string())).flatten();
    Ok(Page { data, has_more, after })
}

pub(super) fn json(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|source| StoreError::Corrupt { what: "value", source })
}

fn parse<T: DeserializeOwned>(what: &'static str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|source| StoreError::Corrupt { what, source })
}

/// Whether trying again later can help decides which error it is.
pub(super) fn failed(error: sqlx::Error) -> StoreError {
    // SQLite's primary result codes: PERM 3, BUSY 5, LOCKED 6, READONLY 8, IOERR 10, FULL 13,
    // CANTOPEN 14. Extended codes hold the primary one in their low byte.
    const PASSING: [i32; 7] = [3, 5, 6, 8, 10, 13, 14];
    let passing = match &error {
        sqlx::Error::Database(database) => database
            .code()
            .and_then(|code| code.parse::<i32>().ok())
            .is_some_and(|code| PASSING.contains(&(code & 0xff))),
        sqlx::Error::Io(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        _ => false,
    };
    if passing {
        StoreError::Unavailable(Box::new(error))
    } else {
        StoreError::Failed(Box::new(error))
    }
}
