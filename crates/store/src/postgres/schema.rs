//! The schema: its name, whether it is there, and how it is brought up to date.

use sqlx::{
    AssertSqlSafe, Connection as _, PgConnection, Row as _,
    migrate::{MigrateError, Migrator},
};

use super::PostgresError;
use crate::migrations::{Source, migrator};

/// The migrations, in order. An applied one is never edited.
pub(super) const MIGRATIONS: &[Source] = &[
    (1, "tables", include_str!("../../migrations/postgres/0001_tables.sql")),
    (2, "functions", include_str!("../../migrations/postgres/0002_functions.sql")),
    (3, "logins", include_str!("../../migrations/postgres/0003_logins.sql")),
    (4, "limits", include_str!("../../migrations/postgres/0004_limits.sql")),
    (5, "data rights", include_str!("../../migrations/postgres/0005_data_rights.sql")),
    (6, "replicas", include_str!("../../migrations/postgres/0006_replicas.sql")),
    (7, "tally", include_str!("../../migrations/postgres/0007_tally.sql")),
    (9, "usage", include_str!("../../migrations/postgres/0009_usage.sql")),
    (11, "made files", include_str!("../../migrations/postgres/0011_made_files.sql")),
    (12, "grants", include_str!("../../migrations/postgres/0012_grants.sql")),
];

/// In the schema, beside the tables.
const TABLE: &str = "_migrations";

/// Begins the lock that replicas take which start together: "parl" in ASCII. The other half is a
/// hash of the schema's name.
const LOCK: i32 = 0x7061_726c;

/// A schema's name. Only what needs no quoting, so that it can stand in a statement as it is.
#[derive(Clone, Debug)]
pub(super) struct Schema(String);

/// How a schema is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    UpToDate,
    /// Migrations are missing, or all of it.
    Behind,
}

impl Schema {
    pub(super) fn new(name: &str) -> Result<Self, PostgresError> {
        let mut bytes = name.bytes();
        let begins = bytes.next().is_some_and(|byte| byte.is_ascii_lowercase() || byte == b'_');
        let goes_on = bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        // PostgreSQL cuts names at 63 bytes, and keeps those that begin with pg_ for itself.
        if begins && goes_on && name.len() <= 63 && !name.starts_with("pg_") {
            Ok(Self(name.to_owned()))
        } else {
            Err(PostgresError::Schema(name.to_owned()))
        }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Looks at the schema, needing no right but to read it.
    pub(super) async fn state(
        &self,
        connection: &mut PgConnection,
    ) -> Result<State, PostgresError> {
        let found = sqlx::query("SELECT to_regclass($1) IS NOT NULL")
            .bind(format!("{}.{TABLE}", self.0))
            .fetch_one(&mut *connection)
            .await
            .and_then(|row| row.try_get::<bool, _>(0))
            .map_err(|source| self.look_failed(source))?;
        if !found {
            return Ok(State::Behind);
        }
        let sql = format!("SELECT max(version) FROM {}.{TABLE}", self.0);
        let version: Option<i64> = sqlx::query(AssertSqlSafe(sql))
            .fetch_one(connection)
            .await
            .and_then(|row| row.try_get(0))
            .map_err(|source| self.look_failed(source))?;
        let newest = MIGRATIONS.last().map_or(0, |migration| migration.0);
        match version {
            Some(version) if version == newest => Ok(State::UpToDate),
            Some(version) if version > newest => {
                Err(PostgresError::TooNew { schema: self.0.clone(), version })
            }
            _ => Ok(State::Behind),
        }
    }

    /// Brings the schema up to date, and makes it if there is none. All of it in one transaction,
    /// under a lock: replicas that start together migrate once.
    pub(super) async fn migrate(&self, connection: &mut PgConnection) -> Result<(), PostgresError> {
        let failed = |source: sqlx::Error| self.migration_failed(MigrateError::Execute(source));
        let mut transaction = connection.begin().await.map_err(failed)?;
        // Waiting for another replica, or changing a large table, may take its time.
        for sql in [
            "SET LOCAL statement_timeout = 0".to_owned(),
            "SET LOCAL lock_timeout = 0".to_owned(),
            format!("SELECT pg_advisory_xact_lock({LOCK}, hashtext('{}'))", self.0),
        ] {
            sqlx::query(AssertSqlSafe(sql)).execute(&mut *transaction).await.map_err(failed)?;
        }
        // `IF NOT EXISTS` asks for the right to make one even if it exists.
        let exists = sqlx::query("SELECT to_regnamespace($1) IS NOT NULL")
            .bind(&self.0)
            .fetch_one(&mut *transaction)
            .await
            .and_then(|row| row.try_get::<bool, _>(0))
            .map_err(failed)?;
        if !exists {
            let sql = format!("CREATE SCHEMA {}", self.0);
            sqlx::query(AssertSqlSafe(sql)).execute(&mut *transaction).await.map_err(failed)?;
        }
        let sql = format!("SET LOCAL search_path TO {}", self.0);
        sqlx::query(AssertSqlSafe(sql)).execute(&mut *transaction).await.map_err(failed)?;
        // Not `run`: its bounds make every future around it one that cannot be spawned. The library
        // has this one for the same reason, undocumented.
        let migrated = migrations().run_direct(None, &mut *transaction, false).await;
        migrated.map_err(|error| match error {
            MigrateError::VersionMissing(version) => {
                PostgresError::TooNew { schema: self.0.clone(), version }
            }
            error => self.migration_failed(error),
        })?;
        transaction.commit().await.map_err(failed)
    }

    fn look_failed(&self, source: sqlx::Error) -> PostgresError {
        if is_forbidden(&source) {
            return PostgresError::NotGranted { schema: self.0.clone(), source };
        }
        PostgresError::Look { schema: self.0.clone(), source }
    }

    fn migration_failed(&self, source: MigrateError) -> PostgresError {
        let forbidden = match &source {
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
                is_forbidden(error)
            }
            _ => false,
        };
        if forbidden {
            return PostgresError::MayNotMigrate { schema: self.0.clone(), source };
        }
        PostgresError::Migrate { schema: self.0.clone(), source }
    }
}

/// SQLSTATE 42501, insufficient_privilege.
fn is_forbidden(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|error| error.code()).is_some_and(|code| code == "42501")
}

pub(super) fn migrations() -> Migrator {
    let mut migrator = migrator(MIGRATIONS);
    migrator.dangerous_set_table_name(TABLE);
    // We hold a lock of our own: the library's is one for the whole database.
    migrator.set_locking(false);
    migrator
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use parlor_test_postgres::Server;

    use super::*;
    use crate::{PostgresSettings, PostgresStore};

    #[test]
    fn only_names_that_need_no_quoting_are_schemas() {
        for name in ["parlor", "chat_2", "_x"] {
            assert_eq!(Schema::new(name).unwrap().as_str(), name);
        }
        let long = "x".repeat(64);
        for name in ["", "2chat", "Chat", "a b", "a;b", "a\"b", "a'b", "ä", "pg_chat", &long] {
            assert!(Schema::new(name).is_err(), "{name}");
        }
    }

    #[tokio::test]
    async fn no_table_with_data_of_users_is_forgotten_when_one_is_erased() {
        use crate::operator::{OWNED, OWNERLESS, WITH_THREADS};
        let place = Server::shared().place();
        let settings =
            PostgresSettings { schema: place.schema.clone(), ..PostgresSettings::default() };
        PostgresStore::migrate(&place.url, &settings).await.unwrap();
        let mut connection = PgConnection::connect(&place.url).await.unwrap();
        let rows = sqlx::query(
            "SELECT c.relname::text, a.attname::text FROM pg_class c JOIN pg_attribute a ON \
             a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped WHERE c.relkind = 'r' AND \
             c.relnamespace = $1::regnamespace",
        )
        .bind(&place.schema)
        .fetch_all(&mut connection)
        .await
        .unwrap();
        let columns: Vec<(String, String)> =
            rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        assert!(!columns.is_empty());
        for (table, column) in &columns {
            let is_owned = OWNED.iter().any(|(owned, ..)| owned == table);
            let is_with_threads = WITH_THREADS.contains(&table.as_str());
            let is_ownerless = OWNERLESS.contains(&table.as_str());
            assert!(
                is_owned || is_with_threads || is_ownerless,
                "say in operator.rs what becomes of the rows of `{table}`"
            );
            let is_owner = ["tenant_id", "user_id"].contains(&column.as_str());
            assert!(!is_owner || !is_ownerless, "`{table}` has owners");
        }
        for (table, tenant, user) in OWNED {
            for column in [tenant, user] {
                let named = (table.to_owned(), column.to_owned());
                assert!(columns.contains(&named), "`{table}` has no `{column}`");
            }
        }
    }
}
