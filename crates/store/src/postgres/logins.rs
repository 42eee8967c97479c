//! Who has signed in.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use parlor_chatkit::{Owner, StoreError, TenantId, UserId, protocol::Timestamp};
use sqlx::postgres::{PgArguments, PgRow};

use super::{
    PostgresStore, arguments, count, done,
    rows::{column, json, required},
    storable,
};
use crate::{
    logins::{IdentityRow, Login, LoginId, LoginStore, RefreshedLogin},
    record,
};

/// The columns that [`login`] reads.
macro_rules! login_columns {
    () => {
        "id, tenant_id, user_id, identity, sealed, ends_at, good_until, refresh_at"
    };
}
pub(super) use login_columns as LOGIN_COLUMNS;

/// Who was authenticated when the record was made.
pub(super) fn login(row: &PgRow) -> Result<Login, StoreError> {
    let id: Vec<u8> = column(row, "id")?;
    let id = id.try_into().map_err(|_| StoreError::Failed("a login's id is no hash".into()))?;
    let identity: IdentityRow = json(row, "identity", "identity")?;
    let (ends_at, good_until): (DateTime<Utc>, DateTime<Utc>) =
        (column(row, "ends_at")?, column(row, "good_until")?);
    let refresh_at: Option<DateTime<Utc>> = column(row, "refresh_at")?;
    Ok(Login {
        id: LoginId(id),
        owner: Owner::authenticated(
            TenantId::new(required(row, "tenant_id")?),
            UserId::new(required(row, "user_id")?),
        ),
        identity: identity.into(),
        sealed: column(row, "sealed")?,
        ends_at: ends_at.into(),
        good_until: good_until.into(),
        refresh_at: refresh_at.map(Timestamp::from),
    })
}

/// As JSON. What PostgreSQL cannot hold is escaped there.
fn identity(identity: &parlor_chatkit::Identity) -> Result<String, StoreError> {
    Ok(storable(&record::json(&IdentityRow::from(identity))?))
}

#[async_trait]
impl LoginStore for PostgresStore {
    async fn begin_login(
        &self,
        login: &Login,
        instead_of: Option<&LoginId>,
    ) -> Result<(), StoreError> {
        let arguments = arguments![
            &login.id.0[..],
            login.owner.tenant().as_str(),
            login.owner.user().as_str(),
            identity(&login.identity)?,
            login.sealed.as_deref(),
            login.ends_at.as_datetime(),
            login.good_until.as_datetime(),
            login.refresh_at.map(|time| time.as_datetime()),
            instead_of.map(|id| &id.0[..]),
        ];
        self.inner.write(&self.inner.statements.begin_login, arguments).await.map(drop)
    }

    async fn login(&self, id: &LoginId, now: Timestamp) -> Result<Option<Login>, StoreError> {
        let arguments = arguments![&id.0[..], now.as_datetime()];
        let found = self.inner.read(&self.inner.statements.get_login, arguments).await?;
        found.first().map(login).transpose()
    }

    async fn extend_login(&self, id: &LoginId, good_until: Timestamp) -> Result<(), StoreError> {
        let arguments = arguments![&id.0[..], good_until.as_datetime()];
        self.inner.write(&self.inner.statements.extend_login, arguments).await.map(drop)
    }

    async fn claim_refresh(
        &self,
        id: &LoginId,
        due: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        let arguments = arguments![&id.0[..], due.as_datetime(), until.as_datetime()];
        done(&self.inner.write(&self.inner.statements.claim_refresh, arguments).await?)
    }

    async fn refresh_login(
        &self,
        id: &LoginId,
        refreshed: &RefreshedLogin,
    ) -> Result<bool, StoreError> {
        let arguments = arguments![
            &id.0[..],
            identity(&refreshed.identity)?,
            refreshed.sealed.as_deref(),
            refreshed.refresh_at.map(|time| time.as_datetime()),
        ];
        done(&self.inner.write(&self.inner.statements.refresh_login, arguments).await?)
    }

    async fn end_login(&self, id: &LoginId) -> Result<Option<Login>, StoreError> {
        let arguments = arguments![&id.0[..]];
        let found = self.inner.write(&self.inner.statements.end_login, arguments).await?;
        found.first().map(login).transpose()
    }

    async fn sweep_logins(&self, now: Timestamp, limit: u32) -> Result<u64, StoreError> {
        let arguments = arguments![now.as_datetime(), i64::from(limit)];
        count(&self.inner.write(&self.inner.statements.sweep_logins, arguments).await?)
    }
}
