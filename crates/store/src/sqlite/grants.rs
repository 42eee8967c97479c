//! What users have let the server do elsewhere.

use async_trait::async_trait;
use parlor_chatkit::{Owner, StoreError, TenantId, UserId, protocol::Timestamp};
use rusqlite::{Row, params};

use super::{
    SqliteStore, all, execute, one,
    rows::{failed, required},
};
use crate::grants::{
    AttemptId, ClientId, Grant, GrantAttempt, GrantServer, GrantStore, RefreshedGrant, Revision,
};

fn time(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros).unwrap_or_else(|| chrono::DateTime::UNIX_EPOCH.into())
}

/// The columns that [`grant`] reads, in its order.
macro_rules! grant_columns {
    () => {
        "tenant_id, user_id, server, name, sealed, revision, granted_at, refresh_at"
    };
}

fn owner(row: &Row<'_>, tenant: usize, user: usize) -> Result<Owner, StoreError> {
    let (tenant, user) = (required(row, tenant)?, required(row, user)?);
    Ok(Owner::authenticated(TenantId::new(tenant), UserId::new(user)))
}

fn grant(row: &Row<'_>) -> Result<Grant, StoreError> {
    let refresh_at: Option<i64> = row.get(7).map_err(failed)?;
    Ok(Grant {
        owner: owner(row, 0, 1)?,
        server: GrantServer(row.get(2).map_err(failed)?),
        name: required(row, 3)?.to_owned(),
        sealed: row.get(4).map_err(failed)?,
        revision: Revision(row.get(5).map_err(failed)?),
        granted_at: time(row.get(6).map_err(failed)?),
        refresh_at: refresh_at.map(time),
    })
}

fn attempt(row: &Row<'_>) -> Result<GrantAttempt, StoreError> {
    Ok(GrantAttempt {
        id: AttemptId(row.get(0).map_err(failed)?),
        owner: owner(row, 1, 2)?,
        sealed: row.get(3).map_err(failed)?,
        good_until: time(row.get(4).map_err(failed)?),
    })
}

#[async_trait]
impl GrantStore for SqliteStore {
    async fn keep_grant(&self, grant: &Grant) -> Result<(), StoreError> {
        let grant = grant.clone();
        self.writer
            .run(move |connection| {
                execute(
                    connection,
                    concat!(
                        "INSERT OR REPLACE INTO grants (",
                        grant_columns!(),
                        ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
                    ),
                    params![
                        grant.owner.tenant().as_str(),
                        grant.owner.user().as_str(),
                        grant.server.0,
                        grant.name,
                        grant.sealed,
                        grant.revision.0,
                        grant.granted_at.as_micros(),
                        grant.refresh_at.map(|time| time.as_micros()),
                    ],
                )
                .map(drop)
            })
            .await
    }

    async fn grant(
        &self,
        owner: &Owner,
        server: &GrantServer,
    ) -> Result<Option<Grant>, StoreError> {
        let (owner, GrantServer(server)) = (owner.clone(), *server);
        self.readers
            .run(move |connection| {
                one(
                    connection,
                    concat!(
                        "SELECT ",
                        grant_columns!(),
                        " FROM grants WHERE tenant_id = ?1 AND user_id = ?2 AND server = ?3"
                    ),
                    params![owner.tenant().as_str(), owner.user().as_str(), server],
                    grant,
                )
            })
            .await
    }

    async fn grants_of(&self, owner: &Owner) -> Result<Vec<Grant>, StoreError> {
        let owner = owner.clone();
        self.readers
            .run(move |connection| {
                all(
                    connection,
                    concat!(
                        "SELECT ",
                        grant_columns!(),
                        " FROM grants WHERE tenant_id = ?1 AND user_id = ?2 ORDER BY name, server"
                    ),
                    params![owner.tenant().as_str(), owner.user().as_str()],
                    grant,
                )
            })
            .await
    }

    async fn claim_grant(
        &self,
        owner: &Owner,
        server: &GrantServer,
        revision: Revision,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        let (owner, GrantServer(server)) = (owner.clone(), *server);
        self.writer
            .run(move |connection| {
                let claimed = execute(
                    connection,
                    "UPDATE grants SET claimed_until = ?6 WHERE tenant_id = ?1 AND user_id = ?2 \
                     AND server = ?3 AND revision = ?4 AND coalesce(claimed_until <= ?5, 1)",
                    params![
                        owner.tenant().as_str(),
                        owner.user().as_str(),
                        server,
                        revision.0,
                        now.as_micros(),
                        until.as_micros(),
                    ],
                )?;
                Ok(claimed > 0)
            })
            .await
    }

    async fn refresh_grant(
        &self,
        owner: &Owner,
        server: &GrantServer,
        revision: Revision,
        refreshed: &RefreshedGrant,
    ) -> Result<bool, StoreError> {
        let (owner, GrantServer(server), refreshed) = (owner.clone(), *server, refreshed.clone());
        self.writer
            .run(move |connection| {
                let kept = execute(
                    connection,
                    "UPDATE grants SET sealed = ?5, revision = ?6, refresh_at = ?7, claimed_until \
                     = NULL WHERE tenant_id = ?1 AND user_id = ?2 AND server = ?3 AND revision = \
                     ?4",
                    params![
                        owner.tenant().as_str(),
                        owner.user().as_str(),
                        server,
                        revision.0,
                        refreshed.sealed,
                        refreshed.revision.0,
                        refreshed.refresh_at.map(|time| time.as_micros()),
                    ],
                )?;
                Ok(kept > 0)
            })
            .await
    }

    async fn end_grant(
        &self,
        owner: &Owner,
        server: &GrantServer,
        revision: Revision,
    ) -> Result<bool, StoreError> {
        let (owner, GrantServer(server)) = (owner.clone(), *server);
        self.writer
            .run(move |connection| {
                let ended = execute(
                    connection,
                    "DELETE FROM grants WHERE tenant_id = ?1 AND user_id = ?2 AND server = ?3 AND \
                     revision = ?4",
                    params![owner.tenant().as_str(), owner.user().as_str(), server, revision.0],
                )?;
                Ok(ended > 0)
            })
            .await
    }

    async fn begin_attempt(&self, attempt: &GrantAttempt) -> Result<(), StoreError> {
        let attempt = attempt.clone();
        self.writer
            .run(move |connection| {
                execute(
                    connection,
                    "INSERT INTO grant_attempts (id, tenant_id, user_id, sealed, good_until) \
                     VALUES (?1, ?2, ?3, ?4, ?5)",
                    params![
                        attempt.id.0,
                        attempt.owner.tenant().as_str(),
                        attempt.owner.user().as_str(),
                        attempt.sealed,
                        attempt.good_until.as_micros(),
                    ],
                )
                .map(drop)
            })
            .await
    }

    async fn attempt(
        &self,
        id: &AttemptId,
        now: Timestamp,
    ) -> Result<Option<GrantAttempt>, StoreError> {
        let AttemptId(id) = *id;
        self.readers
            .run(move |connection| {
                one(
                    connection,
                    "SELECT id, tenant_id, user_id, sealed, good_until FROM grant_attempts WHERE \
                     id = ?1 AND good_until > ?2",
                    params![id, now.as_micros()],
                    attempt,
                )
            })
            .await
    }

    async fn take_attempt(&self, id: &AttemptId) -> Result<Option<GrantAttempt>, StoreError> {
        let AttemptId(id) = *id;
        self.writer
            .run(move |connection| {
                one(
                    connection,
                    "DELETE FROM grant_attempts WHERE id = ?1 RETURNING id, tenant_id, user_id, \
                     sealed, good_until",
                    [id],
                    attempt,
                )
            })
            .await
    }

    async fn sweep_attempts(&self, now: Timestamp, limit: u32) -> Result<u64, StoreError> {
        self.writer
            .run(move |connection| {
                let swept = execute(
                    connection,
                    "DELETE FROM grant_attempts WHERE id IN (SELECT id FROM grant_attempts WHERE \
                     good_until <= ?1 ORDER BY good_until LIMIT ?2)",
                    params![now.as_micros(), limit],
                )?;
                Ok(swept as u64)
            })
            .await
    }

    async fn keep_client(
        &self,
        id: &ClientId,
        sealed: &[u8],
        good_until: Timestamp,
    ) -> Result<(), StoreError> {
        let (ClientId(id), sealed) = (*id, sealed.to_vec());
        self.writer
            .run(move |connection| {
                execute(
                    connection,
                    "INSERT OR REPLACE INTO oauth_clients (id, sealed, good_until) VALUES (?1, \
                     ?2, ?3)",
                    params![id, sealed, good_until.as_micros()],
                )
                .map(drop)
            })
            .await
    }

    async fn client(&self, id: &ClientId, now: Timestamp) -> Result<Option<Vec<u8>>, StoreError> {
        let ClientId(id) = *id;
        self.readers
            .run(move |connection| {
                one(
                    connection,
                    "SELECT sealed FROM oauth_clients WHERE id = ?1 AND good_until > ?2",
                    params![id, now.as_micros()],
                    |row| row.get(0).map_err(failed),
                )
            })
            .await
    }
}
