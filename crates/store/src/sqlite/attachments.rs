//! What is known of the files that users send along.

use parlor_chatkit::{
    AttachmentRecord, AttachmentState, BeginOutcome, DeleteAttachmentOutcome, DoomedAttachment,
    Owner, SignedLink, StoreError, TenantId, UnsentQuota, UploadedFile, UserId,
    protocol::{AttachmentId, ItemId, ThreadId, ThreadItem, Timestamp},
};
use rusqlite::{Connection, Row, named_params, params};

use super::{
    all, execute, one,
    rows::{failed, required, text},
};
use crate::record::{attachments_of, json};

/// The columns that [`record`] reads, in its order.
macro_rules! attachment_columns {
    () => {
        "id, name, mime_type, size, state, has_preview, thread_id, created_at, stored_for"
    };
}

pub(super) use attachment_columns as ATTACHMENT_COLUMNS;

pub(super) fn record(row: &Row<'_>) -> Result<AttachmentRecord, StoreError> {
    let state = match required(row, 4)? {
        "uploaded" => AttachmentState::Uploaded { has_preview: row.get(5).map_err(failed)? },
        _ => AttachmentState::Waiting,
    };
    let size: i64 = row.get(3).map_err(failed)?;
    Ok(AttachmentRecord {
        id: AttachmentId::new(required(row, 0)?),
        name: required(row, 1)?.to_owned(),
        mime_type: required(row, 2)?.to_owned(),
        size: u64::try_from(size).unwrap_or(0),
        state,
        thread_id: text(row, 6)?.map(ThreadId::new),
        created_at: Timestamp::from_micros(row.get(7).map_err(failed)?)
            .unwrap_or_else(|| chrono::DateTime::UNIX_EPOCH.into()),
        stored_for: text(row, 8)?.map(UserId::new),
    })
}

/// SQLite's integers have a sign; no file is that large.
fn bytes(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

pub(super) fn create(
    connection: &Connection,
    owner: &Owner,
    record: &AttachmentRecord,
    quota: UnsentQuota,
) -> Result<bool, StoreError> {
    let unsent = one(
        connection,
        // Not SUM, which fails when it overflows.
        "SELECT COUNT(*), CAST(TOTAL(size) AS INTEGER) FROM attachments WHERE tenant_id = ?1 AND \
         user_id = ?2 AND thread_id IS NULL AND state <> 'doomed'",
        params![owner.tenant().as_str(), owner.user().as_str()],
        |row| {
            let (files, bytes): (i64, i64) =
                (row.get(0).map_err(failed)?, row.get(1).map_err(failed)?);
            Ok((files, u64::try_from(bytes).unwrap_or(0)))
        },
    )?;
    let (files, unsent_bytes) = unsent.unwrap_or_default();
    if files >= i64::from(quota.files) || unsent_bytes.saturating_add(record.size) > quota.bytes {
        return Ok(false);
    }
    execute(
        connection,
        "INSERT INTO attachments (id, tenant_id, user_id, name, mime_type, size, state, \
         created_at) VALUES (:id, :tenant, :user, :name, :mime_type, :size, 'waiting', \
         :created_at)",
        named_params! {
            ":id": record.id.as_str(),
            ":tenant": owner.tenant().as_str(),
            ":user": owner.user().as_str(),
            ":name": record.name,
            ":mime_type": record.mime_type,
            ":size": bytes(record.size),
            ":created_at": record.created_at.as_micros(),
        },
    )?;
    Ok(true)
}

pub(super) fn find(
    connection: &Connection,
    owner: &Owner,
    ids: &str,
) -> Result<Vec<AttachmentRecord>, StoreError> {
    all(
        connection,
        concat!(
            "SELECT ",
            ATTACHMENT_COLUMNS!(),
            " FROM attachments WHERE tenant_id = ?1 AND user_id = ?2 AND state <> 'doomed' AND id \
             IN (SELECT value FROM json_each(?3))"
        ),
        params![owner.tenant().as_str(), owner.user().as_str(), ids],
        record,
    )
}

pub(super) fn complete(
    connection: &Connection,
    owner: &Owner,
    id: &AttachmentId,
    uploaded: &UploadedFile,
) -> Result<Option<AttachmentRecord>, StoreError> {
    one(
        connection,
        concat!(
            "UPDATE attachments SET state = 'uploaded', size = ?4, mime_type = ?5, has_preview = \
             ?6 WHERE id = ?3 AND tenant_id = ?1 AND user_id = ?2 AND state = 'waiting' RETURNING ",
            ATTACHMENT_COLUMNS!()
        ),
        params![
            owner.tenant().as_str(),
            owner.user().as_str(),
            id.as_str(),
            bytes(uploaded.size),
            uploaded.mime_type,
            uploaded.has_preview
        ],
        record,
    )
}

pub(super) fn keep(
    connection: &Connection,
    owner: &Owner,
    thread_id: &ThreadId,
    id: &AttachmentId,
) -> Result<bool, StoreError> {
    let kept = execute(
        connection,
        "UPDATE attachments SET thread_id = ?3 WHERE id = ?4 AND tenant_id = ?1 AND user_id = ?2 \
         AND state = 'uploaded' AND thread_id IS NULL AND EXISTS (SELECT 1 FROM threads WHERE id = \
         ?3 AND tenant_id = ?1 AND user_id = ?2)",
        params![owner.tenant().as_str(), owner.user().as_str(), thread_id.as_str(), id.as_str()],
    )?;
    Ok(kept > 0)
}

/// Dooms the file that was made for an item which is removed: it has the item's id.
pub(super) fn doom_made(
    connection: &Connection,
    owner: &Owner,
    thread_id: &ThreadId,
    item_id: &ItemId,
) -> Result<(), StoreError> {
    if !item_id.as_str().starts_with("img_") {
        return Ok(());
    }
    execute(
        connection,
        "UPDATE attachments SET state = 'doomed', name = '', thread_id = NULL WHERE id = ?4 AND \
         thread_id = ?3 AND tenant_id = ?1 AND user_id = ?2",
        params![
            owner.tenant().as_str(),
            owner.user().as_str(),
            thread_id.as_str(),
            item_id.as_str()
        ],
    )
    .map(drop)
}

pub(super) fn delete(
    connection: &Connection,
    owner: &Owner,
    id: &AttachmentId,
) -> Result<DeleteAttachmentOutcome, StoreError> {
    let (tenant, user) = (owner.tenant().as_str(), owner.user().as_str());
    let doomed = execute(
        connection,
        "UPDATE attachments SET state = 'doomed', name = '' WHERE id = ?3 AND tenant_id = ?1 AND \
         user_id = ?2 AND thread_id IS NULL AND state <> 'doomed'",
        params![tenant, user, id.as_str()],
    )?;
    if doomed > 0 {
        return Ok(DeleteAttachmentOutcome::Deleted);
    }
    let sent = one(
        connection,
        "SELECT 1 FROM attachments WHERE id = ?3 AND tenant_id = ?1 AND user_id = ?2 AND state <> \
         'doomed'",
        params![tenant, user, id.as_str()],
        |_| Ok(()),
    )?;
    Ok(match sent {
        Some(()) => DeleteAttachmentOutcome::Sent,
        None => DeleteAttachmentOutcome::NotFound,
    })
}

pub(super) fn owner_of(
    connection: &Connection,
    link: &SignedLink,
) -> Result<Option<Owner>, StoreError> {
    one(
        connection,
        "SELECT tenant_id, user_id FROM attachments WHERE id = ?1 AND state <> 'doomed'",
        [link.attachment_id().as_str()],
        owner,
    )
}

/// A file that is gone for its owner: its tenant, user, id and the user whose folder it is in.
pub(super) fn doomed_file(row: &Row<'_>) -> Result<DoomedAttachment, StoreError> {
    Ok(DoomedAttachment {
        owner: owner(row)?,
        id: AttachmentId::new(required(row, 2)?),
        stored_for: text(row, 3)?.map(UserId::new),
    })
}

/// Who was authenticated when the record was made.
fn owner(row: &Row<'_>) -> Result<Owner, StoreError> {
    let (tenant, user) = (TenantId::new(required(row, 0)?), UserId::new(required(row, 1)?));
    Ok(Owner::authenticated(tenant, user))
}

pub(super) fn expire(connection: &Connection, before: Timestamp) -> Result<u64, StoreError> {
    let expired = execute(
        connection,
        "UPDATE attachments SET state = 'doomed', name = '' WHERE thread_id IS NULL AND state <> \
         'doomed' AND created_at < ?1",
        [before.as_micros()],
    )?;
    Ok(expired as u64)
}

pub(super) fn doomed(
    connection: &Connection,
    after: Option<&AttachmentId>,
    limit: u32,
) -> Result<Vec<DoomedAttachment>, StoreError> {
    all(
        connection,
        "SELECT tenant_id, user_id, id, stored_for FROM attachments WHERE state = 'doomed' AND id > \
         ?1 ORDER BY id LIMIT ?2",
        params![after.map_or("", AttachmentId::as_str), limit],
        doomed_file,
    )
}

pub(super) fn forget(
    connection: &Connection,
    owner: &Owner,
    id: &AttachmentId,
) -> Result<(), StoreError> {
    execute(
        connection,
        "DELETE FROM attachments WHERE id = ?3 AND tenant_id = ?1 AND user_id = ?2 AND state = \
         'doomed'",
        params![owner.tenant().as_str(), owner.user().as_str(), id.as_str()],
    )
    .map(drop)
}

/// Dooms the files of a thread that is about to be deleted, if it is the owner's. How many.
pub(super) fn doom_of_thread(
    connection: &Connection,
    owner: &Owner,
    thread_id: &ThreadId,
) -> Result<u64, StoreError> {
    let doomed = execute(
        connection,
        "UPDATE attachments SET state = 'doomed', name = '', thread_id = NULL WHERE thread_id = \
         ?3 AND tenant_id = ?1 AND user_id = ?2",
        params![owner.tenant().as_str(), owner.user().as_str(), thread_id.as_str()],
    )?;
    Ok(doomed as u64)
}

/// The files that an opening's messages were sent with.
pub(super) struct Sent {
    count: i64,
    /// A JSON array.
    ids: String,
}

impl Sent {
    pub(super) fn of(opening: &[ThreadItem]) -> Result<Option<Self>, StoreError> {
        let ids = attachments_of(opening);
        if ids.is_empty() {
            return Ok(None);
        }
        Ok(Some(Self { count: i64::try_from(ids.len()).unwrap_or(i64::MAX), ids: json(&ids)? }))
    }

    /// Whether all of them can be bound to the thread. Looked up first: nothing is written when
    /// one cannot.
    pub(super) fn check(
        &self,
        connection: &Connection,
        owner: &Owner,
        thread_id: &ThreadId,
    ) -> Result<Option<BeginOutcome>, StoreError> {
        let there = one(
            connection,
            "SELECT COUNT(*) FROM attachments WHERE tenant_id = ?1 AND user_id = ?2 AND state = \
             'uploaded' AND (thread_id IS NULL OR thread_id = ?3) AND id IN (SELECT value FROM \
             json_each(?4))",
            params![owner.tenant().as_str(), owner.user().as_str(), thread_id.as_str(), self.ids],
            |row| row.get::<_, i64>(0).map_err(failed),
        )?;
        Ok((there != Some(self.count)).then_some(BeginOutcome::AttachmentLost))
    }

    pub(super) fn bind(
        &self,
        connection: &Connection,
        owner: &Owner,
        thread_id: &ThreadId,
    ) -> Result<(), StoreError> {
        execute(
            connection,
            "UPDATE attachments SET thread_id = ?3 WHERE tenant_id = ?1 AND user_id = ?2 AND id \
             IN (SELECT value FROM json_each(?4))",
            params![owner.tenant().as_str(), owner.user().as_str(), thread_id.as_str(), self.ids],
        )
        .map(drop)
    }
}
