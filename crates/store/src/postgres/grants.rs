//! What users have let the server do elsewhere.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use parlor_chatkit::{Owner, StoreError, TenantId, UserId, protocol::Timestamp};
use sqlx::postgres::{PgArguments, PgRow};

use super::{
    PostgresStore, arguments, count, done,
    rows::{column, required},
};
use crate::grants::{
    AttemptId, ClientId, Grant, GrantAttempt, GrantServer, GrantStore, RefreshedGrant, Revision,
};

/// The columns that [`grant`] reads.
macro_rules! grant_columns {
    () => {
        "tenant_id, user_id, server, name, sealed, revision, granted_at, refresh_at"
    };
}
pub(super) use grant_columns as GRANT_COLUMNS;

fn bytes<const N: usize>(row: &PgRow, name: &'static str) -> Result<[u8; N], StoreError> {
    let bytes: Vec<u8> = column(row, name)?;
    bytes.try_into().map_err(|_| StoreError::Failed(format!("{name} has another length").into()))
}

fn owner(row: &PgRow) -> Result<Owner, StoreError> {
    let (tenant, user) = (required(row, "tenant_id")?, required(row, "user_id")?);
    Ok(Owner::authenticated(TenantId::new(tenant), UserId::new(user)))
}

fn grant(row: &PgRow) -> Result<Grant, StoreError> {
    let granted_at: DateTime<Utc> = column(row, "granted_at")?;
    let refresh_at: Option<DateTime<Utc>> = column(row, "refresh_at")?;
    Ok(Grant {
        owner: owner(row)?,
        server: GrantServer(bytes(row, "server")?),
        name: required(row, "name")?.to_owned(),
        sealed: column(row, "sealed")?,
        revision: Revision(bytes(row, "revision")?),
        granted_at: granted_at.into(),
        refresh_at: refresh_at.map(Timestamp::from),
    })
}

fn attempt(row: &PgRow) -> Result<GrantAttempt, StoreError> {
    let good_until: DateTime<Utc> = column(row, "good_until")?;
    Ok(GrantAttempt {
        id: AttemptId(bytes(row, "id")?),
        owner: owner(row)?,
        sealed: column(row, "sealed")?,
        good_until: good_until.into(),
    })
}

#[async_trait]
impl GrantStore for PostgresStore {
    async fn keep_grant(&self, grant: &Grant) -> Result<(), StoreError> {
        let arguments = arguments![
            grant.owner.tenant().as_str(),
            grant.owner.user().as_str(),
            &grant.server.0[..],
            grant.name.as_str(),
            grant.sealed.as_slice(),
            &grant.revision.0[..],
            grant.granted_at.as_datetime(),
            grant.refresh_at.map(|time| time.as_datetime()),
        ];
        self.inner.write(&self.inner.statements.keep_grant, arguments).await.map(drop)
    }

    async fn grant(
        &self,
        owner: &Owner,
        server: &GrantServer,
    ) -> Result<Option<Grant>, StoreError> {
        let arguments = arguments![owner.tenant().as_str(), owner.user().as_str(), &server.0[..]];
        let found = self.inner.read(&self.inner.statements.get_grant, arguments).await?;
        found.first().map(grant).transpose()
    }

    async fn grants_of(&self, owner: &Owner) -> Result<Vec<Grant>, StoreError> {
        let arguments = arguments![owner.tenant().as_str(), owner.user().as_str()];
        let found = self.inner.read(&self.inner.statements.list_grants, arguments).await?;
        found.iter().map(grant).collect()
    }

    async fn claim_grant(
        &self,
        owner: &Owner,
        server: &GrantServer,
        revision: Revision,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        let arguments = arguments![
            owner.tenant().as_str(),
            owner.user().as_str(),
            &server.0[..],
            &revision.0[..],
            now.as_datetime(),
            until.as_datetime(),
        ];
        done(&self.inner.write(&self.inner.statements.claim_grant, arguments).await?)
    }

    async fn refresh_grant(
        &self,
        owner: &Owner,
        server: &GrantServer,
        revision: Revision,
        refreshed: &RefreshedGrant,
    ) -> Result<bool, StoreError> {
        let arguments = arguments![
            owner.tenant().as_str(),
            owner.user().as_str(),
            &server.0[..],
            &revision.0[..],
            refreshed.sealed.as_slice(),
            &refreshed.revision.0[..],
            refreshed.refresh_at.map(|time| time.as_datetime()),
        ];
        done(&self.inner.write(&self.inner.statements.refresh_grant, arguments).await?)
    }

    async fn end_grant(
        &self,
        owner: &Owner,
        server: &GrantServer,
        revision: Revision,
    ) -> Result<bool, StoreError> {
        let arguments = arguments![
            owner.tenant().as_str(),
            owner.user().as_str(),
            &server.0[..],
            &revision.0[..],
        ];
        done(&self.inner.write(&self.inner.statements.end_grant, arguments).await?)
    }

    async fn begin_attempt(&self, attempt: &GrantAttempt) -> Result<(), StoreError> {
        let arguments = arguments![
            &attempt.id.0[..],
            attempt.owner.tenant().as_str(),
            attempt.owner.user().as_str(),
            attempt.sealed.as_slice(),
            attempt.good_until.as_datetime(),
        ];
        self.inner.write(&self.inner.statements.begin_attempt, arguments).await.map(drop)
    }

    async fn attempt(
        &self,
        id: &AttemptId,
        now: Timestamp,
    ) -> Result<Option<GrantAttempt>, StoreError> {
        let arguments = arguments![&id.0[..], now.as_datetime()];
        let found = self.inner.read(&self.inner.statements.get_attempt, arguments).await?;
        found.first().map(attempt).transpose()
    }

    async fn take_attempt(&self, id: &AttemptId) -> Result<Option<GrantAttempt>, StoreError> {
        let arguments = arguments![&id.0[..]];
        let found = self.inner.write(&self.inner.statements.take_attempt, arguments).await?;
        found.first().map(attempt).transpose()
    }

    async fn sweep_attempts(&self, now: Timestamp, limit: u32) -> Result<u64, StoreError> {
        let arguments = arguments![now.as_datetime(), i64::from(limit)];
        count(&self.inner.write(&self.inner.statements.sweep_attempts, arguments).await?)
    }

    async fn keep_client(
        &self,
        id: &ClientId,
        sealed: &[u8],
        good_until: Timestamp,
    ) -> Result<(), StoreError> {
        let arguments = arguments![&id.0[..], sealed, good_until.as_datetime()];
        self.inner.write(&self.inner.statements.keep_client, arguments).await.map(drop)
    }

    async fn client(&self, id: &ClientId, now: Timestamp) -> Result<Option<Vec<u8>>, StoreError> {
        let arguments = arguments![&id.0[..], now.as_datetime()];
        let found = self.inner.read(&self.inner.statements.get_client, arguments).await?;
        found.first().map(|row| column(row, "sealed")).transpose()
    }
}
