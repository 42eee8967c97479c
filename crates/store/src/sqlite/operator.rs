//! What the operator does with the data of users.

use async_trait::async_trait;
use parlor_chatkit::{
    AttachmentRecord, DoomedAttachment, Owner, StoreError, TenantId, UserId,
    protocol::{AttachmentId, FeedbackKind, ItemId, ThreadId, Timestamp},
};
use rusqlite::{Connection, Row, params};

use super::{
    SqliteStore, all,
    attachments::{self, ATTACHMENT_COLUMNS},
    execute,
    logins::{LOGIN_COLUMNS, login},
    one,
    rows::{failed, required, text},
};
use crate::{
    Login, LoginId,
    operator::{
        Aged, Ages, AuditEntry, AuditQuery, Erased, Expired, GivenFeedback, Holdings, MovedVisitor,
        OWNED, OperatorStore, RecordedAct, UnfinishedMove,
    },
    record::{json, kind_of, parse},
};

/// Whether something was said in the thread `$thread` since `?2`, or is being said.
macro_rules! active {
    ($thread:literal) => {
        concat!(
            "EXISTS (SELECT 1 FROM turns WHERE turns.thread_id = ",
            $thread,
            " AND (turns.state = 'running' OR coalesce(turns.ended_at, turns.started_at) >= ?2))"
        )
    };
}

/// When something was last said in a thread of the statement.
macro_rules! last_said {
    () => {
        "(SELECT max(coalesce(turns.ended_at, turns.started_at)) FROM turns WHERE turns.thread_id \
         = threads.id)"
    };
}

fn names(owner: &Owner) -> (&str, &str) {
    (owner.tenant().as_str(), owner.user().as_str())
}

fn number(row: &Row<'_>, column: usize) -> Result<u64, StoreError> {
    let number: Option<i64> = row.get(column).map_err(failed)?;
    Ok(u64::try_from(number.unwrap_or(0)).unwrap_or(0))
}

fn time(row: &Row<'_>, column: usize) -> Result<Option<Timestamp>, StoreError> {
    let micros: Option<i64> = row.get(column).map_err(failed)?;
    Ok(micros.and_then(Timestamp::from_micros))
}

fn holdings(connection: &Connection, owner: &Owner) -> Result<Holdings, StoreError> {
    let found = one(
        connection,
        "SELECT (SELECT count(*) FROM threads WHERE tenant_id = ?1 AND user_id = ?2), (SELECT \
         count(*) FROM attachments WHERE tenant_id = ?1 AND user_id = ?2 AND state <> 'doomed'), \
         (SELECT count(*) FROM logins WHERE tenant_id = ?1 AND user_id = ?2), (SELECT count(*) \
         FROM attachments WHERE tenant_id = ?1 AND user_id = ?2 AND state = 'doomed')",
        names(owner),
        |row| {
            Ok(Holdings {
                threads: number(row, 0)?,
                files: number(row, 1)?,
                logins: number(row, 2)?,
                doomed: number(row, 3)?,
            })
        },
    )?;
    Ok(found.unwrap_or_default())
}

fn count_in(connection: &Connection, sql: &str, thread_id: &ThreadId) -> Result<u64, StoreError> {
    let found = one(connection, sql, [thread_id.as_str()], |row| number(row, 0))?;
    Ok(found.unwrap_or(0))
}

/// Deletes a thread as its owner would. How many files it had.
fn delete_thread(
    connection: &Connection,
    owner: &Owner,
    thread_id: &ThreadId,
) -> Result<u64, StoreError> {
    let files = attachments::doom_of_thread(connection, owner, thread_id)?;
    execute(
        connection,
        "DELETE FROM threads WHERE id = ?3 AND tenant_id = ?1 AND user_id = ?2",
        params![owner.tenant().as_str(), owner.user().as_str(), thread_id.as_str()],
    )?;
    Ok(files)
}

/// Whether what is deleted is overwritten also where that costs a write of its own.
fn overwrite(connection: &Connection, all: bool) -> Result<(), StoreError> {
    let sql = if all { "PRAGMA secure_delete = ON" } else { "PRAGMA secure_delete = FAST" };
    one(connection, sql, [], |_| Ok(())).map(drop)
}

fn erase(connection: &Connection, owner: &Owner, limit: u32) -> Result<Erased, StoreError> {
    // The file itself is to hold nothing of it: free pages, too, are part of backups.
    overwrite(connection, true)?;
    let erased = erase_rows(connection, owner, limit);
    overwrite(connection, false)?;
    erased
}

fn erase_rows(connection: &Connection, owner: &Owner, limit: u32) -> Result<Erased, StoreError> {
    let logins = execute(
        connection,
        "DELETE FROM logins WHERE tenant_id = ?1 AND user_id = ?2",
        names(owner),
    )?;
    let threads = all(
        connection,
        "SELECT id FROM threads WHERE tenant_id = ?1 AND user_id = ?2 ORDER BY position LIMIT ?3",
        params![owner.tenant().as_str(), owner.user().as_str(), limit],
        |row| Ok(ThreadId::new(required(row, 0)?)),
    )?;
    let mut erased = Erased {
        threads: threads.len() as u64,
        logins: logins as u64,
        more: threads.len() >= limit as usize,
        ..Erased::default()
    };
    for thread_id in &threads {
        let count = |sql| count_in(connection, sql, thread_id);
        erased.turns += count("SELECT count(*) FROM turns WHERE thread_id = ?1")?;
        erased.items += count("SELECT count(*) FROM items WHERE thread_id = ?1")?;
        erased.feedback += count("SELECT count(*) FROM feedback WHERE thread_id = ?1")?;
        erased.files += delete_thread(connection, owner, thread_id)?;
    }
    if !erased.more {
        erased.files += execute(
            connection,
            "UPDATE attachments SET state = 'doomed', name = '', thread_id = NULL WHERE tenant_id \
             = ?1 AND user_id = ?2 AND state <> 'doomed'",
            names(owner),
        )? as u64;
        for (table, tenant, user) in OWNED {
            let sql = format!("DELETE FROM {table} WHERE {tenant} = ?1 AND {user} = ?2");
            erased.others += execute(connection, &sql, names(owner))? as u64;
        }
    }
    Ok(erased)
}

fn aged(connection: &Connection, tenant: &TenantId, ages: Ages) -> Result<Aged, StoreError> {
    let mut aged = Aged::default();
    if let Some(before) = ages.threads {
        let found = one(
            connection,
            concat!(
                "SELECT count(*), min(max(coalesce(active_at, created_at), coalesce(",
                last_said!(),
                ", 0))) FROM threads WHERE tenant_id = ?1 AND coalesce(active_at, created_at) < \
                 ?2 AND NOT ",
                active!("threads.id")
            ),
            params![tenant.as_str(), before.as_micros()],
            |row| Ok((number(row, 0)?, time(row, 1)?)),
        )?;
        (aged.threads, aged.oldest_thread) = found.unwrap_or_default();
    }
    if let Some(before) = ages.files {
        let found = one(
            connection,
            concat!(
                "SELECT count(*), min(created_at), CAST(TOTAL(size) AS INTEGER) FROM attachments \
                 WHERE tenant_id = ?1 AND thread_id IS NOT NULL AND attachments.state <> 'doomed' \
                 AND created_at < ?2 AND NOT ",
                active!("attachments.thread_id")
            ),
            params![tenant.as_str(), before.as_micros()],
            |row| Ok((number(row, 0)?, time(row, 1)?, number(row, 2)?)),
        )?;
        (aged.files, aged.oldest_file, aged.bytes) = found.unwrap_or_default();
    }
    Ok(aged)
}

fn expire_threads(
    connection: &Connection,
    tenant: &TenantId,
    before: Timestamp,
    now: Timestamp,
    limit: u32,
) -> Result<Expired, StoreError> {
    let candidates = all(
        connection,
        concat!(
            "SELECT id, user_id, ",
            last_said!(),
            ", EXISTS (SELECT 1 FROM turns WHERE turns.thread_id = threads.id AND state = \
             'running') FROM threads WHERE tenant_id = ?1 AND coalesce(active_at, created_at) < \
             ?2 ORDER BY coalesce(active_at, created_at) LIMIT ?3"
        ),
        params![tenant.as_str(), before.as_micros(), limit],
        |row| {
            let running: bool = row.get(3).map_err(failed)?;
            let owner =
                Owner::authenticated(tenant.clone(), UserId::new(required(row, 1)?.to_owned()));
            // As of now: it is old no sooner than when its answer has ended.
            let active_at = if running { Some(now.max(before)) } else { time(row, 2)? };
            Ok((ThreadId::new(required(row, 0)?), owner, active_at))
        },
    )?;
    let mut expired = Expired { looked_at: candidates.len() as u64, ..Expired::default() };
    for (thread_id, owner, active_at) in candidates {
        match active_at.filter(|active_at| *active_at >= before) {
            Some(active_at) => drop(execute(
                connection,
                "UPDATE threads SET active_at = ?2 WHERE id = ?1",
                params![thread_id.as_str(), active_at.as_micros()],
            )?),
            None => {
                expired.files += delete_thread(connection, &owner, &thread_id)?;
                expired.threads += 1;
            }
        }
    }
    Ok(expired)
}

fn expire_sent_files(
    connection: &Connection,
    tenant: &TenantId,
    before: Timestamp,
    limit: u32,
) -> Result<u64, StoreError> {
    let expired = execute(
        connection,
        concat!(
            "UPDATE attachments SET state = 'doomed', name = '', thread_id = NULL WHERE id IN \
             (SELECT sent.id FROM attachments sent WHERE sent.tenant_id = ?1 AND sent.thread_id \
             IS NOT NULL AND sent.state <> 'doomed' AND sent.created_at < ?2 AND NOT ",
            active!("sent.thread_id"),
            " ORDER BY sent.created_at LIMIT ?3)"
        ),
        params![tenant.as_str(), before.as_micros(), limit],
    )?;
    Ok(expired as u64)
}

fn add_audit(connection: &Connection, entry: &AuditEntry) -> Result<(), StoreError> {
    execute(
        connection,
        "INSERT INTO audit (at, act, actor, subject, tenant, counts) VALUES (?1, ?2, ?3, ?4, ?5, \
         ?6)",
        params![
            entry.at.as_micros(),
            entry.act,
            entry.actor,
            entry.subject,
            entry.tenant.as_ref().map(TenantId::as_str),
            json(&entry.counts)?
        ],
    )
    .map(drop)
}

fn recorded_act(row: &Row<'_>) -> Result<RecordedAct, StoreError> {
    Ok(RecordedAct {
        id: row.get(0).map_err(failed)?,
        entry: AuditEntry {
            at: time(row, 1)?.unwrap_or_else(|| chrono::DateTime::UNIX_EPOCH.into()),
            act: required(row, 2)?.to_owned(),
            actor: required(row, 3)?.to_owned(),
            subject: row.get(4).map_err(failed)?,
            tenant: text(row, 5)?.map(TenantId::new),
            counts: parse("audit counts", required(row, 6)?)?,
        },
    })
}

fn move_visitor(
    connection: &Connection,
    visitor: &Owner,
    account: &UserId,
    subject: [u8; 32],
    now: Timestamp,
) -> Result<MovedVisitor, StoreError> {
    let (tenant, user) = names(visitor);
    execute(
        connection,
        "INSERT INTO visitor_moves (tenant_id, visitor_id, user_id, moved_at) VALUES (?1, ?2, ?3, \
         ?4) ON CONFLICT DO NOTHING",
        params![tenant, user, account.as_str(), now.as_micros()],
    )?;
    let winner = one(
        connection,
        "SELECT user_id FROM visitor_moves WHERE tenant_id = ?1 AND visitor_id = ?2",
        [tenant, user],
        |row| Ok(UserId::new(required(row, 0)?)),
    )?;
    if winner.as_ref() != Some(account) {
        return Ok(MovedVisitor::Anothers);
    }
    // A request that the account has made with the same key is another one.
    execute(
        connection,
        "UPDATE turns SET idempotency_key = NULL WHERE tenant_id = ?1 AND user_id = ?2 AND \
         idempotency_key IN (SELECT idempotency_key FROM turns WHERE tenant_id = ?1 AND user_id = \
         ?3 AND idempotency_key IS NOT NULL)",
        [tenant, user, account.as_str()],
    )?;
    let files = execute(
        connection,
        "UPDATE attachments SET user_id = ?3, stored_for = coalesce(stored_for, user_id) WHERE \
         tenant_id = ?1 AND user_id = ?2 AND state <> 'doomed' AND (thread_id IS NULL OR NOT \
         EXISTS (SELECT 1 FROM turns WHERE turns.thread_id = attachments.thread_id AND \
         turns.state = 'running'))",
        [tenant, user, account.as_str()],
    )? as u64;
    let threads = execute(
        connection,
        "UPDATE threads SET user_id = ?3 WHERE tenant_id = ?1 AND user_id = ?2 AND NOT EXISTS \
         (SELECT 1 FROM turns WHERE turns.thread_id = threads.id AND state = 'running')",
        [tenant, user, account.as_str()],
    )? as u64;
    execute(
        connection,
        "UPDATE turns SET user_id = ?3 WHERE tenant_id = ?1 AND user_id = ?2 AND thread_id IN \
         (SELECT id FROM threads WHERE tenant_id = ?1 AND user_id = ?3)",
        [tenant, user, account.as_str()],
    )?;
    let remaining = holdings(connection, visitor)?.threads;
    if threads > 0 || files > 0 {
        let counts = [("files", files), ("threads", threads)];
        add_audit(
            connection,
            &AuditEntry {
                at: now,
                act: "visitor.moved".to_owned(),
                actor: "server".to_owned(),
                subject: Some(subject),
                tenant: None,
                counts: counts.map(|(what, count)| (what.to_owned(), count)).into(),
            },
        )?;
    }
    Ok(MovedVisitor::Moved { threads, files, remaining })
}

#[async_trait]
impl OperatorStore for SqliteStore {
    async fn holdings(&self, owner: &Owner) -> Result<Holdings, StoreError> {
        let owner = owner.clone();
        self.readers.run(move |connection| holdings(connection, &owner)).await
    }

    async fn files_of(
        &self,
        owner: &Owner,
        after: Option<&AttachmentId>,
        limit: u32,
    ) -> Result<Vec<AttachmentRecord>, StoreError> {
        let (owner, after) = (owner.clone(), after.cloned());
        self.readers
            .run(move |connection| {
                let (tenant, user) = names(&owner);
                all(
                    connection,
                    concat!(
                        "SELECT ",
                        ATTACHMENT_COLUMNS!(),
                        " FROM attachments WHERE tenant_id = ?1 AND user_id = ?2 AND id > ?3 AND \
                         state <> 'doomed' ORDER BY id LIMIT ?4"
                    ),
                    params![tenant, user, after.as_ref().map_or("", AttachmentId::as_str), limit],
                    attachments::record,
                )
            })
            .await
    }

    async fn feedback_in(
        &self,
        owner: &Owner,
        thread_id: &ThreadId,
    ) -> Result<Vec<GivenFeedback>, StoreError> {
        let (owner, thread_id) = (owner.clone(), thread_id.clone());
        self.readers
            .run(move |connection| {
                let (tenant, user) = names(&owner);
                all(
                    connection,
                    "SELECT item_id, kind, feedback.created_at FROM feedback JOIN threads ON \
                     threads.id = feedback.thread_id WHERE feedback.thread_id = ?3 AND tenant_id \
                     = ?1 AND user_id = ?2 ORDER BY feedback.created_at, item_id",
                    params![tenant, user, thread_id.as_str()],
                    |row| {
                        Ok(GivenFeedback {
                            item_id: ItemId::new(required(row, 0)?),
                            kind: kind_of(required(row, 1)?).unwrap_or(FeedbackKind::Negative),
                            given_at: time(row, 2)?
                                .unwrap_or_else(|| chrono::DateTime::UNIX_EPOCH.into()),
                        })
                    },
                )
            })
            .await
    }

    async fn logins_of(
        &self,
        owner: &Owner,
        after: Option<&LoginId>,
        limit: u32,
    ) -> Result<Vec<Login>, StoreError> {
        let (owner, after) = (owner.clone(), after.copied());
        self.readers
            .run(move |connection| {
                let (tenant, user) = names(&owner);
                let after = after.map_or_else(Vec::new, |id| id.0.to_vec());
                all(
                    connection,
                    concat!(
                        "SELECT ",
                        LOGIN_COLUMNS!(),
                        " FROM logins WHERE tenant_id = ?1 AND user_id = ?2 AND id > ?3 ORDER BY \
                         id LIMIT ?4"
                    ),
                    params![tenant, user, after, limit],
                    login,
                )
            })
            .await
    }

    async fn erase(&self, owner: &Owner, limit: u32) -> Result<Erased, StoreError> {
        let owner = owner.clone();
        self.writer.run(move |connection| erase(connection, &owner, limit)).await
    }

    async fn doomed_of(
        &self,
        owner: &Owner,
        after: Option<&AttachmentId>,
        limit: u32,
    ) -> Result<Vec<DoomedAttachment>, StoreError> {
        let (owner, after) = (owner.clone(), after.cloned());
        self.readers
            .run(move |connection| {
                let (tenant, user) = names(&owner);
                all(
                    connection,
                    "SELECT tenant_id, user_id, id, stored_for FROM attachments WHERE tenant_id = \
                     ?1 AND user_id = ?2 AND id > ?3 AND state = 'doomed' ORDER BY id LIMIT ?4",
                    params![tenant, user, after.as_ref().map_or("", AttachmentId::as_str), limit],
                    attachments::doomed_file,
                )
            })
            .await
    }

    async fn tenants(
        &self,
        after: Option<&TenantId>,
        limit: u32,
    ) -> Result<Vec<TenantId>, StoreError> {
        let after = after.cloned();
        self.readers
            .run(move |connection| {
                // From one to the next along the index, however many threads each has. No tenant is
                // called by the empty text: the names come from authentication.
                all(
                    connection,
                    "WITH RECURSIVE found (name) AS (SELECT min(tenant_id) FROM threads WHERE \
                     tenant_id > ?1 UNION ALL SELECT (SELECT min(tenant_id) FROM threads WHERE \
                     tenant_id > found.name) FROM found WHERE found.name IS NOT NULL) SELECT name \
                     FROM found WHERE name IS NOT NULL LIMIT ?2",
                    params![after.as_ref().map_or("", TenantId::as_str), limit],
                    |row| Ok(TenantId::new(required(row, 0)?)),
                )
            })
            .await
    }

    async fn aged(&self, tenant: &TenantId, ages: Ages) -> Result<Aged, StoreError> {
        let tenant = tenant.clone();
        self.readers.run(move |connection| aged(connection, &tenant, ages)).await
    }

    async fn expire_threads(
        &self,
        tenant: &TenantId,
        before: Timestamp,
        now: Timestamp,
        limit: u32,
    ) -> Result<Expired, StoreError> {
        let tenant = tenant.clone();
        self.writer
            .run(move |connection| expire_threads(connection, &tenant, before, now, limit))
            .await
    }

    async fn expire_sent_files(
        &self,
        tenant: &TenantId,
        before: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError> {
        let tenant = tenant.clone();
        self.writer
            .run(move |connection| expire_sent_files(connection, &tenant, before, limit))
            .await
    }

    async fn add_audit(&self, entry: &AuditEntry) -> Result<(), StoreError> {
        let entry = entry.clone();
        self.writer.run(move |connection| add_audit(connection, &entry)).await
    }

    async fn audit(&self, query: &AuditQuery) -> Result<Vec<RecordedAct>, StoreError> {
        let query = query.clone();
        self.readers
            .run(move |connection| {
                all(
                    connection,
                    "SELECT id, at, act, actor, subject, tenant, counts FROM audit WHERE id > ?1 \
                     AND at >= ?2 AND (?3 IS NULL OR subject = ?3) ORDER BY id LIMIT ?4",
                    params![
                        query.after,
                        query.since.map_or(i64::MIN, Timestamp::as_micros),
                        query.subject,
                        query.limit
                    ],
                    recorded_act,
                )
            })
            .await
    }

    async fn move_visitor(
        &self,
        visitor: &Owner,
        account: &UserId,
        subject: [u8; 32],
        now: Timestamp,
    ) -> Result<MovedVisitor, StoreError> {
        let (visitor, account) = (visitor.clone(), account.clone());
        self.writer
            .run(move |connection| move_visitor(connection, &visitor, &account, subject, now))
            .await
    }

    async fn visitor_has_moved(&self, visitor: &Owner) -> Result<bool, StoreError> {
        let visitor = visitor.clone();
        self.readers
            .run(move |connection| {
                let found = one(
                    connection,
                    "SELECT 1 FROM visitor_moves WHERE tenant_id = ?1 AND visitor_id = ?2",
                    names(&visitor),
                    |_| Ok(()),
                )?;
                Ok(found.is_some())
            })
            .await
    }

    async fn unfinished_moves(
        &self,
        since: Timestamp,
        limit: u32,
    ) -> Result<Vec<UnfinishedMove>, StoreError> {
        self.readers
            .run(move |connection| {
                all(
                    connection,
                    "SELECT tenant_id, visitor_id, user_id FROM visitor_moves WHERE moved_at >= \
                     ?1 AND EXISTS (SELECT 1 FROM threads WHERE threads.tenant_id = \
                     visitor_moves.tenant_id AND threads.user_id = visitor_moves.visitor_id) \
                     ORDER BY moved_at LIMIT ?2",
                    params![since.as_micros(), limit],
                    |row| {
                        Ok(UnfinishedMove {
                            visitor: Owner::authenticated(
                                TenantId::new(required(row, 0)?),
                                UserId::new(required(row, 1)?),
                            ),
                            account: UserId::new(required(row, 2)?),
                        })
                    },
                )
            })
            .await
    }
}
