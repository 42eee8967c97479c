//! Migrations as both databases have them: in order, and an applied one is never edited.

use sqlx::{
    SqlStr,
    migrate::{Migration, MigrationType, Migrator},
};

/// Version, description, SQL.
pub(crate) type Source = (i64, &'static str, &'static str);

/// What applies these migrations.
pub(crate) fn migrator(sources: &[Source]) -> Migrator {
    let migration = |(version, description, sql): &Source| {
        let sql = SqlStr::from_static(sql);
        Migration::new(*version, (*description).into(), MigrationType::Simple, sql, false)
    };
    Migrator::with_migrations(sources.iter().map(migration).collect())
}
