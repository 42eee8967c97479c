//! Rows to records and back.

use parlor_chatkit::{
    FeedbackRecord, Owner, StoreError, TenantId, UserId,
    protocol::{
        FeedbackKind, ItemFeedback, ItemId, ThreadId, ThreadItem, ThreadMetadata, Timestamp,
    },
};
use rusqlite::Row;

use crate::record::{kind_of, parse};

/// The columns that [`thread`] reads, in its order.
macro_rules! thread_columns {
    () => {
        "id, title, created_at, status, allowed_image_domains, metadata"
    };
}
pub(super) use thread_columns as THREAD_COLUMNS;

pub(super) fn thread(row: &Row<'_>) -> Result<ThreadMetadata, StoreError> {
    let domains = text(row, 4)?;
    Ok(ThreadMetadata {
        id: ThreadId::new(required(row, 0)?),
        title: text(row, 1)?.map(ToOwned::to_owned),
        created_at: Timestamp::from_micros(row.get(2).map_err(failed)?)
            .unwrap_or_else(|| chrono::DateTime::UNIX_EPOCH.into()),
        status: parse("thread status", required(row, 3)?)?,
        allowed_image_domains: domains.map(|text| parse("image domains", text)).transpose()?,
        metadata: parse("thread metadata", required(row, 5)?)?,
    })
}

pub(super) fn item(row: &Row<'_>) -> Result<ThreadItem, StoreError> {
    parse("thread item", required(row, 0)?)
}

/// Items with what their reader thinks of them: the columns that [`judged_item`] reads, and where
/// they come from.
macro_rules! judged {
    () => {
        "items.body, kind, feedback.created_at FROM items LEFT JOIN feedback ON feedback.item_id = \
         items.id"
    };
}
pub(super) use judged as JUDGED;

/// An item with what its reader thinks of it, if it is an answer.
pub(super) fn judged_item(row: &Row<'_>) -> Result<ThreadItem, StoreError> {
    let mut item = item(row)?;
    if let ThreadItem::AssistantMessage(message) = &mut item
        && let Some(kind) = text(row, 1)?.and_then(kind_of)
    {
        message.feedback = Some(ItemFeedback { kind, created_at: time(row, 2)? });
    }
    Ok(item)
}

/// One judgement, with the item and the question before it.
pub(super) fn feedback(row: &Row<'_>) -> Result<FeedbackRecord, StoreError> {
    let question = match text(row, 7)?.map(|text| parse("thread item", text)).transpose()? {
        Some(ThreadItem::UserMessage(question)) => Some(question),
        _ => None,
    };
    Ok(FeedbackRecord {
        item: item(row)?,
        kind: kind_of(required(row, 1)?).unwrap_or(FeedbackKind::Negative),
        given_at: time(row, 2)?,
        item_id: ItemId::new(required(row, 3)?),
        thread_id: ThreadId::new(required(row, 4)?),
        owner: Owner::authenticated(
            TenantId::new(required(row, 5)?),
            UserId::new(required(row, 6)?),
        ),
        question,
    })
}

fn time(row: &Row<'_>, column: usize) -> Result<Timestamp, StoreError> {
    let micros = row.get(column).map_err(failed)?;
    Ok(Timestamp::from_micros(micros).unwrap_or_else(|| chrono::DateTime::UNIX_EPOCH.into()))
}

/// A column's text, as the database lends it.
pub(super) fn text<'a>(row: &'a Row<'_>, column: usize) -> Result<Option<&'a str>, StoreError> {
    let value = row.get_ref(column).map_err(failed)?;
    value.as_str_or_null().map_err(|error| StoreError::Failed(Box::new(error)))
}

pub(super) fn required<'a>(row: &'a Row<'_>, column: usize) -> Result<&'a str, StoreError> {
    Ok(text(row, column)?.unwrap_or_default())
}

/// Whether trying again later can help decides which error it is.
pub(super) fn failed(error: rusqlite::Error) -> StoreError {
    // SQLite's primary result codes: PERM 3, BUSY 5, LOCKED 6, READONLY 8, IOERR 10, FULL 13,
    // CANTOPEN 14. Extended codes hold the primary one in their low byte.
    const PASSING: [i32; 7] = [3, 5, 6, 8, 10, 13, 14];
    let passing =
        error.sqlite_error().is_some_and(|error| PASSING.contains(&(error.extended_code & 0xff)));
    if passing {
        StoreError::Unavailable(Box::new(error))
    } else {
        StoreError::Failed(Box::new(error))
    }
}
