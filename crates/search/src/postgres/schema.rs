//! The tables: whether they are there, and how they are brought up to date.

use sqlx::{
    AssertSqlSafe, Connection as _, PgConnection, Row as _, SqlSafeStr as _,
    migrate::{MigrateError, Migration, MigrationType, Migrator},
};

use crate::SearchError;

/// In order. An applied one is never edited.
const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "documents", include_str!("../../migrations/postgres/0001_documents.sql")),
    (2, "sources", include_str!("../../migrations/postgres/0002_sources.sql")),
    (3, "common words", include_str!("../../migrations/postgres/0003_common_words.sql")),
    (4, "scores", include_str!("../../migrations/postgres/0004_scores.sql")),
];
/// Its own table: the chat's store keeps its migrations in the same schema.
const TABLE: &str = "_search_migrations";
/// The lock that servers take which start together: that of the chat's store, "parl" in ASCII, since both may make the
/// schema. The other half is a hash of the schema's name.
const LOCK: i32 = 0x7061_726c;

/// A schema's name. Only what needs no quoting, so that it can stand in a statement as it is.
pub(super) fn checked(name: &str) -> Result<String, SearchError> {
    let mut bytes = name.bytes();
    let begins = bytes.next().is_some_and(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let goes_on = bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if begins && goes_on && name.len() <= 63 && !name.starts_with("pg_") {
        Ok(name.to_owned())
    } else {
        Err(SearchError::Schema(name.to_owned()))
    }
}

/// Whether the tables are those of this version. Needs no right but to read them.
pub(super) async fn is_up_to_date(
    connection: &mut PgConnection,
    schema: &str,
) -> Result<bool, SearchError> {
    let there: bool = sqlx::query("SELECT to_regclass($1) IS NOT NULL")
        .bind(format!("{schema}.{TABLE}"))
        .fetch_one(&mut *connection)
        .await?
        .try_get(0)?;
    if !there {
        return Ok(false);
    }
    let sql = format!("SELECT max(version) FROM {schema}.{TABLE}");
    let version: Option<i64> =
        sqlx::query(AssertSqlSafe(sql)).fetch_one(connection).await?.try_get(0)?;
    let newest = MIGRATIONS.last().map_or(0, |migration| migration.0);
    match version {
        Some(version) if version > newest => {
            Err(SearchError::TooNew { schema: schema.to_owned(), version })
        }
        version => Ok(version == Some(newest)),
    }
}

/// Brings the tables up to date, and makes them and the schema where they are missing. All of it in one transaction,
/// under a lock: servers that start together migrate once.
pub(super) async fn migrate(
    connection: &mut PgConnection,
    schema: &str,
) -> Result<(), SearchError> {
    migrate_if_allowed(connection, schema).await.map_err(|error| match error {
        MigrateError::VersionMissing(version) => {
            SearchError::TooNew { schema: schema.to_owned(), version }
        }
        MigrateError::Execute(source) if is_forbidden(&source) => {
            SearchError::MayNotMigrate { schema: schema.to_owned(), source }
        }
        MigrateError::ExecuteMigration(source, _) if is_forbidden(&source) => {
            SearchError::MayNotMigrate { schema: schema.to_owned(), source }
        }
        error => error.into(),
    })
}

async fn migrate_if_allowed(
    connection: &mut PgConnection,
    schema: &str,
) -> Result<(), MigrateError> {
    let mut transaction = connection.begin().await?;
    // Waiting for another server, or changing a large table, may take its time.
    for sql in [
        "SET LOCAL statement_timeout = 0".to_owned(),
        "SET LOCAL lock_timeout = 0".to_owned(),
        format!("SELECT pg_advisory_xact_lock({LOCK}, hashtext('{schema}'))"),
    ] {
        sqlx::query(AssertSqlSafe(sql)).execute(&mut *transaction).await?;
    }
    // `IF NOT EXISTS` asks for the right to make one even if it exists.
    let exists: bool = sqlx::query("SELECT to_regnamespace($1) IS NOT NULL")
        .bind(schema)
        .fetch_one(&mut *transaction)
        .await?
        .try_get(0)?;
    let make = (!exists).then(|| format!("CREATE SCHEMA {schema}"));
    for sql in make.into_iter().chain([format!("SET LOCAL search_path TO {schema}")]) {
        sqlx::query(AssertSqlSafe(sql)).execute(&mut *transaction).await?;
    }
    // Not `run`: its bounds make every future around it one that cannot be spawned. The library has this one for the
    // same reason, undocumented.
    migrations().run_direct(None, &mut *transaction, false).await?;
    Ok(transaction.commit().await?)
}

fn migrations() -> Migrator {
    let migration = |&(version, name, sql): &(i64, &'static str, &'static str)| {
        Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    };
    let mut migrator = Migrator::with_migrations(MIGRATIONS.iter().map(migration).collect());
    migrator.dangerous_set_table_name(TABLE);
    // We hold a lock of our own: the library's is one for the whole database.
    migrator.set_locking(false);
    migrator
}

/// SQLSTATE 42501, insufficient_privilege.
fn is_forbidden(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|error| error.code()).is_some_and(|code| code == "42501")
}
