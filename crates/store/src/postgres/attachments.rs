//! What is known of the files that users send along.

use chrono::{DateTime, Utc};
use parlor_chatkit::{
    AttachmentRecord, AttachmentState, DoomedAttachment, Owner, StoreError, TenantId, UnsentQuota,
    UploadedFile, UserId,
    protocol::{AttachmentId, ThreadId},
};
use sqlx::postgres::{PgArguments, PgRow};

use super::{
    arguments, known,
    rows::{column, required, text},
    storable,
};

/// The columns that [`record`] reads.
macro_rules! attachment_columns {
    () => {
        "id, name, mime_type, size, state, has_preview, thread_id, created_at, stored_for"
    };
}
pub(super) use attachment_columns as ATTACHMENT_COLUMNS;

pub(super) fn record(row: &PgRow) -> Result<AttachmentRecord, StoreError> {
    let state = match required(row, "state")? {
        "uploaded" => AttachmentState::Uploaded { has_preview: column(row, "has_preview")? },
        _ => AttachmentState::Waiting,
    };
    let (size, created_at): (i64, DateTime<Utc>) =
        (column(row, "size")?, column(row, "created_at")?);
    Ok(AttachmentRecord {
        id: AttachmentId::new(required(row, "id")?),
        name: required(row, "name")?.to_owned(),
        mime_type: required(row, "mime_type")?.to_owned(),
        size: u64::try_from(size).unwrap_or(0),
        state,
        thread_id: text(row, "thread_id")?.map(ThreadId::new),
        created_at: created_at.into(),
        stored_for: text(row, "stored_for")?.map(UserId::new),
    })
}

/// Who was authenticated when the record was made.
pub(super) fn owner(row: &PgRow) -> Result<Owner, StoreError> {
    let (tenant, user) = (required(row, "tenant")?, required(row, "usr")?);
    Ok(Owner::authenticated(TenantId::new(tenant), UserId::new(user)))
}

/// A file that is gone for its owner.
pub(super) fn doomed(row: &PgRow) -> Result<DoomedAttachment, StoreError> {
    Ok(DoomedAttachment {
        owner: owner(row)?,
        id: AttachmentId::new(required(row, "id")?),
        stored_for: text(row, "stored_for")?.map(UserId::new),
    })
}

/// `bigint` has a sign; no file is that large.
fn bytes(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

pub(super) fn create_arguments(
    owner: &Owner,
    record: &AttachmentRecord,
    quota: UnsentQuota,
) -> Result<PgArguments, StoreError> {
    arguments![
        owner.tenant().as_str(),
        owner.user().as_str(),
        record.id.as_str(),
        storable(&record.name),
        storable(&record.mime_type),
        bytes(record.size),
        record.created_at.as_datetime(),
        i64::from(quota.files),
        // May be larger than `bigint`.
        quota.bytes.to_string(),
    ]
}

pub(super) fn complete_arguments(
    owner: &Owner,
    id: &AttachmentId,
    uploaded: &UploadedFile,
) -> Result<PgArguments, StoreError> {
    arguments![
        owner.tenant().as_str(),
        owner.user().as_str(),
        known(id.as_str()),
        bytes(uploaded.size),
        uploaded.mime_type.as_str(),
        uploaded.has_preview,
    ]
}

pub(super) fn arguments_of(owner: &Owner, id: &AttachmentId) -> Result<PgArguments, StoreError> {
    arguments![owner.tenant().as_str(), owner.user().as_str(), known(id.as_str())]
}
