//! Who has signed in.

use async_trait::async_trait;
use parlor_chatkit::{Owner, StoreError, TenantId, UserId, protocol::Timestamp};
use rusqlite::{Row, params};

use super::{
    SqliteStore, execute, one,
    rows::{failed, required},
};
use crate::{
    logins::{IdentityRow, Login, LoginId, LoginStore, RefreshedLogin},
    record::{json, parse},
};

/// The columns that [`login`] reads, in its order.
macro_rules! login_columns {
    () => {
        "id, tenant_id, user_id, identity, sealed, ends_at, good_until, refresh_at"
    };
}

pub(super) use login_columns as LOGIN_COLUMNS;

/// Who was authenticated when the record was made.
pub(super) fn login(row: &Row<'_>) -> Result<Login, StoreError> {
    let time = |micros: i64| {
        Timestamp::from_micros(micros).unwrap_or_else(|| chrono::DateTime::UNIX_EPOCH.into())
    };
    let refresh_at: Option<i64> = row.get(7).map_err(failed)?;
    let identity: IdentityRow = parse("identity", required(row, 3)?)?;
    Ok(Login {
        id: LoginId(row.get(0).map_err(failed)?),
        owner: Owner::authenticated(
            TenantId::new(required(row, 1)?),
            UserId::new(required(row, 2)?),
        ),
        identity: identity.into(),
        sealed: row.get(4).map_err(failed)?,
        ends_at: time(row.get(5).map_err(failed)?),
        good_until: time(row.get(6).map_err(failed)?),
        refresh_at: refresh_at.map(time),
    })
}

#[async_trait]
impl LoginStore for SqliteStore {
    async fn begin_login(
        &self,
        login: &Login,
        instead_of: Option<&LoginId>,
    ) -> Result<(), StoreError> {
        let (login, instead_of) = (login.clone(), instead_of.copied());
        let identity = json(&IdentityRow::from(&login.identity))?;
        self.writer
            .run(move |connection| {
                if let Some(LoginId(id)) = instead_of {
                    execute(connection, "DELETE FROM logins WHERE id = ?1", [id])?;
                }
                execute(
                    connection,
                    concat!(
                        "INSERT INTO logins (",
                        LOGIN_COLUMNS!(),
                        ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, min(?7, ?6), ?8)"
                    ),
                    params![
                        login.id.0,
                        login.owner.tenant().as_str(),
                        login.owner.user().as_str(),
                        identity,
                        login.sealed,
                        login.ends_at.as_micros(),
                        login.good_until.as_micros(),
                        login.refresh_at.map(|time| time.as_micros())
                    ],
                )
                .map(drop)
            })
            .await
    }

    async fn login(&self, id: &LoginId, now: Timestamp) -> Result<Option<Login>, StoreError> {
        let LoginId(id) = *id;
        self.readers
            .run(move |connection| {
                one(
                    connection,
                    concat!(
                        "SELECT ",
                        LOGIN_COLUMNS!(),
                        " FROM logins WHERE id = ?1 AND good_until > ?2"
                    ),
                    params![id, now.as_micros()],
                    login,
                )
            })
            .await
    }

    async fn extend_login(&self, id: &LoginId, good_until: Timestamp) -> Result<(), StoreError> {
        let LoginId(id) = *id;
        self.writer
            .run(move |connection| {
                execute(
                    connection,
                    "UPDATE logins SET good_until = min(max(good_until, ?2), ends_at) WHERE id = ?1",
                    params![id, good_until.as_micros()],
                )
                .map(drop)
            })
            .await
    }

    async fn claim_refresh(
        &self,
        id: &LoginId,
        due: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        let LoginId(id) = *id;
        self.writer
            .run(move |connection| {
                let claimed = execute(
                    connection,
                    "UPDATE logins SET refresh_at = ?3 WHERE id = ?1 AND refresh_at = ?2",
                    params![id, due.as_micros(), until.as_micros()],
                )?;
                Ok(claimed > 0)
            })
            .await
    }

    async fn refresh_login(
        &self,
        id: &LoginId,
        refreshed: &RefreshedLogin,
    ) -> Result<bool, StoreError> {
        let (LoginId(id), refreshed) = (*id, refreshed.clone());
        let identity = json(&IdentityRow::from(&refreshed.identity))?;
        self.writer
            .run(move |connection| {
                let kept = execute(
                    connection,
                    "UPDATE logins SET identity = ?2, sealed = ?3, refresh_at = ?4 WHERE id = ?1",
                    params![
                        id,
                        identity,
                        refreshed.sealed,
                        refreshed.refresh_at.map(|time| time.as_micros())
                    ],
                )?;
                Ok(kept > 0)
            })
            .await
    }

    async fn end_login(&self, id: &LoginId) -> Result<Option<Login>, StoreError> {
        let LoginId(id) = *id;
        self.writer
            .run(move |connection| {
                one(
                    connection,
                    concat!("DELETE FROM logins WHERE id = ?1 RETURNING ", LOGIN_COLUMNS!()),
                    [id],
                    login,
                )
            })
            .await
    }

    async fn sweep_logins(&self, now: Timestamp, limit: u32) -> Result<u64, StoreError> {
        self.writer
            .run(move |connection| {
                let swept = execute(
                    connection,
                    "DELETE FROM logins WHERE id IN (SELECT id FROM logins WHERE good_until <= ?1 \
                     ORDER BY good_until LIMIT ?2)",
                    params![now.as_micros(), limit],
                )?;
                Ok(swept as u64)
            })
            .await
    }
}
