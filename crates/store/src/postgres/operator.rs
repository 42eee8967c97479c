//! What the operator does with the data of users.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use parlor_chatkit::{
    AttachmentRecord, DoomedAttachment, Owner, StoreError, TenantId, UserId,
    protocol::{AttachmentId, FeedbackKind, ItemId, ThreadId, Timestamp},
};
use sqlx::postgres::{PgArguments, PgRow};

use super::{
    PostgresStore, arguments, attachments, count, done, known, logins, one,
    rows::{column, json, required, text},
};
use crate::{
    Login, LoginId,
    operator::{
        Aged, Ages, AuditEntry, AuditQuery, Erased, Expired, GivenFeedback, Holdings, MovedVisitor,
        OWNED, OperatorStore, RecordedAct, UnfinishedMove,
    },
    record::{self, kind_of},
};

fn number(row: &PgRow, name: &str) -> Result<u64, StoreError> {
    let number: Option<i64> = column(row, name)?;
    Ok(number.and_then(|number| u64::try_from(number).ok()).unwrap_or(0))
}

fn time(row: &PgRow, name: &str) -> Result<Option<Timestamp>, StoreError> {
    let time: Option<DateTime<Utc>> = column(row, name)?;
    Ok(time.map(Timestamp::from))
}

fn subject(row: &PgRow) -> Result<Option<[u8; 32]>, StoreError> {
    let subject: Option<Vec<u8>> = column(row, "subject")?;
    subject
        .map(|subject| {
            subject.try_into().map_err(|_| StoreError::Failed("a subject is no hash".into()))
        })
        .transpose()
}

#[async_trait]
impl OperatorStore for PostgresStore {
    async fn holdings(&self, owner: &Owner) -> Result<Holdings, StoreError> {
        let arguments = arguments![owner.tenant().as_str(), owner.user().as_str()];
        let found = self.inner.read(&self.inner.statements.count_holdings, arguments).await?;
        let row = one(&found)?;
        Ok(Holdings {
            threads: number(row, "threads")?,
            files: number(row, "files")?,
            logins: number(row, "logins")?,
            doomed: number(row, "doomed")?,
        })
    }

    async fn files_of(
        &self,
        owner: &Owner,
        after: Option<&AttachmentId>,
        limit: u32,
    ) -> Result<Vec<AttachmentRecord>, StoreError> {
        let arguments = arguments![
            owner.tenant().as_str(),
            owner.user().as_str(),
            after.map_or("", AttachmentId::as_str),
            i64::from(limit),
        ];
        let found = self.inner.read(&self.inner.statements.list_files, arguments).await?;
        found.iter().map(attachments::record).collect()
    }

    async fn feedback_in(
        &self,
        owner: &Owner,
        thread_id: &ThreadId,
    ) -> Result<Vec<GivenFeedback>, StoreError> {
        let arguments =
            arguments![owner.tenant().as_str(), owner.user().as_str(), known(thread_id.as_str())];
        let found = self.inner.read(&self.inner.statements.list_thread_feedback, arguments).await?;
        let given = |row: &PgRow| {
            let given_at: DateTime<Utc> = column(row, "given_at")?;
            Ok(GivenFeedback {
                item_id: ItemId::new(required(row, "item")?),
                kind: kind_of(required(row, "kind")?).unwrap_or(FeedbackKind::Negative),
                given_at: given_at.into(),
            })
        };
        found.iter().map(given).collect()
    }

    async fn logins_of(
        &self,
        owner: &Owner,
        after: Option<&LoginId>,
        limit: u32,
    ) -> Result<Vec<Login>, StoreError> {
        let arguments = arguments![
            owner.tenant().as_str(),
            owner.user().as_str(),
            after.map_or(&[][..], |id| &id.0),
            i64::from(limit),
        ];
        let found = self.inner.read(&self.inner.statements.list_logins, arguments).await?;
        found.iter().map(logins::login).collect()
    }

    async fn erase(&self, owner: &Owner, limit: u32) -> Result<Erased, StoreError> {
        let arguments = arguments![
            owner.tenant().as_str(),
            owner.user().as_str(),
            i64::from(limit),
            OWNED.map(|(table, ..)| table).to_vec(),
            OWNED.map(|(_, tenant, _)| tenant).to_vec(),
            OWNED.map(|(.., user)| user).to_vec(),
        ];
        let found = self.inner.write(&self.inner.statements.erase_owner, arguments).await?;
        let row = one(&found)?;
        Ok(Erased {
            threads: number(row, "threads")?,
            turns: number(row, "turns")?,
            items: number(row, "items")?,
            feedback: number(row, "feedback")?,
            files: number(row, "files")?,
            logins: number(row, "logins")?,
            others: number(row, "others")?,
            more: column(row, "more")?,
        })
    }

    async fn doomed_of(
        &self,
        owner: &Owner,
        after: Option<&AttachmentId>,
        limit: u32,
    ) -> Result<Vec<DoomedAttachment>, StoreError> {
        let arguments = arguments![
            owner.tenant().as_str(),
            owner.user().as_str(),
            after.map_or("", AttachmentId::as_str),
            i64::from(limit),
        ];
        let found = self.inner.read(&self.inner.statements.doomed_of_owner, arguments).await?;
        found.iter().map(attachments::doomed).collect()
    }

    async fn tenants(
        &self,
        after: Option<&TenantId>,
        limit: u32,
    ) -> Result<Vec<TenantId>, StoreError> {
        let arguments = arguments![after.map_or("", TenantId::as_str), i64::from(limit)];
        let found = self.inner.read(&self.inner.statements.list_tenants, arguments).await?;
        found.iter().map(|row| Ok(TenantId::new(required(row, "tenant")?))).collect()
    }

    async fn aged(&self, tenant: &TenantId, ages: Ages) -> Result<Aged, StoreError> {
        let arguments = arguments![
            tenant.as_str(),
            ages.threads.map(|time| time.as_datetime()),
            ages.files.map(|time| time.as_datetime()),
        ];
        let found = self.inner.read(&self.inner.statements.count_aged, arguments).await?;
        let row = one(&found)?;
        Ok(Aged {
            threads: number(row, "threads")?,
            oldest_thread: time(row, "oldest_thread")?,
            files: number(row, "files")?,
            oldest_file: time(row, "oldest_file")?,
            bytes: number(row, "bytes")?,
        })
    }

    async fn expire_threads(
        &self,
        tenant: &TenantId,
        before: Timestamp,
        now: Timestamp,
        limit: u32,
    ) -> Result<Expired, StoreError> {
        let arguments =
            arguments![tenant.as_str(), before.as_datetime(), now.as_datetime(), i64::from(limit),];
        let found = self.inner.write(&self.inner.statements.expire_threads, arguments).await?;
        let row = one(&found)?;
        Ok(Expired {
            looked_at: number(row, "looked_at")?,
            threads: number(row, "threads")?,
            files: number(row, "files")?,
        })
    }

    async fn expire_sent_files(
        &self,
        tenant: &TenantId,
        before: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError> {
        let arguments = arguments![tenant.as_str(), before.as_datetime(), i64::from(limit)];
        count(&self.inner.write(&self.inner.statements.expire_sent_files, arguments).await?)
    }

    async fn add_audit(&self, entry: &AuditEntry) -> Result<(), StoreError> {
        let arguments = arguments![
            entry.at.as_datetime(),
            entry.act.as_str(),
            entry.actor.as_str(),
            entry.subject.as_ref().map(|subject| &subject[..]),
            entry.tenant.as_ref().map(TenantId::as_str),
            record::json(&entry.counts)?,
        ];
        self.inner.write(&self.inner.statements.add_audit, arguments).await.map(drop)
    }

    async fn audit(&self, query: &AuditQuery) -> Result<Vec<RecordedAct>, StoreError> {
        let arguments = arguments![
            query.since.map(|time| time.as_datetime()),
            query.subject.as_ref().map(|subject| &subject[..]),
            query.after,
            i64::from(query.limit),
        ];
        let found = self.inner.read(&self.inner.statements.list_audit, arguments).await?;
        let act = |row: &PgRow| {
            let at: DateTime<Utc> = column(row, "at")?;
            Ok(RecordedAct {
                id: column(row, "id")?,
                entry: AuditEntry {
                    at: at.into(),
                    act: required(row, "act")?.to_owned(),
                    actor: required(row, "actor")?.to_owned(),
                    subject: subject(row)?,
                    tenant: text(row, "tenant")?.map(TenantId::new),
                    counts: json(row, "counts", "audit counts")?,
                },
            })
        };
        found.iter().map(act).collect()
    }

    async fn move_visitor(
        &self,
        visitor: &Owner,
        account: &UserId,
        subject: [u8; 32],
        now: Timestamp,
    ) -> Result<MovedVisitor, StoreError> {
        let arguments = arguments![
            visitor.tenant().as_str(),
            visitor.user().as_str(),
            account.as_str(),
            now.as_datetime(),
            &subject[..],
        ];
        let found = self.inner.write(&self.inner.statements.move_visitor, arguments).await?;
        let row = one(&found)?;
        Ok(match required(row, "outcome")? {
            "moved" => MovedVisitor::Moved {
                threads: number(row, "threads")?,
                files: number(row, "files")?,
                remaining: number(row, "remaining")?,
            },
            _ => MovedVisitor::Anothers,
        })
    }

    async fn visitor_has_moved(&self, visitor: &Owner) -> Result<bool, StoreError> {
        let arguments = arguments![visitor.tenant().as_str(), visitor.user().as_str()];
        done(&self.inner.read(&self.inner.statements.visitor_has_moved, arguments).await?)
    }

    async fn unfinished_moves(
        &self,
        since: Timestamp,
        limit: u32,
    ) -> Result<Vec<UnfinishedMove>, StoreError> {
        let arguments = arguments![since.as_datetime(), i64::from(limit)];
        let found = self.inner.read(&self.inner.statements.unfinished_moves, arguments).await?;
        let unfinished = |row: &PgRow| {
            Ok(UnfinishedMove {
                visitor: Owner::authenticated(
                    TenantId::new(required(row, "tenant")?),
                    UserId::new(required(row, "visitor")?),
                ),
                account: UserId::new(required(row, "usr")?),
            })
        };
        found.iter().map(unfinished).collect()
    }
}
